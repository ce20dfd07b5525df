package muc

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// acts are what people do in a room, right or wrong.
func acts(p *rand.Rand, names []string) string {
	some := func(all ...string) string { return all[p.IntN(len(all))] }
	who, nick := some(names...), some("a", "b", "c", "d", "e", "f", "g")
	admin := func(item string) string {
		return "<iq xmlns='jabber:client' type='set' id='x' to='" + cave + "'><query xmlns='http://jabber.org/protocol/muc#admin'>" + item + "</query></iq>"
	}
	switch p.IntN(17) {
	case 0, 1, 2, 3:
		return "<presence xmlns='jabber:client' to='" + cave + "/" + nick + "'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='1'/></x></presence>"
	case 4:
		return "<presence xmlns='jabber:client' to='" + cave + "/" + nick + "'><show>" + some("away", "dnd", "xa") + "</show></presence>"
	case 5:
		return "<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/" + nick + "'/>"
	case 6, 7, 8:
		return "<message xmlns='jabber:client' type='groupchat' id='m' to='" + cave + "'><" + some("body", "subject") + "/></message>"
	case 9:
		return admin("<item role='" + some("none", "visitor", "participant", "moderator") + "' nick='" + nick + "'/>")
	case 10:
		return admin("<item affiliation='" + some("none", "member", "admin", "owner", "outcast", "none", "none") + "' jid='" + who + "@example.org'/>")
	case 11:
		return "<iq xmlns='jabber:client' type='set' id='x' to='" + cave + "'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>" +
			"<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_" +
			some("membersonly", "moderatedroom", "persistentroom") + "'><value>" + some("0", "0", "1") + "</value></field>" +
			"<field var='muc#roomconfig_whois'><value>" + some("anyone", "moderators") + "</value></field></x></query></iq>"
	case 12:
		if p.IntN(6) > 0 {
			return "<message xmlns='jabber:client' type='chat' id='p' to='" + cave + "/" + nick + "'><body>psst</body></message>"
		}
		return "<iq xmlns='jabber:client' type='set' id='x' to='" + cave + "'><query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>"
	case 13:
		return "<iq xmlns='jabber:client' type='get' id='x' to='" + cave + "/" + nick + "'><query xmlns='jabber:iq:version'/></iq>"
	case 14:
		return "<iq xmlns='jabber:client' type='set' id='x' to='" + cave + "'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>" +
			field("FORM_TYPE", "http://jabber.org/protocol/muc#register") + field("muc#register_roomnick", nick) + "</x></query></iq>"
	case 15:
		return "<iq xmlns='jabber:client' type='set' id='x' to='" + cave + "'><query xmlns='jabber:iq:register'><remove/></query></iq>"
	}
	return "<message xmlns='jabber:client' id='i' to='" + cave + "'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='" + who + "@example.org'/></x></message>"
}

// TestRandomActs: whatever people do at the same time, with a disk that is full now and then, in the end everybody who is in the room sees exactly
// those who are, and nothing of it is stuck.
func TestRandomActs(t *testing.T) {
	names := []string{"p0", "p1", "p2", "p3", "p4"}
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			v := newWorld(t, names...)
			var all []*client
			for _, name := range names {
				all = append(all, v.bindAs(name, "one"), v.bindAs(name, "two"))
			}
			var wait sync.WaitGroup
			for i, c := range all {
				p := rand.New(rand.NewPCG(seed, uint64(i)))
				wait.Go(func() {
					for n := range 120 {
						if i == 0 && n%20 == 0 {
							v.disk.fill(p.IntN(4) == 0)
						}
						c.send(acts(p, names))
					}
				})
			}
			wait.Wait()
			v.disk.fill(false)
			for range 2 { // what follows from the last acts has happened then
				for _, c := range all {
					c.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
				}
			}
			agree(t, v, all)
		})
	}
}

