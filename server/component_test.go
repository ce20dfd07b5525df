package server_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

const (
	gateway       = "irc.example.org"
	gatewaySecret = "a secret of sixteen bytes and more"
)

// withGateway starts a server with one component, which may do what change says.
func withGateway(t *testing.T, change func(*config.Component)) *running {
	t.Helper()
	return startWith(t, "example.org", func(c *config.Config) {
		x := config.Component{Domain: gateway, Secret: gatewaySecret, Name: "IRC"}
		if change != nil {
			change(&x)
		}
		c.Components.Serve = []config.Component{x}
		c.Listen.Component, c.RateLimits = []string{"127.0.0.1:0"}, false
	})
}

// component connects and says its header; id is what the server answers.
func (r *running) component(domain string) (w *wire, id string) {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.Addresses("component")[0].String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	w = &wire{t: r.t, conn: stream.NewConn(nc, stream.Options{Initiating: true, Space: ns.ComponentAccept})}
	if err := w.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	w.send("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='" + domain + "'>")
	h, err := w.conn.ReadHeader()
	if err != nil {
		r.t.Fatal(err)
	}
	return w, h.ID
}

func (w *wire) shake(id, secret string) {
	sum := sha1.Sum([]byte(id + secret))
	w.send("<handshake>" + hex.EncodeToString(sum[:]) + "</handshake>")
}

// gateway is a component that has shown its secret.
func (r *running) gateway() *wire {
	r.t.Helper()
	w, id := r.component(gateway)
	w.shake(id, gatewaySecret)
	w.read("handshake")
	return w
}

// with reads the next element, which must have all of these in it.
func (w *wire) with(local string, parts ...string) *stanza.Stanza {
	w.t.Helper()
	st := w.read(local)
	for _, p := range parts {
		if text := st.Standalone(); !strings.Contains(text, p) {
			w.t.Fatalf("%s without %s", text, p)
		}
	}
	return st
}

// XEP-0114 section 3: who gets in.
func TestComponentHandshake(t *testing.T) {
	r := withGateway(t, nil)
	for _, c := range []struct {
		name, domain, secret string
		want                 stanza.StreamCondition
	}{
		{"wrong secret", gateway, "another secret of sixteen bytes", stanza.StreamNotAuthorized},
		{"nobody's domain", "sms.example.org", gatewaySecret, stanza.StreamHostUnknown},
		{"the server's own domain", "example.org", gatewaySecret, stanza.StreamHostUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, id := r.component(c.domain)
			w.t = t
			if c.want == stanza.StreamNotAuthorized {
				w.shake(id, c.secret)
			}
			if got := w.broken(); got != c.want {
				t.Errorf("ended with %s", got)
			}
		})
	}
	t.Run("a stanza instead", func(t *testing.T) {
		w, _ := r.component(gateway)
		w.t = t
		w.send("<message from='" + gateway + "' to='alice@example.org'><body>x</body></message>")
		if got := w.broken(); got != stanza.StreamNotAuthorized {
			t.Errorf("ended with %s", got)
		}
	})
	t.Run("a second one", func(t *testing.T) {
		first := r.gateway()
		first.t = t
		w, id := r.component(gateway)
		w.t = t
		w.shake(id, gatewaySecret)
		if got := w.broken(); got != stanza.StreamConflict {
			t.Errorf("ended with %s", got)
		}
		first.send("<iq type='get' id='p1' from='" + gateway + "' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
		first.with("iq", "id='p1'", "type='result'")
	})
	if strings.Contains(r.log.String(), "secret of sixteen") {
		t.Error("a secret stands in the log")
	}
}

