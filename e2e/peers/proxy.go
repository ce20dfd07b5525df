package peers

import (
	"errors"
	"io"
	"net"
	"sync"
)

// Proxy is a TCP relay whose lines can be cut, to see how clients and servers take it.
type Proxy struct {
	Addr string // host:port to connect to

	listener net.Listener
	target   string
	mu       sync.Mutex
	conns    map[net.Conn]bool
	done     sync.WaitGroup
}

// NewProxy relays what connects to Addr to target (host:port).
func NewProxy(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: listener.Addr().String(), listener: listener, target: target, conns: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.done.Go(func() { p.relay(client, server) })
		p.done.Go(func() { p.relay(server, client) })
	}
}

// relay copies until one of both ends, and then ends both.
func (p *Proxy) relay(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, to)
	delete(p.conns, from)
}

// Cut resets all lines of this moment; new ones can be made at once. It returns how many clients were cut off.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	return len(p.conns) / 2
}

// Close ends the relay and all its lines.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Cut()
	p.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
