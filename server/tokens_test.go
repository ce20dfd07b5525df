package server_test

import (
	"slices"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/mod/account"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// Tokens end where they should: given up, used with a count again, under another mechanism or on another device, revoked, after a new password.
func TestTokensEnd(t *testing.T) {
	r := start(t, "example.org")
	const other = "11111111-2222-4333-8444-555555555555"
	request := "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
	use := "<fast xmlns='urn:xmpp:fast:0'/>"
	fresh := func(pass string) string {
		t.Helper()
		w := r.wire("alice@example.org")
		ok := w.login("alice", pass, sasl.ScramSHA512Plus, userAgent(agentID)+request)
		if first(tokenOf, ok) == "" {
			t.Fatalf("no token: %s", ok.Raw())
		}
		return first(tokenOf, ok)
	}
	try := func(what, mechanism, token, more, want string) *stanza.Stanza {
		t.Helper()
		w := r.wire("alice@example.org")
		got := w.byToken("alice", mechanism, token, more)
		if (got.Local == "success") != (want == "") || first(conditionOf, got) != want {
			t.Errorf("%s: %s", what, got.Raw())
		}
		return got
	}
	token := fresh(password)
	if token == fresh(password) {
		t.Error("one token twice")
	}
	try("one that was never used gives way to the next", sasl.HTNone, token, userAgent(agentID)+use, "not-authorized")
	token = fresh(password)
	try("another mechanism", sasl.HTExporter, token, userAgent(agentID)+use, "not-authorized")
	try("another device", sasl.HTNone, token, userAgent(other)+use, "not-authorized")
	try("no device", sasl.HTNone, token, use, "not-authorized")
	try("not as a token", sasl.HTNone, token, userAgent(agentID), "invalid-mechanism")
	try("the right way", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0' count='7'/>", "")
	try("a count again", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0' count='7'/>", "not-authorized")
	try("a count that is none", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0' count='-1'/>", "malformed-request")
	try("the next count", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0' count='8'/>", "")
	if got := try("given up", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>", ""); got.Has(ns.Fast, "token") {
		t.Errorf("a new one instead: %s", got.Raw())
	}
	try("after that", sasl.HTNone, token, userAgent(agentID)+use, "not-authorized")

	token = fresh(password)
	w := r.wire("alice@example.org")
	if ok := w.byToken("alice", sasl.HTNone, token, userAgent(agentID)+use+"<bind xmlns='urn:xmpp:bind:0'/>"); ok.Local != "success" {
		t.Fatalf("%s", ok.Raw())
	}
	w.read("features")
	var list []struct {
		ID, Name, Software, From string
		Tokens, Sessions         int
	}
	r.ctl("GET", "/users/alice/devices", nil, &list)
	if len(list) != 1 || list[0].Name != "Kiva's Phone" || list[0].Software != "Conversations" || list[0].From != "127.0.0.1" || list[0].Tokens != 1 || list[0].Sessions != 1 {
		t.Fatalf("devices %+v", list)
	}
	r.ctl("DELETE", "/users/alice/devices/"+list[0].ID, nil, nil)
	if got := w.broken(); got != stanza.StreamPolicyViolation {
		t.Errorf("the session of the device ended with %s", got)
	}
	try("revoked", sasl.HTNone, token, userAgent(agentID)+use, "not-authorized")

	token = fresh(password)
	r.ctl("PUT", "/users/alice/password", map[string]string{"password": "another"}, nil)
	try("after a new password", sasl.HTNone, token, userAgent(agentID)+use, "not-authorized")
	token = fresh("another")
	r.ctl("PUT", "/users/alice/disabled", map[string]bool{"disabled": true}, nil)
	try("of a disabled account", sasl.HTNone, token, userAgent(agentID)+use, "not-authorized")
	r.ctl("PUT", "/users/alice/disabled", map[string]bool{"disabled": false}, nil)
	try("of one that was disabled", sasl.HTNone, token, userAgent(agentID)+use, "not-authorized")
	if log := r.log.String(); strings.Contains(log, token) || strings.Contains(log, agentID) {
		t.Error("the log holds a token or the id of a device")
	}
}

// XEP-0484 sections 3.5 and 4.2: the old token stays good until its successor is used, and one that has expired says so.
func TestTokensRotateAndExpire(t *testing.T) {
	request := userAgent(agentID) + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
	use := userAgent(agentID) + "<fast xmlns='urn:xmpp:fast:0'/>"
	r := startWith(t, "example.org", func(c *config.Config) { c.Login.TokenRotate = 1 })
	one := first(tokenOf, r.wire("").login("alice", password, sasl.ScramSHA512Plus, request))
	by := func(token string) *stanza.Stanza { return r.wire("").byToken("alice", sasl.HTNone, token, use) }
	two := first(tokenOf, by(one))
	three := first(tokenOf, by(one)) // the second one was lost on its way
	if two == "" || three == "" || two == three || two == one {
		t.Fatalf("tokens %q %q %q", one, two, three)
	}
	if got := by(two); got.Local != "failure" {
		t.Errorf("one that was never used: %s", got.Raw())
	}
	four := first(tokenOf, by(three))
	if got := by(one); got.Local != "failure" || four == "" {
		t.Errorf("the old one: %s", got.Raw())
	}
	if got := by(four); got.Local != "success" {
		t.Errorf("the newest: %s", got.Raw())
	}
	r = startWith(t, "example.org", func(c *config.Config) { c.Login.TokenRotate, c.Login.TokenLife = 1, 1 })
	one = first(tokenOf, r.wire("").login("alice", password, sasl.ScramSHA512Plus, request))
	w := r.wire("")
	if got := w.byToken("alice", sasl.HTNone, one, use); first(conditionOf, got) != "credentials-expired" {
		t.Errorf("an expired one: %s", got.Raw())
	}
	// XEP-0484 section 4.2: the client may go on with its password.
	if got := w.login("alice", password, sasl.ScramSHA512Plus, request); got.Local != "success" {
		t.Errorf("the password on the same stream: %s", got.Raw())
	}
	r = startWith(t, "example.org", func(c *config.Config) { c.Login.TokenRotate, c.Login.TokenLife = 0, 0 })
	w = r.wire("")
	if got := w.login("alice", password, sasl.ScramSHA512Plus, request); strings.Contains(w.features.Raw(), ns.Fast) || got.Has(ns.Fast, "token") {
		t.Errorf("switched off: %s", got.Raw())
	}
}

// XEP-0480: what follows from a password is taken from somebody who has proven it, and a token is none.
func TestTokensUpgradeNothing(t *testing.T) {
	r := start(t, "example.org")
	all, err := account.Credentials(password, 4096)
	if err != nil {
		t.Fatal(err)
	}
	old := all[slices.IndexFunc(all, func(c store.Credential) bool { return c.Mechanism == "SCRAM-SHA-1" })]
	r.ctl("POST", "/users/import", map[string]any{"name": "dora", "credentials": []string{rfc5803(t, old)}}, nil)
	w := r.wire("dora@example.org")
	ok := w.login("dora", password, sasl.ScramSHA1Plus, userAgent(agentID)+"<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>")
	w = r.wire("dora@example.org")
	more := userAgent(agentID) + "<fast xmlns='urn:xmpp:fast:0'/><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"
	if got := w.byToken("dora", sasl.HTNone, first(tokenOf, ok), more); got.Local != "success" {
		t.Errorf("%s", got.Raw())
	}
}
