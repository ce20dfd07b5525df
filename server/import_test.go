package server_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
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

// export is what `ctl user export` writes of an account.
func (r *running) export(name string) string {
	r.t.Helper()
	status, text := r.tryCtl("GET", "/users/"+name+"/export", "", nil)
	if status != 200 || !strings.HasSuffix(text, "{\"ended\":true}\n") {
		r.t.Fatalf("%d %s", status, text)
	}
	var file strings.Builder
	for line := range strings.Lines(text) {
		var part struct{ XML []byte }
		if err := json.Unmarshal([]byte(line), &part); err != nil {
			r.t.Fatal(err)
		}
		file.Write(part.XML)
	}
	return "<server-data xmlns='urn:xmpp:pie:0'><host jid='" + r.domain + "'>" + file.String() + "</host></server-data>"
}

func readPortable(t *testing.T, file string) (*pie.Account, map[string]int) {
	t.Helper()
	var got *pie.Account
	reader := pie.Reader{Each: func(a *pie.Account) error {
		got = a
		return nil
	}}
	if err := reader.Read(strings.NewReader(file)); err != nil || got == nil {
		t.Fatalf("%v\n%s", err, file)
	}
	return got, reader.Left
}

// TestExport: what is exported is what was imported, with what came since; and a second server makes the same of it.
func TestExport(t *testing.T) {
	r := start(t, "example.org")
	f, err := os.ReadFile("../store/pie/testdata/prosody.xml")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := readPortable(t, strings.Split(string(f), "<user name='romeo'")[0]+"</host></server-data>")
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	bring := func(r *running, line []byte) {
		t.Helper()
		var sum importSum
		if r.ctl("POST", "/users/import", string(line), &sum); sum.Created != 1 || sum.Failed != 0 {
			t.Fatalf("%+v", sum)
		}
	}
	bring(r, line)
	if _, err := r.dial("bob", nil).Message(t.Context(), jid.MustParse("juliet@example.org"), "good <night>"); err != nil {
		t.Fatal(err)
	}
	var file string
	eventually(t, "the message in the archive", func() bool {
		file = r.export("juliet")
		return strings.Contains(file, "good &lt;night&gt;</body>")
	})
	got, left := readPortable(t, file)
	if left["archived message"] != 1 || len(left) != 1 {
		t.Errorf("left out: %v", left)
	}
	same := func(got *pie.Account) {
		t.Helper()
		a, b := *want, *got
		// Configurations are said in full, the vCard has the nickname, and private storage the older form of bookmarks; the order is ours.
		for _, r := range a.Requests {
			from, _, _ := strings.Cut(r, "</publish>")
			from, _, _ = strings.Cut(from, "</vCard>")
			if !strings.Contains(strings.Join(b.Requests, "\n"), from) {
				t.Errorf("nothing like %s in %q", from, b.Requests)
			}
		}
		a.Requests, b.Requests = nil, nil
		slices.SortFunc(a.Contacts, func(x, y pie.Contact) int { return strings.Compare(x.JID, y.JID) })
		one, _ := json.Marshal(a)
		two, _ := json.Marshal(b)
		if string(one) != string(two) {
			t.Errorf("%s became %s", one, two)
		}
	}
	same(got)
	second := start(t, "example.org")
	if line, err = json.Marshal(got); err != nil {
		t.Fatal(err)
	}
	bring(second, line)
	again, _ := readPortable(t, second.export("juliet"))
	same(again)
	if status, _ := r.tryCtl("GET", "/users/nobody/export", "", nil); status != 404 {
		t.Errorf("nobody is exported: %d", status)
	}
}
