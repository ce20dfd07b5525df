package tui_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestBlockAndReport(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	alice, bob := sit(t, h.account("alice")), sit(t, h.account("bob"))
	bob.types("/to alice@localhost", "buy this")
	alice.sees("bob@localhost: buy this")
	alice.types("/report bob@localhost gossip")
	alice.sees("/report ADDRESS spam or")
	alice.types("/report bob@localhost spam he sells things")
	alice.sees("bob@localhost is blocked and reported")
	bob.types("really")
	bob.sees("✗ me → alice@localhost: really -- service-unavailable")
	alice.types("/blocked")
	alice.sees("-- blocked: 1")
	alice.sees("--   bob@localhost")
	alice.types("/to bob@localhost", "no")
	alice.sees("✗ me → bob@localhost: no -- not-acceptable")
	alice.types("/unblock bob@localhost")
	alice.sees("bob@localhost is not blocked any more")
	alice.types("/block localhost")
	alice.types("/unblock all")
	alice.sees("nobody is blocked any more")
	bob.types("again")
	alice.sees("again")

	get := func(path string, into any) {
		t.Helper()
		r, err := control(h.data).Get("http://ctl/localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	type report struct {
		ID                                int64
		By, About, Reason, Text, Messages string
	}
	var list []report
	get("/reports", &list)
	if len(list) != 1 {
		t.Fatalf("reports: %+v", list)
	}
	var one report
	get("/reports/"+strconv.FormatInt(list[0].ID, 10), &one)
	if one.By != "alice@localhost" || one.About != "bob@localhost" || one.Text != "he sells things" || one.Reason != "urn:xmpp:reporting:spam" ||
		!strings.Contains(one.Messages, "<body>buy this</body>") {
		t.Errorf("report: %+v", one)
	}
}

func TestStrangers(t *testing.T) {
	h := start(t, t.TempDir(), "alice", "bob")
	alice, bob := sit(t, h.account("alice")), sit(t, h.account("bob"))
	alice.types("/strangers")
	alice.sees("for strangers you are open; people of your own server are no strangers; messages that wait: 0")
	alice.types("/strangers shut")
	alice.sees("/strangers open,")
	alice.types("/strangers quiet")
	alice.sees("for strangers you are quiet from now on")
	alice.types("/requests")
	alice.sees("-- strangers who wait: 0")
	bob.types("/to alice@localhost", "members pass")
	alice.sees("members pass")
	alice.types("/admit bob@localhost")
	alice.sees("bob@localhost is no stranger any more")
	alice.types("/dismiss bob@localhost")
	alice.sees("what waited of bob@localhost is gone")
}
