package core_test

import (
	"context"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// What a row has delivered when its own change is durable is durable before its answer goes out: on this node and on another, of an account and of a room.
func TestAnswersWaitForWhatIsDelivered(t *testing.T) {
	for name, house := range map[string]func(*testing.T, []string, func(*core.Host, *sqlstore.DB)) *house{"one node": build, "two nodes": buildTwo} {
		for _, to := range []string{"juliet@" + domain.Domain(), cave} {
			t.Run(name+" "+to, func(t *testing.T) {
				kept, reached := new(store.Promise), make(chan struct{})
				x := house(t, []string{"juliet", "romeo"}, func(h *core.Host, db *sqlstore.DB) {
					new(den).install(h, db) // each node has its own
					h.Hooks.Receiving.Add("slow", func(e *core.Event) core.Verdict {
						if e.Stanza.ID == "passed" {
							e.Wait(kept.Ticket())
							close(reached)
						}
						return core.Next
					})
					for _, target := range []core.Target{core.ToOwn, core.ToRoom} {
						h.IQ.Handle(core.IQ{Space: "urn:deliver", Local: "deliver", Type: stanza.Set, To: target, Action: map[core.Target]core.Action{
							core.ToOwn: core.ActUseAccount, core.ToRoom: core.ActSeeRoom,
						}[target], Module: "t", Do: func(_ context.Context, e *core.Event) (core.Answer, error) {
							e.After(func(e *core.Event) {
								// Nobody keeps anything of the second: nothing is waited for.
								e.Wait(e.Host.Router.Deliver(e.Work, passed(address("juliet")), passed(address("juliet")).WithTo(jid.MustParse("x@example.net")).Seal()))
							})
							return core.Answer{Payload: "<delivered xmlns='urn:deliver'/>"}, nil
						}})
					}
				})
				juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
				in(cave, map[*client]string{juliet: "J"})
				juliet.say("<message to='" + cave + "' type='groupchat'><body>/make</body></message>")
				juliet.say(talk(cave, "made"))
				juliet.wait("id='made'")
				juliet.say("<iq type='set' id='set' to='" + to + "'><deliver xmlns='urn:deliver'/></iq>")
				<-reached
				juliet.fence()
				romeo.fence()
				if got := juliet.text(); strings.Contains(got, "urn:deliver") {
					t.Error("answered before it is durable")
				}
				kept.Settle(nil)
				romeo.wait("id='passed'")
				juliet.wait("urn:deliver")
			})
		}
	}
}
