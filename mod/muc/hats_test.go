package muc

import (
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// hats runs a command of XEP-0317; fields are name=value.
func (c *client) hats(command string, fields ...string) string {
	c.Helper()
	x := ""
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		x += "<field var='hats#" + name + "'><value>" + value + "</value></field>"
	}
	if x != "" {
		x = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:hats:commands</value></field>" + x + "</x>"
	}
	return c.ask("set", "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:"+command+"'>"+x+"</command>")
}

// TestHats: made, given, changed and taken; seen by everybody, kept beyond the memory, and of no use to who may not give them.
func TestHats(t *testing.T) {
	v, juliet, romeo := inCave(t)
	const teacher, scribe, who = "uri=urn:x:teacher", "uri=urn:x:scribe", "jid=romeo@" + domain
	for i, c := range []struct {
		by     *client
		run    string
		fields []string
		want   string
	}{
		{romeo, "create", []string{teacher, "title=T"}, "<forbidden"},
		{romeo, "assign", []string{teacher, who}, "<forbidden"},
		{romeo, "list-assigned", nil, "<forbidden"},
		{juliet, "nonsense", nil, "<item-not-found"},
		{juliet, "create", nil, "status='executing'"},
		{juliet, "create", []string{teacher, "title= "}, "<not-acceptable"},
		{juliet, "create", []string{"uri=no uri", "title=T"}, "<not-acceptable"},
		{juliet, "create", []string{teacher, "title=T", "hue=361"}, "<not-acceptable"},
		{juliet, "create", []string{teacher, "title=T", "hue=NaN"}, "<not-acceptable"},
		{juliet, "assign", []string{teacher, who}, "<item-not-found"},
		{juliet, "create", []string{teacher, "title=Teacher &amp; co", "hue=120"}, "status='completed'"},
		{juliet, "create", []string{scribe, "title=Scribe"}, "status='completed'"},
		{juliet, "assign", nil, "urn:x:scribe"},
		{juliet, "assign", []string{scribe, "jid=" + domain}, "<jid-malformed"},
		{juliet, "assign", []string{scribe, "jid=tybalt@" + domain}, "status='completed'"},
		{juliet, "assign", []string{teacher, who}, "status='completed'"},
	} {
		if got := c.by.hats(c.run, c.fields...); !strings.Contains(got, c.want) {
			t.Fatalf("%d: %s", i, got)
		}
	}
	worn := "<hat title='Teacher &amp; co' uri='urn:x:teacher' hue='120'/>"
	romeo.expect("code='104'")
	romeo.expect("<presence", "/romeo'", worn, "code='110'")
	if got := romeo.hats("list"); strings.Count(got, "<item>") != 2 {
		t.Error(got)
	}
	if got := juliet.hats("list-assigned"); strings.Count(got, "<item>") != 2 || !strings.Contains(got, "tybalt@") {
		t.Error(got)
	}
	info := juliet.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	if !strings.Contains(info, "urn:xmpp:hats:0") || !strings.Contains(info, "hats#hash") {
		t.Error(info)
	}
	for by, n := range map[*client]int{juliet: 6, romeo: 1} {
		items := by.ask("get", "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>")
		if strings.Count(items, "<item ") != n {
			t.Errorf("%s", items)
		}
	}
	loaded := func() *room {
		kept, err := v.db.Rooms.Get(t.Context(), "rooms."+domain, "cave")
		if err != nil {
			t.Fatal(err)
		}
		var back *room
		r := &core.Room{Host: v.host, JID: jid.MustParse(cave)}
		if err := v.m.load(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if back = v.m.rooms.Of(r); r.ID != kept.ID {
			t.Fatal(r.ID)
		}
		return back
	}
	if back := loaded(); !strings.Contains(back.worn(jid.MustParse("romeo@"+domain)), worn) || len(back.hats) != 2 {
		t.Errorf("%+v", back.hats)
	}
	// Another title is seen at once; a configuration keeps the hats.
	juliet.hats("create", teacher, "title=Master")
	romeo.expect("<presence", "/romeo'", "title='Master'")
	juliet.configure("<field var='muc#roomconfig_roomname'><value>Cave</value></field>")
	juliet.hats("unassign", teacher, who)
	if got := romeo.expect("<presence", "/romeo'"); strings.Contains(got, "<hat") {
		t.Error(got)
	}
	juliet.hats("destroy", scribe)
	if back := loaded(); len(back.hats) != 1 || len(back.people) != 1 {
		t.Errorf("%+v of %+v", back.hats, back.people)
	}
	for i := range maxHats {
		if got := juliet.hats("create", fmt.Sprint("uri=urn:y:", i), "title=Y"); strings.Contains(got, "<resource-constraint") != (i == maxHats-1) {
			t.Fatalf("%d: %s", i, got)
		}
	}
	for i := range maxWorn + 1 {
		if got := juliet.hats("assign", fmt.Sprint("uri=urn:y:", i), who); strings.Contains(got, "<resource-constraint") != (i == maxWorn) {
			t.Fatalf("%d: %s", i, got)
		}
	}
	juliet.admin("<item affiliation='outcast' jid='romeo@" + domain + "'/>")
	if got := loaded().worn(jid.MustParse("romeo@" + domain)); got != "" {
		t.Errorf("the banned wear %s", got)
	}
}
