package peers_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/peers"
)

var (
	peerFlag   = flag.String("peer", env("PLAY_PEER", "stonechat"), "the server that foreign clients talk to: stonechat, prosody or ejabberd")
	binaryFlag = flag.String("stonechat", env("PLAY_STONECHAT", ""), "the stonechat program; empty means to build it")
	lackFlag   = flag.Bool("without", false, "do not fail when a foreign client is not installed, only name it")
)

const password = "correct-horse"

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// TestForeign drives the clients of others. One that is not installed fails the test, under its name.
func TestForeign(t *testing.T) {
	var missing []string
	t.Cleanup(func() {
		if len(missing) > 0 {
			report := t.Errorf
			if *lackFlag {
				report = t.Logf
			}
			report("NOT TESTED, because not installed: %s", strings.Join(missing, ", "))
		}
	})
	for _, c := range []struct {
		name  string
		needs []string
		extra string // what Stonechat must be configured with
		run   func(*testing.T, *peers.Server)
	}{
		// Before 1.8.5 it binds to what TLS 1.3 does not have, and then says that the server cannot bind.
		{"slixmpp", []string{"slixmpp"}, "[login]\nchannel_binding = false", slixmpp},
		{"profanity", []string{"tmux", "profanity"}, "", profanity},
		// Its library knows no SCRAM.
		{"mcabber", []string{"tmux", "mcabber"}, "[login]\nplain = true", mcabber},
		{"poezio", []string{"tmux", "poezio"}, "[login]\nchannel_binding = false", poezio}, // made of slixmpp
	} {
		if lacks := lacking(c.needs); len(lacks) > 0 {
			missing = append(missing, lacks...)
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, server(t, c.extra)) })
	}
}

// lacking returns which of the programs are not installed.
func lacking(programs []string) []string {
	var lacks []string
	for _, name := range programs {
		if name == "slixmpp" {
			if _, err := python(); err != nil {
				lacks = append(lacks, name)
			}
		} else if _, err := exec.LookPath(name); err != nil {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// python finds an interpreter that knows slixmpp.
func python() (string, error) {
	err := errors.New("no python3 with slixmpp")
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		if err = exec.Command(path, "-c", "import slixmpp").Run(); err == nil {
			return path, nil
		}
	}
	return "", err
}

func server(t *testing.T, extra string) *peers.Server {
	t.Helper()
	if peers.Kind(*peerFlag) != peers.Stonechat {
		extra = ""
	}
	users := []peers.User{{Name: "alice", Password: password}, {Name: "bob", Password: password}}
	return peers.Run(t, peers.Kind(*peerFlag), peers.Options{Users: users, Binary: *binaryFlag, Extra: extra})
}

// slixmpp runs a scenario that the script reports step by step.
func slixmpp(t *testing.T, s *peers.Server) {
	interpreter, err := python()
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := peers.NewProxy(s.C2S)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	setup, err := json.Marshal(map[string]string{
		"domain": s.Domain, "address": s.C2S, "proxy": proxy.Addr, "ca": filepath.Join(s.Dir, "cert.pem"), "password": password, "alice": "alice", "bob": "bob",
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), interpreter, filepath.Join("foreign", "slixmpp_client.py"), string(setup))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		t.Log(line)
		switch {
		case line == "cut please":
			if proxy.Cut() == 0 {
				t.Error("there was no line to cut")
			}
		case strings.HasPrefix(line, "ok "):
			steps++
		case strings.HasPrefix(line, "failed "):
			t.Error(line)
		}
	}
	if err := cmd.Wait(); err != nil || steps != 9 {
		t.Errorf("slixmpp: %v, %d of 9 steps\n%s", err, steps, complaints.String())
	}
}

// terminal is a program with a screen, inside tmux.
type terminal struct {
	t      *testing.T
	name   string
	socket string
}

// open starts a program on a screen of its own; home is its home folder.
func open(t *testing.T, name, home string, command ...string) *terminal {
	t.Helper()
	x := &terminal{t: t, name: name, socket: filepath.Join(home, "tmux")}
	for _, dir := range []string{"config", "data", "cache"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{
		"-f", os.DevNull, "new-session", "-d", "-x", "160", "-y", "50", "env", "HOME=" + home, "TERM=screen", "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_DATA_HOME=" + filepath.Join(home, "data"), "XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
	}
	x.tmux(append(args, command...)...)
	t.Cleanup(x.close)
	return x
}

func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.t.Fatalf("%s: tmux %v: %v: %s", x.name, args[0], err, out)
	}
	return string(out)
}

func (x *terminal) close() { _ = exec.Command("tmux", "-S", x.socket, "kill-server").Run() }

// line types a line.
func (x *terminal) line(format string, args ...any) {
	x.t.Helper()
	x.tmux("send-keys", "-l", fmt.Sprintf(format, args...))
	x.tmux("send-keys", "Enter")
}

// command types a command to Poezio, whose list of contacts takes the slash as a key of its own, and whatever comes at once with it as a paste.
func (x *terminal) command(format string, args ...any) {
	x.t.Helper()
	x.tmux("send-keys", "-l", "/")
	x.until("still waits for a slash", func(screen string) bool { return !strings.Contains(screen, "Enter commands with") })
	x.line(format, args...)
}

// sees waits until the screen shows something.
func (x *terminal) sees(pattern string) {
	x.t.Helper()
	x.until(fmt.Sprintf("never shows %q", pattern), regexp.MustCompile(pattern).MatchString)
}

// until waits for a screen that fits; complaint is what to say otherwise.
func (x *terminal) until(complaint string, fits func(screen string) bool) {
	x.t.Helper()
	const patience = 20 * time.Second
	screen := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if screen = x.tmux("capture-pane", "-p"); fits(screen) {
			return
		}
	}
	x.t.Fatalf("%s %s but\n%s", x.name, complaint, strings.TrimSpace(screen))
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return p
}
