package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/webpush/webpushtest"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	pushSpace  = "urn:stonechat:push:1"
	pushWindow = time.Second
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
	list := r.pushes(func(l []pushed) bool { return len(l) == 1 && len(l[0].Answers) == 2 })
	if len(list) != 1 || list[0].Errors != 0 || len(list[0].Answers) != 2 || list[0].Answers[0].Said != "message: HTTP status 201" || list[0].Answers[1].Said != "message: HTTP status 429" {
		t.Errorf("%+v", list)
	}
}

// list is what an administrator is told of alice's registrations.
func (r *running) pushes(done func(list []pushed) bool) (list []pushed) {
	r.t.Helper()
	for range 500 {
		list = nil
		if r.ctl("GET", "/users/alice/push", "", &list); done(list) {
			return list
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Errorf("never as wanted: %+v", list)
	return list
}

type pushed struct {
	Way, Service, Device string
	Errors               int
	Answers              []struct{ Said string }
	Decisions            []struct{ Chat, Why string }
}

func (p *pushed) decisions() (out []string) {
	for _, d := range p.Decisions {
		out = append(out, d.Why)
	}
	return out
}

// TestPushRefused: the server of an app that refuses is asked until it has refused often enough; one that is not there at the moment is not counted.
func TestPushRefused(t *testing.T) {
	service := webpushtest.NewService(t)
	r := startWith(t, "example.org", func(c *config.Config) {
		onlyTo(service)(c)
		c.Push.Errors = 2
	})
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	set(t, alice, stanza.Set, "<enable xmlns='urn:xmpp:push:0' jid='"+bob.JID().String()+"' node='refuses'/>") // a client that knows no such request
	set(t, alice, stanza.Set, "<enable xmlns='urn:xmpp:push:0' jid='push.example.net' node='away'/>")
	away(t, alice)
	say(t, bob, "alice@example.org", "one", "")
	list := r.pushes(func(l []pushed) bool { return len(l) == 2 && len(l[0].Answers) == 1 && len(l[1].Answers) == 1 })
	if list[0].Errors != 1 || list[0].Answers[0].Said != "message: service-unavailable" || list[1].Errors != 0 || list[1].Answers[0].Said != "message: remote-server-not-found" ||
		list[0].Way != "app" || list[1].Service != "push.example.net" {
		t.Errorf("%+v", list)
	}
	time.Sleep(pushWindow)
	say(t, bob, "alice@example.org", "two", "")
	r.pushes(func(l []pushed) bool { return len(l) == 1 && l[0].Service == "push.example.net" })
}

// phone is a client that confirms what it gets only while it is awake.
type phone struct {
	*wire
	asleep bool
	got    int
}

// next reads up to an element that has what is wanted.
func (p *phone) next(want string) {
	p.t.Helper()
	for {
		st, err := p.conn.Read()
		if err != nil {
			p.t.Fatalf("%v instead of %s", err, want)
		}
		switch {
		case st.Local != "r":
			p.got++
		case !p.asleep:
			p.send("<a xmlns='urn:xmpp:sm:3' h='" + strconv.Itoa(p.got) + "'/>")
		}
		if strings.Contains(st.Raw(), want) {
			return
		}
	}
}

// phone logs alice's in and registers it.
func (r *running) phone(s *webpushtest.Service) *phone {
	r.t.Helper()
	p := &phone{wire: r.wire("alice@example.org")}
	const bind = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
	if ok := p.login("alice", password, sasl.ScramSHA512Plus, userAgent(agentID)+bind); ok.Local != "success" {
		r.t.Fatal(ok.Raw())
	}
	p.read("features")
	p.send("<presence/><iq type='set' id='r1'><register xmlns='" + pushSpace + "' endpoint='" + s.URL + "/phone' p256dh='" + s.Device.Key() + "' auth='" + s.Device.Auth() +
		"' bodies='true'/></iq>")
	p.next("id='r1'")
	return p
}

// TestPushUnconfirmed: a device that is connected gets messages by its connection, and is told of one only when its client does not confirm it. With a name of
// its own it is known behind another log-in, and forgotten when it is revoked.
func TestPushUnconfirmed(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	bob := r.dial("bob", nil)
	phone := r.phone(service)
	say(t, bob, "alice@example.org", "confirmed", "")
	phone.next("confirmed")
	phone.send("<r xmlns='urn:xmpp:sm:3'/>")
	phone.next("<a ")
	phone.got-- // that was none that counts
	if l := r.pushes(func(l []pushed) bool { return len(l) == 1 && len(l[0].Decisions) == 1 }); l[0].decisions()[0] != "not told: the device is connected" {
		t.Errorf("%+v", l)
	}
	phone.asleep = true
	say(t, bob, "alice@example.org", "unconfirmed", "")
	if got := readNotice(t, service.Wait(1)[0]); got.Body != "unconfirmed" || got.Unread != 2 {
		t.Errorf("%+v", got)
	}
	// The line breaks; what is queued from then on is told at once, and what was told is not when the session ends.
	time.Sleep(pushWindow)
	phone.conn.Close()
	r.sessions("detached")
	say(t, bob, "alice@example.org", "queued", "")
	if got := readNotice(t, service.Wait(2)[1]); got.Body != "queued" {
		t.Errorf("%+v", got)
	}
	r.ctl("DELETE", "/sessions/alice@example.org", "", nil)
	list := r.pushes(func(l []pushed) bool { return len(l) == 1 && len(l[0].Decisions) > 4 })
	if list[0].Device == "" || len(service.Got()) != 2 {
		t.Errorf("%d came, %+v", len(service.Got()), list)
	}
	var revoked struct{ Revoked int }
	r.ctl("DELETE", "/users/alice/devices/"+list[0].Device, "", &revoked)
	r.pushes(func(l []pushed) bool { return len(l) == 0 })
	say(t, bob, "alice@example.org", "to nobody", "")
	if rows, _, _ := r.idle(); rows == 0 || len(service.Got()) != 2 {
		t.Errorf("%d came", len(service.Got()))
	}
}

// sessions waits until alice has one in that state.
func (r *running) sessions(state string) {
	r.t.Helper()
	for range 500 {
		var list []struct{ State string }
		if r.ctl("GET", "/sessions?of=alice", "", &list); len(list) == 1 && list[0].State == state {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("no session is %s", state)
}

// TestPushRules: what an account does not want to be told, or has read, is not told; a call is urgent, and ends.
func TestPushRules(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	registered(t, alice, service, "/a", "withdraw='1' bodies='1'")
	notify := func(level string) {
		set(t, alice, stanza.Set, "<pubsub xmlns='"+ns.PubSub+"'><publish node='"+ns.Bookmarks+"'><item id='bob@example.org'><conference xmlns='"+ns.Bookmarks+
			"'><extensions><notify xmlns='"+ns.NotificationSettings+"'>"+level+"</notify></extensions></conference></item></publish></pubsub>")
	}
	back := func() {
		alice = r.dial("alice", func(c *client.Config) { c.JID = jid.MustParse("alice@example.org/other") })
	}
	notify("<always/><never identity-category='client' identity-type='web'/>")
	away(t, alice)
	say(t, bob, "alice@example.org", "muted", "")
	say(t, bob, "alice@example.org", "", "<composing xmlns='"+ns.ChatStates+"'/>")
	list := r.pushes(func(l []pushed) bool { return len(l) == 1 && len(l[0].Decisions) == 1 })
	if list[0].decisions()[0] != "not told: this chat is muted" {
		t.Errorf("%+v", list)
	}
	back()
	notify("<always/>")
	say(t, bob, "alice@example.org", "", "<propose xmlns='"+ns.JingleMessage+"' id='c1'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose>")
	call := service.Wait(1)[0]
	if got := readNotice(t, call); got.Kind != "call" || call.Header.Get("TTL") != "60" || call.Header.Get("Urgency") != "high" {
		t.Errorf("%s with %v", call.Text, call.Header)
	}
	say(t, bob, "alice@example.org", "", "<retract xmlns='"+ns.JingleMessage+"' id='c1'/>")
	if got := readNotice(t, service.Wait(2)[1]); got.Kind != "withdraw" || got.Of != "call" {
		t.Errorf("%+v", got)
	}
	// What is said within the window comes as one; what is answered goes.
	say(t, bob, "alice@example.org", "one", "")
	service.Wait(3)
	say(t, bob, "alice@example.org", "two", "")
	say(t, bob, "alice@example.org", "three", "")
	seen := service.Wait(4)
	if first, second := readNotice(t, seen[2]), readNotice(t, seen[3]); first.Body != "one" || second.Body != "three" || second.Unread != 5 {
		t.Errorf("%+v, %+v", first, second)
	}
	say(t, alice, "bob@example.org", "answer", "")
	if got := readNotice(t, service.Wait(5)[4]); got.Kind != "withdraw" || got.Of != "message" || got.Unread != 0 {
		t.Errorf("%+v", got)
	}
	away(t, alice)
	r.ctl("POST", "/users/alice/push/test", "", nil)
	if got := readNotice(t, service.Wait(6)[5]); got.Kind != "test" {
		t.Errorf("%+v", got)
	}
}

// TestPushRooms: a room of members is for all of them, and for the phone of who is in it by another client as well; who said it is not told.
func TestPushRooms(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	bob := r.dial("bob", nil)
	desk := r.dial("alice", func(c *client.Config) { c.JID = jid.MustParse("alice@example.org/desk") })
	phone := r.dial("alice", func(c *client.Config) { c.JID = jid.MustParse("alice@example.org/phone") })
	const room = "cave@rooms.example.org"
	enter := func(c *client.Client, nick string) {
		t.Helper()
		st, err := stanza.New(stanza.Head{Kind: stanza.Presence, To: jid.MustParse(room + "/" + nick)}, "<x xmlns='"+ns.MUC+"'/>")
		if err == nil {
			_, err = c.Send(t.Context(), st)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	owns := func(payload string) {
		t.Helper()
		if _, err := bob.IQ(t.Context(), jid.MustParse(room), stanza.Set, payload); err != nil {
			t.Fatal(err)
		}
	}
	enter(bob, "bobby")
	owns("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>" +
		"<field var='muc#roomconfig_membersonly'><value>1</value></field><field var='muc#roomconfig_roomname'><value>The Cave</value></field></x></query>")
	owns("<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='alice@example.org'/></query>")
	// Now: to become a member was news, too.
	registered(t, phone, service, "/phone", "names='true' bodies='true'")
	registered(t, phone, service, "/quiet", "rooms='false'")
	registered(t, bob, service, "/bob", "")
	away(t, phone)
	enter(desk, "ally")
	if _, err := desk.IQ(t.Context(), jid.MustParse(room+"/ally"), stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"); err != nil {
		t.Fatal(err)
	}
	ticket, err := bob.SendMessage(t.Context(), jid.MustParse(room), stanza.GroupChat, "Who is there?", "")
	if err == nil {
		err = ticket.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	got := service.Wait(1)
	n := readNotice(t, got[0])
	if n.ID == "" || got[0].Path != "/phone" || n.Sender != "bobby" || n.Title != "The Cave" || n.Body != "Who is there?" || n.Type != "room" || n.From != room || n.Mention || n.Unread != 1 {
		t.Errorf("%s got %s", got[0].Path, got[0].Text)
	}
	list := r.pushes(func(l []pushed) bool { return len(l) == 2 && len(l[1].Decisions) == 1 })
	if list[1].decisions()[0] != "not told: the device wants nothing of rooms" || len(service.Got()) != 1 {
		t.Errorf("%d came; %+v", len(service.Got()), list)
	}
}

// TestPushBudget: what a message to somebody who is away costs the disk. Without a registration no row and no statement is for push; with one the sender does
// not wait for it.
func TestPushBudget(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	registered(t, bob, service, "/bob", "") // another's makes no difference
	away(t, alice)
	cost := func() (rows, reads int) {
		t.Helper()
		say(t, bob, "alice@example.org", "the first brings her into memory", "")
		r1, _, s1 := r.idle()
		for range 20 {
			say(t, bob, "alice@example.org", "x", "")
		}
		r2, _, s2 := r.idle()
		return r2 - r1, s2 - s1
	}
	if rows, reads := cost(); rows != 0 || reads != 0 {
		t.Errorf("20 messages to somebody without registrations change %d rows and read %d times beside the archives", rows, reads)
	}
	alice = r.dial("alice", nil)
	registered(t, alice, service, "/alice", "")
	away(t, alice)
	release := make(chan struct{})
	service.Answer(func(w http.ResponseWriter, _ webpushtest.Brought) {
		<-release
		w.WriteHeader(http.StatusCreated)
	})
	for range 20 {
		say(t, bob, "alice@example.org", "x", "") // settled, although the push service does not answer
	}
	close(release)
	service.Wait(1)
}

// TestPushAcrossRestart: what could not be brought is brought by the next process.
func TestPushAcrossRestart(t *testing.T) {
	service := webpushtest.NewService(t)
	r := pushing(t, service)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	registered(t, alice, service, "/a", "bodies='true'")
	away(t, alice)
	service.Answer(func(w http.ResponseWriter, _ webpushtest.Brought) { w.WriteHeader(http.StatusServiceUnavailable) })
	say(t, bob, "alice@example.org", "held up", "")
	r.pushes(func(l []pushed) bool { return len(l) == 1 && len(l[0].Answers) == 1 })
	r.stop()
	service.Answer(nil)
	n := len(service.Got())
	openWith(t, "example.org", r.data, onlyTo(service))
	if got := readNotice(t, service.Wait(n + 1)[n]); got.Body != "held up" {
		t.Errorf("%+v", got)
	}
}
