package server

import (
	"net"

	"stonechat/edge/proxy65"
	"stonechat/mod/bytestreams"
)

// makeProxy65 makes the door where clients hand over bytes, if somebody wants it.
func (s *Server) makeProxy65() {
	if len(s.cfg.Listen.Proxy65) == 0 {
		return
	}
	b := s.cfg.Bytestreams
	s.proxy65 = proxy65.New(proxy65.Limits{
		Connections: b.Connections, PerSource: b.PerSource, PerAccount: b.PerAccount, Meet: b.Meet.D(), Idle: b.Idle.D(), Rate: b.BytesPerSecond,
	}, s.obs)
}

// openProxy65 starts its listeners.
func (s *Server) openProxy65() error {
	for _, a := range s.cfg.Listen.Proxy65 {
		if err := s.listen("proxy65", a, func(l net.Listener) func() error { return func() error { return s.proxy65.Serve(l) } }); err != nil {
			return err
		}
	}
	if len(s.cfg.Listen.Proxy65) == 0 {
		return nil
	}
	if tcp, ok := s.Addresses("proxy65")[0].(*net.TCPAddr); ok {
		s.proxy65Port.Store(int32(tcp.Port))
	}
	return nil
}

// bytestreams is what clients are told of it.
func (s *Server) bytestreams() bytestreams.Parts {
	p := bytestreams.Parts{Config: s.cfg.Bytestreams, Obs: s.obs, Port: func() (int, bool) {
		port := s.proxy65Port.Load()
		return int(port), port != 0
	}}
	if s.proxy65 != nil {
		p.Activate = s.proxy65.Activate
	}
	return p
}
