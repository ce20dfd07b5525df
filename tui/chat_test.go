package tui_test

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"stonechat/tui"
)

func TestConversation(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	alice, bob := sit(t, h.account("alice")), sit(t, h.account("bob"))
	alice.types("hello?")
	alice.sees("no chat is open")
	alice.types("/add bob@localhost Bobby")
	bob.sees("alice@localhost asks to see when you are here")
	bob.types("/accept alice@localhost")
	alice.sees("Bobby is here")
	bob.sees("alice@localhost is here")
	alice.types("/to bobby", "good morning", "//slash")
	alice.sees("✓ me → Bobby: good morning")
	bob.sees("alice@localhost: good morning")
	bob.sees("alice@localhost: /slash")
	bob.types("/to alice@localhost", "good evening")
	alice.sees("  Bobby: good evening")

	second := sit(t, h.account("alice"))
	second.sees("Bobby is here")
	bob.types("to both")
	alice.sees("  Bobby: to both")
	second.sees("  Bobby: to both")
	second.types("/to bob", "from elsewhere")
	alice.sees("me (other device) → Bobby: from elsewhere")
	second.types("/who")
	second.sees("another device of yours: ")
	if err := second.leaves(); err != nil {
		t.Error(err)
	}

	alice.types("/history 3")
	alice.sees("-- end of history, 3 messages")
	history := alice.out.String()[strings.Index(alice.out.String(), "-- history with Bobby"):]
	if !regexp.MustCompile(`(?s)Bobby: good evening.*Bobby: to both.*me: from elsewhere`).MatchString(history) {
		t.Errorf("history: %s", history)
	}
	bob.types("/status dnd in a meeting", "/contacts")
	alice.sees("Bobby is busy (in a meeting)")
	bob.sees("alice@localhost: here; you see each other")
	if err := bob.leaves(); err != nil {
		t.Error(err)
	}
	alice.sees("Bobby is gone")
	alice.types("/remove bobby")
	alice.sees("Bobby is no contact any more")
	alice.types("/quit")
	if err := <-alice.end; err != nil {
		t.Error(err)
	}
	for _, once := range []string{"good evening", "to both"} {
		if n := alice.times("  Bobby: " + once); n > 2 {
			t.Errorf("%q is shown %d times, its history included", once, n)
		}
	}
}

func TestDenyAndErrors(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	alice, bob := sit(t, h.account("alice")), sit(t, h.account("bob"))
	alice.types("/add bob@localhost")
	bob.sees("asks to see")
	bob.types("/deny alice@localhost")
	alice.sees("bob@localhost does not let you see when they are here")
	alice.types("/to nobody@localhost", "anybody there?")
	alice.sees("✗ me → nobody@localhost: anybody there? -- service-unavailable")
	for line, want := range map[string]string{
		"/to":           "/to NAME or ADDRESS",
		"/to zed":       "no contact is called so",
		"/to @":         "this is no address",
		"/history 0":    "from 1 to",
		"/status tired": "/status away",
		"/dance":        "no command /dance",
		"/remove x@y":   "this is no contact",
		"/help":         "/status away|dnd|available [TEXT]",
		"\x07bell":      "control character U+0007",
	} {
		alice.types(line)
		alice.sees(want)
	}
}

func TestOthersCannotSteerTheTerminal(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	alice := sit(t, h.account("alice"))
	text := "\u009b2J \u202eoverride\n12:00:00   bob@localhost: forged"
	if err := tui.Send(t.Context(), h.account("bob"), h.account("alice").JID, text); err != nil {
		t.Fatal(err)
	}
	alice.sees("bob@localhost: <U+009B>2J <U+202E>override\n         | 12:00:00   bob@localhost: forged\n")
	if strings.ContainsAny(alice.out.String(), "\u009b\u202e") {
		t.Errorf("raw: %q", alice.out.String())
	}
}

