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
	"stonechat/e2e/port"
)

var (
	peerFlag   = flag.String("peer", env("PLAY_PEER", "stonechat"), "the server that foreign clients talk to: stonechat, prosody or ejabberd")
	binaryFlag = flag.String("stonechat", env("PLAY_STONECHAT", ""), "the stonechat program; empty means to build it")
	// ImageMagick's import takes them.
	screensFlag = flag.String("screens", "", "a folder for screenshots of the clients that have windows; empty means none")
	lackFlag    = flag.Bool("without", true, "skip a foreign client that is not installed; otherwise it fails")
)

const password = "correct-horse"

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// TestForeign drives the clients of others, each that is installed.
func TestForeign(t *testing.T) {
	page, err := port.FreeAddress() // of the web site with a client on it
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		needs   []string
		options peers.Options
		run     func(*testing.T, *peers.Server)
	}{
		{"slixmpp", []string{"slixmpp"}, peers.Options{}, script("slixmpp_client.py", 11)},
		{"slixmpp in rooms", []string{"slixmpp"}, peers.Options{Users: acquainted("example.org")}, script("slixmpp_rooms.py", 19)},
		{"profanity", []string{"tmux", "profanity"}, peers.Options{}, profanity},
		{"profanity in rooms", []string{"tmux", "profanity"}, peers.Options{Users: acquainted("example.org")}, profanityRooms},
		// Its library knows no SCRAM.
		{"mcabber", []string{"tmux", "mcabber"}, peers.Options{Extra: "[login]\nplain = true"}, mcabber},
		{"poezio", []string{"tmux", "poezio"}, peers.Options{}, poezio},
		{"poezio in rooms", []string{"tmux", "poezio"}, peers.Options{Users: acquainted("example.org")}, poezioRooms},
		{"gajim", []string{"Xvfb", "dbus-daemon", "gajim", "gajim-remote"}, peers.Options{Users: acquainted("example.org")}, gajim},
		{"gajim in rooms", []string{"Xvfb", "dbus-daemon", "gajim", "gajim-remote"}, peers.Options{Users: acquainted("example.org")}, gajimRooms},
		{"gajim among others", []string{"Xvfb", "dbus-daemon", "gdbus", "xdotool", "gajim", "gajim-remote"}, peers.Options{Users: acquainted("example.org")}, gajimOthers},
		{
			"dino",
			[]string{"Xvfb", "dbus-daemon", "gdbus", "xdotool", "gi", "dino-im"},
			peers.Options{Domains: []string{dinoDomain}, Users: acquainted(dinoDomain)},
			dino,
		},
		{
			"dino in rooms",
			[]string{"Xvfb", "dbus-daemon", "gdbus", "xdotool", "gi", "dino-im"},
			peers.Options{Domains: []string{dinoDomain}, Users: acquainted(dinoDomain)},
			dinoRooms,
		},
		{"xmppjs", []string{"node", "npm"}, peers.Options{}, library("xmppjs", "", 7)},
		{"strophe", []string{"node", "npm"}, peers.Options{}, library("strophe", "", 7)},
		{"stanzajs", []string{"node", "npm"}, peers.Options{}, library("stanzajs", "", 7)},
		{
			"converse",
			[]string{"node", "npm", "chromium"},
			peers.Options{Extra: "[http]\norigins = [\"http://" + page + "\"]"},
			library("converse", page, 7),
		},
		{
			"converse in rooms",
			[]string{"node", "npm", "chromium"},
			peers.Options{Users: acquainted("example.org"), Extra: "[http]\norigins = [\"http://" + page + "\"]"},
			library("converse_rooms", page, 11),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if lacks := lacking(c.needs); len(lacks) > 0 {
				report := t.Fatalf
				if *lackFlag {
					report = t.Skipf
				}
				report("THIS MACHINE LACKS: %s", strings.Join(lacks, ", "))
			}
			c.run(t, server(t, c.options))
		})
	}
}

