package server_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"stonechat/store/pie"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

type importSum struct {
	Created, Existing, Failed int
	Reasons                   []string
}

// TestImportFromOthers: an account that comes from another server has what it had there, in every form in which clients ask for it.
func TestImportFromOthers(t *testing.T) {
	r := start(t, "example.org")
	f, err := os.Open("../store/pie/testdata/prosody.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines bytes.Buffer
	out := json.NewEncoder(&lines)
	reader := pie.Reader{Each: func(a *pie.Account) error {
		if a.Name == "juliet" {
			a.Password, a.Credentials = password, nil // nobody knows the one of the file
		}
		return out.Encode(a)
	}}
	if err := reader.Read(f); err != nil {
		t.Fatal(err)
	}
	bring := func(query string) (sum importSum) {
		t.Helper()
		r.ctl("POST", "/users/import"+query, lines.String(), &sum)
		return sum
	}
	if sum := bring("?dry"); sum.Created != 2 || r.login("juliet", password) == nil {
		t.Errorf("%+v, or it was no dry run", sum)
	}
	if sum := bring(""); sum.Created != 2 || sum.Failed != 0 {
		t.Errorf("%+v", sum)
	}
	juliet := r.dial("juliet", nil)
	if got := strings.Join(contacts(t, juliet), "; "); got != "paris@example.net none; romeo@example.net both Friends,Verona" {
		t.Errorf("contacts: %s", got)
	}
	ask := func(payload string, parts ...string) {
		t.Helper()
		st, err := juliet.IQ(t.Context(), jid.MustParse("juliet@example.org"), stanza.Get, payload)
		if err != nil {
			t.Errorf("%s: %v", payload, err)
			return
		}
		for _, p := range parts {
			if !strings.Contains(st.Inner(), p) {
				t.Errorf("%s without %s", st.Inner(), p)
			}
		}
	}
	look := func() {
		t.Helper()
		ask("<vCard xmlns='vcard-temp'/>", "<FN>Juliet Capulet</FN>")
		ask("<blocklist xmlns='urn:xmpp:blocking'/>", "jid='tybalt@example.com'")
		ask("<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>", "<defaultnick>Juliet</defaultnick>")
		ask("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>", "id='play@rooms.example.org'", "autojoin='true'")
		ask("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>", "play@rooms.example.org") // an older client's form
		ask("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='http://jabber.org/protocol/nick'/></pubsub>", "Jule")
	}
	look()
	// Somebody's request is open.
	if _, err := juliet.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	for st := range juliet.Incoming() {
		if st.Type == stanza.Subscribe {
			if st.From != jid.MustParse("mercutio@example.net") {
				t.Errorf("%s", st.Standalone())
			}
			break
		}
	}
	// What is private stays so.
	bob := r.dial("bob", nil)
	_, err = bob.IQ(t.Context(), jid.MustParse("juliet@example.org"), stanza.Get, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>")
	if err == nil {
		t.Error("others read bookmarks")
	}
	// Once more it changes nothing, unless it is asked for.
	if _, err := juliet.IQ(t.Context(), jid.MustParse("juliet@example.org"), stanza.Set, "<vCard xmlns='vcard-temp'><FN>J.</FN></vCard>"); err != nil {
		t.Fatal(err)
	}
	if sum := bring(""); sum.Existing != 2 || sum.Created != 0 {
		t.Errorf("%+v", sum)
	}
	ask("<vCard xmlns='vcard-temp'/>", "<FN>J.</FN>")
	if sum := bring("?again"); sum.Existing != 2 || sum.Failed != 0 {
		t.Errorf("%+v", sum)
	}
	look()
	// What is refused is told, costs nothing else, and does not stand in the answer.
	lines.Reset()
	lines.WriteString(`{"name":"tybalt","password":"a password of tybalt","pending":["@"],"requests":["<query xmlns='urn:example:unknown'><secret/></query>","<x","<vCard xmlns='vcard-temp'><FN>T.</FN></vCard>"]}` + "\n")
	sum := bring("")
	if sum.Created != 1 || sum.Failed != 3 || len(sum.Reasons) != 3 || !strings.Contains(sum.Reasons[1], "urn:example:unknown") {
		t.Errorf("%+v", sum)
	}
	tybalt := r.dial("tybalt", func(c *client.Config) { c.Password = "a password of tybalt" })
	if st, err := tybalt.IQ(t.Context(), jid.MustParse("tybalt@example.org"), stanza.Get, "<vCard xmlns='vcard-temp'/>"); err != nil || !strings.Contains(st.Inner(), "T.") {
		t.Errorf("%v, %v", st, err)
	}
}
