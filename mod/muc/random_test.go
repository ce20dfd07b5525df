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
	switch p.IntN(15) {
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
	}
	return "<message xmlns='jabber:client' id='i' to='" + cave + "'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='" + who + "@example.org'/></x></message>"
}

// TestRandomActs: whatever people do at the same time, with a disk that is full now and then, in the end everybody who is in the room sees exactly
// those who are, and nothing of it is stuck.
func TestRandomActs(t *testing.T) {
	names := []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6"}
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			v := newWorld(t, names...)
			all := make([]*client, len(names))
			for i := range all {
				all[i] = v.bind(names[i])
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