// agree compares what clients have seen with what there is.
func agree(t *testing.T, v *world, all []*client) {
	t.Helper()
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		x, ok := v.m.rooms.Has(r)
		if !ok || r.ID == 0 {
			return nil
		}
		here := make(map[string]bool)
		for _, o := range x.nicks {
			if here[o.nick.shown] = true; o.view == nil || len(o.sessions) == 0 || !slices.Contains(x.faces, o) {
				t.Errorf("%s is there with %d sessions, seen %v", o.nick.shown, len(o.sessions), o.view != nil)
			}
		}
		if len(x.faces) != len(x.nicks) || len(x.crowd) != len(x.sessions) {
			t.Errorf("%d faces, %d nicks, %d in the crowd, %d sessions", len(x.faces), len(x.nicks), len(x.crowd), len(x.sessions))
		}
		count := make(map[jid.JID]int)
		for _, o := range x.nicks {
			count[o.account]++
		}
		if !maps.Equal(count, x.here) {
			t.Errorf("occupants %v are counted as %v", count, x.here)
		}
		for key, who := range x.reserved {
			if x.people[who].nick.key != key {
				t.Errorf("%s is reserved for %s, who has %v", key, who, x.people[who].nick)
			}
		}
		for _, s := range x.crowd {
			if x.sessions[s.jid] != s || !slices.Contains(s.occupant.sessions, s) {
				t.Errorf("%s is a ghost", s.jid)
			}
		}
		for _, c := range all {
			if x.sessions[c.s.JID] == nil {
				continue
			}
			if saw := c.sees(); !maps.Equal(saw, here) {
				t.Errorf("%s sees %v, and there are %v", c.s.JID, saw, here)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var occupantOf = regexp.MustCompile(`^<presence [^>]*from='` + regexp.QuoteMeta(cave) + `/([^']*)'`)

// sees are the nicks that the client believes are there.
func (c *client) sees() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]bool)
	for _, x := range c.got {
		m := occupantOf.FindStringSubmatch(x)
		head, _, _ := strings.Cut(x, ">")
		switch {
		case m == nil || strings.Contains(head, "type='error'"):
		case !strings.Contains(head, "type='unavailable'"):
			out[m[1]] = true
		case strings.Contains(x, "code='110'") && !strings.Contains(x, "code='303'"):
			clear(out)
		default:
			delete(out, m[1])
		}
	}
	return out
}

// requests are what somebody without rights may send to learn who others are.
func requests(p *rand.Rand) string {
	some := func(all ...string) string { return all[p.IntN(len(all))] }
	at := cave + "/" + some("a", "b", "c", "boss")
	switch p.IntN(8) {
	case 0, 1:
		return "<presence xmlns='jabber:client' to='" + at + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	case 2:
		return "<presence xmlns='jabber:client' to='" + at + "'/>"
	case 3:
		return "<presence xmlns='jabber:client' type='unavailable' to='" + at + "'/>"
	case 4:
		return "<message xmlns='jabber:client' type='groupchat' id='m' to='" + cave + "'><body>b</body></message>"
	case 5:
		return "<message xmlns='jabber:client' type='" + some("chat", "normal", "error") + "' id='p' to='" + at + "'><body>psst</body><error type='cancel'><" +
			some("gone", "bad-request") + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
	case 6:
		return "<iq xmlns='jabber:client' type='" + some("get", "set") + "' id='x' to='" + at + "'>" + some("<query xmlns='jabber:iq:version'/>", "<vCard xmlns='vcard-temp'/>",
			"<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='http://jabber.org/protocol/disco#info'/>") + "</iq>"
	}
	list := "<query xmlns='http://jabber.org/protocol/muc#admin'><item "
	ask := some(list+"affiliation='member'/></query>", list+"role='participant'/></query>", "<query xmlns='http://jabber.org/protocol/muc#owner'/>",
		"<query xmlns='http://jabber.org/protocol/disco#items'/>", archiveQuery)
	return "<iq xmlns='jabber:client' type='" + some("get", "set") + "' id='x' to='" + cave + "'>" + ask + "</iq>"
}

// TestNobodyLearnsAddresses: whatever people without rights ask of a room that hides addresses, and whatever its owner does, none of them is told one.
func TestNobodyLearnsAddresses(t *testing.T) {
	names := []string{"p0", "p1", "p2", "p3"}
	for seed := range uint64(4) {
		v := newWorld(t, names...)
		owner := v.bind("p0")
		owner.enter("boss")
		owner.expect("code='201'")
		owner.configure(field("muc#roomconfig_persistentroom", "1"))
		var wait sync.WaitGroup
		var all []*client
		for i, name := range []string{"p1", "p1", "p2", "p2", "p3", "p3"} {
			c, p := v.bindAs(name, fmt.Sprint("resource", i)), rand.New(rand.NewPCG(seed, uint64(i)))
			all = append(all, c)
			wait.Go(func() {
				for range 100 {
					c.send(requests(p))
				}
			})
		}
		p := rand.New(rand.NewPCG(seed, 99))
		wait.Go(func() {
			some := func(all ...string) string { return all[p.IntN(len(all))] }
			for range 60 {
				owner.send("<iq xmlns='jabber:client' type='set' id='x' to='" + cave + "'><query xmlns='http://jabber.org/protocol/muc#admin'>" + some(
					"<item role='"+some("none", "visitor", "participant")+"' nick='"+some("a", "b", "c")+"'><reason>so</reason></item>",
					"<item affiliation='"+some("none", "none", "member", "outcast")+"' jid='"+some(names[1:]...)+"@example.org'/>") + "</query></iq>")
			}
		})
		wait.Wait()
		for _, c := range all {
			c.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
			own := c.s.JID.Bare().String()
			for _, x := range c.got {
				if rest := strings.ReplaceAll(x, own, ""); strings.Contains(rest, "@example.org") {
					t.Errorf("%s was sent %s", c.s.JID, x)
				}
			}
		}
	}
}
