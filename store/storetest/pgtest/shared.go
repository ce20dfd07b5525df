//go:build unix

package pgtest

import (
	"errors"
	"os/exec"
	"sync"
	"testing"
)

// Shared is one server for all tests of a package. It is started by the first that asks, and closed by TestMain. The zero value is ready.
type Shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Server returns the server. Where PostgreSQL is not installed the test says so loudly and is left out.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = Start() })
	if errors.Is(s.err, exec.ErrNotFound) {
		t.Skipf("THIS MACHINE LACKS: postgresql (the server's programs): %v", s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Database returns the URL of an empty database.
func (s *Shared) Database(t testing.TB) string {
	t.Helper()
	url, err := s.Server(t).Database()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// Close ends the server if it was started.
func (s *Shared) Close() error {
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}
