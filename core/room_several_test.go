package core_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"stonechat/core"
	"stonechat/store/sqlstore"
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