// What is for the component reaches it in order, and what it says reaches people.
func TestComponentRoutes(t *testing.T) {
	r := withGateway(t, nil)
	g, alice := r.gateway(), r.dial("alice", func(c *client.Config) { c.Resource = "desk" })
	if _, err := alice.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	items, err := alice.IQ(t.Context(), jid.MustParse("example.org"), stanza.Get, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
	if err != nil || !strings.Contains(items.Inner(), "jid='irc.example.org' name='IRC'") {
		t.Fatalf("%v, %v", items, err)
	}
	// A message, which is kept, and presence behind it, which is not: it must not overtake.
	there := jid.MustParse("#birds@irc.example.org/alice")
	if _, err := alice.Message(t.Context(), there.Bare(), "hello"); err != nil {
		t.Fatal(err)
	}
	send(t, alice, stanza.Head{Kind: stanza.Presence, To: there}, "")
	g.with("message", "from='alice@example.org/desk'", "to='#birds@irc.example.org'", "<body>hello</body>")
	g.with("presence", "to='#birds@irc.example.org/alice'")
	g.send("<message from='#birds@irc.example.org/bob' to='alice@example.org/desk' type='groupchat'><body>hi</body>" +
		"<delay xmlns='urn:xmpp:delay' from='irc.example.org' stamp='2026-01-01T00:00:00Z'/></message>")
	if st := next(t, alice); !strings.Contains(st.Standalone(), "<body>hi</body>") || !strings.Contains(st.Inner(), "2026-01-01T00:00:00Z") {
		t.Errorf("%s", st.Standalone())
	}
	// A request each way.
	done := make(chan error, 1)
	go func() {
		_, err := alice.IQ(t.Context(), jid.MustParse(gateway), stanza.Get, "<query xmlns='jabber:iq:gateway'/>")
		done <- err
	}()
	asked := g.with("iq", "type='get'", "to='irc.example.org'", "jabber:iq:gateway")
	g.send("<iq type='result' id='" + asked.ID + "' from='irc.example.org' to='" + asked.From.String() + "'/>")
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, to := range []string{"example.org", "upload.example.org", "rooms.example.org", "alice@example.org/desk"} {
		g.send("<iq type='get' id='d" + to[:1] + "' from='x@irc.example.org/y' to='" + to + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
		g.with("iq", "id='d"+to[:1]+"'", "to='x@irc.example.org/y'", "from='"+to+"'")
	}
	g.send("<iq type='get' id='u' from='irc.example.org' to='upload.example.org'><request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/></iq>")
	g.with("iq", "id='u'", "<forbidden")
	// What cannot be.
	g.send("<message from='irc.example.org' id='m'><body>to nobody</body></message>")
	g.with("message", "type='error'", "<bad-request")
	g.send("<message from='alice@example.org' to='bob@example.org'><body>forged</body></message>")
	if got := g.broken(); got != stanza.StreamInvalidFrom {
		t.Errorf("ended with %s", got)
	}
}

func send(t *testing.T, c *client.Client, h stanza.Head, inner string) {
	t.Helper()
	st, err := stanza.New(h, inner)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Send(t.Context(), st); err != nil {
		t.Fatal(err)
	}
}

// Subscriptions, presence and probes pass as between any two.
func TestComponentPresence(t *testing.T) {
	r := withGateway(t, nil)
	g, alice := r.gateway(), r.dial("alice", func(c *client.Config) { c.Resource = "desk" })
	if _, err := alice.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	contact := jid.MustParse("bob%sms@irc.example.org")
	if _, err := alice.Subscribe(t.Context(), contact); err != nil {
		t.Fatal(err)
	}
	g.with("presence", "type='subscribe'", "from='alice@example.org'", "to='bob%sms@irc.example.org'")
	g.send("<presence type='subscribed' from='bob%sms@irc.example.org' to='alice@example.org'/>")
	g.with("presence", "type='probe'", "from='alice@example.org'", "to='bob%sms@irc.example.org'")
	g.send("<presence from='bob%sms@irc.example.org/sms' to='alice@example.org'><show>away</show></presence>")
	g.send("<presence type='subscribe' from='bob%sms@irc.example.org' to='alice@example.org'/>")
	for asked := false; !asked; {
		st := <-alice.Incoming()
		asked = st.Type == stanza.Subscribe
	}
	if _, err := alice.Approve(t.Context(), contact); err != nil {
		t.Fatal(err)
	}
	g.with("presence", "type='subscribed'")
	g.with("presence", "from='alice@example.org/desk'", "to='bob%sms@irc.example.org'")
	g.send("<presence type='probe' from='bob%sms@irc.example.org' to='alice@example.org'/>")
	g.with("presence", "from='alice@example.org/desk'", "to='bob%sms@irc.example.org'")
	g.send("<presence type='probe' from='eve%sms@irc.example.org' to='alice@example.org'/>") // who may not see her hears nothing
	// A second session asks who is there.
	phone := r.dial("alice", func(c *client.Config) { c.Resource = "phone" })
	if _, err := phone.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	g.with("presence", "from='alice@example.org/phone'")
	g.with("presence", "type='probe'", "from='alice@example.org", "to='bob%sms@irc.example.org'")
	if err := phone.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.with("presence", "type='unavailable'", "from='alice@example.org/phone'")
}

// While it is not there its people are told so, and what it has not taken comes back.
func TestComponentGone(t *testing.T) {
	r := withGateway(t, nil)
	alice := r.dial("alice", nil)
	refused := func(what string) {
		t.Helper()
		_, err := alice.IQ(t.Context(), jid.MustParse("x@irc.example.org/y"), stanza.Get, "<query xmlns='jabber:iq:version'/>")
		if condition(err) != stanza.ServiceUnavailable {
			t.Errorf("%s: %v", what, err)
		}
		if _, err = alice.Message(t.Context(), jid.MustParse("x@irc.example.org"), "hello"); err != nil {
			t.Fatal(err)
		}
		if st := next(t, alice); st.Type != stanza.TypeError {
			t.Errorf("%s: %s", what, st.Standalone())
		}
	}
	refused("never there")
	g := r.gateway()
	if _, err := alice.Message(t.Context(), jid.MustParse("x@irc.example.org"), "now"); err != nil {
		t.Fatal(err)
	}
	g.with("message", "now")
	if err := g.conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the connection", func() bool { return strings.Contains(r.log.String(), "component disconnected") })
	refused("gone")
	r.gateway() // and back
	_, err := alice.IQ(t.Context(), jid.MustParse("sms.example.org"), stanza.Get, "<query xmlns='jabber:iq:version'/>")
	if condition(err) != stanza.RemoteServerNotFound {
		t.Errorf("nobody's domain: %v", err)
	}
}

// One that does not read gets no more than its queue: its senders are told, and nobody waits.
func TestComponentThatDoesNotRead(t *testing.T) {
	r := withGateway(t, nil)
	r.gateway()
	refused := make(chan struct{})
	alice := r.dial("alice", func(c *client.Config) {
		c.Handle = func(st *stanza.Stanza) {
			if st.Type == stanza.TypeError && strings.Contains(st.Inner(), "<resource-constraint") {
				select {
				case refused <- struct{}{}:
				default:
				}
			}
		}
	})
	big := "<x xmlns='urn:example'>" + strings.Repeat("x", 200<<10) + "</x>"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // less than the stall that ends the connection
	defer cancel()
	for range 200 { // 40 MB: more than the queue, and than any socket takes
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Headline, To: jid.MustParse("x@irc.example.org")}, big)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := alice.Send(ctx, st); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-refused:
	case <-ctx.Done():
		t.Fatal("everything was taken")
	}
}

