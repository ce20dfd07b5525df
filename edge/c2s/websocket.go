package c2s

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stream"
)

// WebSocket answers a request for a WebSocket (RFC 7395). The connection must have come out of Visitors.
func (d *Door) WebSocket(w http.ResponseWriter, r *http.Request) {
	if !d.allowed(r) {
		d.hosts.Refused("origin")
		d.obs.Log.Info("WebSocket refused", obs.Peer, r.RemoteAddr, "origin", shortened(r.Header.Get("Origin")), "host", shortened(r.Host))
		http.Error(w, "this web page may not connect here", http.StatusForbidden)
		return
	}
	nc, early, err := stream.Upgrade(w, r)
	var refused *stream.UpgradeError
	if errors.As(err, &refused) {
		http.Error(w, refused.Text, refused.Status)
		return
	}
	if err != nil {
		d.obs.Log.Debug("no WebSocket", obs.Peer, r.RemoteAddr, obs.Err, err)
		return
	}
	g, ok := nc.(*visitor)
	if !ok {
		d.obs.Log.Error("WebSocket on a connection that is nobody's")
		_ = nc.Close()
		return
	}
	hidden := g.proxied
	if g.proxied && !d.readdress(g, r.Header) {
		_ = g.Close()
		return
	}
	g.shaking.leave() // it begins anew here, perhaps as somebody else's
	shaking := d.handshakes.enter(g.addr, d.shared(g.addr), d.dropping(transport(g.Conn)))
	if shaking == nil {
		d.hosts.Refused("handshakes")
		_ = g.Close()
		return
	}
	g.shaking = shaking
	d.take(g, arrival{nc: g.Conn, how: framed, early: early, hidden: hidden})
}

// readdress counts the connection of an HTTP proxy for whom it was made from now on.
func (d *Door) readdress(g *visitor, h http.Header) bool {
	addr, ok := forwarded(append(slices.Clone(d.forwarders), d.proxies...), h)
	if !ok {
		return true // the proxy itself, as for its health checks
	}
	present := d.connections.enter(addr, !d.config.RateLimits, nil)
	if present == nil {
		d.hosts.Refused("connections")
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.present.leave()
	g.addr, g.present = addr, present
	return true
}

// allowed tells whether the web page that asks, if it is one, may connect. Browsers send Origin with every WebSocket and let pages of any
// site open one; programs send none. Allowed are pages of the host that is asked, of the served domains, and of http.origins.
func (d *Door) allowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := strings.ToLower(origins[0])
	if slices.Contains(d.config.HTTP.Origins, "*") || slices.ContainsFunc(d.config.HTTP.Origins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "https" && !(d.config.Local && u.Scheme == "http")) {
		return false // "null" is here, too
	}
	if u.Scheme == "https" && withoutPort(r.Host, "443") == withoutPort(u.Host, "443") || u.Scheme == "http" && withoutPort(r.Host, "80") == withoutPort(u.Host, "80") {
		return true
	}
	for _, domain := range d.config.Domains {
		if j, err := jid.Parse(domain); err == nil && domain[0] != '[' {
			if ascii, err := j.ASCIIDomain(); err == nil {
				domain = ascii // as browsers write it
			}
		}
		// On this machine a page is often served from another port while it is written.
		if withoutPort(u.Host, "443") == domain || d.config.Local && u.Hostname() == domain {
			return true
		}
	}
	return false
}

// shortened is what a log shows of a stranger's word.
func shortened(s string) string { return s[:min(len(s), 200)] }

// withoutPort is a host without the port that goes without saying.
func withoutPort(host, port string) string {
	return strings.TrimSuffix(strings.ToLower(host), ":"+port)
}
