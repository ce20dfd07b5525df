package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
	"stonechat/xmpp/uri"
)

const joinDomain = "join.example"

// joining is a server with alice and bob, alice an administrator.
func joining(t *testing.T, mode string, change func(*config.Config)) *running {
	t.Helper()
	data := t.TempDir()
	addUsers(t, data, joinDomain)
	r := openWith(t, joinDomain, data, func(c *config.Config) {
		c.Signup.Mode, c.Store.Synchronous = mode, "off"
		if change != nil {
			change(c)
		}
	})
	r.ctl("PUT", "/users/alice/role", `{"role":"admin"}`, nil)
	return r
}

// ctl asks the control socket as cmd/stonechat does. A body that is no string becomes JSON.
func (r *running) ctl(method, path string, body, into any) {
	r.t.Helper()
	if status, text := r.tryCtl(method, path, body, into); status != http.StatusOK {
		r.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

func (r *running) tryCtl(method, path string, body, into any) (int, string) {
	r.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		text = string(b)
	}
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(r.data, "ctl.sock"))
	}}}
	defer c.CloseIdleConnections()
	q, err := http.NewRequestWithContext(r.t.Context(), method, "http://ctl/"+r.domain+path, strings.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := c.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(a.Body); err != nil {
		r.t.Fatal(err)
	}
	if a.StatusCode == http.StatusOK && into != nil {
		if err := json.Unmarshal(b.Bytes(), into); err != nil {
			r.t.Fatal(err)
		}
	}
	return a.StatusCode, b.String()
}

// link is what a made invite says.
type link struct{ ID, URI, Code, Landing string }

func (r *running) makeInvite(body string) link {
	r.t.Helper()
	var l link
	r.ctl("POST", "/invites", body, &l)
	return l
}

func (l link) token(t *testing.T) string {
	t.Helper()
	i, err := uri.ParseInvite(l.URI)
	if err != nil {
		t.Fatalf("%s: %v", l.URI, err)
	}
	byCode, err := uri.ParseInvite(l.Code)
	if err != nil || byCode.Token != i.Token {
		t.Fatalf("code %s of %s: %v", l.Code, l.URI, err)
	}
	return i.Token
}

// enter registers and logs in.
func (r *running) enter(name, word, token string, change func(*client.Config)) (*client.Client, error) {
	r.t.Helper()
	cfg := client.Config{
		JID: jid.MustParse(name + "@" + joinDomain), Password: word, Address: r.Addresses("c2s")[0].String(),
		TLS: &tls.Config{InsecureSkipVerify: true}, Register: &stream.Registration{Token: token},
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, cfg)
	if err == nil {
		r.t.Cleanup(func() { _ = c.Close(context.Background()) })
	}
	return c, err
}

// login tries to log in without registering.
func (r *running) login(name, word string) error {
	r.t.Helper()
	c, err := r.enter(name, word, "", func(c *client.Config) { c.Register = nil })
	if err == nil {
		_ = c.Close(r.t.Context())
	}
	return err
}

// eventually waits for what must come. How long that takes is no matter here: a slow machine with the race detector needs minutes.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// contacts is the roster as "address subscription groups", in order.
func contacts(t *testing.T, c *client.Client) []string {
	t.Helper()
	items, _, err := c.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range items {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", i.JID, i.Subscription, strings.Join(i.Groups, ","))))
	}
	slices.Sort(out)
	return out
}

func condition(err error) stanza.Condition {
	var e *stanza.Error
	if errors.As(err, &e) {
		return e.Condition
	}
	return ""
}

// command runs an ad-hoc command and returns the form's fields.
func command(t *testing.T, c *client.Client, payload string) (map[string]string, error) {
	t.Helper()
	st, err := c.IQ(t.Context(), jid.MustParse(joinDomain), stanza.Set, payload)
	if err != nil {
		return nil, err
	}
	p, _ := st.Child(ns.Commands, "command")
	tree, err := p.Tree()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"sessionid": tree.Attr("sessionid"), "status": tree.Attr("status")}
	for _, f := range tree.Child(ns.DataForm, "x").All(ns.DataForm, "field") {
		out[f.Attr("var")] = f.Child(ns.DataForm, "value").Text()
	}
	return out, nil
}

