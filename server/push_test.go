package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/webpush/webpushtest"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	pushSpace  = "urn:stonechat:push:1"
	pushWindow = 300 * time.Millisecond
)

// pushing is a server of which notifications go to a push service of the test's own.
func pushing(t *testing.T, s *webpushtest.Service) *running {
	t.Helper()
	return startWith(t, "example.org", onlyTo(s))
}

func onlyTo(s *webpushtest.Service) func(*config.Config) {
	roots := s.Roots()
	return func(c *config.Config) {
		c.Outbound.Allow, c.Outbound.Roots = []string{"127.0.0.1"}, roots
		c.Push.Window, c.Push.Unheard = config.Duration(pushWindow), config.Duration(300*time.Millisecond)
	}
}

// ask sends a request to the client's own account, or fails.
func set(t *testing.T, c *client.Client, typ stanza.Type, payload string) *stanza.Stanza {
	t.Helper()
	st, err := c.IQ(t.Context(), jid.JID{}, typ, payload)
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return st
}

// registered has a client register the service's device.
func registered(t *testing.T, c *client.Client, s *webpushtest.Service, path, more string) {
	t.Helper()
	b := xmltok.AppendAttr([]byte("<register xmlns='"+pushSpace+"'"), "endpoint", s.URL+path)
	b = xmltok.AppendAttr(xmltok.AppendAttr(b, "p256dh", s.Device.Key()), "auth", s.Device.Auth())
	set(t, c, stanza.Set, string(b)+" "+more+"/>")
}

// away ends the session of a client.
func away(t *testing.T, c *client.Client) {
	t.Helper()
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func say(t *testing.T, c *client.Client, to, body, xml string) {
	t.Helper()
	ticket, err := c.SendMessage(t.Context(), jid.MustParse(to), stanza.Chat, body, xml)
	if err == nil {
		err = ticket.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// notified is what docs/push.md says.
type notified struct {
	Kind, Account, From, Type, Title, Body, Sender, ID, Of string
	Version, Unread, Total                                 int
	Encrypted, Mention                                     bool
}

func readNotice(t *testing.T, b webpushtest.Brought) (n notified) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.Text), &n); err != nil {
		t.Fatalf("%s: %v", b.Text, err)
	}
	return n
}

// TestPushToWhoIsAway: a message to somebody without a connection is on their device, closed for it alone, and says as much as it was asked to.
func TestPushToWhoIsAway(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	key := set(t, alice, stanza.Get, "<push xmlns='"+pushSpace+"'/>")
	payload, _ := key.Payload()
	if k, _ := payload.Attr("key"); len(k) != 87 {
		t.Errorf("the key is %q", k)
	}
	registered(t, alice, service, "/a", "")
	registered(t, alice, service, "/b", "names='true' bodies='true' withdraw='true'")
	away(t, alice)
	say(t, bob, "alice@example.org", "Wherefore art thou?", "")
	byPath := map[string]notified{}
	for _, b := range service.Wait(2) {
		byPath[b.Path] = readNotice(t, b)
		if b.Header.Get("Urgency") != "high" || b.Header.Get("TTL") != "259200" || len(b.Header.Get("Topic")) != 32 || !strings.HasPrefix(b.Header.Get("Authorization"), "vapid t=") {
			t.Errorf("header %v", b.Header)
		}
	}
	want := notified{Kind: "message", Account: "alice@example.org", From: "bob@example.org", Type: "chat", ID: byPath["/a"].ID, Version: 1, Unread: 1, Total: 1, Mention: true}
	if got := byPath["/a"]; got != want || got.ID == "" {
		t.Errorf("told %+v, want %+v", got, want)
	}
	want.Title, want.Sender, want.Body = "bob", "bob", "Wherefore art thou?"
	if got := byPath["/b"]; got != want {
		t.Errorf("told %+v, want %+v", got, want)
	}
	// Read on another device it goes away where that can be, and only there.
	alice = r.dial("alice", func(c *client.Config) { c.JID = jid.MustParse("alice@example.org/other") })
	set(t, alice, stanza.Set, "<pubsub xmlns='"+ns.PubSub+"'><publish node='"+ns.Displayed+"'><item id='bob@example.org'><displayed xmlns='"+ns.Displayed+
		"'><stanza-id xmlns='"+ns.StanzaID+"' id='"+want.ID+"' by='alice@example.org'/></displayed></item></publish></pubsub>")
	last := service.Wait(3)[2]
	if got := readNotice(t, last); last.Path != "/b" || got.Kind != "withdraw" || got.Of != "message" || got.From != "bob@example.org" || got.Unread != 0 {
		t.Errorf("%s got %s", last.Path, last.Text)
	}
	if topics := service.Got(); last.Header.Get("Topic") != topics[0].Header.Get("Topic") && last.Header.Get("Topic") != topics[1].Header.Get("Topic") {
		t.Error("what is withdrawn has another topic than what was told")
	}
}

// TestPushGone: a device that its service does not know any more is forgotten; a service that is too busy is asked again when it said.
func TestPushGone(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	registered(t, alice, service, "/gone", "")
	registered(t, alice, service, "/busy", "")
	away(t, alice)
	busy := false
	service.Answer(func(w http.ResponseWriter, b webpushtest.Brought) {
		switch {
		case b.Path == "/gone":
			w.WriteHeader(http.StatusGone)
		case !busy:
			busy = true
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusCreated)
		}
	})
	say(t, bob, "alice@example.org", "one", "")
	service.Wait(3)
	var list []struct {
		Service string
		Errors  int
		Answers []struct{ Said string }
	}
	for range 100 {
		if r.ctl("GET", "/users/alice/push", "", &list); len(list) == 1 && len(list[0].Answers) == 2 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(list) != 1 || list[0].Errors != 0 || len(list[0].Answers) != 2 || list[0].Answers[0].Said != "message: HTTP status 201" || list[0].Answers[1].Said != "message: HTTP status 429" {
		t.Errorf("%+v", list)
	}
}

// quiet fails when more than n messages come. What would bring one has been said before, and a message of another chat comes behind it.
func quiet(t *testing.T, s *webpushtest.Service, bob *client.Client, n int) {
	t.Helper()
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Chat, To: jid.MustParse("carol@example.org")}, "<body>fence</body>")
	if err == nil {
		_, err = bob.Send(t.Context(), st)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(pushWindow / 2)
	if got := s.Got(); len(got) > n {
		t.Errorf("%d came, want %d: %v", len(got), n, got[n:])
	}
}

// TestPushApp: the server of an app, here another account's client, gets the publication of XEP-0357 from the host, with the options that the client gave, and
// nothing of what was said. Refused often enough it is not asked any more; told to wait it is asked again.
func TestPushApp(t *testing.T) {
	service := webpushtest.NewService(t)
	r := startWith(t, "example.org", func(c *config.Config) {
		onlyTo(service)(c)
		c.Push.Errors = 2
	})
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	app := r.wire("bob@example.org")
	app.login("bob", password, "", "")
	_ = app
	set(t, alice, stanza.Set, "<enable xmlns='urn:xmpp:push:0' jid='"+bob.JID().String()+"' node='n1'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"+
		"<value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='secret'><value>s3&lt;</value></field></x></enable>")
}
