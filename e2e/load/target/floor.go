package target

import (
	"context"
	"os/exec"

	"stonechat/e2e/load/wire"
)

// floor is the program that does no XMPP. The archive switch chooses nothing.
type floor struct{}

func (floor) securities() []wire.Security { return []wire.Security{wire.Plain, wire.DirectTLS} }

func (floor) seed(context.Context, *Server, Population) error { return nil }

func (floor) command(s *Server, _ bool) (*exec.Cmd, error) {
	mode := []string{"-mode", "park"}
	if s.Parked {
		mode = []string{"-mode", "hand", "-trim", "5s"}
	}
	arguments := append(mode, "-listen", s.Addr(wire.DirectTLS), "-plain", s.Addr(wire.Plain),
		"-cert", s.cert.Cert, "-key", s.cert.Key)
	return exec.Command(s.options.Floor, arguments...), nil
}

func (floor) settle(context.Context, *Server) error { return nil }