// A member invites, a guest comes: both rosters are filled, the inviter hears of it at once, and the token is used up.
func TestInviteMakesFriends(t *testing.T) {
	r := joining(t, "invite", nil)
	pushes, presence := make(chan client.RosterItem, 8), make(chan *stanza.Stanza, 64)
	bob := r.dial("bob", func(c *client.Config) {
		c.RosterPush = func(i client.RosterItem) { pushes <- i }
		c.Handle = func(st *stanza.Stanza) { presence <- st }
	})
	contacts(t, bob)
	if _, err := bob.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	form, err := command(t, bob, "<command xmlns='"+ns.Commands+"' node='urn:xmpp:invite#invite' action='execute'/>")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(form["uri"], "xmpp:bob@"+joinDomain+"?roster;preauth=") || !strings.HasSuffix(form["uri"], ";ibr=y") || form["expire"] == "" || form["status"] != "completed" {
		t.Fatalf("invite: %v", form)
	}
	token := link{URI: form["uri"], Code: form["code"]}.token(t)
	for _, x := range []struct {
		name, word, token string
		want              stanza.Condition
	}{
		{"carol", "short", token, stanza.NotAcceptable},
		{"carol", "password123", token, stanza.NotAcceptable},
		{"bob", "long enough for me", token, stanza.Conflict},
		{"ad.min", "long enough for me", token, stanza.Conflict},
		{"c", "long enough for me", token, stanza.NotAcceptable},
		{"c\u0430rol", "long enough for me", token, stanza.NotAcceptable}, // a Cyrillic а
		{"carol", "long enough for me", "", stanza.NotAllowed},
	} {
		if _, err := r.enter(x.name, x.word, x.token, nil); condition(err) != x.want {
			t.Errorf("%s with %q: %v, want %s", x.name, x.word, err, x.want)
		}
	}
	// A token is not used by those who failed (XEP-0445 section 4).
	carol, err := r.enter("carol", "long enough for me", token, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := contacts(t, carol); !slices.Equal(got, []string{"bob@" + joinDomain + " both"}) {
		t.Errorf("roster of the guest: %v", got)
	}
	if i := <-pushes; i.JID.Local() != "carol" || i.Subscription != "both" {
		t.Errorf("push to the inviter: %+v", i)
	}
	if _, err := carol.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	for st := range presence {
		if st.Kind == stanza.Presence && st.From.Local() == "carol" {
			break
		}
	}
	eventually(t, "presence of the inviter", func() bool {
		select {
		case st := <-carol.Incoming():
			return st.Kind == stanza.Presence && st.From.Local() == "bob"
		default:
			return false
		}
	})
	if _, err := r.enter("dave", "long enough for me", token, nil); !errors.Is(err, stream.ErrToken) {
		t.Errorf("the token a second time: %v", err)
	}
	if log := r.log.String(); strings.Contains(log, token) || strings.Contains(log, "long enough") {
		t.Error("a token or a password stands in the log")
	}
}

// Two at once on a token for one: one gets in, whoever it is.
func TestTokenIsUsedOnce(t *testing.T) {
	r := joining(t, "invite", nil)
	token := r.makeInvite(`{}`).token(t)
	const crowd = 8
	errs := make(chan error, crowd)
	for i := range crowd {
		go func() {
			_, err := r.enter(fmt.Sprint("guest", i), "long enough for me", token, nil)
			errs <- err
		}()
	}
	in := 0
	for range crowd {
		switch err := <-errs; {
		case err == nil:
			in++
		case !errors.Is(err, stream.ErrToken) && condition(err) != stanza.ItemNotFound:
			t.Error(err)
		}
	}
	if in != 1 {
		t.Errorf("%d came in on a token for one", in)
	}
	var list []struct{ Uses, Used int }
	r.ctl("GET", "/invites", "", &list)
	if len(list) != 1 || list[0].Used != 1 {
		t.Errorf("%+v", list)
	}
	three := r.makeInvite(`{"uses":3}`).token(t)
	for i := range 4 {
		_, err := r.enter(fmt.Sprint("counted", i), "long enough for me", three, nil)
		if (err == nil) != (i < 3) {
			t.Errorf("use %d of 3: %v", i+1, err)
		}
	}
}

// With sign-up closed nobody comes in and nobody learns anything; a name that exists is answered as one that does not.
func TestClosed(t *testing.T) {
	for _, mode := range []string{"closed", "invite"} {
		r := joining(t, mode, nil)
		_, one := r.enter("alice", password, "", func(c *client.Config) { c.Register = &stream.Registration{} })
		_, two := r.enter("zoe", password, "", nil)
		if mode == "closed" && (!errors.Is(one, stream.ErrNoRegistration) || !errors.Is(two, stream.ErrNoRegistration)) {
			t.Errorf("closed: %v, %v", one, two)
		}
		if mode == "invite" && (condition(one) != stanza.NotAllowed || one.Error() != two.Error()) {
			t.Errorf("invite: %v, %v", one, two)
		}
		said := rawBeforeLogin(t, r, "<iq type='set' id='r' to='"+joinDomain+"'><query xmlns='jabber:iq:register'><username>eve</username><password>long enough for me</password></query></iq>")
		if !strings.Contains(said, "<not-allowed ") || strings.Contains(said, "long enough") {
			t.Errorf("%s: %s", mode, said)
		}
		if err := r.login("eve", "long enough for me"); err == nil {
			t.Errorf("%s: an account was made", mode)
		}
		if mode == "closed" {
			if status, text := r.tryCtl("POST", "/invites", `{}`, nil); status != http.StatusForbidden {
				t.Errorf("an invite that lets nobody in: %d %s", status, text)
			}
		}
		// Nothing else is reachable before log-in.
		for _, xml := range []string{
			"<iq type='get' id='x' to='" + joinDomain + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
			"<iq type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>",
			"<iq type='set' id='x' to='alice@" + joinDomain + "'><query xmlns='jabber:iq:register'/></iq>",
			"<iq type='set' id='x' to='" + joinDomain + "'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite'/></iq>",
			"<message to='alice@" + joinDomain + "'><body>x</body></message>",
		} {
			if said := rawBeforeLogin(t, r, xml); !strings.Contains(said, "<not-authorized ") || strings.Contains(said, "<iq") {
				t.Errorf("%s is answered %s", xml, said)
			}
		}
	}
}

// rawBeforeLogin sends something on a stream with TLS and returns what comes until the answer or the end.
func rawBeforeLogin(t *testing.T, r *running, xml string) string {
	t.Helper()
	c, err := tls.Dial("tcp", r.Addresses("c2s_tls")[0].String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	header := "<stream:stream to='" + joinDomain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	if _, err := c.Write([]byte(header + xml)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	said := ""
	buf := make([]byte, 4096)
	for !strings.Contains(said, "</iq>") && !strings.Contains(said, "</stream:stream>") {
		n, err := c.Read(buf)
		said += string(buf[:n])
		if err != nil {
			break
		}
	}
	_, after, _ := strings.Cut(said, "</stream:features>")
	return after
}

// An applicant waits: told so with the right password only, and let in by an administrator.
func TestApproval(t *testing.T) {
	r := joining(t, "approve", nil)
	for _, name := range []string{"carol", "dave"} {
		_, err := r.enter(name, "long enough for me", "", nil)
		var refused *stream.LoginError
		if !errors.As(err, &refused) || refused.Condition != sasl.AccountDisabled || !strings.Contains(refused.Text, "approval") {
			t.Fatalf("too early: %v", err)
		}
	}
	wrong, nobody := r.login("carol", "quite another password"), r.login("nobody", "quite another password")
	if wrong == nil || nobody == nil || wrong.Error() != nobody.Error() {
		t.Errorf("wrong password of an applicant: %v; of nobody: %v", wrong, nobody)
	}
	var list []struct{ Address string }
	r.ctl("GET", "/waiting", "", &list)
	if len(list) != 2 || list[0].Address != "carol@"+joinDomain {
		t.Errorf("waiting: %v", list)
	}
	if status, _ := r.tryCtl("PUT", "/users/carol/disabled", `{"disabled":false}`, nil); status == http.StatusOK {
		t.Error("enabled without approval")
	}
	r.ctl("POST", "/waiting/carol", "", nil)
	r.ctl("DELETE", "/waiting/dave", "", nil)
	if err := r.login("carol", "long enough for me"); err != nil {
		t.Errorf("approved: %v", err)
	}
	if err := r.login("dave", "long enough for me"); err == nil || err.Error() != nobody.Error() {
		t.Errorf("rejected: %v", err)
	}
	if _, text := r.tryCtl("POST", "/waiting/carol", "", nil); !strings.Contains(text, "item-not-found") {
		t.Errorf("approved twice: %s", text)
	}
	// Whoever has an invite need not wait.
	if _, err := r.enter("erin", "long enough for me", r.makeInvite(`{}`).token(t), nil); err != nil {
		t.Errorf("with an invite: %v", err)
	}
}

// An open server has limits: by source and day, by hour, and of attempts.
func TestOpenWithinLimits(t *testing.T) {
	r := joining(t, "open", func(c *config.Config) { c.Signup.PerSource, c.Signup.Tries = 2, 6 })
	var got []stanza.Condition
	for _, name := range []string{"one", "alice", "two", "three", "four", "five", "six", "seven"} {
		_, err := r.enter(name, "long enough for me", "", nil)
		if err != nil && condition(err) == "" {
			t.Fatal(err)
		}
		got = append(got, condition(err))
	}
	busy := stanza.ResourceConstraint
	if want := []stanza.Condition{"", stanza.Conflict, "", busy, busy, busy, busy, busy}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if log := r.log.String(); strings.Count(log, "outcome=registered") != 2 {
		t.Error("not two accounts were made")
	}
}
