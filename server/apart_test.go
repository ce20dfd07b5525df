package server_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// XEP-0191, "User Blocks JID": whoever is blocked gets no answer, also one who shows a good token of the account (XEP-0379).
func TestTokenOfTheBlocked(t *testing.T) {
	r := joining(t, "closed", nil)
	bob, alice := r.dial("bob", nil), r.dial("alice", nil)
	token := r.makeInvite(`{"as":"bob"}`).token(t)
	if _, err := bob.IQ(t.Context(), jid.JID{}, stanza.Set, "<block xmlns='"+ns.Blocking+"'><item jid='alice@"+joinDomain+"'/></block>"); err != nil {
		t.Fatal(err)
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Subscribe, To: jid.MustParse("bob@" + joinDomain)},
		"<preauth xmlns='"+ns.PreAuth+"' token='"+token+"'/>")
	if err == nil {
		_, err = alice.Send(t.Context(), st)
	}
	if err != nil {
		t.Fatal(err)
	}
	// What comes behind the request tells that it has arrived.
	if _, err := alice.IQ(t.Context(), jid.MustParse("bob@"+joinDomain), stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"); err == nil {
		t.Error("bob's account answers")
	}
	for range 3 { // the use of the token, the change of the roster and what follows would be on disk before these
		if err := bob.SetRoster(t.Context(), client.RosterItem{JID: jid.MustParse("dora@" + joinDomain)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := contacts(t, bob); len(got) != 1 {
		t.Errorf("bob has %v", got)
	}
	if got := contacts(t, alice); len(got) != 1 || got[0] != "bob@"+joinDomain+" none" {
		t.Errorf("alice has %v", got)
	}
	var list []struct{ Uses, Used int }
	r.ctl("GET", "/invites?of=bob", "", &list)
	if len(list) != 1 || list[0].Used != 0 {
		t.Errorf("invites: %+v", list)
	}
}

// Decision 13: being disabled, or leaving, ends all tokens. An account that comes back is entered by its password.
func TestTokensEndWithTheAccount(t *testing.T) {
	r := joining(t, "closed", nil)
	for what, end := range map[string][2]func(){
		"disabled": {
			func() { r.ctl("PUT", "/users/bob/disabled", map[string]bool{"disabled": true}, nil) },
			func() { r.ctl("PUT", "/users/bob/disabled", map[string]bool{"disabled": false}, nil) },
		},
		"left": {
			func() { r.ctl("DELETE", "/users/bob", "", nil) },
			func() { r.ctl("POST", "/users/bob/restore", "", nil) },
		},
	} {
		request := userAgent(agentID) + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
		ok := r.wire("").login("bob", password, sasl.ScramSHA512Plus, request)
		token := first(tokenOf, ok)
		if token == "" {
			t.Fatalf("%s: no token: %s", what, ok.Raw())
		}
		end[0]()
		use := userAgent(agentID) + "<fast xmlns='urn:xmpp:fast:0'/>"
		if got := r.wire("").byToken("bob", sasl.HTNone, token, use); got.Local != "failure" {
			t.Errorf("%s: %s", what, got.Raw())
		}
		end[1]()
		if got := r.wire("").byToken("bob", sasl.HTNone, token, use); got.Local != "failure" {
			t.Errorf("%s and back: %s", what, got.Raw())
		}
		if err := r.login("bob", password); err != nil {
			t.Errorf("%s and back, by password: %v", what, err)
		}
	}
}

// A restored account is what it was: one that was disabled when an administrator removed it does not come back as one that may log in.
func TestRestoredAsItWas(t *testing.T) {
	r := joining(t, "approve", nil)
	r.ctl("PUT", "/users/bob/disabled", map[string]bool{"disabled": true}, nil)
	if _, err := r.enter("carol", "long enough for me", "", nil); err == nil || !strings.Contains(err.Error(), "approval") {
		t.Fatalf("not waiting: %v", err)
	}
	for name, word := range map[string]string{"bob": password, "carol": "long enough for me"} {
		r.ctl("DELETE", "/users/"+name, "", nil)
		if status, _ := r.tryCtl("DELETE", "/users/"+name, "", nil); status == 200 {
			t.Errorf("%s leaves twice", name)
		}
		r.ctl("POST", "/users/"+name+"/restore", "", nil)
		if err := r.login(name, word); err == nil {
			t.Errorf("%s is in after all", name)
		}
	}
	r.ctl("PUT", "/users/bob/disabled", map[string]bool{"disabled": false}, nil)
	if err := r.login("bob", password); err != nil {
		t.Error(err)
	}
}

// An account that somebody has made has a credential for each hash, and comes in by each; one that waits for approval comes in by none, in
// either profile, and gets no token.
func TestRegisteredForEveryHash(t *testing.T) {
	const word = "long enough for me"
	request := userAgent(agentID) + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/><bind xmlns='urn:xmpp:bind:0'/>"
	for hash, mechanisms := range map[string][]string{
		"SHA-1": {sasl.ScramSHA1, sasl.ScramSHA1Plus}, "SHA-256": {sasl.ScramSHA256, sasl.ScramSHA256Plus}, "SHA-512": {sasl.ScramSHA512, sasl.ScramSHA512Plus},
	} {
		r := joining(t, "approve", func(c *config.Config) { c.Login.Hashes = []string{hash} })
		carol, err := r.enter("carol", word, r.makeInvite(`{"as":"alice"}`).token(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = carol.Close(t.Context())
		if _, err := r.enter("dora", word, "", nil); err == nil || !strings.Contains(err.Error(), "approval") {
			t.Fatalf("not waiting: %v", err)
		}
		for _, mechanism := range mechanisms {
			if got := r.wire("").login("carol", word, mechanism, request); got.Local != "success" || first(tokenOf, got) == "" {
				t.Errorf("carol by %s: %s", mechanism, got.Raw())
			}
			got := r.wire("").login("dora", word, mechanism, request)
			if got.Local != "failure" || !strings.Contains(got.Raw(), "approval") || first(tokenOf, got) != "" {
				t.Errorf("dora by %s: %s", mechanism, got.Raw())
			}
		}
	}
}

// Who leaves is gone at once, whatever lay on disk for a return: sessions from before a restart, tokens, circles. What is restored begins anew.
func TestLeavingWithSessionsOnDisk(t *testing.T) {
	r := joining(t, "closed", nil)
	r.ctl("PUT", "/circles/Team", "", nil)
	r.ctl("PUT", "/circles/Team/alice", "", nil)
	r.ctl("PUT", "/circles/Team/bob", "", nil)
	w := r.wire("")
	ok := w.login("bob", password, sasl.ScramSHA512Plus, userAgent(agentID)+"<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"+
		"<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>")
	token, id := first(tokenOf, ok), first(enabledOf, ok)
	if token == "" || id == "" {
		t.Fatalf("%s", ok.Raw())
	}
	w.send("<presence/>")
	eventually(t, "the circle", func() bool { return count(t, r.data, "ties") == 0 && count(t, r.data, "roster_items") == 2 })
	eventually(t, "bob is there", func() bool {
		var list []struct{ State string }
		r.ctl("GET", "/sessions?of=bob", "", &list)
		return len(list) == 1
	})
	r.stop()
	if n := count(t, r.data, "sessions"); n != 1 {
		t.Fatalf("%d sessions on disk", n)
	}
	r = openWith(t, joinDomain, r.data, func(c *config.Config) { c.Signup.Mode, c.Store.Synchronous = "closed", "off" })
	alice := r.dial("alice", nil)
	r.ctl("DELETE", "/users/bob", "", nil)
	eventually(t, "the circle is told", func() bool { return len(contacts(t, alice)) == 0 && count(t, r.data, "ties") == 0 })
	owner := ownerOf(t, r.data, "bob")
	for _, table := range []string{"sessions", "device_tokens", "circle_members", "invites"} {
		if n := count(t, r.data, table+" WHERE owner = "+strconv.FormatInt(owner, 10)); n != 0 {
			t.Errorf("%s has %d rows of whom has left", table, n)
		}
	}
	r.ctl("POST", "/users/bob/restore", "", nil)
	resume := userAgent(agentID) + "<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>"
	if got := r.wire("").login("bob", password, sasl.ScramSHA512Plus, resume); got.Local != "success" || strings.Contains(got.Raw(), "<resumed") {
		t.Errorf("resumed after a restoration: %s", got.Raw())
	}
	r.ctl("DELETE", "/users/bob?now=1", "", nil)
	r.stop()
	walk(t, r.data, owner, "bob")
}

// Decision 17: what the maker of an invite may count when the token is shown and when the account is made.
func TestMakerCountsTwice(t *testing.T) {
	r := joining(t, "invite", nil)
	for _, x := range []struct{ what, path, body string }{
		{"demoted", "/users/alice/role", `{"role":"member"}`},
		{"disabled", "/users/alice/disabled", `{"disabled":true}`}, // the last, for nobody who is disabled makes an invite
	} {
		what := x.what
		r.ctl("PUT", "/users/alice/role", `{"role":"owner"}`, nil)
		token := r.makeInvite(`{"as":"alice","role":"admin"}`).token(t)
		w := r.wire("")
		ask := func(inner string) *stanza.Stanza {
			t.Helper()
			w.send("<iq type='set' id='" + what + "' to='" + joinDomain + "'>" + inner + "</iq>")
			st, err := w.conn.Read()
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
		if got := ask("<preauth xmlns='" + ns.PreAuth + "' token='" + token + "'/>"); got.Type != stanza.TypeResult {
			t.Fatalf("%s: %s", what, got.Raw())
		}
		r.ctl("PUT", x.path, x.body, nil)
		got := ask("<query xmlns='jabber:iq:register'><username>eve" + what + "</username><password>long enough for me</password></query>")
		if e := stanza.ParseError(got); e == nil || e.Condition != stanza.ItemNotFound {
			t.Errorf("%s: %s", what, got.Raw())
		}
		if err := r.login("eve"+what, "long enough for me"); err == nil {
			t.Errorf("%s: there is an account", what)
		}
	}
}

// XEP-0401 section 5.3.2: whoever comes by an invite is a contact in both directions, and every session of the inviter is told.
func TestEverySessionIsToldOfTheGuest(t *testing.T) {
	r := joining(t, "invite", nil)
	pushes := make(chan string, 64)
	for _, name := range []string{"one", "two"} {
		c := r.dial("alice", func(c *client.Config) {
			c.RosterPush = func(i client.RosterItem) { pushes <- name + " " + i.JID.String() + " " + i.Subscription }
		})
		contacts(t, c)
	}
	carol, err := r.enter("carol", "long enough for me", r.makeInvite(`{"as":"alice"}`).token(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := contacts(t, carol); len(got) != 1 || got[0] != "alice@"+joinDomain+" both" {
		t.Errorf("carol has %v", got)
	}
	got := []string{<-pushes, <-pushes}
	slices.Sort(got)
	if want := []string{"one carol@" + joinDomain + " both", "two carol@" + joinDomain + " both"}; !slices.Equal(got, want) {
		t.Errorf("pushes %q, want %q", got, want)
	}
}

// Whoever had proven to be the account, and has no session yet, does not get one any more when the account is shut meanwhile: what ends all
// sessions ends those that are about to begin.
func TestShutBetweenProofAndSession(t *testing.T) {
	r := joining(t, "closed", nil)
	w := r.wire("")
	if ok := w.login("bob", password, sasl.ScramSHA512Plus, ""); ok.Local != "success" {
		t.Fatalf("%s", ok.Raw())
	}
	w.read("features")
	classic := r.classic("bob", password)
	r.ctl("PUT", "/users/bob/disabled", `{"disabled":true}`, nil)
	for what, w := range map[string]*wire{"SASL2": w, "SASL": classic} {
		w.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		st, err := w.conn.Read()
		if err == nil && st.Type == stanza.TypeResult {
			t.Errorf("%s: bound: %s", what, st.Raw())
		}
	}
	var list []struct{ State string }
	r.ctl("GET", "/sessions?of=bob", "", &list)
	if len(list) != 0 {
		t.Errorf("sessions of a disabled account: %+v", list)
	}
}

// classic logs in by the classic profile, up to the features behind it.
func (r *running) classic(name, word string) *wire {
	r.t.Helper()
	w := r.wire("")
	login := sasl.Login{Username: name, Password: word, ServerBindings: []string{sasl.TLSExporter, sasl.TLSServerEndPoint}}
	list, _ := w.features.Child(ns.SASL, "mechanisms")
	tree, err := list.Tree()
	if err != nil {
		r.t.Fatal(err)
	}
	var offered []string
	for _, m := range tree.All(ns.SASL, "mechanism") {
		offered = append(offered, m.Text())
	}
	c, err := sasl.NewClient(offered, login)
	if err != nil {
		r.t.Fatal(err)
	}
	w.send("<auth xmlns='" + ns.SASL + "' mechanism='" + c.Mechanism() + "'>" + b64(c.Start()) + "</auth>")
	response, err := c.Next(data(r.t, w.read("challenge").Inner()))
	if err != nil {
		r.t.Fatal(err)
	}
	w.send("<response xmlns='" + ns.SASL + "'>" + b64(response) + "</response>")
	w.read("success")
	w.conn.Restart()
	w.send(header(r.domain, ""))
	w.readHeader()
	return w
}
