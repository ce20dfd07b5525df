package server

import (
	"net"
	"net/http"
	"strings"

	"stonechat/config"
	"stonechat/core"
	"stonechat/edge/web"
	"stonechat/obs"
)

// usualHTTPS are the ports that auto stands for, in this order.
func usualHTTPS(local bool) []string {
	if local {
		return []string{"127.0.0.1:5443"}
	}
	return []string{":443", ":5443"}
}

// openHTTPS starts the listeners for the web.
func (s *Server) openHTTPS() error {
	addrs := s.cfg.Listen.HTTPS
	if len(addrs) != 1 || addrs[0] != config.Auto {
		for _, a := range addrs {
			if err := s.listen("https", a, s.serveHTTPS); err != nil {
				return err
			}
		}
		return nil
	}
	for _, a := range usualHTTPS(s.cfg.Local) {
		err := s.listen("https", a, s.serveHTTPS)
		if err == nil {
			return nil
		}
		s.obs.Log.Warn("this port is not to be had; listen.https chooses others", "door", "https", "address", a, obs.Err, err)
	}
	s.obs.Log.Warn("no port for the web: no WebSocket, no discovery")
	return nil
}

// serveHTTPS serves the web, and clients that ask for direct TLS, on one port.
func (s *Server) serveHTTPS(l net.Listener) func() error {
	visitors := s.clients.Visitors(l, true)
	site := s.site()
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		site.Port = tcp.Port
	}
	s.public.CompareAndSwap(nil, site)
	run := s.web.ServeSite(visitors, site.Handler(s.web))
	s.serving.Go(func() { s.report(visitors.Serve()) })
	return run
}

func (s *Server) site() *web.Site {
	pages := make(map[string]core.Pages)
	for _, h := range s.hosts {
		pages[h.Domain.Domain()] = h.Web
	}
	return &web.Site{Domains: s.cfg.Domains, URL: s.cfg.HTTP.URL, WebSocket: s.clients.WebSocket, Local: s.cfg.Local, Pages: pages}
}

// siteOf is what addresses of a domain's web site begin with; false: there is no listener for the web, or not yet.
func (s *Server) siteOf(domain string) (string, bool) {
	site := s.public.Load()
	if site == nil {
		return "", false
	}
	return site.Base(domain), true
}

// serveLocal serves health, metrics and the web in the clear, for a try-out on this machine: a browser takes loopback for secure, and a certificate
// of our own for none.
func (s *Server) serveLocal(l net.Listener) func() error {
	visitors := s.clients.Visitors(l, false)
	site := s.site()
	for _, a := range s.Addresses("https") {
		if tcp, ok := a.(*net.TCPAddr); ok {
			site.Port = tcp.Port
		}
	}
	machines, world := s.web.Public(s.cfg.HTTP.Pprof), site.Handler(s.web)
	run := s.web.Serve(visitors, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local(r.RemoteAddr) && webPath(r.URL.Path) {
			world.ServeHTTP(w, r)
			return
		}
		machines.ServeHTTP(w, r)
	}))
	s.serving.Go(func() { s.report(visitors.Serve()) })
	return run
}

// local tells whether a request comes from 127.0.0.1 or ::1.
func local(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	return err == nil && (host == "127.0.0.1" || host == "::1")
}

// webPath tells whether the path belongs to the web's site and not to the machines' one.
func webPath(path string) bool {
	return path != "/metrics" && !strings.HasPrefix(path, "/health/") && !strings.HasPrefix(path, "/debug/")
}
