package muc

import (
	"fmt"
	"strings"
	"testing"
)

// TestFlood: what one account has rooms send to others has a bound, in whatever way it does it, and whoever it was goes on a little later.
func TestFlood(t *testing.T) {
	const busy = "policy-violation"
	for what, act := range map[string]func(c *client, i int){
		"messages": func(c *client, i int) {
			c.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='f'><body>%d</body></message>", cave, i))
		},
		"subjects": func(c *client, i int) {
			c.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='f'><subject>%d</subject></message>", cave, i))
		},
		"presence": func(c *client, i int) {
			c.send(fmt.Sprintf("<presence xmlns='jabber:client' to='%s/juliet' id='f'><status>%d</status></presence>", cave, i))
		},
		"nicks": func(c *client, i int) {
			c.send(fmt.Sprintf("<presence xmlns='jabber:client' to='%s/j%d' id='f'/>", cave, i))
		},
		"joins": func(c *client, _ int) {
			c.send("<presence xmlns='jabber:client' to='" + cave + "/juliet' id='f'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		},
		"visits": func(c *client, _ int) {
			c.send("<presence xmlns='jabber:client' to='" + cave + "/juliet' type='unavailable'/>")
			c.send("<presence xmlns='jabber:client' to='" + cave + "/juliet' id='f'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		},
		"affiliations": func(c *client, i int) {
			c.send(fmt.Sprintf("<iq xmlns='jabber:client' to='%s' type='set' id='f'><query xmlns='http://jabber.org/protocol/muc#admin'>"+
				"<item affiliation='%s' jid='tybalt@example.org'/></query></iq>", cave, []string{"member", "none"}[i%2]))
		},
		"roles": func(c *client, i int) {
			c.send(fmt.Sprintf("<iq xmlns='jabber:client' to='%s' type='set' id='f'><query xmlns='http://jabber.org/protocol/muc#admin'>"+
				"<item role='%s' nick='romeo'/></query></iq>", cave, []string{"visitor", "participant"}[i%2]))
		},
		"configuration": func(c *client, i int) {
			c.send(fmt.Sprintf("<iq xmlns='jabber:client' to='%s' type='set' id='f'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"+
				"<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"+
				"<field var='muc#roomconfig_moderatedroom'><value>%d</value></field></x></query></iq>", cave, i%2))
		},
		"registrations": func(c *client, i int) {
			form := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>" +
				fmt.Sprintf("<field var='muc#register_roomnick'><value>r%d</value></field></x>", i)
			c.send("<iq xmlns='jabber:client' to='" + cave + "' type='set' id='f'><query xmlns='jabber:iq:register'>" + form + "</query></iq>")
		},
		"hats": func(c *client, i int) {
			form := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:hats:commands</value></field>" +
				fmt.Sprintf("<field var='hats#title'><value>T%d</value></field><field var='hats#uri'><value>urn:hat</value></field></x>", i)
			c.send("<iq xmlns='jabber:client' to='" + cave + "' type='set' id='f'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:create'>" + form + "</command></iq>")
		},
	} {
		t.Run(what, func(t *testing.T) {
			v, juliet, romeo := inCave(t)
			v.m.config.Deliveries = 2 // a second: twenty at once
			for i := range 40 {
				act(juliet, i)
			}
			juliet.expect("type='error'", "id='f'", busy, "type='wait'")
			// Others are not concerned.
			romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='calm'><body>calm</body></message>")
			romeo.expect("<body>calm")
		})
	}
}

// TestLargeMessages: what is large counts for more.
func TestLargeMessages(t *testing.T) {
	v, juliet, _ := inCave(t)
	v.m.config.Deliveries = 10
	for i := range 10 {
		juliet.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='l%d'><body>%s</body></message>", cave, i, strings.Repeat("x", 60_000)))
	}
	juliet.expect("type='error'", "id='l9'", "policy-violation")
}

// TestManyRooms: rooms are not made and left without end.
func TestManyRooms(t *testing.T) {
	v := newWorld(t, "juliet")
	v.m.config.Deliveries = 1000
	juliet := v.bind("juliet")
	for i := range 40 {
		to := fmt.Sprintf("r%d@rooms.example.org/j", i)
		juliet.send("<presence xmlns='jabber:client' id='f' to='" + to + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		juliet.send("<presence xmlns='jabber:client' type='unavailable' to='" + to + "'/>")
	}
	juliet.expect("type='error'", "id='f'", "policy-violation")
}

// TestInvitationsOfAllRooms: more rooms do not make more invitations.
func TestInvitationsOfAllRooms(t *testing.T) {
	v := newWorld(t, "juliet", "romeo")
	v.m.config.Invites = 3
	juliet := v.bind("juliet")
	for i := range 4 {
		to := fmt.Sprintf("r%d@rooms.example.org", i)
		juliet.send("<presence xmlns='jabber:client' to='" + to + "/j'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		juliet.expect("<presence", to, "code='201'")
		juliet.send("<message xmlns='jabber:client' id='i" + fmt.Sprint(i) + "' to='" + to + "'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='romeo@example.org'/></x></message>")
	}
	juliet.expect("type='error'", "id='i3'", "resource-constraint")
}

// TestLargeInvitation: an invitation is small, since one stanza makes many.
func TestLargeInvitation(t *testing.T) {
	_, juliet, _ := inCave(t)
	for i, x := range []struct{ id, inner string }{
		{"t", "<continue thread='" + strings.Repeat("x", 50_000) + "'/>"},
		{strings.Repeat("i", 50_000), ""},
	} {
		juliet.send("<message xmlns='jabber:client' id='" + x.id + "' to='" + cave + "'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='tybalt@example.org'>" + x.inner + "</invite></x></message>")
		if got := juliet.expect("type='error'"); !strings.Contains(got, "policy-violation") {
			t.Errorf("%d: %.300s", i, got)
		}
	}
}
