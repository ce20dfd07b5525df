package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// XEP-0478 section 3.1: after so many silent seconds the client is asked for a sign of life. Before the log-in silence is not what counts.
func TestIdleIsAnnounced(t *testing.T) {
	r := startWith(t, "example.org", func(c *config.Config) { c.Limits.IdlePing = config.Duration(200 * time.Second) })
	limits := func(features *stanza.Stanza) string {
		t.Helper()
		l, ok := features.Child(ns.StreamLimits, "limits")
		if !ok {
			t.Fatalf("no limits: %s", features.Raw())
		}
		return l.Inner()
	}
	w := r.wire("alice@example.org")
	if got := limits(w.features); strings.Contains(got, "idle-seconds") {
		t.Errorf("before the log-in %s", got)
	}
	w.login("alice", password, sasl.ScramSHA512Plus, "")
	if got := limits(w.read("features")); !strings.Contains(got, "<idle-seconds>200</idle-seconds>") {
		t.Errorf("after the log-in %s", got)
	}
}

// XEP-0198 section 8.1 and XEP-0484: a client that comes back by a token needs to await nothing. What it says behind <authenticate/> is counted from
// one on where a session begins, and from where it was where one goes on; there an <r/> comes first, then what it missed, then answers, each once.
func TestSaidBehindTheToken(t *testing.T) {
	r := start(t, "example.org")
	const bind = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
	w := r.wire("alice@example.org")
	ok := w.login("alice", password, sasl.ScramSHA512Plus, userAgent(agentID)+bind+"<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>")
	c, err := sasl.NewTokenClient(sasl.HTNone, first(tokenOf, ok), sasl.Login{Username: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	w.read("features")
	w.conn.Close()
	ping := func(id string) string { return "<iq type='get' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>" }
	back := func(more, behind string) *wire {
		t.Helper()
		w := r.connected()
		w.send(header("example.org", "alice@example.org") + authenticate(sasl.HTNone, c.Start(), userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0'/>"+more+bind) + behind)
		w.readHeader()
		return w
	}
	counted := func(w *wire, want int) {
		t.Helper()
		for {
			st, err := w.conn.Read()
			if err != nil {
				t.Fatalf("no count: %v", err)
			}
			if h, _ := st.Attr("h"); st.Local == "a" {
				if h != fmt.Sprint(want) {
					t.Errorf("counted %s, want %d", h, want)
				}
				return
			}
		}
	}
	// A new session; more than what may be said before a log-in.
	w = back("<resume xmlns='urn:xmpp:sm:3' previd='gone' h='0'/>", "<presence/>"+strings.Repeat("<message to='bob@example.org' type='chat'><body>"+strings.Repeat("x", 500)+"</body></message>", 200)+"<r xmlns='urn:xmpp:sm:3'/>")
	id := first(enabledOf, w.read("success"))
	w.read("features")
	w.read("presence")
	counted(w, 201)
	w.send(ping("lost"))
	w.read("iq")
	w.conn.Close()
	// It goes on: <resumed/>, no features, what was not confirmed, then answers.
	w = back("<resume xmlns='urn:xmpp:sm:3' previd='"+id+"' h='1'/>", ping("behind")+"<r xmlns='urn:xmpp:sm:3'/>")
	if ok := w.read("success"); !strings.Contains(ok.Raw(), "<resumed xmlns='urn:xmpp:sm:3' previd='"+id+"' h='202'/></success>") {
		t.Fatalf("%s", ok.Raw())
	}
	w.read("r") // see core: clients that await features take no stanza as the next element
	for _, want := range []string{"lost", "behind"} {
		if got := w.read("iq"); got.ID != want {
			t.Errorf("%s instead of the answer to %s", got.Raw(), want)
		}
	}
	counted(w, 203)
}
