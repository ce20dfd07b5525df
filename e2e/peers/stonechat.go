package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stonechat is the server of this tree.
type stonechat struct{}

// Build compiles the stonechat program of this module into dir and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "stonechat")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "stonechat/cmd/stonechat").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("peers: stonechat does not build: %w\n%s", err, out)
	}
	return path, nil
}

func (stonechat) prepare(s *Server) error {
	if s.options.Binary == "" {
		path, err := Build(context.Background(), s.Dir)
		if err != nil {
			return err
		}
		s.options.Binary = path
	}
	domains, err := json.Marshal(s.options.Domains)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(stonechatConfig, domains, s.data(), s.options.Limited, s.options.Extra, s.cert(), s.key(), s.C2S, s.C2STLS, s.HTTPS, s.HTTP, s.Component, s.options.Archive, s.Domain)
	return os.WriteFile(filepath.Join(s.Dir, "stonechat.toml"), []byte(text), 0o600)
}

func (stonechat) command(s *Server) (*exec.Cmd, error) {
	cmd := exec.Command(s.options.Binary, "serve", "--config", filepath.Join(s.Dir, "stonechat.toml"))
	if s.options.Postgres != "" {
		cmd.Env = append(os.Environ(), "STONECHAT_POSTGRES="+s.options.Postgres)
	}
	return cmd, nil
}

// settle asks for readiness; accounts are imported into the running server over its control socket.
func (stonechat) settle(ctx context.Context, s *Server, first bool) error {
	for !ready(ctx, "http://"+s.HTTP+"/health/ready") {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	if !first || len(s.options.Users) == 0 {
		return nil
	}
	var lines bytes.Buffer
	out := json.NewEncoder(&lines)
	for _, user := range s.options.Users {
		if err := out.Encode(user); err != nil {
			return err
		}
	}
	path := filepath.Join(s.Dir, "users.jsonl")
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		return err
	}
	said, err := exec.CommandContext(ctx, s.options.Binary, "ctl", "--data", s.data(), "user", "import", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("import of users: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

func ready(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

const stonechatConfig = `domains = %s
data = %q
rate_limits = %t
%s
[tls]
certificate = %q
key = %q
[listen]
c2s = [%q]
c2s_tls = [%q]
https = [%q]
http = [%q]
component = [%q]
proxy65 = ["127.0.0.1:0"]
[archive]
default = %q
[contact]
abuse = ["mailto:abuse@%s"]
`
