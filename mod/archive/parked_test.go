package archive

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// resumed attaches a new client to a session.
func (v *world) resumed(name, id string, handled uint32) *client {
	v.Helper()
	c := &client{world: v, w: core.NewWork(v.pool)}
	s, err := v.host.Resume(context.Background(), c.w, v.address(name), id, handled, c)
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	c.w.Run()
	return c
}

func (v *world) address(name string) jid.JID { return jid.MustParse(name + "@" + domain) }

// managed brings a client that can be resumed online.
func (v *world) managed(name, resource string) (c *client, id string) {
	v.Helper()
	c = v.bind(name, resource)
	c.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
	id = between(c.expect("<enabled"), "id='", "'")
	c.send("<presence/>")
	return c, id
}

// confirm acknowledges everything that has come, beside what was acknowledged before.
func (c *client) confirm(before ...uint32) (handled uint32) {
	for _, n := range before {
		handled += n
	}
	for _, x := range c.all() {
		if strings.HasPrefix(x, "<presence") || strings.HasPrefix(x, "<message") {
			handled++
		}
	}
	c.send(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", handled))
	return handled
}

// What waits for a session over a restart is the session's when it is resumed, and waits for anybody when it is not; what it had confirmed is
// delivered. Nothing is lost, nothing comes twice.
func TestOfflineBehindRestart(t *testing.T) {
	for _, late := range []bool{false, true} { // given late, from what waited at log-in
		for _, resumed := range []bool{true, false} {
			t.Run(fmt.Sprint("late ", late, " resumed ", resumed), func(t *testing.T) {
				v := newWorld(t, "ann", "bob")
				ann := v.online("ann", "a")
				send := func(ids ...string) {
					for _, id := range ids {
						ann.send(chat("bob@example.org", id, ""))
					}
					v.quiet()
				}
				if late {
					send("l1", "l2", "l3")
				}
				bob, id := v.managed("bob", "b")
				if !late {
					send("l1")
				}
				bob.expect("<body>l1")
				v.quiet()
				var handled uint32
				if late {
					bob.want("l1 l2 l3")
					handled = 2 // its own presence and l1
					bob.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
				} else {
					handled = bob.confirm()
					send("l2", "l3")
					bob.want("l1 l2 l3")
				}
				v.restart(true)
				ann = v.online("ann", "a")
				send("l4")
				if resumed {
					bob = v.resumed("bob", id, handled)
					bob.want("l2 l3 l4")
					bob.confirm(handled)
					bob.leave()
					v.online("bob", "c").want("")
					return
				}
				other := v.online("bob", "c")
				if err := v.host.Ask(context.Background(), v.address("bob"), func(w *core.Work, a *core.Account) error {
					a.EndSessions(w, func(s *core.Session) bool { return s.State() == "detached" })
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				other.want("l2 l3 l4")
			})
		}
	}
}

// A session that confirmed everything leaves nothing that waits, also when another one ended with the process.
func TestNothingWaitsBehindRestart(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	bob, _ := v.managed("bob", "b")
	v.online("bob", "plain")
	ann.send(chat("bob@example.org", "l1", ""))
	bob.expect("<body>l1")
	v.quiet()
	bob.confirm()
	v.restart(true)
	v.online("bob", "c").want("")
}
