package core_test

import (
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// While nobody looks, the newest entry of each chat waits; an account is followed as long as a session follows it.
func TestFollow(t *testing.T) {
	x := build(t, []string{"juliet"}, nil)
	juliet := x.online("juliet", "j")
	h := x.owner("juliet").host
	follow := func(on bool) {
		t.Helper()
		if err := h.Ask(t.Context(), address("juliet"), func(_ *core.Work, a *core.Account) error {
			a.Sessions()[0].Follow(on)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if h.Followed(address("juliet")) != on {
			t.Errorf("followed: %v", !on)
		}
	}
	follow(true)
	follow(true)
	follow(false)
	follow(true)
	if h.Followed(address("nurse")) {
		t.Error("who is not there is followed")
	}
	juliet.nonza(inactive)
	juliet.fence()
	juliet.traffic()
	for i, chat := range []string{"romeo", "nurse", "romeo"} {
		st, err := stanza.Parse(fmt.Sprintf("<message type='headline' from='juliet@example.org' to='juliet@example.org/j' id='e%d'><entry xmlns='"+ns.Inbox+"' jid='%s@example.org'/></message>", i, chat))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Ask(t.Context(), address("juliet"), func(w *core.Work, a *core.Account) error {
			a.Sessions()[0].SendOnce(w, st.Seal())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if writes, bytes := juliet.traffic(); writes > 0 {
		t.Errorf("woken by %d bytes", bytes)
	}
	juliet.nonza(active)
	juliet.fence()
	if got := idsOf(juliet.text(), "fence"); strings.Join(got, " ") != "e1 e2" {
		t.Errorf("got %v", got)
	}
	if err := h.Ask(t.Context(), address("juliet"), func(w *core.Work, a *core.Account) error {
		a.EndSessions(w, func(*core.Session) bool { return true })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if h.Followed(address("juliet")) {
		t.Error("followed by nobody")
	}
}