// XEP-0356: what a component may do in the name of accounts.
func TestPrivileges(t *testing.T) {
	r := withGateway(t, func(c *config.Component) { c.Roster, c.Message, c.Presence = "both", "outgoing", "managed_entity" })
	copies := make(chan string, 8)
	alice := r.dial("alice", func(c *client.Config) {
		c.Resource, c.Carbon = "desk", func(st *stanza.Stanza, sent bool) { copies <- fmt.Sprint(sent, st.Standalone()) }
	})
	if err := alice.EnableCarbons(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := alice.Roster(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	if err := alice.Ping(t.Context(), jid.MustParse("example.org")); err != nil {
		t.Fatal(err)
	}
	g := r.gateway()
	g.with("message", "from='example.org'", "<privilege xmlns='urn:xmpp:privilege:2'>", "<perm access='roster' type='both' push='true'/>",
		"<perm access='message' type='outgoing'/>", "<perm access='presence' type='managed_entity'/>")
	g.with("presence", "from='alice@example.org/desk'", "to='irc.example.org'") // who was there before
	// Rosters: section 4.
	g.send("<iq type='set' id='r1' from='irc.example.org' to='alice@example.org'><query xmlns='jabber:iq:roster'><item jid='x@irc.example.org' name='X'/></query></iq>")
	push := g.with("iq", "type='set'", "from='alice@example.org'", "to='irc.example.org'", "jid='x@irc.example.org'", "name='X'")
	g.send("<iq type='result' id='" + push.ID + "' from='irc.example.org' to='alice@example.org'/>")
	g.with("iq", "id='r1'", "type='result'")
	g.send("<iq type='get' id='r2' from='irc.example.org' to='alice@example.org'><query xmlns='jabber:iq:roster'/></iq>")
	g.with("iq", "id='r2'", "type='result'", "jid='x@irc.example.org'")
	g.send("<iq type='get' id='r3' from='irc.example.org' to='nobody@example.org'><query xmlns='jabber:iq:roster'/></iq>")
	g.with("iq", "id='r3'", "<item-not-found")
	// Messages: section 5. It is archived and copied as if alice had sent it elsewhere.
	say := func(id, inner string) {
		g.send("<message id='" + id + "' from='irc.example.org' to='example.org'><privilege xmlns='urn:xmpp:privilege:2'><forwarded xmlns='urn:xmpp:forward:0'>" + inner +
			"</forwarded></privilege></message>")
	}
	say("m1", "<message xmlns='jabber:client' from='alice@example.org' to='x@irc.example.org' type='chat' id='c1'><body>from my other phone</body></message>")
	g.with("message", "from='alice@example.org'", "to='x@irc.example.org'", "from my other phone")
	if copied := <-copies; !strings.HasPrefix(copied, "true") || !strings.Contains(copied, "from my other phone") {
		t.Error(copied)
	}
	last, err := alice.Last(t.Context(), client.Query{}, 10)
	if err != nil || len(last) != 1 {
		t.Errorf("%d messages are kept, %v", len(last), err)
	}
	for _, c := range []struct{ id, inner, want string }{
		{"m2", "<message xmlns='jabber:client' from='alice@example.org/desk' to='bob@example.org'><body>x</body></message>", "<forbidden"},
		{"m3", "<message xmlns='jabber:client' from='alice@elsewhere.example' to='bob@example.org'><body>x</body></message>", "<forbidden"},
		{"m4", "<message xmlns='jabber:client' to='bob@example.org'><body>x</body></message>", "<bad-request"},
		{"m5", "<presence xmlns='jabber:client' from='alice@example.org' to='bob@example.org'/>", "<bad-request"},
		{"m6", "<message xmlns='jabber:client' from='nobody@example.org' to='bob@example.org'><body>x</body></message>", "<item-not-found"},
	} {
		say(c.id, c.inner)
		g.with("message", "id='"+c.id+"'", "type='error'", c.want)
	}
	// Presence: section 7.
	if err := alice.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.with("presence", "type='unavailable'", "from='alice@example.org/desk'")
	r.hasMetrics(`stonechat_component_privileges_total{use="roster set"} 1`, `stonechat_component_privileges_total{use="message"} 1`, `stonechat_refused_total{reason="privilege"} 6`)
	if !strings.Contains(r.log.String(), `msg="privilege used" component=irc.example.org use="roster set" jid=alice@example.org`) {
		t.Error("the use of a privilege does not stand in the log")
	}
}

// Without privileges a component is nobody.
func TestNoPrivileges(t *testing.T) {
	r := withGateway(t, nil)
	alice := r.dial("alice", nil)
	if _, err := alice.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	g := r.gateway()
	for _, typ := range []string{"get", "set"} {
		g.send("<iq type='" + typ + "' id='r' from='irc.example.org' to='alice@example.org'><query xmlns='jabber:iq:roster'><item jid='x@irc.example.org'/></query></iq>")
		g.with("iq", "type='error'", "<forbidden")
	}
	g.send("<message id='m' from='irc.example.org' to='example.org'><privilege xmlns='urn:xmpp:privilege:2'><forwarded xmlns='urn:xmpp:forward:0'>" +
		"<message xmlns='jabber:client' from='alice@example.org' to='bob@example.org'><body>x</body></message></forwarded></privilege></message>")
	g.with("message", "type='error'", "<forbidden")
	if err := alice.SetRoster(t.Context(), client.RosterItem{JID: jid.MustParse("x@irc.example.org")}); err != nil {
		t.Fatal(err)
	}
	g.send("<iq type='get' id='p' from='irc.example.org' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
	g.with("iq", "id='p'", "type='result'") // and nothing before it
}

// Out of loopback there is TLS.
func TestComponentTLS(t *testing.T) {
	r := startWith(t, "example.org", func(c *config.Config) {
		c.Components.Serve = []config.Component{{Domain: gateway, Secret: gatewaySecret}}
		c.Listen.Component, c.Local = []string{":0"}, false
	})
	_, port, err := net.SplitHostPort(r.Addresses("component")[0].String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", port), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	w := &wire{t: t, conn: stream.NewConn(nc, stream.Options{Initiating: true, Space: ns.ComponentAccept})}
	w.send("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='" + gateway + "'>")
	h, err := w.conn.ReadHeader()
	if err != nil {
		t.Fatal(err)
	}
	w.shake(h.ID, gatewaySecret)
	w.read("handshake")
}
