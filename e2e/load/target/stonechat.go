package target

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"stonechat/e2e/load/wire"
)

// stonechat is the server of this tree. It has no unprotected log-in.
type stonechat struct{}

func (stonechat) securities() []wire.Security {
	return []wire.Security{wire.StartTLS, wire.DirectTLS, wire.WebSocket}
}

// contact and user are the lines that `stonechat ctl user import` reads.
type contact struct {
	JID          string `json:"jid"`
	Subscription string `json:"subscription"`
}

type user struct {
	Name     string    `json:"name"`
	Password string    `json:"password"`
	Contacts []contact `json:"contacts,omitempty"`
}

func (stonechat) seed(ctx context.Context, s *Server, population Population) error {
	if _, err := os.Stat(s.options.Stonechat); err != nil {
		return fmt.Errorf("%w: %w", exec.ErrNotFound, err)
	}
	path := filepath.Join(s.dir, "accounts.jsonl")
	err := writeLines(path, func(w *bufio.Writer) error {
		out := json.NewEncoder(w)
		for account := range population.Accounts() {
			line := user{Name: account.Name, Password: Password}
			for _, name := range account.Contacts {
				line.Contacts = append(line.Contacts, contact{JID: JID(name), Subscription: "both"})
			}
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx, false); err != nil {
		return err
	}
	start := time.Now()
	if _, err := s.Import(ctx, path); err != nil {
		_ = s.Stop()
		return err
	}
	s.SeedTime = time.Since(start)
	return s.Stop()
}

// Import reads accounts into a running Stonechat with its own command and
// returns the processor time of the command itself, which is not part of the
// server's.
func (s *Server) Import(ctx context.Context, path string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, s.options.Stonechat, "ctl", "--data", s.data(), "user", "import", path)
	err := s.run(cmd)
	if cmd.ProcessState == nil {
		return 0, err
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

// WriteImport writes n further accounts, called prefix0 …, for Import.
func WriteImport(path, prefix string, n int) error {
	return writeLines(path, func(w *bufio.Writer) error {
		out := json.NewEncoder(w)
		for i := range n {
			if err := out.Encode(user{Name: Name(prefix, i), Password: Password}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (stonechat) command(s *Server, archive bool) (*exec.Cmd, error) {
	policy, profile := "never", ""
	if archive {
		policy = "always"
	}
	if s.options.Profile {
		profile = "[http]\npprof = true\n"
	}
	text := fmt.Sprintf(stonechatConfig, Host, s.data(), s.cert.Cert, s.cert.Key,
		s.Addr(wire.StartTLS), s.Addr(wire.DirectTLS), s.Addr(wire.WebSocket), s.http, policy, profile)
	path := filepath.Join(s.dir, "stonechat.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(s.options.Stonechat, "serve", "--config", path), nil
}

// settle asks for readiness until the answer is 200.
func (stonechat) settle(ctx context.Context, s *Server) error {
	for {
		status, err := get(ctx, s.HTTP()+"/health/ready", io.Discard)
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("last answer %d: %w", status, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Profile takes a processor profile of the given length and writes it to path.
func (s *Server) Profile(ctx context.Context, length time.Duration, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	address := fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", s.HTTP(), max(1, int(length.Seconds())))
	status, err := get(ctx, address, file)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("target: profile: status %d", status)
	}
	return err
}

func get(ctx context.Context, address string, to io.Writer) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(to, response.Body)
	return response.StatusCode, err
}

const stonechatConfig = `domains = [%q]
data = %q
rate_limits = false
[tls]
certificate = %q
key = %q
[listen]
c2s = [%q]
c2s_tls = [%q]
https = [%q]
http = ["127.0.0.1:%d"]
[archive]
default = %q
%s`
