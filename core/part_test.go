package core_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const counters = "counters.example.org"

// tally is a part that counts what it is asked and told.
type tally struct{ n int }

// counting is the smallest module with parts: each element names one, or none.
func counting(h *core.Host, _ *sqlstore.DB) {
	slots := core.NewSlot[tally](h)
	h.Serve(core.Rooms{
		Module: "counters", Domain: jid.MustParse(counters),
		Load: func(_ context.Context, r *core.Room) error {
			r.ID = 1
			return nil
		},
		Find: func(st *stanza.Stanza) (jid.JID, bool) {
			c, ok := st.Child("urn:count", "count")
			name, named := c.Attr("part")
			part, err := jid.New(name, counters, "")
			return part, ok && named && err == nil
		},
		Receive: func(e *core.Event) core.Verdict {
			slots.Of(e.Room).n += 100
			return core.Next
		},
		Standing: func(*core.Room, jid.JID) core.Standing { return 0 },
		Vacant:   func(*core.Room) bool { return false },
	})
	answer := func(_ context.Context, e *core.Event) (core.Answer, error) {
		if e.Room == nil {
			return core.Answer{Payload: "<whole xmlns='urn:count' by='" + e.Account.JID.Local() + "'/>"}, nil
		}
		slots.Of(e.Room).n++
		return core.Answer{Payload: fmt.Sprintf("<n xmlns='urn:count' of='%s'>%d</n>", e.Room.JID.Local(), slots.Of(e.Room).n)}, nil
	}
	for _, to := range []core.Target{core.ToService, core.ToPart} {
		h.IQ.Handle(core.IQ{Space: "urn:count", Local: "count", Type: stanza.Get, To: to, Action: core.ActUseNodes, Module: "counters", Do: answer})
	}
	h.IQ.Handle(core.IQ{Space: "urn:count", Local: "count", Type: stanza.Get, To: core.ToRoom, Action: core.ActUseNodes, Module: "counters", Do: answer})
}

// Requests and messages to the domain find their part wherever it lives; what is for none is answered for the asker; nobody is at a part's own address.
func TestParts(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, counting)
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		count := func(id, to, part string) string {
			return "<iq type='get' id='" + id + "' to='" + to + "'><count xmlns='urn:count' " + part + "/></iq>"
		}
		for i := range 8 {
			part := fmt.Sprintf("part='p%d'", i)
			juliet.say(
				count(fmt.Sprint("a", i), counters, part), "<message to='"+counters+"'><count xmlns='urn:count' "+part+"/></message>",
				count(fmt.Sprint("b", i), counters, part),
			)
			juliet.wait(fmt.Sprintf("<n xmlns='urn:count' of='p%d'>1</n>", i), fmt.Sprintf("<n xmlns='urn:count' of='p%d'>102</n>", i))
			romeo.say(count(fmt.Sprint("c", i), counters, part))
			romeo.wait(fmt.Sprintf("<n xmlns='urn:count' of='p%d'>103</n>", i))
		}
		if !strings.Contains(juliet.text(), "from='"+counters+"' id='a0'") {
			t.Errorf("not answered by the domain: %s", juliet.text())
		}
		romeo.say(count("w", counters, ""))
		romeo.wait("<whole xmlns='urn:count' by='romeo'/>")
		juliet.say(
			"<presence to='p0@"+counters+"/x'/>", "<presence to='"+counters+"'/>", count("own", "p0@"+counters, "part='p0'"),
			"<message to='p0@"+counters+"' id='own-m'><count xmlns='urn:count' part='p0'/></message>", "<message to='"+counters+"' id='none'><body>x</body></message>",
			"<iq type='get' id='other' to='"+counters+"'><other xmlns='urn:count'/></iq>", count("last", counters, "part='p0'"),
		)
		juliet.wait("id='own'", "id='own-m'", "id='none'", "id='other'", "<n xmlns='urn:count' of='p0'>104</n>")
		if n := strings.Count(juliet.text(), "service-unavailable"); n != 4 {
			t.Errorf("%d errors: %s", n, juliet.text())
		}
	})
}
