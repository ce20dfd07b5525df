package strangers

import (
	"context"
	"math"
	"strconv"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Space is the namespace in which clients ask:
//
//	<strangers/>                       get: what holds; set with mode='open|quiet|closed' and members='known|strangers': the choice
//	<requests/>                        get: what waits, by sender, as forwarded messages (XEP-0297) with the time at which they came
//	<accept jid='iago@example.net'/>   set: the sender is known from now on; what waits of theirs is given
//	<reject jid='iago@example.net'/>   set: what waits of theirs is erased; whoever wants no more of it blocks them (XEP-0191)
const Space = "urn:stonechat:strangers:1"

// rows registers what clients may ask of their own account.
func (m *Module) rows(h *core.Host) {
	row := func(local string, typ stanza.Type, do func(context.Context, *core.Event) (core.Answer, error)) {
		h.IQ.Handle(core.IQ{Space: Space, Local: local, Type: typ, To: core.ToOwn, Action: core.ActUseAccount, Module: m.Name(), Do: do})
	}
	row("strangers", stanza.Get, m.getPrefs)
	row("strangers", stanza.Set, m.setPrefs)
	row("requests", stanza.Get, m.requests)
	row("accept", stanza.Set, m.accept)
	row("reject", stanza.Set, m.reject)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, Space)
}

func (m *Module) getPrefs(_ context.Context, e *core.Event) (core.Answer, error) {
	p, waiting := m.standard(), 0
	if b, ok := m.boxes.Has(e.Account); ok {
		p, waiting = b.prefs, b.messages
	}
	return core.Answer{Payload: prefsXML(p, waiting)}, nil
}

func prefsXML(p store.StrangerPrefs, waiting int) string {
	members := "strangers"
	if p.Members {
		members = "known"
	}
	return "<strangers xmlns='" + Space + "' mode='" + string(p.Mode) + "' members='" + members + "' waiting='" + strconv.Itoa(waiting) + "'/>"
}

// setPrefs keeps a choice; it counts when it is durable.
func (m *Module) setPrefs(_ context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	p, err := parsePrefs(payload, m.standard())
	if err != nil {
		return core.Answer{}, err
	}
	b, fault := m.have(e.Account)
	if fault != nil {
		return core.Answer{}, fault
	}
	e.Wait(m.Strangers.SetStrangerPrefs(e.Account.ID, p))
	e.After(func(*core.Event) { b.prefs = p })
	return core.Answer{Payload: prefsXML(p, b.messages)}, nil
}

func parsePrefs(request stanza.Child, standard store.StrangerPrefs) (store.StrangerPrefs, error) {
	mode, _ := request.Attr("mode")
	p := store.StrangerPrefs{Mode: store.StrangerMode(strings.Clone(mode)), Members: standard.Members}
	switch p.Mode {
	case store.StrangersOpen, store.StrangersQuiet, store.StrangersClosed:
	default:
		return p, stanza.NewError(stanza.BadRequest, "the mode is open, quiet or closed")
	}
	if members, ok := request.Attr("members"); ok {
		if p.Members = members == "known"; !p.Members && members != "strangers" {
			return p, stanza.NewError(stanza.BadRequest, "members are known or strangers")
		}
	}
	return p, nil
}

// requests shows what waits. A box is small (strangers.bytes), so it is one answer.
func (m *Module) requests(ctx context.Context, e *core.Event) (core.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, err := m.Strangers.Waiting(ctx, e.Account.ID, jid.JID{})
	if err != nil {
		return core.Answer{}, err
	}
	var given map[jid.JID]store.Key
	if b, ok := m.boxes.Has(e.Account); ok {
		given = b.given
	}
	piles, order := make(map[jid.JID][]byte), []jid.JID(nil)
	for i := range rows {
		x := &rows[i]
		if x.Key <= given[x.Sender] || e.Account.Blocks(x.Sender) {
			continue
		}
		if _, begun := piles[x.Sender]; !begun {
			order = append(order, x.Sender)
		}
		piles[x.Sender] = forward.Append(piles[x.Sender], forward.Delay{Stamp: x.Key.Time()}, x.Stanza)
	}
	out := []byte("<requests xmlns='" + Space + "'>")
	for _, sender := range order {
		out = append(xmltok.AppendAttr(append(out, "<request"...), "jid", sender.String()), '>')
		out = append(append(out, piles[sender]...), "</request>"...)
	}
	return core.Answer{Payload: string(append(out, "</requests>"...))}, nil
}

// whom reads the sender that is accepted or rejected.
func whom(e *core.Event) (jid.JID, error) {
	payload, _ := e.Stanza.Payload()
	text, ok := payload.Attr("jid")
	if !ok {
		return jid.JID{}, stanza.NewError(stanza.BadRequest, "whom?")
	}
	j, err := jid.Parse(strings.Clone(text))
	if err != nil {
		return j, stanza.NewError(stanza.JIDMalformed, "")
	}
	return j.Bare(), nil
}

func (m *Module) accept(_ context.Context, e *core.Event) (core.Answer, error) {
	who, err := whom(e)
	if err != nil {
		return core.Answer{}, err
	}
	b, err := m.have(e.Account)
	if err != nil {
		return core.Answer{}, err
	}
	if _, known := b.known[who]; !known && len(b.known) >= maxKnown {
		m.host.Metrics().Refused("acquaintances")
		return core.Answer{}, stanza.NewError(stanza.ResourceConstraint, "too many acquaintances; add them as a contact")
	}
	e.Wait(m.Strangers.AddAcquaintance(e.Account.ID, who))
	e.After(func(e *core.Event) {
		b.known[who] = struct{}{}
		m.release(e.Work, e.Account, b, who)
	})
	return core.Answer{}, nil
}

func (m *Module) reject(_ context.Context, e *core.Event) (core.Answer, error) {
	who, err := whom(e)
	if err != nil {
		return core.Answer{}, err
	}
	gone := m.Strangers.RemoveWaiting(e.Account.ID, who, math.MaxInt64)
	e.Wait(gone)
	if b, ok := m.boxes.Has(e.Account); ok {
		b.drop(who) // now, since what comes while the disk is at work is no part of it
		own := e.Account.JID
		gone.Done(func(err error) {
			if err != nil {
				m.recount(own)
			}
		})
	}
	return core.Answer{}, nil
}

// recount looks again how much waits, since it is not what it was meant to be.
func (m *Module) recount(own jid.JID) {
	err := m.host.Do(own, func(_ *core.Work, a *core.Account) {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		if b, ok := m.boxes.Has(a); ok {
			if err := m.count(ctx, a, b); err != nil {
				m.obs.Log.Warn("messages of strangers not counted", obs.JID, own.String(), obs.Err, err)
			}
		}
	})
	if err != nil {
		m.obs.Log.Warn("messages of strangers not counted", obs.JID, own.String(), obs.Err, err)
	}
}
