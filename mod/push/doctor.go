package push

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// pastTime is how long answers are shown.
const pastTime = 7 * 24 * time.Hour

// decision is whether a device was told something, and why.
type decision struct {
	At     time.Time
	Target int64
	Chat   string
	Why    string
}

// note remembers the last decisions of the account, as long as it is in memory.
func (b *box) note(d decision) {
	if len(b.recent) == maxRecent {
		b.recent = slices.Delete(b.recent, 0, 1)
	}
	b.recent = append(b.recent, d)
}

// Registration is what is told of one.
type Registration struct {
	ID      int64     `json:"id"`
	Way     string    `json:"way"` // web or app
	Service string    `json:"service"`
	Device  string    `json:"device,omitempty"`
	Enabled time.Time `json:"enabled"`
	Errors  int       `json:"errors"`
	// Answers are what its service said, newest first; Decisions whether it was told something, and why, newest first.
	Answers   []Answer   `json:"answers"`
	Decisions []Decision `json:"decisions"`
}

// Answer is what a service said once.
type Answer struct {
	At   time.Time `json:"at"`
	Said string    `json:"said"`
}

// Decision is why a device was told of a chat, or not.
type Decision struct {
	At   time.Time `json:"at"`
	Chat string    `json:"chat,omitempty"`
	Why  string    `json:"why"`
}

// registrations of an account, read anew: their answers change. Only in a turn of a.
func (m *Module) registrations(ctx context.Context, a *core.Account) ([]Registration, error) {
	out := make([]Registration, 0)
	b, ok := m.boxes.Has(a)
	if !ok {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	if err := m.read(ctx, a, b); err != nil {
		return nil, err
	}
	for i := range b.targets {
		t := &b.targets[i]
		r := Registration{
			ID: t.ID, Way: "web", Service: place(&t.PushTarget), Device: t.Device, Enabled: t.Enabled, Errors: t.Errors,
			Answers: make([]Answer, 0), Decisions: make([]Decision, 0),
		}
		if t.Kind == store.PushApp {
			r.Way = "app"
		}
		for _, p := range t.Past {
			if m.host.Now().Sub(p.At) < pastTime {
				r.Answers = append(r.Answers, Answer{p.At, p.Said})
			}
		}
		for _, d := range slices.Backward(b.recent) {
			if d.Target == t.ID {
				r.Decisions = append(r.Decisions, Decision{d.At, d.Chat, d.Why})
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// tell answers a client with the key for subscriptions, and with what became of the account's notifications (docs/push.md).
func (m *Module) tell(ctx context.Context, e *core.Event) (core.Answer, error) {
	list, err := m.registrations(ctx, e.Account)
	if err != nil {
		return core.Answer{}, err
	}
	b := append(xmltok.AppendAttr([]byte("<push xmlns='"+Space+"'"), "key", m.round.sender.PublicKey()), '>')
	stamp := func(b []byte, name string, at time.Time) []byte {
		return xmltok.AppendAttr(b, name, at.UTC().Format(time.RFC3339))
	}
	for i := range list {
		r := &list[i]
		b = xmltok.AppendAttr(append(b, "<registration"...), "id", strconv.FormatInt(r.ID, 10))
		b = xmltok.AppendAttr(xmltok.AppendAttr(b, "way", r.Way), "service", r.Service)
		if r.Device != "" {
			b = xmltok.AppendAttr(b, "device", r.Device)
		}
		b = append(xmltok.AppendAttr(stamp(b, "enabled", r.Enabled), "errors", strconv.Itoa(r.Errors)), '>')
		for _, x := range r.Answers {
			b = append(stamp(append(b, "<answer"...), "at", x.At), '>')
			b = append(xmltok.AppendEscaped(b, x.Said), "</answer>"...)
		}
		for _, x := range r.Decisions {
			b = append(xmltok.AppendAttr(stamp(append(b, "<decision"...), "at", x.At), "chat", x.Chat), '>')
			b = append(xmltok.AppendEscaped(b, x.Why), "</decision>"...)
		}
		b = append(b, "</registration>"...)
	}
	return core.Answer{Payload: string(append(b, "</push>"...))}, nil
}

// test has all devices of the account told that this is a test, whether or not they are connected.
func (m *Module) test(_ context.Context, e *core.Event) (core.Answer, error) {
	if m.testAll(e.Account) == 0 {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "the account has no registration")
	}
	return core.Answer{}, nil
}

// testAll returns how many devices are told. Only in a turn of a.
func (m *Module) testAll(a *core.Account) int {
	b := m.of(a)
	if b == nil {
		return 0
	}
	for i := range b.targets {
		m.round.add(&b.targets[i], notice{Kind: ofTest, Account: a.JID.String(), Chat: a.JID.String(), At: m.host.Now()})
	}
	return len(b.targets)
}

// account has f called in a turn of the account that the path names.
func (m *Module) account(ctx context.Context, r *http.Request, f func(*core.Account) error) error {
	bare, err := jid.New(r.PathValue("name"), m.host.Domain.Domain(), "")
	if err != nil {
		return stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	return m.host.Ask(ctx, bare, func(_ *core.Work, a *core.Account) error {
		if !a.Exists {
			return stanza.NewError(stanza.ItemNotFound, "no such account")
		}
		return f(a)
	})
}

// httpList answers an administrator.
func (m *Module) httpList(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var out []Registration
	return &out, m.account(ctx, r, func(a *core.Account) (err error) {
		if err := core.Permit(actor, core.ActSeeSessions, core.Object{Account: a.JID, Role: a.Role()}); err != nil {
			return err
		}
		out, err = m.registrations(ctx, a)
		return err
	})
}

// httpTest has an account's devices told that this is a test.
func (m *Module) httpTest(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	told := 0
	err := m.account(ctx, r, func(a *core.Account) error {
		if err := core.Permit(actor, core.ActEditAccounts, core.Object{Account: a.JID, Role: a.Role()}); err != nil {
			return err
		}
		told = m.testAll(a)
		return nil
	})
	return map[string]int{"devices": told}, err
}