// Cuts at any moment neither lose nor double anything.
func TestReconnectAndResume(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	line := cutters(t, h.address)
	account := h.account("alice")
	account.Server = line.l.Addr().String()
	alice, bob := sit(t, account), sit(t, h.account("bob"))
	alice.types("/to bob@localhost")
	bob.types("/to alice@localhost")
	alice.sees("chat with")
	bob.sees("chat with")
	const rounds, each = 4, 5
	for r := range rounds {
		for i := range each {
			alice.types(fmt.Sprintf("ping %02d.", r*each+i))
			bob.types(fmt.Sprintf("pong %02d.", r*each+i))
			if i == each/2 {
				line.cut(h.address)
			}
		}
		until(t, "back", func() bool { return alice.times("connected again; the session goes on") == r+1 })
	}
	for i := range rounds * each {
		alice.sees(fmt.Sprintf(": pong %02d.", i))
		bob.sees(fmt.Sprintf(": ping %02d.", i))
		until(t, "acknowledged", func() bool {
			return regexp.MustCompile(fmt.Sprintf(`✓ me → bob@localhost: ping %02d\.`, i)).MatchString(alice.out.String())
		})
	}
	for i := range rounds * each {
		if n := alice.times(fmt.Sprintf(": pong %02d.", i)); n != 1 {
			t.Errorf("pong %d is shown %d times", i, n)
		}
		if n := bob.times(fmt.Sprintf(": ping %02d.", i)); n != 1 {
			t.Errorf("ping %d is shown %d times", i, n)
		}
	}
	if err := alice.leaves(); err != nil {
		t.Error(err)
	}
}

// Behind a restart the session goes on. A new one begins where the old one is lost. Either way what was typed meanwhile goes out, and what came
// meanwhile is shown, once.
func TestReconnectToAServerThatWasRestarted(t *testing.T) {
	for what, forgets := range map[string]bool{"the session goes on": false, "connected again in a new session": true} {
		t.Run(what, func(t *testing.T) { testReconnect(t, what, forgets) })
	}
}

func testReconnect(t *testing.T, what string, forgets bool) {
	data := t.TempDir()
	h := start(t, data, "alice", "bob")
	line := cutters(t, h.address)
	account := h.account("alice")
	account.Server = line.l.Addr().String()
	alice, bob := sit(t, account), sit(t, h.account("bob"))
	alice.types("/to bob@localhost", "before")
	bob.sees("alice@localhost: before")
	alice.sees("✓ me → bob@localhost: before")
	if err := bob.leaves(); err != nil {
		t.Error(err)
	}
	line.cut("")
	h.stop()
	alice.sees("trying to come back")
	alice.types("meanwhile")
	alice.sees("… me → bob@localhost: meanwhile")

	if forgets {
		forget(t, data)
	}
	again := start(t, data)
	if err := tui.Send(t.Context(), again.account("bob"), account.JID, "for later"); err != nil {
		t.Fatal(err)
	}
	line.cut(again.address)
	alice.sees(what)
	alice.sees("✓ me → bob@localhost: meanwhile")
	alice.sees("bob@localhost: for later")
	bob = sit(t, again.account("bob"))
	bob.sees("alice@localhost: meanwhile")
	if err := alice.leaves(); err != nil {
		t.Error(err)
	}
	for what, p := range map[string]*person{": for later": alice, ": meanwhile": bob, "✓ me → bob@localhost: before": alice} {
		if n := p.times(what); n != 1 {
			t.Errorf("%q is shown %d times", what, n)
		}
	}
}

func TestLeavingWithoutAcknowledgement(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	line := cutters(t, h.address)
	account := h.account("alice")
	account.Server = line.l.Addr().String()
	alice := sit(t, account)
	alice.types("/to bob@localhost")
	alice.sees("chat with")
	line.cut("")
	alice.sees("trying to come back")
	alice.types("into the void")
	err := alice.leaves()
	if err == nil || !strings.Contains(err.Error(), "1 messages were not acknowledged") {
		t.Errorf("left with %v", err)
	}
	alice.sees("✗ me → bob@localhost: into the void")
}

func TestOutputFails(t *testing.T) {
	h := start(t, t.TempDir(), "alice")
	broken := errors.New("terminal gone")
	r, w := io.Pipe()
	defer w.Close()
	end := make(chan error, 1)
	go func() { end <- tui.Chat(t.Context(), h.account("alice"), tui.Terminal{In: r, Out: failing{broken}}) }()
	select {
	case err := <-end:
		if !errors.Is(err, broken) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("goes on without a terminal")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