// lacking returns which of the programs, or of python's modules, are not installed.
func lacking(needs []string) []string {
	var lacks []string
	for _, name := range needs {
		_, err := exec.LookPath(name)
		switch name {
		case "slixmpp", "gi":
			if _, err = python(name); err != nil {
				name = "python3-" + name
			}
		}
		if err != nil {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// python finds an interpreter that knows a module.
func python(module string) (string, error) {
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(path, "-c", "import "+module).Run() == nil {
			return path, nil
		}
	}
	return "", errors.New("no python3 with " + module)
}

// acquainted are two users with each other in their rosters, and one whom they do not know.
func acquainted(domain string) []peers.User {
	with := func(user, name string) []peers.Contact {
		return []peers.Contact{{JID: user + "@" + domain, Name: name, Subscription: "both"}}
	}
	return []peers.User{
		{Name: "alice", Password: password, Contacts: with("bob", "Bob")},
		{Name: "bob", Password: password, Contacts: with("alice", "Alice")},
		{Name: "carol", Password: password},
	}
}

// server starts the server that is talked to, with two users unless the options name others.
func server(t *testing.T, options peers.Options) *peers.Server {
	t.Helper()
	if peers.Kind(*peerFlag) != peers.Stonechat {
		options.Extra = ""
	}
	if options.Users == nil {
		options.Users = []peers.User{{Name: "alice", Password: password}, {Name: "bob", Password: password}}
	}
	options.Binary = *binaryFlag
	return peers.Run(t, peers.Kind(*peerFlag), options)
}

// script runs a scenario for slixmpp that reports step by step.
func script(name string, want int) func(*testing.T, *peers.Server) {
	return func(t *testing.T, s *peers.Server) {
		interpreter, err := python("slixmpp")
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
			"peer": string(s.Kind),
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), interpreter, "-B", filepath.Join("foreign", name), string(setup))
		steps(t, cmd, s, proxy, want)
	}
}

// steps runs a script that reports step by step and may ask for its lines to be cut or for the server to be started again.
func steps(t *testing.T, cmd *exec.Cmd, s *peers.Server, proxy *peers.Proxy, want int) {
	t.Helper()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		t.Log(line)
		switch {
		case line == "cut please":
			if proxy.Cut() == 0 {
				t.Error("there was no line to cut")
			}
		case line == "restart please":
			if err := s.Restart(t.Context()); err != nil {
				t.Error(err)
			}
		case strings.HasPrefix(line, "ok "):
			done++
		case strings.HasPrefix(line, "failed "):
			t.Error(line)
		}
	}
	if err := cmd.Wait(); err != nil || done != want {
		t.Errorf("%s: %v, %d of %d steps\n%s", filepath.Base(cmd.Path), err, done, want, complaints.String())
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

// enters types a line to Poezio, which takes a line that comes at once with its end as a paste.
func (x *terminal) enters(format string, args ...any) {
	x.t.Helper()
	line := fmt.Sprintf(format, args...)
	x.tmux("send-keys", "-l", line)
	x.until("does not take "+line, func(screen string) bool { return strings.Contains(screen, line) })
	x.tmux("send-keys", "Enter")
}

// command types a command to Poezio, whose list of contacts takes the slash as a key of its own, and whatever comes at once with it as a paste.
func (x *terminal) command(format string, args ...any) {
	x.t.Helper()
	x.tmux("send-keys", "-l", "/")
	x.until("still waits for a slash", func(screen string) bool { return !strings.Contains(screen, "Enter commands with") })
	x.enters(format, args...)
}

// sees waits until the screen shows something.
func (x *terminal) sees(pattern string) {
	x.t.Helper()
	x.until(fmt.Sprintf("never shows %q", pattern), regexp.MustCompile(pattern).MatchString)
}

// until waits for a screen that fits; complaint is what to say otherwise.
func (x *terminal) until(complaint string, fits func(screen string) bool) {
	x.t.Helper()
	screen := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if screen = x.tmux("capture-pane", "-p"); fits(screen) {
			return
		}
	}
	x.t.Fatalf("%s %s but\n%s", x.name, complaint, strings.TrimSpace(screen))
}

func portOf(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return p
}
