package muc

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
)

const (
	destroying = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy jid='coven@rooms.example.org'><reason>Macbeth doth come.</reason></destroy></query>"
	info       = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
)

// knocks is what a client hears that asks the room, speaks in it, and enters it.
func (c *client) knocks() (asked, said, entered string) {
	c.Helper()
	asked = c.ask("get", info)
	c.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='told'><body>Hello</body></message>")
	said = c.expect("<message", "id='told'")
	c.enter(c.s.JID.Local())
	return asked, said, c.expect("<presence", cave)
}

// TestDestroyedRoom: whoever comes later learns that the room is gone, and where to, as far as they could have come in; its owners make it again.
func TestDestroyedRoom(t *testing.T) {
	all := []string{"type='error'", "<gone", ">xmpp:coven@rooms.example.org?join</gone>", "Macbeth doth come."}
	for _, c := range []struct {
		name, fields string
		tombstones   time.Duration
		destroy      string
		want, never  []string
	}{
		{"open", lasting, time.Hour, destroying, all, nil},
		{"without a word", lasting, time.Hour, "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>", all[:2], []string{"<text"}},
		{"for members", lasting + "<field var='muc#roomconfig_membersonly'><value>1</value></field>", time.Hour, destroying, all[:2], all[2:]},
		{
			"with a password", lasting + "<field var='muc#roomconfig_passwordprotectedroom'><value>1</value></field><field var='muc#roomconfig_roomsecret'><value>x</value></field>",
			time.Hour, destroying, all[:2], all[2:],
		},
		{"temporary", "", time.Hour, destroying, nil, all[1:2]},
		{"nothing is kept", lasting, 0, destroying, nil, all[1:2]},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newWorldWith(t, func(_ *core.Parts, r *config.Rooms) { r.Tombstones = config.Duration(c.tombstones) }, "juliet", "romeo", "tybalt")
			juliet, romeo, tybalt := v.bind("juliet"), v.bind("romeo"), v.bind("tybalt")
			juliet.enter("juliet")
			juliet.expect("<presence", "code='201'")
			juliet.configure(c.fields)
			juliet.admin("<item affiliation='owner' jid='romeo@example.org'/>")
			if got := juliet.ask("set", c.destroy); !strings.Contains(got, "type='result'") {
				t.Fatal(got)
			}
			asked, said, entered := tybalt.knocks()
			for what, got := range map[string]string{"asks": asked, "speaks": said, "enters": entered} {
				if !holds(got, c.want) {
					t.Errorf("who %s: %s", what, got)
				}
				for _, part := range c.never {
					if strings.Contains(got, part) {
						t.Errorf("who %s: %s", what, got)
					}
				}
			}
			if c.want == nil {
				if !strings.Contains(entered, "affiliation='owner'") {
					t.Error(entered)
				}
				return
			}
			asked, said, entered = romeo.knocks()
			if !strings.Contains(asked, "item-not-found") || !strings.Contains(said, "item-not-found") || !strings.Contains(entered, "affiliation='owner'") {
				t.Errorf("an owner: %s\n%s\n%s", asked, said, entered)
			}
			romeo.configure(lasting)
			if _, _, entered = tybalt.knocks(); !holds(entered, []string{cave + "/romeo", "affiliation='owner'"}) {
				t.Errorf("in the next room: %s", entered)
			}
		})
	}
}

// TestTombstoneIsOver: when its time has passed the name is anybody's, also before it is swept away.
func TestTombstoneIsOver(t *testing.T) {
	var later atomic.Int64
	v := newWorldWith(t, func(p *core.Parts, _ *config.Rooms) {
		p.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	}, "juliet", "tybalt")
	juliet, tybalt := v.bind("juliet"), v.bind("tybalt")
	juliet.enter("juliet")
	juliet.expect("<presence", "code='201'")
	juliet.configure(lasting)
	v.disk.fill(true)
	if got := juliet.ask("set", destroying); !strings.Contains(got, full) {
		t.Errorf("on a full disk: %s", got)
	}
	if got := tybalt.ask("get", info); !strings.Contains(got, "type='result'") {
		t.Errorf("a room that was not destroyed: %s", got)
	}
	v.disk.fill(false)
	juliet.ask("set", destroying)
	later.Store(int64(config.Default().Rooms.Tombstones.D() - time.Minute))
	if _, _, entered := tybalt.knocks(); !strings.Contains(entered, "<gone") {
		t.Error(entered)
	}
	later.Add(int64(time.Minute))
	asked, _, entered := tybalt.knocks()
	if !strings.Contains(asked, "item-not-found") || !strings.Contains(entered, "affiliation='owner'") {
		t.Errorf("%s\n%s", asked, entered)
	}
}
