package commands

import (
	"context"
	"net/http"
	"sort"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Session is what is told of a session.
type Session struct {
	Address string    `json:"address"`
	From    string    `json:"from"`
	Since   time.Time `json:"since"`
	State   string    `json:"state"`
	// Idle: its client has said that nobody looks at it, or its presence says that its user is away.
	Idle bool `json:"idle,omitempty"`
}

// maxSessions is how many one answer lists.
const maxSessions = 10_000

// listSessions answers the sessions of everybody in memory, or of ?of=.
func (m *Module) listSessions(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	out := make([]Session, 0)
	add := func(_ *core.Work, a *core.Account) error {
		for _, s := range a.Sessions() {
			if len(out) < maxSessions {
				out = append(out, Session{s.JID.String(), s.Address.String(), s.Since, s.State(), idle(s)})
			}
		}
		return nil
	}
	if of := r.FormValue("of"); of != "" {
		j, err := m.parse(of)
		if err != nil {
			return nil, err
		}
		return out, m.host.Ask(ctx, j.Bare(), func(w *core.Work, a *core.Account) error { err := add(w, a); return err })
	}
	for _, j := range m.host.Loaded() {
		if err := m.host.Ask(ctx, j, add); err != nil {
			return nil, err
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i].Address < out[k].Address })
	return out, nil
}

// idle is XEP-0352 section 4, or else what presence shows (RFC 6121 section 4.7.2.1; XEP-0319 section 3 comes with it).
func idle(s *core.Session) bool {
	if s.Inactive() || s.Presence() == nil {
		return s.Inactive()
	}
	show, _ := s.Presence().Child(ns.Client, "show")
	return show.Text() == "away" || show.Text() == "xa"
}

// parse reads an address of this host; a bare name is completed.
func (m *Module) parse(text string) (jid.JID, error) {
	j, err := jid.Parse(text)
	if err == nil && j.IsDomain() && j != m.host.Domain {
		j, err = jid.New(text, m.host.Domain.Domain(), "")
	}
	if err != nil {
		return j, stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	if j.Domain() != m.host.Domain.Domain() || j.IsDomain() {
		return j, stanza.NewError(stanza.ItemNotFound, "not an address of "+m.host.Domain.String())
	}
	return j, nil
}

// endSession ends one session, or all of a bare address.
func (m *Module) endSession(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	j, err := m.parse(r.PathValue("jid"))
	if err != nil {
		return nil, err
	}
	ended := 0
	err = m.host.Ask(ctx, j.Bare(), func(w *core.Work, a *core.Account) error {
		if err := core.Permit(actor, core.ActEndSessions, core.Object{Account: a.JID, Role: a.Role()}); err != nil {
			return err
		}
		ended = a.EndSessions(w, func(s *core.Session) bool { return j.IsBare() || s.JID == j })
		return nil
	})
	if err == nil && ended == 0 {
		err = stanza.NewError(stanza.ItemNotFound, "no such session")
	}
	if err == nil {
		m.host.Obs.Log.Info("sessions ended", obs.JID, j.String(), "by", actor.JID.String(), "ended", ended)
	}
	return map[string]int{"ended": ended}, err
}
