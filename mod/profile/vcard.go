package profile

import (
	"context"
	"encoding/base64"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// installVCard registers the rows of XEP-0054. Anybody may ask, and learns nothing of who exists; only the account itself may set.
func (m *Module) installVCard(h *core.Host) {
	row := core.IQ{Space: ns.VCardTemp, Local: "vCard", Module: m.Name()}
	row.Type, row.Slow = stanza.Get, true
	row.To, row.Action, row.Do = core.ToOwn, core.ActUseAccount, m.ownVCard
	h.IQ.Handle(row)
	row.To, row.Action, row.Do = core.ToContact, core.ActSeeAnyone, m.vCardOf
	h.IQ.Handle(row)
	row.Type, row.Slow, row.Action, row.Do = stanza.Set, false, core.ActUseAccount, m.setVCard
	// XEP-0054 section "Updating One's vCard": of somebody else it is forbidden, and never falls back to the sender's own.
	for _, row.To = range []core.Target{core.ToOwn, core.ToContact} {
		h.IQ.Handle(row)
	}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.VCardTemp)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.VCardTemp)
}

// ownVCard is XEP-0054 section "Retrieving One". There is always one, if only an empty one: clients that are about to change a field of it (slixmpp, when it
// sets an avatar) take an error for the end.
func (m *Module) ownVCard(ctx context.Context, e *core.Event) (core.Answer, error) {
	card, err := m.store.VCard(ctx, e.Account.ID)
	if err == nil && card == nil {
		card = []byte("<vCard xmlns='" + ns.VCardTemp + "'/>")
	}
	return core.Answer{Payload: string(card)}, err
}

// vCardOf is XEP-0054 section "Viewing Another User's vCard". An account without a vCard, one that does not exist and one that does not show
// its vCard answer alike, and so does core for one that has blocked the asker. It runs outside turns.
func (m *Module) vCardOf(ctx context.Context, e *core.Event) (core.Answer, error) {
	card, err := m.store.VCard(ctx, e.Account.ID)
	if err != nil {
		return core.Answer{}, err
	}
	shown, err := m.shownTo(ctx, e.Account, e.Stanza.From)
	if err != nil {
		return core.Answer{}, err
	}
	if card == nil || !shown {
		return core.Answer{}, stanza.NewError(stanza.ServiceUnavailable, "")
	}
	if card, err = m.seenBy(ctx, e.Account, card, e.Stanza.From); err == nil && card == nil {
		err = stanza.NewError(stanza.ServiceUnavailable, "")
	}
	return core.Answer{Payload: string(card)}, err
}

// shownTo tells whether an account shows its vCard to somebody: to members of this server and to contacts, or to everybody. A room of this server
// asks for members alone.
func (m *Module) shownTo(ctx context.Context, a *core.Account, asker jid.JID) (bool, error) {
	router := m.host.Router
	h := router.Host(asker.Domain())
	if m.config.VCardFor == "everybody" || h != nil && !h.IsGuest(asker) || h == nil && router.Serves(asker.Domain()) {
		return true, nil
	}
	contact := false
	err := m.host.Ask(ctx, a.JID, func(_ *core.Work, a *core.Account) error {
		contact = a.Exists && m.host.Ports.Contacts.Lists(a, asker.Bare())
		return nil
	})
	return contact, err
}

// setVCard is XEP-0054 section "Updating One's vCard": the whole of it. An empty one removes it.
func (m *Module) setVCard(_ context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	raw := payload.Raw()
	if len(raw) > m.config.VCardBytes {
		m.host.Metrics().Refused("vcard")
		return core.Answer{}, stanza.NewError(stanza.PolicyViolation, "the vCard is too large")
	}
	tree, err := payload.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	if fault := m.check(tree); fault != nil {
		return core.Answer{}, fault
	}
	if len(tree.Children) == 0 {
		raw = ""
	}
	f, photo := m.faces.Of(e.Account), photoOf(tree)
	before := f.next
	f.sets++
	e.Wait(m.keep(e.Account, raw, photo.hash))
	if photo.hash != before {
		m.spread(e, photo)
	}
	done := new(store.Promise)
	e.Wait(done.Ticket())
	m.follow(e.Work, e.Account, done)
	return core.Answer{}, nil
}

// check refuses what is no vCard: elements outside of its namespace at the top, text between them, pictures that are none or too large.
func (m *Module) check(card *xmltok.Node) error {
	text := card.Lead
	for _, c := range card.Children {
		text += c.Tail
		if c.Space != ns.VCardTemp {
			return stanza.NewError(stanza.BadRequest, "an element that is not of a vCard")
		}
		if c.Local != "PHOTO" && c.Local != "LOGO" && c.Local != "SOUND" {
			continue
		}
		for _, data := range c.All(ns.VCardTemp, "BINVAL") {
			if err := m.checkBinary(data.Text()); err != nil {
				return err
			}
		}
	}
	if strings.TrimSpace(text) != "" {
		return stanza.NewError(stanza.BadRequest, "text that is not of a vCard")
	}
	return nil
}

// checkBinary reads base64 as clients write it, with line ends and spaces.
func (m *Module) checkBinary(text string) error {
	text = strings.Join(strings.Fields(text), "")
	if base64.StdEncoding.DecodedLen(len(text)) > m.config.PhotoBytes+2 {
		m.host.Metrics().Refused("vcard")
		return stanza.NewError(stanza.PolicyViolation, "the picture is too large")
	}
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		return stanza.NewError(stanza.BadRequest, "the picture is not base64")
	}
	return nil
}
