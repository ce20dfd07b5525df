// Package outbound opens the connections that the server itself opens to addresses that others have chosen, within limits and never inside: see decision 30.
//
// An address is judged when its socket is about to connect. By then every spelling, name and alias has become the address that is connected to, so there is
// nothing left that could lead elsewhere.
package outbound

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/config"
	"stonechat/obs"
)

// The refusals that callers tell apart, by errors.Is. Whoever has chosen the address is not told which it was, or they could map the inside.
var (
	// ErrInside: the address is not one of the public Internet, and not allowed.
	ErrInside = errors.New("address inside")
	// ErrAddress: there is no such way of writing an address here.
	ErrAddress = errors.New("bad address")
	// ErrTooLong: the answer has more bytes than are read.
	ErrTooLong = errors.New("answer too long")
)

// Dialler connects. It is safe for use by several goroutines, and its own metrics are registered once.
type Dialler struct {
	allow     []netip.Prefix
	dialer    net.Dialer
	transport *http.Transport
	slots     chan struct{} // one for each request under way
	time      time.Duration
	most      int64 // bytes of an answer
	proxied   bool
	refused   *prometheus.CounterVec
}

// New returns a dialler with the limits of the configuration.
func New(c config.Outbound, o obs.Obs) (*Dialler, error) {
	allow, err := config.Prefixes(c.Allow)
	if err != nil {
		return nil, fmt.Errorf("outbound.allow: %w", err)
	}
	proxy, err := c.ProxyURL()
	if err != nil {
		return nil, err
	}
	roots, err := rootsOf(c.Roots)
	if err != nil {
		return nil, fmt.Errorf("outbound.roots: %w", err)
	}
	d := &Dialler{
		allow: allow, slots: make(chan struct{}, c.AtOnce), time: c.Time.D(), most: int64(c.AnswerBytes), proxied: proxy != nil,
		refused: o.CounterVec("outbound_refused_total", "Connections of our own that were refused: inside, address or too_long.", "reason"),
	}
	d.dialer = net.Dialer{Timeout: c.ConnectTime.D(), Control: d.control}
	d.transport = d.newTransport(c)
	d.transport.TLSClientConfig.RootCAs = roots
	if proxy != nil {
		// Only the proxy is dialled from now on, and that the administrator has chosen.
		d.transport.Proxy = http.ProxyURL(proxy)
		d.transport.DialContext = (&net.Dialer{Timeout: c.ConnectTime.D()}).DialContext
	}
	return d, nil
}

// rootsOf are the authorities of the system with those of a file; nil without one: the system's.
func rootsOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return roots, nil
}

// DialContext connects by TCP to host:port, never by the proxy. ErrInside: none of the host's addresses may be connected to.
func (d *Dialler) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, fmt.Errorf("network %q: %w", network, ErrAddress)
	}
	return d.dialer.DialContext(ctx, network, address)
}

// control runs when a socket is about to connect to an address.
func (d *Dialler) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !d.mayReach(a.Addr()) {
		return d.refuse(ErrInside, "inside")
	}
	return nil
}

// refuse counts a refusal.
func (d *Dialler) refuse(err error, reason string) error {
	d.refused.WithLabelValues(reason).Inc()
	return err
}

// Close ends the connections that nobody uses.
func (d *Dialler) Close() { d.transport.CloseIdleConnections() }
