package peers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stonechat/e2e/peers"
	"stonechat/xmpp/jid"
)

// javascript are clients of browsers, over WebSocket: libraries under Node, and one that needs its browser.
var javascript = []struct {
	name    string
	resumes bool
	browser bool
}{{"strophe", false, false}, {"xmppjs", true, false}, {"stanza", true, false}, {"converse", true, true}}

// TestJavaScript drives them. npm is asked for them, in the versions of the lock file, where foreign clients are insisted on.
func TestJavaScript(t *testing.T) {
	if peers.Kind(*peerFlag) != peers.Stonechat {
		t.Skip("the peers are set up without WebSocket here")
	}
	if *lackFlag {
		t.Skip("LEFT OUT: npm is asked for clients in JavaScript with -without=false only")
	}
	if lacks := lacking([]string{"node", "npm", "chromium"}); len(lacks) > 0 {
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
			options := peers.Options{Users: acquainted("example.org")}
			x := &script{t: t, lines: make(chan string, 100)}
			page := httptest.NewServer(x.pages(folder))
			t.Cleanup(page.Close)
			if c.browser {
				options.Extra = "[http]\norigins = [\"" + page.URL + "\"]"
			}
			s := server(t, options)
			if c.browser {
				x.browse(s, page.URL+"/"+c.name+".html", "alice")
			} else {
				x.run(s, folder, c.name, "alice")
			}
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

// setup is what a client is told.
func (x *script) setup(s *peers.Server, user string) string {
	x.t.Helper()
	account := jid.MustParse(user + "@" + s.Domain)
	setup, err := json.Marshal(map[string]string{
		"url": "wss://" + s.Domain + ":" + port(s.HTTPS) + "/ws", "domain": s.Domain, "jid": account.String(), "password": password,
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return string(setup)
}

// run starts a script under Node.
func (x *script) run(s *peers.Server, folder, name, user string) {
	x.t.Helper()
	cmd := exec.CommandContext(x.t.Context(), "node", "--require", filepath.Join(folder, "here.cjs"), filepath.Join(folder, name+".mjs"), x.setup(s, user))
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(s.Dir, "cert.pem"))
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func() { w.CloseWithError(cmd.Wait()) }()
	go func() {
		defer close(x.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			x.says(in.Text())
		}
	}()
	x.t.Cleanup(func() { _ = cmd.Process.Kill() })
}

// browse opens a page in a browser without a window, for which every name is this machine and every certificate good.
func (x *script) browse(s *peers.Server, page, user string) {
	x.t.Helper()
	home := x.t.TempDir()
	cmd := exec.CommandContext(x.t.Context(), "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+home, "--ignore-certificate-errors", "--host-resolver-rules=MAP "+s.Domain+" 127.0.0.1", page+"#"+url.PathEscape(x.setup(s, user)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the processes that it has started, too
		_ = cmd.Wait()
	})
}

// pages serves a page with what it needs, and takes its lines.
func (x *script) pages(folder string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(folder)))
	mux.Handle("GET /dist/", http.FileServer(http.Dir(filepath.Join(folder, "node_modules", "converse.js"))))
	mux.HandleFunc("POST /say", func(_ http.ResponseWriter, r *http.Request) {
		if line, err := io.ReadAll(r.Body); err == nil {
			x.says(string(line))
		}
	})
	return mux
}

func (x *script) says(line string) {
	x.mu.Lock()
	x.said = append(x.said, line)
	x.mu.Unlock()
	x.lines <- line
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
