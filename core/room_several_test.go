package core_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// A message to somebody with several sessions in a room reaches each of them at its own address and goes through the hooks once, also over a
// node border.
func TestRouteToSeveral(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var runs atomic.Int64
		x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, db *sqlstore.DB) {
			new(den).install(h, db)
			h.Hooks.Receiving.Add("count", func(e *core.Event) core.Verdict {
				if e.Stanza.Kind == stanza.Message {
					runs.Add(1)
				}
				return core.Next
			})
		})
		romeo := x.online("romeo", "r")
		devices := []*client{x.online("juliet", "1"), x.online("juliet", "2"), x.online("juliet", "3")}
		in(cave, map[*client]string{romeo: "R"})
		for _, c := range devices {
			in(cave, map[*client]string{c: "J"})
		}
		romeo.say("<message to='" + cave + "/J' type='normal' id='one'><body>soft</body></message>")
		for _, c := range devices {
			c.wait("id='one'", "to='"+c.session.JID.String()+"'")
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("%d times through the hooks", n)
		}
		outside := x.online("juliet", "4")
		romeo.say("<message to='" + cave + "/J' type='normal' id='two'><body>softer</body></message>")
		devices[2].wait("id='two'")
		outside.fence()
		if s := outside.text(); strings.Contains(s, "id='two'") {
			t.Errorf("somebody else of the account heard: %s", s)
		}
	})
}

// What somebody says by way of a room does not reach an account that has blocked them, also over a node border.
func TestRouteByTheBlocked(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo", "nurse"}, func(h *core.Host, db *sqlstore.DB) {
			new(den).install(h, db)
			h.Hooks.Loading.Add("blocks", func(_ context.Context, a *core.Account, _ store.Held) error {
				if a.JID.Local() == "juliet" {
					a.Bar(func(j jid.JID) bool { return j.Local() == "romeo" })
				}
				return nil
			})
		})
		juliet, romeo, nurse := x.online("juliet", "1"), x.online("romeo", "r"), x.online("nurse", "n")
		in(cave, map[*client]string{juliet: "J", romeo: "R", nurse: "N"})
		romeo.say("<message to='" + cave + "/J' type='headline' id='of-romeo'><body>soft</body></message>")
		romeo.say("<message to='"+cave+"' type='groupchat'><body>/make</body></message>", "<iq to='"+cave+"/J' type='get' id='of-romeo'><other xmlns='urn:x'/></iq>")
		romeo.wait("type='error'", "service-unavailable")
		nurse.say("<iq to='" + cave + "/J' type='get' id='of-nurse'><other xmlns='urn:x'/></iq>")
		nurse.say("<message to='" + cave + "/J' type='headline' id='of-nurse'><body>softer</body></message>")
		juliet.wait("id='of-nurse'")
		if s := juliet.text(); strings.Contains(s, "id='of-romeo'") {
			t.Errorf("juliet was sent %s", s)
		}
	})
}
