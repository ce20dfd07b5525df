package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// waiter watches descriptors that have no goroutine and starts one per burst
// of bytes. One-shot events make sure that a connection never has two.
type waiter struct {
	epoll   int
	mu      sync.Mutex
	clients map[int32]*parked
	buffers sync.Pool
}

// parked is a connection between two bursts.
type parked struct {
	client
	fd    int32
	added bool
}

func newWaiter() (*waiter, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &waiter{
		epoll:   epoll,
		clients: make(map[int32]*parked),
		buffers: sync.Pool{New: func() any { return new([4096]byte) }},
	}, nil
}

func (w *waiter) run() {
	events := make([]syscall.EpollEvent, 256)
	for {
		n, err := syscall.EpollWait(w.epoll, events, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
		for i := range max(n, 0) {
			w.mu.Lock()
			c := w.clients[events[i].Fd]
			w.mu.Unlock()
			if c != nil {
				go w.burst(c)
			}
		}
	}
}

// accept does the handshake while blocking and then lets go of the goroutine.
func (w *waiter) accept(conn net.Conn, config *tls.Config, router *router) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		_ = conn.Close()
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return
	}
	dry := &dryConn{TCPConn: tcp, raw: raw, blocking: true}
	c := &parked{client: client{conn: dry, router: router}}
	if config != nil {
		secure := tls.Server(dry, config)
		if secure.Handshake() != nil {
			_ = conn.Close()
			return
		}
		c.conn = secure
	}
	dry.blocking = false
	if raw.Control(func(fd uintptr) { c.fd = int32(fd) }) != nil {
		_ = conn.Close()
		return
	}
	w.mu.Lock()
	w.clients[c.fd] = c
	w.mu.Unlock()
	w.burst(c)
}

// burst reads until there is nothing more and watches the descriptor again.
func (w *waiter) burst(c *parked) {
	buffer, _ := w.buffers.Get().(*[4096]byte)
	defer w.buffers.Put(buffer)
	for {
		n, err := c.conn.Read(buffer[:])
		if n > 0 && c.take(buffer[:n]) != nil {
			w.forget(c)
			return
		}
		var dry dryError
		switch {
		case errors.As(err, &dry):
			if w.watch(c) != nil {
				w.forget(c)
			}
			return
		case err != nil:
			w.forget(c)
			return
		}
	}
}

// watch hands the connection over to run. The lock orders this burst before
// the next one, which the kernel does too but out of Go's sight.
func (w *waiter) watch(c *parked) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	operation := syscall.EPOLL_CTL_MOD
	if !c.added {
		operation, c.added = syscall.EPOLL_CTL_ADD, true
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLONESHOT | syscall.EPOLLRDHUP, Fd: c.fd}
	return syscall.EpollCtl(w.epoll, operation, int(c.fd), &event)
}

// forget drops the entry before the descriptor is closed and can come back
// under another connection.
func (w *waiter) forget(c *parked) {
	w.mu.Lock()
	delete(w.clients, c.fd)
	w.mu.Unlock()
	c.close()
}

// dryConn returns dryError from Read where a net.Conn would wait.
type dryConn struct {
	*net.TCPConn
	raw      syscall.RawConn
	blocking bool // during the handshake
}

// dryError says that no bytes are there now. It is temporary, which is what
// keeps crypto/tls able to go on reading after it.
type dryError struct{}

func (dryError) Error() string   { return "no bytes now" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

func (c *dryConn) Read(b []byte) (int, error) {
	if c.blocking {
		return c.TCPConn.Read(b)
	}
	var n int
	var err error
	outer := c.raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), b)
		return true
	})
	switch {
	case outer != nil:
		return 0, outer
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return 0, dryError{}
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
