package server

import (
	"net"

	"stonechat/certs"
	"stonechat/core"
)

// openCertificates loads what is shown to clients.
func (s *Server) openCertificates() error {
	book, err := certs.New(s.cfg, s.obs)
	if err != nil {
		return err
	}
	s.certs, s.tls = book, book.TLS()
	s.runners = append(s.runners, book)
	return nil
}

// openChallenges opens the listeners for ACME's challenges, and says where those for all are. It comes last in opening.
func (s *Server) openChallenges() error {
	if !s.certs.ACME() {
		return nil
	}
	for _, a := range s.cfg.Listen.ACME {
		err := s.listen("acme", a, func(l net.Listener) func() error { return s.web.Serve(l, s.certs.Challenges()) })
		if err != nil {
			return err
		}
	}
	first := func(name string) net.Addr {
		if all := s.Addresses(name); len(all) > 0 {
			return all[0]
		}
		return nil
	}
	withTLS := first("c2s_tls")
	for _, l := range append(s.Addresses("c2s_tls"), s.Addresses("http")...) {
		if tcp, ok := l.(*net.TCPAddr); ok && (withTLS == nil || tcp.Port == 443) {
			withTLS = l
		}
	}
	s.certs.Listening(first("acme"), withTLS)
	return nil
}

// ReloadCertificates reads the certificates of files again and has ACME try again, for a signal. What became of them is logged.
func (s *Server) ReloadCertificates() {
	s.obs.Log.Info("certificates are read again", "files", len(s.certs.Reload()))
}

var _ core.Runner = (*certs.Book)(nil)
