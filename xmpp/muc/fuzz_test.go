package muc

import (
	"reflect"
	"testing"

	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// FuzzRead: whatever comes, reading it ends, and what was read and is written again reads the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='20' since='1970-01-01T00:00:00Z'/><password>p</password></x>",
		"<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='a@b/c' nick='n'><reason>r</reason></item></query>",
		"<query xmlns='http://jabber.org/protocol/muc#admin'><item role='none' nick='n'><actor nick='x'/></item></query>",
		"<query xmlns='http://jabber.org/protocol/muc#owner'><destroy jid='a@b'><reason>r</reason><password>p</password></destroy></query>",
		"<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + ns.MUCRoomConfig +
			"</value></field><field var='muc#roomconfig_maxusers'><value>20</value></field></x></query>",
		"<x xmlns='http://jabber.org/protocol/muc#user'><invite to='a@b'><continue/></invite><decline from='a@b'/><status code='110'/><destroy/></x>",
		"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field><field var='muc#role'><value>participant</value></field></x>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		n, err := xmltok.Tree(in, ns.Client)
		if err != nil {
			return
		}
		again := func(b []byte) *xmltok.Node {
			n, err := xmltok.Tree(string(b), ns.Client)
			if err != nil {
				t.Fatalf("wrote %q: %v", b, err)
			}
			return n
		}
		same := func(a, b any, err error) {
			if err != nil || !reflect.DeepEqual(a, b) {
				t.Fatalf("read %+v, then %+v, %v", a, b, err)
			}
		}
		if j, err := ParseJoin(n); err == nil && j.History.Since.IsZero() {
			k, err := ParseJoin(again(j.AppendXML(nil)))
			same(j, k, err)
		}
		for _, typ := range []stanza.Type{stanza.Get, stanza.Set} {
			if items, err := ParseAdmin(n, typ); err == nil {
				back, err := ParseAdmin(again(AppendAdmin(nil, items)), typ)
				same(items, back, err)
			}
			if r, err := ParseOwner(n, typ); err == nil {
				_, err := ParseOwner(again(AppendOwner(nil, r)), typ)
				same(nil, nil, err)
				if r.Form != nil {
					fuzzConfig(t, r.Form)
				}
			}
		}
		if u, err := ParseUser(n); err == nil {
			back, err := ParseUser(again(u.AppendXML(nil)))
			same(u, back, err)
		}
		if x, err := form.ParseSubmit(n); err == nil {
			_, _ = ParseVoiceRequest(x)
			_, _ = ParseRegister(x)
		}
	})
}

// fuzzConfig: a configuration that was taken can be shown and taken again.
func fuzzConfig(t *testing.T, f *form.Form) {
	c, s, err := Config{}.Submit(f)
	if err != nil {
		return
	}
	if back, _, err := (Config{}).Submit(answered(c.Form("", s))); err != nil || back != c {
		t.Fatalf("took %+v, then %+v, %v", c, back, err)
	}
}
