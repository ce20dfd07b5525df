package peers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"stonechat/e2e/port"
)

// Kind names a server program.
type Kind string

// The programs that Start knows.
const (
	Stonechat Kind = "stonechat"
	Prosody   Kind = "prosody"
	Ejabberd  Kind = "ejabberd"
)

// startTime bounds a start, stopTime an orderly end.
const (
	startTime = 60 * time.Second
	stopTime  = 20 * time.Second
)

// Contact is an entry of a roster that exists before anybody logs in.
type Contact struct {
	JID          string `json:"jid"`
	Name         string `json:"name"`
	Subscription string `json:"subscription"` // none, to, from or both (RFC 6121 section 2.1.2.5)
}

// User is an account of the first domain.
type User struct {
	Name     string    `json:"name"` // the local part
	Password string    `json:"password"`
	Contacts []Contact `json:"contacts,omitempty"`
}

// Options say how a server is set up. The zero value is a server of example.org without accounts that archives everything.
type Options struct {
	Domains []string // served domains; the first one holds the users
	Users   []User
	Archive string // always, never or roster (XEP-0441); empty means always
	Binary  string // the stonechat program; unused for the others
	Dir     string // folder of everything; empty means a new temporary one, removed by Close
	Limited bool   // with rate limits, as shipped; Stonechat only
	Host    string // IP address that clients connect to, 127.0.0.1 when empty; Stonechat only
	// Postgres is the URL of a database that keeps everything instead of the embedded one; Stonechat only.
	Postgres string
	Extra    string // further lines of the server's own configuration language (Stonechat: whole tables)
}

// Server is one running server process. Methods may not be called at the same time.
type Server struct {
	Kind   Kind
	Domain string // the first domain
	C2S    string // host:port for clients, STARTTLS
	C2STLS string // host:port for clients, direct TLS (XEP-0368)
	HTTP   string // host:port of health and metrics; empty for the peers
	HTTPS  string // host:port of WebSocket; see WebSocket
	// Component is host:port for components, if Extra names any; Stonechat only.
	Component string

	Roots *x509.CertPool // trusts the server's certificate
	Dir   string         // configuration, certificate, data and log

	options   Options
	setup     setup
	temporary bool
	mu        sync.Mutex
	cmd       *exec.Cmd
	ended     chan struct{} // closed when cmd has ended
	result    error         // how it ended
}

// setup is what differs from program to program.
type setup interface {
	// prepare writes configuration and, where the store allows it, accounts.
	prepare(s *Server) error
	// command is the program with its arguments.
	command(s *Server) (*exec.Cmd, error)
	// settle returns when the server takes clients; first is true at the first start on this data.
	settle(ctx context.Context, s *Server, first bool) error
}

// Start sets a server up and returns when it takes clients. The error wraps exec.ErrNotFound if the program is not installed.
func Start(ctx context.Context, kind Kind, options Options) (*Server, error) {
	s := &Server{Kind: kind, Dir: options.Dir, options: options}
	switch kind {
	case Stonechat:
		s.setup = stonechat{}
	case Prosody:
		s.setup = prosody{}
	case Ejabberd:
		s.setup = ejabberd{}
	default:
		return nil, fmt.Errorf("peers: no server %q", kind)
	}
	if len(s.options.Domains) == 0 {
		s.options.Domains = []string{"example.org"}
	}
	if s.options.Archive == "" {
		s.options.Archive = "always"
	}
	s.Domain = s.options.Domains[0]
	err := s.first(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// WebSocket is the address of the endpoint of RFC 7395 when the server is reached at that host:port, such as HTTPS or a proxy in front of it.
func (s *Server) WebSocket(at string) string {
	path := map[Kind]string{Stonechat: "/ws", Prosody: "/xmpp-websocket", Ejabberd: "/ws"}[s.Kind]
	return "wss://" + at + path
}

// Run starts a server for a test and ends it with the test. When the test has failed the last lines of the server's log are shown.
func Run(t testing.TB, kind Kind, options Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), kind, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", kind, s.LogTail(1500))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *Server) first(ctx context.Context) error {
	if s.Dir == "" {
		dir, err := os.MkdirTemp("", "peer-"+string(s.Kind)+"-")
		if err != nil {
			return err
		}
		s.Dir, s.temporary = dir, true
	}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return err
	}
	for _, addr := range []*string{&s.C2S, &s.C2STLS, &s.HTTP, &s.HTTPS, &s.Component} {
		free, err := port.FreeAddress()
		if err != nil {
			return err
		}
		if s.options.Host != "" && addr != &s.HTTP && addr != &s.Component {
			free = net.JoinHostPort(s.options.Host, portOf(free))
		}
		*addr = free
	}
	roots, err := writeCertificate(s.Dir, s.options.Domains)
	if err != nil {
		return err
	}
	s.Roots = roots
	if err := s.setup.prepare(s); err != nil {
		return err
	}
	if err := s.launch(ctx, true); err != nil || s.Kind != Ejabberd {
		return err
	}
	// Mnesia keeps fresh records in memory for a while; after an orderly restart the accounts outlive a kill.
	return s.Restart(ctx)
}

func (s *Server) launch(ctx context.Context, first bool) error {
	cmd, err := s.setup.command(s)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.mu.Lock()
	s.cmd, s.ended = cmd, ended
	s.mu.Unlock()
	go func() {
		err := cmd.Wait()
		s.mu.Lock()
		s.result = err
		s.mu.Unlock()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.setup.settle(ctx, s, first); err != nil {
		return fmt.Errorf("peers: start of %s: %w\n%s", s.Kind, err, s.LogTail(2000))
	}
	return nil
}

// Restart starts the server again on the same data and the same addresses; a running one is stopped in order first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.launch(ctx, false)
}

// Stop ends the server by SIGTERM and waits for its end, which it enforces after 20 s with an error.
func (s *Server) Stop() error {
	cmd, ended := s.process()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		return nil
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("peers: %s did not end on SIGTERM", s.Kind), s.Kill())
	}
}

// Kill ends the server by SIGKILL and waits until it is gone.
func (s *Server) Kill() error {
	cmd, ended := s.process()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Kill()
	<-ended
	return nil
}

// Close kills the server and removes its folder if Start made it.
func (s *Server) Close() error {
	err := s.Kill()
	if s.temporary {
		err = errors.Join(err, os.RemoveAll(s.Dir))
	}
	return err
}

// Pid is the process id of the running server, 0 if it does not run.
func (s *Server) Pid() int {
	cmd, _ := s.process()
	if cmd == nil {
		return 0
	}
	return cmd.Process.Pid
}

// LogPath is the file that everything the server says goes to.
func (s *Server) LogPath() string { return filepath.Join(s.Dir, "server.log") }

// LogTail returns at most the last n bytes of the log.
func (s *Server) LogTail(n int) string {
	text, err := os.ReadFile(s.LogPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-n):])
}

// process returns the running process, nil if there is none.
func (s *Server) process() (*exec.Cmd, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil, nil
	}
	select {
	case <-s.ended:
		return nil, nil
	default:
		return s.cmd, s.ended
	}
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }
func (s *Server) cert() string { return filepath.Join(s.Dir, "cert.pem") }
func (s *Server) key() string  { return filepath.Join(s.Dir, "key.pem") }

// dialable returns when addr takes connections.
func dialable(ctx context.Context, addr string) error {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits a moment between two looks at something that is on its way.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(30 * time.Millisecond):
		return nil
	}
}

func portOf(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return p
}
