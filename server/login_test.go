package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/mod/account"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

const conversationsBind = "<bind xmlns='urn:xmpp:bind:0'><tag>Conversations.AbCd</tag><enable xmlns='urn:xmpp:carbons:2'/>" +
	"<inactive xmlns='urn:xmpp:csi:0'/><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"

// The order in which Conversations negotiates, and comes back.
func TestConversationsOrder(t *testing.T) {
	r := start(t, "example.org")
	w := r.wire("alice@example.org")
	for _, want := range []string{
		"<mechanism>SCRAM-SHA-512-PLUS</mechanism>", "<inline><bind xmlns='urn:xmpp:bind:0'><inline>", "<feature var='urn:xmpp:carbons:2'/>",
		"<feature var='urn:xmpp:sm:3'/>", "<sm xmlns='urn:xmpp:sm:3'/>", "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism>",
		"<mechanism>HT-SHA-256-NONE</mechanism>", "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>",
		"<channel-binding type='tls-exporter'/>", "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>",
	} {
		if !strings.Contains(w.features.Raw(), want) {
			t.Errorf("the features lack %s: %s", want, w.features.Raw())
		}
	}
	more := userAgent(agentID) + conversationsBind + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>"
	ok := w.login("alice", password, sasl.ScramSHA512Plus, more)
	token, id, full := first(tokenOf, ok), first(enabledOf, ok), first(identifierOf, ok)
	if ok.Local != "success" || token == "" || id == "" || !regexp.MustCompile(`^alice@example\.org/Conversations\.AbCd/[A-Za-z0-9_-]{12}$`).MatchString(full) {
		t.Fatalf("success is %s", ok.Raw())
	}
	if !strings.Contains(ok.Raw(), "<bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'/>") || strings.Contains(ok.Raw(), agentID) {
		t.Errorf("success is %s", ok.Raw())
	}
	// No restart: features come at once, and then stanzas that are counted.
	if f := w.read("features"); f.Has(ns.Bind, "bind") || f.Has(ns.SASL2, "authentication") {
		t.Errorf("features after the log-in: %s", f.Raw())
	}
	w.send("<presence/><r xmlns='urn:xmpp:sm:3'/>")
	w.read("a")
	bob := r.dial("bob", nil)
	say := func(text string) {
		t.Helper()
		ticket, err := bob.Message(t.Context(), jid.MustParse("alice@example.org"), text)
		if err == nil {
			err = ticket.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	say("counted")
	w.read("presence") // one's own: it has waited, as the session is inactive
	w.read("message")
	w.conn.Close()
	say("missed")

	// Back by the token, in one write, with the session where it was.
	w = r.connected()
	c, err := sasl.NewTokenClient(sasl.HTExporter, token, sasl.Login{Username: "alice", Bindings: w.bindings})
	if err != nil {
		t.Fatal(err)
	}
	more = userAgent(agentID) + "<fast xmlns='urn:xmpp:fast:0' count='1'/><resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='2'/>" + conversationsBind
	w.send(header("example.org", "alice@example.org") + authenticate(sasl.HTExporter, c.Start(), more))
	w.readHeader()
	ok = w.read("success")
	proof, _ := ok.Child(ns.SASL2, "additional-data")
	if err := c.Finish(data(t, proof.Text())); err != nil {
		t.Error(err)
	}
	if !ok.Has(ns.StreamManagement, "resumed") || ok.Has(ns.Bind2, "bound") || ok.Has(ns.Fast, "token") || first(identifierOf, ok) != full {
		t.Fatalf("success is %s", ok.Raw())
	}
	// No features: what was missed comes at once, behind an element for clients that wait for features.
	w.read("r")
	if m := w.read("message"); !strings.Contains(m.Raw(), "missed") {
		t.Errorf("got %s", m.Raw())
	}
	w.conn.Close()

	// A session that cannot be taken up is replaced by a new one with the same address.
	w = r.wire("alice@example.org")
	more = userAgent(agentID) + "<fast xmlns='urn:xmpp:fast:0'/><resume xmlns='urn:xmpp:sm:3' previd='gone' h='0'/>" + conversationsBind
	ok = w.byToken("alice", sasl.HTExporter, token, more)
	if !ok.Has(ns.StreamManagement, "failed") || !ok.Has(ns.Bind2, "bound") || first(identifierOf, ok) != full {
		t.Fatalf("success is %s", ok.Raw())
	}
	w.read("features")
	// XEP-0386 section 3.2: another session of the same installation takes its place, whatever its tag.
	again := r.wire("alice@example.org")
	ok = again.byToken("alice", sasl.HTExporter, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0'/><bind xmlns='urn:xmpp:bind:0'/>")
	if got := first(identifierOf, ok); strings.Contains(got, "Conversations") || got == full || got == "" {
		t.Errorf("a resource without tag is %s", got)
	}
	if got := w.broken(); got != stanza.StreamConflict {
		t.Errorf("the older session ended with %s", got)
	}
}

// turning counts how often the client speaks after it has listened.
type turning struct {
	net.Conn
	flights  *atomic.Int32
	listened bool
}

func (c *turning) Write(p []byte) (int, error) {
	if c.listened || c.flights.Load() == 0 {
		c.flights.Add(1)
		c.listened = false
	}
	return c.Conn.Write(p)
}

func (c *turning) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.listened = c.listened || n > 0
	return n, err
}

// One flight begins TLS, one ends it. With a token, the same one brings the session back; else each step costs another.
func TestRoundTrips(t *testing.T) {
	r := start(t, "example.org")
	login := stream.Login{
		JID: jid.MustParse("alice@example.org"), Password: password, Address: r.Addresses("c2s_tls")[0].String(), DirectTLS: true,
		TLS: &tls.Config{InsecureSkipVerify: true}, Manage: true, Agent: stream.UserAgent{ID: agentID}, KeepToken: true, Tag: "Test",
	}
	connect := func(l stream.Login, want int32) *stream.Session {
		t.Helper()
		var flights atomic.Int32
		l.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			nc, err := d.DialContext(ctx, network, address)
			return &turning{Conn: nc, flights: &flights}, err
		}
		s, err := stream.Connect(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if got := flights.Load(); got != want {
			t.Errorf("%d flights, want %d", got, want)
		}
		s.Conn.Close()
		return s
	}
	s := connect(login, 4) // … and the header, the name, the proof
	if s.Token == nil || !s.Managed || s.Resumption.ID == "" || !strings.HasPrefix(s.JID.Resource(), "Test/") {
		t.Fatalf("session %+v", s)
	}
	back := login
	back.Token, back.Resume = *s.Token, s.Resumption
	if again := connect(back, 2); !again.Resumed || again.TokenRefused {
		t.Errorf("session %+v", again)
	}
	back.Resume = stream.Resumption{}
	if again := connect(back, 2); again.JID != s.JID || !again.Managed {
		t.Errorf("session %+v", again)
	}
	// A token that is refused costs nothing beyond the flight that the header needs anyway, and the password helps.
	back.Token.Secret = "worthless"
	if again := connect(back, 4); again.Token == nil {
		t.Errorf("session %+v", again)
	}
	classic := login
	classic.Classic = true
	connect(classic, 7) // header, name, proof, header, resource, management
}

// What may not happen during a log-in by XEP-0388, and what it is told.
func TestModernRefusals(t *testing.T) {
	r := start(t, "example.org")
	first := []byte("n,,n=alice,r=abcdefgh")
	start := authenticate(sasl.ScramSHA512, first, "")
	for _, x := range []struct{ name, from, say, want string }{
		{"another name than the header's", "bob@example.org", start, "sasl:invalid-authzid"},
		{"a header from elsewhere", "alice@example.net", start, "stream:invalid-from"},
		{"another authorization identity", "", authenticate(sasl.ScramSHA512, []byte("n,a=bob@example.org,n=alice,r=abcdefgh"), ""), "sasl:invalid-authzid"},
		{"one's own", "", authenticate(sasl.ScramSHA512, []byte("n,a=alice@example.org,n=alice,r=abcdefgh"), ""), "challenge"},
		{"the header's own with a resource", "alice@example.org/x", start, "challenge"},
		{"nobody in particular in the header", "example.org", start, "challenge"},
		{"a cut offer", "", authenticate(sasl.ScramSHA512, []byte("y,,n=alice,r=abcdefgh"), ""), "sasl:not-authorized"},
		{"a mechanism that is not offered", "", authenticate("PLAIN", []byte("\x00alice\x00x"), ""), "sasl:invalid-mechanism"},
		{"an unknown mechanism", "", authenticate("X-FOO", nil, ""), "sasl:invalid-mechanism"},
		{"no mechanism", "", "<authenticate xmlns='urn:xmpp:sasl:2'/>", "sasl:malformed-request"},
		{"no base64", "", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-512'><initial-response>%%</initial-response></authenticate>", "sasl:incorrect-encoding"},
		{"no initial response", "", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-512'/>", "challenge"},
		{"a token without initial response", "", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><fast xmlns='urn:xmpp:fast:0'/></authenticate>", "sasl:malformed-request"},
		{"a password as a token", "", authenticate(sasl.ScramSHA512, first, "<fast xmlns='urn:xmpp:fast:0'/>"), "sasl:invalid-mechanism"},
		{"a long tag", "", authenticate(sasl.ScramSHA512, first, "<bind xmlns='urn:xmpp:bind:0'><tag>"+strings.Repeat("x", 257)+"</tag></bind>"), "sasl:malformed-request"},
		{"white space", "", start + " ", "stream:not-authorized"},
		{"a stanza", "", start + "<presence/>", "stream:not-authorized"},
		{"another start", "", start + start, "stream:not-authorized"},
		{"the other profile", "", start + "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "stream:not-authorized"},
		{"an element of nobody", "", start + "<x xmlns='urn:example'/>", "stream:unsupported-stanza-type"},
		{"giving up", "", start + "<abort xmlns='urn:xmpp:sasl:2'><text>no</text></abort>", "sasl:aborted"},
		{"nonsense as a proof", "", start + "<response xmlns='urn:xmpp:sasl:2'>AAAA</response>", "sasl:malformed-request"},
		{"a task that nobody asked for", "", "<next xmlns='urn:xmpp:sasl:2' task='X'/>", "stream:unsupported-stanza-type"},
		{"too much", "", authenticate(sasl.ScramSHA512, []byte(strings.Repeat("x", 9000)), ""), "stream:policy-violation"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := r.connected()
			w.t = t
			w.send(header("example.org", x.from) + x.say)
			if got := outcome(w); got != x.want {
				t.Errorf("got %s, want %s", got, x.want)
			}
		})
	}
}

// outcome is how a log-in ends: the first answer, or what comes behind the challenge when there is more.
func outcome(w *wire) string {
	if _, err := w.conn.ReadHeader(); err != nil {
		return err.Error()
	}
	last := ""
	_ = w.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		st, err := w.conn.Read()
		if peer, ok := err.(*stream.PeerError); ok {
			return "stream:" + string(peer.Err.Condition)
		}
		switch {
		case err != nil:
			return last
		case st.Local == "failure":
			return "sasl:" + first(conditionOf, st)
		case st.Local == "challenge":
			last = "challenge"
			_ = w.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // long enough for what was sent with it
		}
	}
}

// Accounts that came with an older credential log in by it, everybody sees the same offer, and a client brings the rest (XEP-0480).
func TestUpgrade(t *testing.T) {
	folder := t.TempDir()
	addUsers(t, folder, "example.org")
	db, err := sqlstore.Open(t.Context(), folder, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := account.Credentials(password, 4096)
	if err != nil {
		t.Fatal(err)
	}
	old := all[slices.IndexFunc(all, func(c store.Credential) bool { return c.Mechanism == "SCRAM-SHA-1" })]
	if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "carl", Credentials: []store.Credential{old}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := open(t, "example.org", folder)
	offered := func(from string) string {
		t.Helper()
		o, _ := stream.ParseSASL2Offer(r.wire(from).features)
		return fmt.Sprint(o.Mechanisms)
	}
	const before, after = "[SCRAM-SHA-1-PLUS SCRAM-SHA-1]", "[SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1]"
	for _, from := range []string{"alice@example.org", "carl@example.org", "nobody@example.org", ""} {
		if got := offered(from); got != before {
			t.Errorf("%q is offered %s", from, got)
		}
	}
	r.dial("carl", func(c *client.Config) { c.Classic = true })
	if got := offered(""); got != before {
		t.Errorf("after a classic log-in %s", got)
	}
	r.dial("carl", nil)
	if got := offered(""); got != after {
		t.Errorf("after the upgrade %s", got)
	}
	w := r.wire("carl@example.org")
	if ok := w.login("carl", password, sasl.ScramSHA512Plus, ""); ok.Local != "success" {
		t.Errorf("by the new credential: %s", ok.Raw())
	}
	w.read("features")
	// Tasks, step by step.
	r.ctl("POST", "/users/import", map[string]any{"name": "dora", "credentials": []string{rfc5803(t, old)}}, nil)
	for _, x := range []struct{ name, say, want string }{
		{"another task", "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>", "malformed-request"},
		{"giving up", "<abort xmlns='urn:xmpp:sasl:2'/>", "aborted"},
		{"a short hash", "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/><task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>AAAA</hash></task-data>", "malformed-request"},
	} {
		w := r.wire("dora@example.org")
		c := w.login("dora", password, sasl.ScramSHA1Plus, "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>")
		if c.Local != "continue" || !strings.Contains(c.Raw(), "<tasks><task>UPGR-SCRAM-SHA-512</task></tasks>") {
			t.Fatalf("%s", c.Raw())
		}
		w.send(x.say)
		st, err := w.conn.Read()
		if err == nil && st.Local == "task-data" {
			if !regexp.MustCompile(`<salt xmlns='urn:xmpp:scram-upgrade:0' iterations='4096'>[A-Za-z0-9+/=]+</salt>`).MatchString(st.Raw()) {
				t.Errorf("%s", st.Raw())
			}
			st, err = w.conn.Read()
		}
		if err != nil || st.Local != "failure" || first(conditionOf, st) != x.want {
			t.Errorf("%s: %v %v", x.name, st, err)
		}
	}
	if got := offered(""); got != before {
		t.Errorf("after tasks that failed %s", got)
	}
}

// rfc5803 is the credential as imports have it.
func rfc5803(t *testing.T, c store.Credential) string {
	t.Helper()
	text, err := sasl.Credential{Hash: sasl.SHA1, Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey}.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Which of the two profiles offers to bind, and whether a client that could bind and was not offered to is believed.
func TestChannelBindingModes(t *testing.T) {
	for mode, want := range map[string]struct{ classic, modern bool }{"sasl2": {false, true}, "all": {true, true}, "off": {false, false}} {
		t.Run(mode, func(t *testing.T) {
			r := startWith(t, "example.org", func(c *config.Config) { c.Login.ChannelBinding = mode })
			features := r.wire("").features
			classic, _ := features.Child(ns.SASL, "mechanisms")
			modern, _ := features.Child(ns.SASL2, "authentication")
			if got := strings.Contains(classic.Raw(), "-PLUS"); got != want.classic {
				t.Errorf("the classic profile binds: %v", got)
			}
			if got := strings.Contains(modern.Raw(), "-PLUS"); got != want.modern {
				t.Errorf("the modern profile binds: %v", got)
			}
			if got := features.Has(ns.SASLChannelBinding, "sasl-channel-binding"); got != want.modern {
				t.Errorf("types are announced: %v", got)
			}
			if got := strings.Contains(modern.Raw(), "HT-SHA-256-EXPR"); got != want.modern {
				t.Errorf("tokens bind: %v", got)
			}
			// RFC 5802 section 6: "y" is a lie where the list in use had -PLUS, and right where it had not.
			for profile, say := range map[bool]string{
				false: "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>" + b64([]byte("y,,n=alice,r=abcdefgh")) + "</auth>",
				true:  authenticate(sasl.ScramSHA256, []byte("y,,n=alice,r=abcdefgh"), ""),
			} {
				w := r.wire("")
				w.send(say)
				st, err := w.conn.Read()
				refused := want.classic
				if profile {
					refused = want.modern
				}
				if err != nil || (st.Local == "failure") != refused {
					t.Errorf("modern %v: %v %v", profile, st, err)
				}
			}
			r.dial("alice", nil)
			r.dial("alice", func(c *client.Config) { c.Classic = true })
		})
	}
}

// Who has a token alone is told that it is refused, and does not try it for ever.
func TestRefusedTokenAlone(t *testing.T) {
	r := start(t, "example.org")
	_, err := stream.Connect(t.Context(), stream.Login{
		JID: jid.MustParse("alice@example.org"), Address: r.Addresses("c2s_tls")[0].String(), DirectTLS: true,
		TLS: &tls.Config{InsecureSkipVerify: true}, Manage: true, Agent: stream.UserAgent{ID: agentID}, KeepToken: true, Tag: "Test",
		Token: stream.Token{Mechanism: sasl.HTNone, Secret: "worthless", Expires: time.Now().Add(time.Hour)},
	})
	var refused *stream.LoginError
	if !errors.As(err, &refused) || refused.Condition != sasl.NotAuthorized {
		t.Errorf("%v", err)
	}
}
