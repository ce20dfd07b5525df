// Package proxy65 is a door at which two clients meet that cannot reach each other, to hand over bytes (XEP-0065 1.8.2, mediated connections over TCP). Both
// name the same hash; nothing passes until one of them, whom the server knows, has the pair activated.
//
// Left out: UDP, which is optional and which no client is known to use.
package proxy65

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/obs"
)

// Limits of a Door; all are positive.
type Limits struct {
	Connections int           // of all
	PerSource   int           // of one address, or network of 64 bits
	PerAccount  int           // transfers that one account has activated
	Meet        time.Duration // until a pair must be complete and activated
	Idle        time.Duration // until a transfer ends in which nothing passes
	Rate        int           // bytes a second, of one transfer in one direction
}

// handshakeTime is how long a party may take to say what it wants.
const handshakeTime = 10 * time.Second

// Door lets parties in and joins them. Its methods may be called from any goroutine.
type Door struct {
	limits  Limits
	obs     obs.Obs
	bytes   prometheus.Counter
	refused *prometheus.CounterVec

	mu      sync.Mutex
	ended   bool
	conns   map[*party]struct{}
	sources map[netip.Prefix]int
	pairs   map[string]*pair // those that are not activated
	running map[string]int   // transfers, by account
	all     int              // transfers
	wait    sync.WaitGroup
}

// pair is who has come with one hash.
type pair struct {
	parties []net.Conn
	timer   *time.Timer
}

// New returns a door; Serve opens it.
func New(l Limits, o obs.Obs) *Door {
	d := &Door{
		limits: l, obs: o, conns: map[*party]struct{}{}, sources: map[netip.Prefix]int{}, pairs: map[string]*pair{}, running: map[string]int{},
		bytes:   o.Counter("proxy65_bytes_total", "Bytes that were handed over between clients."),
		refused: o.CounterVec("proxy65_refused_total", "Connections and transfers between clients that were refused, by reason.", "reason"),
	}
	o.Gauge("proxy65_transfers", "Transfers between clients that are under way.", func() float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return float64(d.all)
	})
	return d
}

// Serve takes parties until l is closed.
func (d *Door) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			d.obs.Log.Warn("not accepted", obs.Err, err)
			time.Sleep(100 * time.Millisecond) // out of descriptors: others end some
			continue
		}
		p := &party{Conn: conn, source: sourceOf(conn), gone: make(chan struct{})}
		if !d.admit(p) {
			_ = p.Close()
		}
	}
}

// Shutdown ends everything, and returns when it has ended. The listeners are closed before.
func (d *Door) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	d.ended = true
	for p := range d.conns {
		_ = p.Close() // whoever has it notices
	}
	d.mu.Unlock()
	done := make(chan struct{})
	go func() {
		d.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sourceOf is the network that is counted together.
func sourceOf(conn net.Conn) netip.Prefix {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := a.Addr().Unmap().WithZone(""), 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // the bits fit
	return p
}

// admit serves a party, if there is room for it.
func (d *Door) admit(p *party) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ended:
		return false
	case len(d.conns) >= d.limits.Connections || d.sources[p.source] >= d.limits.PerSource:
		d.refused.WithLabelValues("too many connections").Inc()
		return false
	}
	d.conns[p] = struct{}{}
	d.sources[p.source]++
	d.wait.Go(func() {
		d.meet(p)
		d.leave(p)
	})
	return true
}

// leave ends a connection and the counting of it.
func (d *Door) leave(p *party) {
	_ = p.Close() // it may be closed already
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, p)
	if d.sources[p.source]--; d.sources[p.source] == 0 {
		delete(d.sources, p.source)
	}
}

// party is a connection that closes once, and tells who waits for that.
type party struct {
	net.Conn
	source netip.Prefix
	once   sync.Once
	gone   chan struct{}
}

// Close implements net.Conn.
func (p *party) Close() (err error) {
	p.once.Do(func() {
		err = p.Conn.Close()
		close(p.gone)
	})
	return err
}

// meet hears what a party wants and has it wait for the other. It returns when the party is gone.
func (d *Door) meet(p *party) {
	_ = p.SetDeadline(time.Now().Add(handshakeTime)) // fails when the connection is gone
	err := greet(p)
	var r request
	if err == nil {
		r, err = ask(p)
	}
	switch {
	case err != nil:
		d.refused.WithLabelValues("no request").Inc()
	case !d.join(r, p):
		d.refused.WithLabelValues("no room in the pair").Inc()
		_, _ = p.Write(r.answer(notAllowed)) // it is told, if it still listens
	default:
		<-p.gone
	}
}

// join adds a party to its pair and says so. false: the pair is complete.
func (d *Door) join(r request, p *party) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.pairs[r.address]
	if x == nil {
		x = &pair{}
		x.timer = time.AfterFunc(d.limits.Meet, func() { d.giveUp(r.address, x) })
		d.pairs[r.address] = x
	}
	if len(x.parties) == 2 || d.ended {
		return false
	}
	// It is told before anybody can activate the pair, so nothing passes before. The answer is small: a socket that was just opened takes it.
	if _, err := p.Write(r.answer(succeeded)); err != nil {
		_ = p.Close()
	}
	x.parties = append(x.parties, p)
	return true
}

// giveUp ends a pair that was not activated in time.
func (d *Door) giveUp(address string, x *pair) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pairs[address] != x {
		return
	}
	delete(d.pairs, address)
	d.refused.WithLabelValues("not activated").Inc()
	for _, p := range x.parties {
		_ = p.Close()
	}
}

// Activate has the two that came with a hash, in lower-case hexadecimal, hand over bytes, on behalf of an account. It says how many are there, and whether they do: not
// when there are less than two, or the account has as many transfers as it may.
func (d *Door) Activate(address, account string) (parties int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.pairs[address]
	switch {
	case x == nil || d.ended:
		d.refused.WithLabelValues("nobody there").Inc()
		return 0, false
	case len(x.parties) < 2:
		d.refused.WithLabelValues("one party").Inc()
		return 1, false
	case d.running[account] >= d.limits.PerAccount:
		d.refused.WithLabelValues("too many transfers").Inc()
		return 2, false
	}
	x.timer.Stop()
	delete(d.pairs, address)
	d.running[account]++
	d.all++
	d.wait.Go(func() {
		t := transfer{x.parties, d.limits, d.bytes}
		t.run()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all--
		if d.running[account]--; d.running[account] == 0 {
			delete(d.running, account)
		}
	})
	return 2, true
}
