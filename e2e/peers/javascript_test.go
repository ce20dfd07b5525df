package peers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/peers"
	"stonechat/xmpp/jid"
)

// javascript are libraries of browsers that run under Node, over WebSocket.
var javascript = []struct {
	name    string
	resumes bool
}{{"strophe", false}, {"xmppjs", true}, {"stanza", true}}

// TestJavaScript drives them. npm is asked for them, in the versions of the lock file, where foreign clients are insisted on.
func TestJavaScript(t *testing.T) {
	if peers.Kind(*peerFlag) != peers.Stonechat {
		t.Skip("the peers are set up without WebSocket here")
	}
	if *lackFlag {
		t.Skip("LEFT OUT: npm is asked for clients in JavaScript with -without=false only")
	}
	if lacks := lacking([]string{"node", "npm"}); len(lacks) > 0 {
		t.Fatalf("THIS MACHINE LACKS: %s", strings.Join(lacks, ", "))
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("foreign", "javascript"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("THIS MACHINE LACKS: what npm should bring: %v\n%s", err, out)
	}
	for _, c := range javascript {
		t.Run(c.name, func(t *testing.T) {
			s := server(t, peers.Options{Users: acquainted("example.org")})
			x := runScript(t, s, folder, c.name, "alice")
			bob := newPartner(t, s, "bob")
			x.waits("online")
			x.waits("roster bob@example.org")
			x.waits("ready")
			alice := bob.address("alice")
			bob.sees(alice, "")
			talk := func(text string) {
				t.Helper()
				bob.says(alice, text)
				x.waits("heard " + text)
				bob.hears("echo of " + text)
			}
			talk("one <&> two 'ä' 🪨")
			if c.resumes {
				bob.says(alice, "cut")
				x.waits("heard cut")
				x.waits("resumed")
				talk("behind the cut")
			}
			bob.says(alice, "leave")
			x.waits("heard leave")
			x.waits("left")
			bob.sees(alice, "unavailable")
		})
	}
}

// script is a client in JavaScript that reports line by line.
type script struct {
	t     *testing.T
	lines chan string
	mu    sync.Mutex
	said  []string
}

func runScript(t *testing.T, s *peers.Server, folder, name, user string) *script {
	t.Helper()
	account := jid.MustParse(user + "@" + s.Domain)
	setup, err := json.Marshal(map[string]string{
		"url": "wss://" + s.Domain + ":" + port(s.HTTPS) + "/ws", "domain": s.Domain, "jid": account.String(), "password": password,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--require", filepath.Join(folder, "here.cjs"), filepath.Join(folder, name+".mjs"), string(setup))
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(s.Dir, "cert.pem"))
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := &script{t: t, lines: make(chan string, 100)}
	go func() { w.CloseWithError(cmd.Wait()) }()
	go func() {
		defer close(x.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			x.mu.Lock()
			x.said = append(x.said, in.Text())
			x.mu.Unlock()
			x.lines <- in.Text()
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return x
}

// waits waits for a line.
func (x *script) waits(want string) {
	x.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, more := <-x.lines:
			if line == want {
				return
			}
			if more && !strings.HasPrefix(line, "failed ") {
				continue
			}
		case <-late:
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.t.Fatalf("never says %q but\n%s", want, strings.Join(x.said, "\n"))
	}
}
