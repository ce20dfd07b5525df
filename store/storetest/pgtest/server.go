//go:build unix

// Package pgtest runs PostgreSQL servers for tests: the one that Debian packages, as an ordinary user, in a folder of its own, reachable by
// a Unix socket only.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTime bounds a start, recovery after a crash included.
const startTime = time.Minute

// Server is a running server with one database for each caller of Database. Methods may not be called at the same time, but for Database.
type Server struct {
	bin string
	dir string
	log *os.File

	mu    sync.Mutex
	next  int
	cmd   *exec.Cmd
	ended chan struct{}
}

// Binaries returns the folder of the newest server that is installed. The error wraps exec.ErrNotFound if there is none.
func Binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		path, err := exec.LookPath("initdb")
		if err != nil {
			return "", fmt.Errorf("postgresql: %w", err)
		}
		return filepath.Dir(path), nil
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// Start makes a fresh cluster and starts its server. Options are lines of postgresql.conf. Syncing is off unless they say otherwise: what
// survives the end of processes is tested here, not what survives that of the machine.
func Start(options ...string) (*Server, error) {
	bin, err := Binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir}
	if err := s.first(options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) first(options []string) error {
	who, err := ordinary()
	if err != nil {
		return err
	}
	if who != nil {
		if err := os.Chown(s.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	if s.log, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return err
	}
	// Another order of letters than that of bytes, where the server can: the store must not depend on it.
	args := []string{"-D", s.data(), "-U", "stonechat", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"}
	if out, err := s.run(who, "initdb", append(args, "--locale-provider=icu", "--icu-locale=en-US")...); err != nil {
		if out, err = s.run(who, "initdb", args...); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, out)
		}
	} else if len(out) == 0 {
		return errors.New("initdb says nothing")
	}
	lines := append([]string{
		"listen_addresses = ''", "unix_socket_directories = '" + s.dir + "'", "fsync = off", "max_connections = 200", "shared_buffers = 32MB",
	}, options...)
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.Restart()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// ordinary is the user that servers run as when this process is root's: they refuse to run as root.
func ordinary() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, errors.New("no ordinary user to run a PostgreSQL server as")
}

func (s *Server) run(who *syscall.Credential, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return cmd.CombinedOutput()
}

// Restart starts the server after Kill or Stop and returns when it takes connections.
func (s *Server) Restart() error {
	who, err := ordinary()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		if err := s.start(who); err != nil {
			return err
		}
		if err = s.accepts(ctx); err == nil || !errors.Is(err, errEnded) || ctx.Err() != nil {
			return err
		}
		// Processes of a server that was killed need a moment to notice, and their memory is in the way until then.
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *Server) start(who *syscall.Credential) error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data())
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = attributes(who)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return nil
}

var errEnded = errors.New("the PostgreSQL server has ended")

// accepts waits until the server takes connections.
func (s *Server) accepts(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%w: %s", errEnded, s.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("the PostgreSQL server takes no connections: %w: %s", err, s.LogTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// URL is how a database is reached.
func (s *Server) URL(database string) string {
	return "postgres://stonechat@/" + database + "?host=" + url.QueryEscape(s.dir)
}

// Database makes an empty database and returns its URL.
func (s *Server) Database() (string, error) {
	s.mu.Lock()
	s.next++
	name := fmt.Sprintf("test%d", s.next)
	s.mu.Unlock()
	return s.URL(name), s.SQL("CREATE DATABASE " + name)
}

// SQL runs a statement in the database postgres.
func (s *Server) SQL(query string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, query, args...)
	return errors.Join(err, conn.Close(ctx))
}

// Kill ends all of the server's processes at once, as the kernel does when memory is short.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Stop ends the server, without waiting for clients.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// KillBackend ends one of the server's processes by SIGKILL: the server ends all others and recovers.
func (s *Server) KillBackend(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	var children []int
	if sig == syscall.SIGKILL {
		children = childrenOf(s.cmd.Process.Pid)
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	select {
	case <-s.ended:
		s.cmd = nil
		return nil
	case <-time.After(startTime):
		return errors.New("the PostgreSQL server does not end")
	}
}

// childrenOf lists the processes that a process has started, as far as the system shows them.
func childrenOf(parent int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var out []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// proc(5): the name stands in parentheses; state and parent follow.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				out = append(out, pid)
			}
		}
	}
	return out
}

// LogTail is the end of the server's log.
func (s *Server) LogTail() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Close ends the server and removes everything of it.
func (s *Server) Close() error {
	err := s.end(syscall.SIGQUIT)
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
