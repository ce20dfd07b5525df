package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"stonechat/obs"
)

// open starts every listener. Addresses with port 0 get a free port; see Addresses.
func (s *Server) open() error {
	for _, a := range s.cfg.Listen.C2S {
		if err := s.listen("c2s", a, func(l net.Listener) func() error { return func() error { return s.clients.Serve(l, false) } }); err != nil {
			return err
		}
	}
	for _, a := range s.cfg.Listen.C2STLS {
		if err := s.listen("c2s_tls", a, func(l net.Listener) func() error { return func() error { return s.clients.Serve(l, true) } }); err != nil {
			return err
		}
	}
	if err := s.openComponents(); err != nil {
		return err
	}
	if err := s.openHTTPS(); err != nil {
		return err
	}
	for _, a := range s.cfg.Listen.HTTP {
		if err := s.listen("http", a, s.serveHTTP); err != nil {
			return err
		}
	}
	if err := s.openProxy65(); err != nil {
		return err
	}
	if err := s.openChallenges(); err != nil {
		return err
	}
	return s.listenControl()
}

// Addresses are the listeners' real addresses by name: c2s, c2s_tls, component, https, http, proxy65, acme. Valid once Ready.
func (s *Server) Addresses(name string) []net.Addr {
	var out []net.Addr
	for _, l := range s.listeners {
		if n, ok := l.(*named); ok && n.name == name {
			out = append(out, l.Addr())
		}
	}
	return out
}

// named is a listener with the name of its door.
type named struct {
	net.Listener
	name string
}

func (s *Server) listen(name, addr string, serve func(net.Listener) func() error) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen %s: %w", name, err)
	}
	n := &named{l, name}
	s.listeners = append(s.listeners, n)
	s.obs.Log.Info("listening", "door", name, "address", l.Addr().String())
	run := serve(n)
	s.serving.Go(func() { s.report(run()) })
	return nil
}

// openComponents listens for components if there are any.
func (s *Server) openComponents() error {
	if len(s.cfg.Components.Serve) == 0 {
		return nil
	}
	for _, a := range s.cfg.Listen.Component {
		if err := s.listen("component", a, func(l net.Listener) func() error {
			secure := s.tls
			if s.cfg.Components.Clear || loopback(l) {
				secure = nil
			}
			return func() error { return s.components.Serve(l, secure) }
		}); err != nil {
			return err
		}
	}
	return nil
}

// loopback tells whether nobody from elsewhere reaches a listener.
func loopback(l net.Listener) bool {
	tcp, ok := l.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// serveHTTP serves health and metrics: in the clear on loopback, with TLS anywhere else.
func (s *Server) serveHTTP(l net.Listener) func() error {
	if s.cfg.Local && loopback(l) {
		return s.serveLocal(l)
	}
	if !loopback(l) {
		l = tls.NewListener(l, s.tls)
	}
	return s.web.Serve(l, s.web.Public(s.cfg.HTTP.Pprof))
}

// maxSocketPath is what a Unix socket's name may have on every system that we know.
const maxSocketPath = 100

// listenControl opens the control socket for this user alone.
func (s *Server) listenControl() error {
	path := s.cfg.SocketPath()
	if abs, err := filepath.Abs(path); err == nil && len(path) > maxSocketPath && len(abs) > maxSocketPath {
		s.obs.Log.Warn("no control socket: the data folder's path is too long", "path", path)
		return nil
	}
	// The data folder is locked by us, so a socket that is there is a dead one.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	s.listeners = append(s.listeners, l)
	run := s.web.Serve(l, s.web.Control(s.hosts))
	s.serving.Go(func() { s.report(run()) })
	s.obs.Log.Debug("control socket", "path", path, obs.Err, nil)
	return nil
}
