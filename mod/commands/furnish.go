package commands

import (
	"context"
	"errors"
	"fmt"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// maxReasons is how many failures of an import are told in words.
const maxReasons = 100

// unfurnished is an account that an import creates, and what it brings beside its roster.
type unfurnished struct {
	account  jid.JID
	pending  []string
	requests []string
}

// unfinished are those of the accounts to which more belongs and who do not exist yet; all, when what belongs to them is said again.
func (m *Module) unfinished(ctx context.Context, accounts []store.NewAccount, lines []Imported, again bool) (out []unfurnished, err error) {
	for i, a := range accounts {
		u := unfurnished{pending: lines[i].Pending, requests: lines[i].Requests}
		if len(u.pending)+len(u.requests) == 0 {
			continue
		}
		switch _, err := m.accounts.Get(ctx, a.Domain, a.Local); {
		case err == nil && !again:
			continue
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		if u.account, err = jid.New(a.Local, a.Domain, ""); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// furnish has the accounts say what belongs to them. What is refused is told and costs nothing else; other errors end the import.
func (m *Module) furnish(ctx context.Context, all []unfurnished, sum *ImportSum) error {
	for _, u := range all {
		for _, from := range u.pending {
			if err := m.ask(ctx, from, u.account); err != nil {
				if err := sum.failed(u.account, "request of "+from, err); err != nil {
					return err
				}
			}
		}
		for _, r := range u.requests {
			if _, err := m.host.Act(ctx, u.account, stanza.Set, r); err != nil {
				if err := sum.failed(u.account, subject(r), err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ask brings a request to subscribe, which the account finds open.
func (m *Module) ask(ctx context.Context, from string, to jid.JID) error {
	j, err := jid.Parse(from)
	if err != nil {
		return stanza.NewError(stanza.JIDMalformed, "")
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Subscribe, From: j.Bare(), To: to}, "")
	if err != nil {
		return err
	}
	w := core.NewWork(m.host.Pool())
	t := m.host.Router.Deliver(w, st.Seal())
	w.Run()
	return t.Wait(ctx)
}

// failed counts a part that was refused; what is no refusal is returned.
func (s *ImportSum) failed(account jid.JID, what string, err error) error {
	var refused *stanza.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("account %q: %s: %w", account.Local(), what, err)
	}
	s.Failed++
	if len(s.Reasons) < maxReasons {
		s.Reasons = append(s.Reasons, fmt.Sprintf("%s: %s: %s", account.Local(), what, refused.Error()))
	}
	return nil
}

// subject names what a request is about, and nothing of its content.
func subject(payload string) string {
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: stanza.Set}, payload)
	if err != nil {
		return "what is not well-formed"
	}
	p, _ := st.Payload()
	if tree, err := p.Tree(); err == nil && len(tree.Children) > 0 {
		if node := tree.Children[0].Attr("node"); node != "" {
			return "node " + node
		}
		return p.Local + " " + p.Space + " with " + tree.Children[0].Local
	}
	return p.Local + " " + p.Space
}
