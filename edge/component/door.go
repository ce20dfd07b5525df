// Package component is the door for other programs that serve domains through this server (XEP-0114, "accept").
//
// A connection is one goroutine, since there are few of them. It may say little until it has shown its secret, and those that have not are few: the oldest
// makes room for the newest.
package component

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
)

// strangersAtOnce is how many connections may be without a proof.
const strangersAtOnce = 64

// Door takes the connections of components.
type Door struct {
	config  *config.Config
	router  *core.Router
	pool    *core.Pool
	figures *core.Metrics
	obs     obs.Obs
	keys    map[string]string // secrets, by domain

	ctx    context.Context // ends reading
	cancel context.CancelFunc
	wait   sync.WaitGroup
	over   chan struct{} // closed when components are told the end

	mu        sync.Mutex
	ended     bool
	conns     map[*conn]struct{}
	strangers []*conn // the oldest first
}

// Parts are what a door is built from.
type Parts struct {
	Config *config.Config
	Router *core.Router
	Pool   *core.Pool
	Core   *core.Metrics
	Obs    obs.Obs
}

// New returns a door that is still closed. It fails when a secret cannot be read.
func New(p Parts) (*Door, error) {
	d := &Door{
		config: p.Config, router: p.Router, pool: p.Pool, figures: p.Core, obs: p.Obs,
		keys: make(map[string]string), over: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
	for i := range p.Config.Components.Serve {
		c := &p.Config.Components.Serve[i]
		key, err := c.Key()
		if err != nil {
			return nil, err
		}
		d.keys[c.Domain] = key
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	p.Obs.Gauge("components_connected", "Components that are connected.", d.connected)
	return d, nil
}

func (d *Door) connected() float64 {
	n := 0
	for domain := range d.keys {
		if c := d.router.Component(domain); c != nil && c.Connected() {
			n++
		}
	}
	return float64(n)
}

// Serve accepts on l until it is closed. secure is nil where TLS is not asked for.
func (d *Door) Serve(l net.Listener, secure *tls.Config) error {
	for {
		nc, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			d.obs.Log.Warn("not accepted", obs.Err, err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, or a connection that broke: go on, but not in a hurry
			continue
		}
		c := &conn{door: d, nc: nc, tls: secure}
		if !d.enter(c) {
			_ = nc.Close()
			continue
		}
		go c.serve()
	}
}

// enter counts a connection, for which the oldest of those without a proof may have to go; false when the door has ended.
func (d *Door) enter(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return false
	}
	if len(d.strangers) >= strangersAtOnce {
		d.figures.Refused("component_handshakes_dropped")
		_ = d.strangers[0].nc.Close()
		d.strangers = d.strangers[1:]
	}
	d.strangers = append(d.strangers, c)
	d.conns[c] = struct{}{}
	d.wait.Add(1)
	return true
}

// known takes a connection out of those without a proof.
func (d *Door) known(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, x := range d.strangers {
		if x == c {
			d.strangers = append(d.strangers[:i:i], d.strangers[i+1:]...)
			return
		}
	}
}

// leave ends the counting.
func (d *Door) leave(c *conn) {
	d.known(c)
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.wait.Done()
}

// StopReading has every connection end reading after the stanza in hand. Listeners must be closed before. Components are still written to.
func (d *Door) StopReading() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for c := range d.conns {
		c.interrupt()
	}
}

// Wait tells all components that the server goes down, and returns when they are gone, or closes their connections when ctx ends. StopReading was called.
func (d *Door) Wait(ctx context.Context) error {
	close(d.over)
	done := make(chan struct{})
	go func() {
		d.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	d.mu.Lock()
	for c := range d.conns {
		_ = c.nc.Close()
	}
	d.mu.Unlock()
	<-done
	return ctx.Err()
}
