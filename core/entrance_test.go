package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// inline are rows of two features: one that is asked for, and one that everybody is told.
func inline(h *core.Host, _ *sqlstore.DB) {
	h.Inline.Add(core.Inline{Space: "urn:test", Module: "test", Do: func(e *core.Event, wish *xmltok.Node) string {
		if wish != nil {
			return "<wrong/>"
		}
		return "<state xmlns='urn:test'/>"
	}})
	h.Inline.Add(core.Inline{Space: "urn:test", Local: "on", Feature: "urn:test", Module: "test", Do: func(e *core.Event, wish *xmltok.Node) string {
		e.Session.Copy(wish.Attr("really") == "yes")
		return "<done xmlns='urn:test'/>"
	}})
}

// entrance is one with these wishes.
func entrance(device, wishes string) *core.Entrance {
	return &core.Entrance{
		Device: device, Since: time.Now(), Bind: "<bind xmlns='" + ns.Bind2 + "'>" + wishes + "</bind>",
		Before: "<success><jid>", Between: "</jid>", After: "</success><features/>",
	}
}

// enters binds by an entrance.
func (x *house) enters(name, resource string, in *core.Entrance) (*client, error) {
	r := x.door(name)
	c := &client{x: x, work: core.NewWork(r.pool), grew: make(chan struct{}, 1)}
	s, err := r.host.Bind(x.t.Context(), c.work, core.Binding{Account: address(name), Resource: resource, Sink: c, Entrance: in})
	c.session = s
	c.work.Run()
	return c, err
}

// What a client wants with its session is done before anything else is sent to it, and answered in one piece.
func TestEntrance(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, inline)
		juliet, err := x.enters("juliet", "a&b", entrance("phone", "<tag>x</tag><on xmlns='urn:test' really='yes'/><on xmlns='urn:test' really='no'/>"+
			"<enable xmlns='urn:xmpp:sm:3' resume='true'/><enable xmlns='urn:xmpp:sm:3' resume='true'/><unknown xmlns='urn:test'/>"))
		if err != nil {
			t.Fatal(err)
		}
		juliet.wait("<features/>")
		got := juliet.text()
		id := smID.FindStringSubmatch(got)
		if id == nil {
			t.Fatalf("greeted by %s", got)
		}
		want := "<success><jid>juliet@example.org/a&amp;b</jid><bound xmlns='urn:xmpp:bind:0'><state xmlns='urn:test'/><done xmlns='urn:test'/>" +
			"<enabled xmlns='urn:xmpp:sm:3' id='" + id[1] + "' resume='true' max='600'/></bound></success><features/>"
		if got != want {
			t.Errorf("greeted by %s\nwant %s", got, want)
		}
		// What follows is counted, and can be resumed by another entrance.
		romeo := x.online("romeo", "r")
		romeo.say("<message to='juliet@example.org/a&amp;b' type='chat' id='m-1'><body>b</body></message>")
		juliet.wait("id='m-1'")
		juliet.session.Lose(juliet.work, juliet, core.LostLine)
		juliet.work.Run()
		r := x.door("juliet")
		again := &client{x: x, address: resumedFrom, work: core.NewWork(r.pool), grew: make(chan struct{}, 1)}
		in := entrance("phone", "")
		in.Bind, in.After = "", "</success>"
		again.session, err = r.host.ResumeBy(t.Context(), again.work, address("juliet"), id[1], 0, again, in)
		if err != nil {
			t.Fatal(err)
		}
		again.work.Run()
		again.wait("id='m-1'")
		want = "<success><jid>juliet@example.org/a&amp;b</jid><resumed xmlns='urn:xmpp:sm:3' previd='" + id[1] + "' h='0'/></success><r xmlns='" + ns.StreamManagement + "'/><message"
		if !strings.HasPrefix(again.text(), want) {
			t.Errorf("resumed by %s", again.text())
		}
		// XEP-0386 section 3.2: another session of the device ends this one, and no other.
		tablet, err := x.enters("juliet", "t", entrance("tablet", ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.enters("juliet", "c", entrance("phone", "")); err != nil {
			t.Fatal(err)
		}
		if why := again.waitClosed(); why == nil || why.Condition != stanza.StreamConflict {
			t.Errorf("the older session ended with %v", why)
		}
		tablet.fence() // the session of another device goes on
	})
}

// A device that is revoked loses its sessions, and a log-in that had begun before does not come in after all.
func TestRevokedDevice(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet"}, inline)
		late := entrance("phone", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
		phone, err := x.enters("juliet", "p", entrance("phone", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"))
		if err != nil {
			t.Fatal(err)
		}
		phone.wait("<features/>")
		id := smID.FindStringSubmatch(phone.text())[1]
		owner := x.owner("juliet").host
		n := 0
		err = owner.Ask(t.Context(), address("juliet"), func(w *core.Work, a *core.Account) error {
			n = a.RevokeDevice(w, "phone")
			return nil
		})
		if err != nil || n != 1 {
			t.Fatalf("%d sessions ended, %v", n, err)
		}
		phone.waitClosed()
		if _, err := x.enters("juliet", "p", late); !errors.Is(err, core.ErrRevoked) {
			t.Errorf("a log-in from before: %v", err)
		}
		r := x.door("juliet")
		c := &client{x: x, work: core.NewWork(r.pool), grew: make(chan struct{}, 1)}
		if _, err := r.host.ResumeBy(t.Context(), c.work, address("juliet"), id, 0, c, late); !errors.Is(err, core.ErrRevoked) {
			t.Errorf("a resumption from before: %v", err)
		}
		if _, err := x.enters("juliet", "p", entrance("phone", "")); err != nil {
			t.Errorf("a log-in from after: %v", err)
		}
	})
}

// Two rows for one wish stop the server at start.
func TestInlineRows(t *testing.T) {
	var table core.InlineTable
	row := core.Inline{Space: "urn:test", Local: "on", Feature: "urn:test", Do: func(*core.Event, *xmltok.Node) string { return "" }}
	table.Add(row)
	table.Add(core.Inline{Space: "urn:test", Local: "off", Feature: "urn:test", Do: row.Do})
	if got := strings.Join(table.Features(), " "); got != "urn:xmpp:sm:3 urn:test" || core.CheckInline(table) != nil {
		t.Errorf("announced %s, %v", got, core.CheckInline(table))
	}
	table.Add(row)
	if core.CheckInline(table) == nil || core.CheckInline(core.InlineTable{{Space: "urn:test", Local: "x"}}) == nil {
		t.Error("contradictions are taken")
	}
}
