//go:build !linux

package stream

// Poller serves connections; see Serve. One is enough for a program.
type Poller struct{}

// NewPoller starts a Poller; Close ends it.
func NewPoller() (*Poller, error) { return &Poller{}, nil }

// Close ends the Poller. The connections that it serves must have ended before.
func (p *Poller) Close() error { return nil }

func (p *Poller) watch(*Conn) bool { return false }

func (p *Poller) forget(*Conn) {}

func (p *Poller) arm(*Conn) error { return nil }

func (p *Poller) expect(int64) {}

func (p *Poller) now() int64 { return 0 }
