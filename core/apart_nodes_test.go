package core_test

import (
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// Who is blocked is kept out by the owner, whichever node they come from.
func TestBlockedAcrossNodes(t *testing.T) {
	here, there := apart(t)
	x := buildTwo(t, []string{here, there}, nil)
	a, b := x.online(here, "a"), x.online(there, "b")
	a.wait("from='" + b.session.JID.String())
	b.wait("from='" + a.session.JID.String())
	err := x.owner(there).host.Ask(t.Context(), address(there), func(w *core.Work, acc *core.Account) error {
		blocked := func(j jid.JID) bool { return j.Bare() == address(here) }
		acc.HideFrom(w, blocked)
		acc.Bar(blocked)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.wait("type='unavailable'")
	full := b.session.JID.String()
	a.say("<message to='"+full+"' type='chat' id='kept-out-1'/>", "<message to='"+full+"' type='headline' id='kept-out-2'/>",
		"<iq to='"+full+"' type='get' id='kept-out-3'><query xmlns='urn:test'/></iq>", "<presence to='"+full+"' id='kept-out-4'/>")
	a.wait("id='kept-out-3'")
	if n := strings.Count(a.text(), "service-unavailable"); n != 2 || strings.Contains(b.text(), "kept-out") {
		t.Errorf("%d errors:\n%s\nand the other has\n%s", n, a.text(), b.text())
	}
	seen := strings.Count(a.text(), "<presence")
	b.say("<presence id='hidden'/>", "<message to='"+a.session.JID.String()+"' type='chat' id='kept-in'/>")
	b.wait("not-acceptable")
	if n := strings.Count(a.text(), "<presence"); n != seen || strings.Contains(a.text(), "kept-in") {
		t.Errorf("came through: %s", a.text())
	}
	waitHandled(t, a, 5)
}
