package tui_test

import (
	"errors"
	"regexp"
	"testing"

	"stonechat/config"
	"stonechat/tui"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/uri"
)

// From an invite in one terminal to a conversation in another, and a third person who has an account already.
func TestInvite(t *testing.T) {
	h := startWith(t, t.TempDir(), func(c *config.Config) { c.Signup.Mode = "invite" }, "alice", "carol")
	alice := sit(t, h.account("alice"))
	invite := func() uri.Invite {
		t.Helper()
		links := regexp.MustCompile(`xmpp:alice@localhost\?roster;preauth=[a-z2-7]+;ibr=y`)
		before := len(links.FindAllString(alice.out.String(), -1))
		alice.types("/invite")
		until(t, "a link", func() bool { return len(links.FindAllString(alice.out.String(), -1)) > before })
		i, err := uri.ParseInvite(links.FindAllString(alice.out.String(), -1)[before])
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	one := invite()
	a := h.account("bob")
	var refused *tui.RefusedError
	for _, x := range []struct{ name, word string }{{"alice", "bobs own password"}, {"bob", "short"}, {"admin", "bobs own password"}} {
		a.JID, a.Password = jid.MustParse(x.name+"@localhost"), x.word
		if err := tui.Register(t.Context(), a, one.Token); !errors.As(err, &refused) || refused.Text == "" {
			t.Errorf("%s %s: %v", x.name, x.word, err)
		}
	}
	a.JID, a.Password = jid.MustParse("bob@localhost"), "bobs own password"
	if err := tui.Register(t.Context(), a, one.Token); err != nil {
		t.Fatal(err)
	}
	alice.sees("bob@localhost is a contact now")
	bob := sit(t, a)
	bob.sees("alice@localhost is here")
	bob.types("/to alice", "hello from a newcomer")
	alice.sees("bob@localhost: hello from a newcomer")
	a.JID = jid.MustParse("dave@localhost")
	if err := tui.Register(t.Context(), a, one.Token); err == nil || errors.As(err, &refused) {
		t.Errorf("the link a second time: %v", err)
	}
	// Carol has an account: the link makes contacts of them.
	carol := sit(t, h.account("carol"))
	carol.types("/add xmpp:alice@localhost?roster;preauth=" + invite().Token)
	carol.sees("alice@localhost is here")
	alice.sees("carol@localhost is here")
	carol.types("/add xmpp:localhost?register;preauth=x", "/add xmpp:carol@localhost?roster;preauth=x")
	carol.sees("this link is for a new account")
	carol.sees("this is your own link")
	for _, p := range []*person{alice, bob, carol} {
		if err := p.leaves(); err != nil {
			t.Error(err)
		}
	}
}
