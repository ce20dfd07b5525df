package peers_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/peers"
)

// startProfanity logs a user in with Profanity.
func startProfanity(t *testing.T, s *peers.Server, user, resource, home string) *terminal {
	t.Helper()
	return startProfanityAt(t, s, s.C2S, user, resource, home)
}

// startProfanityAt logs a user in at an address that may be a proxy's.
func startProfanityAt(t *testing.T, s *peers.Server, address, user, resource, home string) *terminal {
	t.Helper()
	rc := "[notifications]\nmessage=off\n[ui]\nsplash=false\nbeep=false\nstatuses.muc=all\n[logging]\nchlog=true\n[connection]\nautoping=0\nreconnect=2\n"
	dir := filepath.Join(home, "config", "profanity")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "profrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, "profanity of "+user+"/"+resource, home, "profanity")
	x.sees("Profanity")
	x.line("/connect %s@%s/%s server 127.0.0.1 port %s tls trust", user, s.Domain, resource, portOf(address))
	x.sees("(?i)password")
	x.line("%s", password)
	x.sees("logged in successfully")
	return x
}

// profanity talks to itself: log-in, contacts, messages both ways, carbons, an offline message. Its archive is left out: it asks the domain for the feature, which XEP-0313
// section 7 puts on the account.
func profanity(t *testing.T, s *peers.Server) {
	bobsHome := t.TempDir()
	alice := startProfanity(t, s, "alice", "desk", t.TempDir())
	bob := startProfanity(t, s, "bob", "desk", bobsHome)
	alice.line("/sub request bob@%s", s.Domain)
	bob.sees("authorization request from alice")
	bob.line("/sub allow alice@%s", s.Domain)
	alice.sees("(?i)bob@.*(accepted|online)|subscription.*bob")
	bob.line("/sub request alice@%s", s.Domain)
	alice.line("/sub allow bob@%s", s.Domain)
	bob.sees("alice@.*online|alice .*online")

	phone := startProfanity(t, s, "alice", "phone", t.TempDir())
	phone.line("/carbons on")
	alice.line("/msg bob@%s good morrow", s.Domain)
	bob.sees("alice.*\\(win 2\\)|good morrow")
	bob.line("/win 2")
	bob.sees("good morrow")
	bob.line("and to you")
	alice.sees("and to you")
	phone.sees("bob.*\\(win 2\\)|and to you")
	phone.line("/win 2")
	phone.sees("and to you")

	bob.line("/quit")
	alice.sees("bob.*offline")
	alice.line("read it later")
	alice.line("/ping")
	bob = startProfanity(t, s, "bob", "again", bobsHome)
	bob.line("/win 2")
	bob.sees("read it later")
}

// startMcabber logs a user in with mcabber.
func startMcabber(t *testing.T, s *peers.Server, user, home string) *terminal {
	t.Helper()
	rc := fmt.Sprintf(`set jid = %s@%s
set password = %s
set server = 127.0.0.1
set port = %s
set resource = mcabber
set tls = 1
set ssl_ignore_checks = 1
set beep_on_message = 0
set logging = 0
set priority = 5
set carbons = 1
`, user, s.Domain, password, portOf(s.C2S))
	path := filepath.Join(home, "mcabberrc")
	if err := os.WriteFile(path, []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, "mcabber of "+user, home, "mcabber", "-f", path)
	x.sees("Authentication complete|You are now online|\\[o\\]|~.*online")
	return x
}

// reads has mcabber show the conversation with somebody, who may not be in the list yet, until a text is in it.
func (x *terminal) reads(whom, text string) {
	x.t.Helper()
	var asked time.Time
	x.until(fmt.Sprintf("never shows %q of %s", text, whom), func(screen string) bool {
		if time.Since(asked) > time.Second {
			asked = time.Now()
			x.line("/roster search %s", whom)
			x.line("")
		}
		return strings.Contains(screen, text)
	})
}

// mcabber talks to itself: log-in, contacts, messages both ways, an offline message.
func mcabber(t *testing.T, s *peers.Server) {
	bobsHome := t.TempDir()
	alice := startMcabber(t, s, "alice", t.TempDir())
	bob := startMcabber(t, s, "bob", bobsHome)
	alice.line("/add bob@%s", s.Domain)
	bob.sees("alice@.* wants to subscribe|subscribe")
	bob.line("/event * accept")
	bob.line("/add alice@%s", s.Domain)
	alice.sees("bob@.* wants to subscribe")
	alice.line("/event * accept")
	alice.line("/say_to bob@%s good morrow", s.Domain)
	bob.reads("alice", "good morrow")
	bob.line("/say_to alice@%s and to you", s.Domain)
	alice.reads("bob", "and to you")
	bob.line("/quit")
	alice.sees("bob@.*(offline|\\[_\\])|\\[_\\]")
	alice.line("/say_to bob@%s read it later", s.Domain)
	bob = startMcabber(t, s, "bob", bobsHome)
	bob.reads("alice", "read it later")
}

// startPoezio logs a user in with Poezio.
func startPoezio(t *testing.T, s *peers.Server, user, home string) *terminal {
	t.Helper()
	rc := fmt.Sprintf(`[Poezio]
jid = %s@%s/poezio
password = %s
custom_host = 127.0.0.1
custom_port = %s
ca_cert_path = %s
first_run = false
use_log = false
enable_carbons = true
use_bookmark_method =
open_all_bookmarks = false
send_initial_presence = true
data_dir = %s
log_dir = %s
plugins_autoload =
`, user, s.Domain, password, portOf(s.C2S), filepath.Join(home, "cert.pem"), home, home)
	certificate, err := os.ReadFile(filepath.Join(s.Dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "cert.pem"), certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "poezio.cfg")
	if err := os.WriteFile(path, []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, "poezio of "+user, home, unprivileged(t, home, "poezio", "-f", path)...)
	x.sees("Authentication success|Your JID is")
	return x
}

// unprivileged puts in front of a command what makes it run as nobody, if we are root: Poezio refuses to be root. Its home folder is given to nobody.
func unprivileged(t *testing.T, home string, command ...string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return command
	}
	const nobody = 65534
	for _, dir := range []string{"config", "data", "cache"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
	// The folder around it, which the test made for root alone, must let nobody through.
	if err := os.Chmod(filepath.Dir(home), 0o711); err != nil {
		t.Fatal(err)
	}
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, command...)
}

// poezio talks to itself: log-in, messages both ways.
func poezio(t *testing.T, s *peers.Server) {
	alice := startPoezio(t, s, "alice", t.TempDir())
	bob := startPoezio(t, s, "bob", t.TempDir())
	alice.command("message bob@%s good morrow", s.Domain)
	alice.sees("> good morrow")
	bob.command("next")
	bob.sees("good morrow")
	bob.line("and to you")
	alice.sees("and to you")
}
