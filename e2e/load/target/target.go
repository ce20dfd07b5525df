// Package target prepares, starts and stops the servers that the benchmark
// compares: Stonechat, Prosody, ejabberd and the floor program. All listen on
// loopback only and live in a folder of their own; all get the same accounts
// before the first start, where possible straight into their store.
package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/wire"
	"stonechat/e2e/port"
)

// Host is the domain that every server serves.
const Host = "bench.local"

// Rooms is the domain of the room service.
const Rooms = "rooms." + Host

// Password is the password of every account.
const Password = "correct-horse-7"

const (
	startWait = 90 * time.Second
	stopWait  = 30 * time.Second
)

// kind is what differs between the servers.
type kind interface {
	// securities lists the connections that the server offers.
	securities() []wire.Security
	// seed fills the folder before the first start.
	seed(ctx context.Context, s *Server, population Population) error
	// command writes the configuration and returns the program to run.
	command(s *Server, archive bool) (*exec.Cmd, error)
	// settle is called when all ports accept, and returns when the server is
	// ready for users.
	settle(ctx context.Context, s *Server) error
}

// Options are the programs to run and where.
type Options struct {
	Dir       string // a folder that the servers may fill
	Stonechat string // path of the stonechat program; not needed by others
	Floor     string // path of the floor program
	Profile   bool   // let Stonechat offer /debug/pprof
}

// Server is one server, started or not.
type Server struct {
	Name  string
	Floor bool // speaks the one-line login instead of XMPP
	// Parked makes the floor program wait without goroutines and give memory
	// back, which is its cheapest way to keep idle sessions.
	Parked bool
	// SeedTime is how long the filling with accounts took; zero when the
	// store was written directly.
	SeedTime time.Duration

	kind    kind
	options Options
	dir     string
	ports   map[wire.Security]int
	http    int
	cert    Certificate
	cmd     *exec.Cmd
	done    chan error
}

// Names lists the servers that New knows.
func Names() []string { return []string{"stonechat", "prosody", "ejabberd", "floor"} }

// New prepares a server and fills it with the population. It returns an error
// that wraps exec.ErrNotFound when the program is not there.
func New(ctx context.Context, name string, options Options, population Population) (*Server, error) {
	s := &Server{Name: name, options: options, dir: filepath.Join(options.Dir, name)}
	switch name {
	case "stonechat":
		s.kind = stonechat{}
	case "prosody":
		s.kind = prosody{}
	case "ejabberd":
		s.kind = ejabberd{}
	case "floor":
		s.kind, s.Floor = floor{}, true
	default:
		return nil, fmt.Errorf("target: no server is called %q", name)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.cert, err = writeCertificate(s.dir); err != nil {
		return nil, err
	}
	if err := s.choosePorts(); err != nil {
		return nil, err
	}
	if err := s.kind.seed(ctx, s, population); err != nil {
		return nil, fmt.Errorf("target: filling %s: %w", name, err)
	}
	return s, nil
}

// choosePorts takes free ports; nothing holds them until the server starts.
func (s *Server) choosePorts() (err error) {
	s.ports = make(map[wire.Security]int)
	for _, security := range []wire.Security{wire.Plain, wire.DirectTLS, wire.WebSocket} {
		if s.ports[security], err = port.Free(); err != nil {
			return err
		}
	}
	s.ports[wire.StartTLS] = s.ports[wire.Plain]
	s.http, err = port.Free()
	return err
}

// Offers tells whether the server accepts this kind of connection.
func (s *Server) Offers(security wire.Security) bool {
	for _, offered := range s.kind.securities() {
		if offered == security {
			return true
		}
	}
	return false
}

// Addr returns the loopback address for this kind of connection.
func (s *Server) Addr(security wire.Security) string {
	return fmt.Sprintf("127.0.0.1:%d", s.ports[security])
}

// HTTP returns the base address of the HTTP listener.
func (s *Server) HTTP() string { return fmt.Sprintf("http://127.0.0.1:%d", s.http) }

// Tree returns the server's processes. The server must be running.
func (s *Server) Tree() gauge.Tree { return gauge.NewTree(s.cmd.Process.Pid) }

// Running tells whether the server has been started and not stopped.
func (s *Server) Running() bool { return s.cmd != nil }

// Start runs the server with archives kept for everybody or for nobody, and
// returns when it accepts users.
func (s *Server) Start(ctx context.Context, archive bool) error {
	cmd, err := s.kind.command(s, archive)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stderr = s.dir, log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	// A group of its own: an interrupt from the terminal reaches the tool,
	// which then stops the servers in order. A tool that dies takes them with
	// it; the signal goes by the thread that started the process, so the
	// caller is to be locked to one that lasts.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.done = cmd, make(chan error, 1)
	go func() { s.done <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := s.accepts(ctx); err != nil {
		return errors.Join(fmt.Errorf("target: %s did not start: %w\n%s", s.Name, err, s.tail()), s.Stop())
	}
	if err := s.kind.settle(ctx, s); err != nil {
		return errors.Join(fmt.Errorf("target: %s is not ready: %w\n%s", s.Name, err, s.tail()), s.Stop())
	}
	return nil
}

// Ended returns an error with the end of the server's output when the process
// is not there although nobody stopped it.
func (s *Server) Ended() error {
	select {
	case ended := <-s.done:
		s.done <- ended
		return fmt.Errorf("target: the process of %s ended by itself: %w\n%s", s.Name, ended, s.tail())
	default:
		return nil
	}
}

// accepts waits until every offered port takes a connection.
func (s *Server) accepts(ctx context.Context) error {
	for _, security := range s.kind.securities() {
		for {
			conn, err := net.DialTimeout("tcp", s.Addr(security), time.Second)
			if err == nil {
				_ = conn.Close()
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case ended := <-s.done:
				s.done <- ended
				return fmt.Errorf("the process ended: %w", ended)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// tail returns the end of what the server printed, for a diagnosis.
func (s *Server) tail() string {
	file, err := os.Open(filepath.Join(s.dir, "output.log"))
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		_, err = file.Seek(max(0, info.Size()-2000), io.SeekStart)
		if err != nil {
			return ""
		}
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return ""
	}
	return string(text)
}

// Stop ends the server, in order first and by force after half a minute, which
// is ErrForced.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(stopWait):
	}
	err := cmd.Process.Kill()
	<-s.done
	return errors.Join(ErrForced, err)
}

// ErrForced reports that a server ignored the request to end for half a
// minute. It has ended by force then.
var ErrForced = errors.New("target: the server had to be ended by force")

// Kill ends the server at once, for when nothing that it still has to do
// matters any more.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	err := cmd.Process.Kill()
	<-s.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// run runs a short command of a server to its end.
func (s *Server) run(cmd *exec.Cmd) error {
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%.2000s", cmd.Args[0], err, out)
	}
	return nil
}

// writeLines writes a file through fill.
func writeLines(path string, fill func(*bufio.Writer) error) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	return errors.Join(fill(w), w.Flush())
}
