package c2s

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/stream"
)

// Door takes client connections for all hosts of a server.
type Door struct {
	config *config.Config
	router *core.Router
	hosts  *core.Metrics
	pool   *core.Pool
	tls    *tls.Config
	direct *tls.Config // with ALPN
	web    *tls.Config // with ALPN, for a port that is shared with HTTP
	// Addresses of proxies: those that say in front of each connection for whom they make it, and those that say it in HTTP.
	proxies, forwarders []netip.Prefix
	poller              *stream.Poller
	obs                 obs.Obs

	connections *crowd
	handshakes  *crowd
	waiting     *crowd // attempts to log in whose answer waits
	guesses     guesses
	hashes      hashes
	numbers     atomic.Uint64
	works       sync.Pool
	metrics     metrics

	ctx     context.Context // ends reading
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	severed chan struct{} // closed when Wait waits no longer

	mu    sync.Mutex
	conns map[*conn]struct{} // not bound yet, or bound: all that exist
	ended bool
}

type metrics struct {
	accepted prometheus.Counter
	logins   *prometheus.CounterVec
}

// Parts are what a door is built from.
type Parts struct {
	Config *config.Config
	Router *core.Router
	Pool   *core.Pool
	Core   *core.Metrics
	Obs    obs.Obs
	// TLS has the certificates; ALPN for direct TLS is added here.
	TLS *tls.Config
}

// New returns a door that is still closed. Wait frees what it holds.
func New(p Parts) (*Door, error) {
	poller, err := stream.NewPoller()
	if err != nil {
		return nil, err
	}

	proxies, err := config.Prefixes(p.Config.Listen.Proxies)
	forwarders, err2 := config.Prefixes(p.Config.HTTP.Proxies)
	if err := errors.Join(err, err2); err != nil {
		return nil, errors.Join(err, poller.Close())
	}
	l := p.Config.Limits
	d := &Door{
		proxies: proxies, forwarders: forwarders,
		config: p.Config, router: p.Router, pool: p.Pool, hosts: p.Core, tls: p.TLS, obs: p.Obs, poller: poller, severed: make(chan struct{}),
		connections: newCrowd(l.Connections, l.ConnectionsPerSource),
		handshakes:  newRing(l.Handshakes, l.HandshakesPerSource),
		waiting:     newRing(p.Config.Guessing.Waiting, p.Config.Guessing.WaitingPerSource),
		guesses:     guesses{limits: &p.Config.Guessing},
		conns:       make(map[*conn]struct{}),
		metrics: metrics{
			accepted: p.Obs.Counter("c2s_accepted_total", "Client connections accepted."),
			logins:   p.Obs.CounterVec("logins_total", "Attempts to log in, by mechanism and outcome.", "mechanism", "outcome"),
		},
	}
	// XEP-0368 section 3. What the certificates need stays first.
	d.direct, d.web = p.TLS.Clone(), p.TLS.Clone()
	d.direct.NextProtos = append(slices.Clone(p.TLS.NextProtos), stream.ALPNClient)
	d.web.NextProtos = append(slices.Clone(p.TLS.NextProtos), stream.ALPNClient, protocolHTTP)
	p.Obs.Gauge("c2s_connections", "Client connections now, those that speak HTTP included.", func() float64 { return float64(d.connections.size()) })
	p.Obs.Gauge("logins_waiting", "Attempts to log in whose answer waits, to slow guessing.", func() float64 { return float64(d.waiting.size()) })
	p.Obs.Gauge("c2s_handshakes", "Client connections that are not logged in yet.", func() float64 { return float64(d.handshakes.size()) })
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// Serve accepts on l until it is closed. direct: TLS begins at once (XEP-0368); otherwise by STARTTLS.
func (d *Door) Serve(l net.Listener, direct bool) error {
	how := startTLS
	if direct {
		how = directTLS
	}
	return d.each(l, func(nc net.Conn) { d.accept(nc, how) })
}

// each accepts on l until it is closed.
func (d *Door) each(l net.Listener, f func(net.Conn)) error {
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Out of descriptors, or a connection that broke before it was accepted: go on, but not in a hurry.
			if pause == 0 {
				d.obs.Log.Warn("not accepted", obs.Err, err)
			}
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				d.hosts.Refused("descriptors")
				d.handshakes.evict() // or whoever holds the descriptors keeps everybody out
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		f(nc)
	}
}

func (d *Door) accept(nc net.Conn, how beginning) {
	if among(d.proxies, remote(nc)) {
		go d.begin(nc, how)
		return
	}
	d.begin(nc, how)
}

// begin lets a connection in and has it served. It waits for nothing but the header of a proxy.
func (d *Door) begin(nc net.Conn, how beginning) {
	b, ok := d.admit(nc)
	if !ok {
		return
	}
	a := arrival{nc: nc, how: how}
	if c := d.conn(b, a); c != nil {
		go c.serve(a)
	}
}

// forget ends the accounting of a connection.
func (d *Door) forget(c *conn) {
	c.settleIn()
	c.present.leave()
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.wait.Done()
}

// StopReading has every read loop end after the stanza in hand. Listeners must be closed before. Sessions stay attached and are written to.
func (d *Door) StopReading() {
	d.mu.Lock()
	d.ended = true
	all := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		all = append(all, c)
	}
	d.mu.Unlock()
	d.cancel()
	for _, c := range all {
		c.interrupt()
	}
}

// Wait returns when all connections are gone, or closes them when ctx ends.
func (d *Door) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		d.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return d.poller.Close()
	case <-ctx.Done():
	}
	close(d.severed)
	d.mu.Lock()
	for c := range d.conns {
		c.sever()
	}
	d.mu.Unlock()
	<-done
	return errors.Join(ctx.Err(), d.poller.Close())
}

func (d *Door) work() *core.Work {
	if w, ok := d.works.Get().(*core.Work); ok {
		return w
	}
	return core.NewWork(d.pool)
}
