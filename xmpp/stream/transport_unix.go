//go:build unix

package stream

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// rawConn returns the descriptor's side door, or nil.
func rawConn(nc net.Conn) syscall.RawConn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		// A type that merely forwards SyscallConn, such as a TLS connection, must
		// not be bypassed.
		return nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readOp is one wait. It lives in a pool together with its bound method, so
// that waiting allocates nothing.
type readOp struct {
	in   *[readSize]byte
	n    int
	err  error
	once bool // does not wait
	fn   func(fd uintptr) bool
}

var readOps = sync.Pool{New: func() any {
	op := &readOp{}
	op.fn = op.try
	return op
}}

// try reads, and holds a buffer only when there is something to read. It must
// really try before it asks to wait: readiness is told once, and may have been
// told already.
func (op *readOp) try(fd uintptr) bool {
	in := inPool.Get().(*[readSize]byte)
	for {
		op.n, op.err = syscall.Read(int(fd), in[:])
		if op.err != syscall.EINTR {
			break
		}
	}
	if op.n > 0 {
		op.in = in
		return true
	}
	inPool.Put(in)
	return op.once || op.err != syscall.EAGAIN
}

func (t *Transport) waitReady() error {
	_, err := t.receive(false)
	return err
}

// poll takes up what has arrived, without waiting, and returns how much that is.
func (t *Transport) poll() (int, error) { return t.receive(true) }

func (t *Transport) receive(once bool) (int, error) {
	// The parked goroutine keeps op.
	op := readOps.Get().(*readOp)
	op.in, op.n, op.err, op.once = nil, 0, nil, once
	err := t.raw.Read(op.fn)
	in, n, readErr := op.in, op.n, op.err
	op.in, op.err = nil, nil
	readOps.Put(op)
	switch {
	case in != nil:
		t.in, t.r, t.w = in, 0, n
		return n, nil
	case err != nil:
		return 0, err
	case readErr == syscall.EAGAIN:
		return 0, nil
	case readErr != nil:
		return 0, readErr
	}
	return 0, io.EOF
}

type writeOp struct {
	p   []byte
	n   int
	err error
	fn  func(fd uintptr) bool
}

var writeOps = sync.Pool{New: func() any {
	op := &writeOp{}
	op.fn = op.try
	return op
}}

func (op *writeOp) try(fd uintptr) bool {
	for op.n < len(op.p) {
		n, err := syscall.Write(int(fd), op.p[op.n:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			op.err = err
			return true
		}
		op.n += n
	}
	return true
}

// writeNow writes what the socket takes without waiting.
func (t *Transport) writeNow(p []byte) (int, error) {
	if t.raw == nil {
		return 0, nil
	}
	op := writeOps.Get().(*writeOp)
	op.p, op.n, op.err = p, 0, nil
	err := t.raw.Write(op.fn)
	n := op.n
	if err == nil {
		err = op.err
	}
	op.p, op.err = nil, nil
	writeOps.Put(op)
	return n, err
}
