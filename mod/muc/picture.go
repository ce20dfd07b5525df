package muc

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// picture is XEP-0486 section 3.4: the room's card, an empty one when it has none. It runs outside turns.
func (m *Module) picture(ctx context.Context, e *core.Event) (core.Answer, error) {
	card, err := m.Personal.VCard(ctx, e.Room.ID)
	if err == nil && card == nil {
		card = []byte("<vCard xmlns='" + ns.VCardTemp + "'/>")
	}
	return core.Answer{Payload: string(card)}, err
}

// setPicture is XEP-0486 section 3.2: an owner sets the card, or takes it away with an empty one.
func (m *Module) setPicture(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	p, _ := e.Stanza.Payload()
	if len(p.Raw()) > m.config.Picture {
		return core.Answer{}, stanza.NewError(stanza.PolicyViolation, "this picture is too large")
	}
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	c := x.config
	if c.Picture, err = pictureHash(tree); err != nil {
		return core.Answer{}, err
	}
	var card []byte
	if len(tree.Children) > 0 {
		card = []byte(strings.Clone(p.Raw()))
	}
	kept, err := x.record(c, x.hats)
	if err != nil {
		return core.Answer{}, err
	}
	kept.Temporary, kept.Public = x.kept.Temporary, x.kept.Public // of a locked room they are not those of the configuration
	if err := m.afford(e.Stanza.From, 2*len(x.crowd)); err != nil {
		return core.Answer{}, err
	}
	t := store.All(m.Personal.SetVCard(e.Room.ID, card), m.Rooms.Change(kept))
	m.behind(e)
	e.Wait(t)
	out := answered(e)
	r := e.Room
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		defer out.guard()
		if err == nil {
			x.kept.Config = kept.Config
			m.repaint(r, w, x, c.Picture, out.told())
		}
	})
	return core.Answer{}, nil
}

// repaint has everybody hear of another picture (XEP-0486 section 3.5).
func (m *Module) repaint(r *core.Room, w *core.Work, x *room, hash string, hold store.Ticket) {
	locked := x.locked
	c := x.config
	c.Picture = hash
	m.reconfigure(r, w, x, c, hold)
	x.locked = locked // a picture is no configuration that opens the room
}

// pictureHash is that of XEP-0153 section 3.1: of the image itself.
func pictureHash(card *xmltok.Node) (string, error) {
	text := card.Child(ns.VCardTemp, "PHOTO").Child(ns.VCardTemp, "BINVAL").Text()
	if text = strings.Join(strings.Fields(text), ""); text == "" {
		return "", nil
	}
	image, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", stanza.NewError(stanza.BadRequest, "the picture is not base64")
	}
	sum := sha1.Sum(image) // the name of the image, and no secret
	return hex.EncodeToString(sum[:]), nil
}

// portrait is presence of the room itself with the hash of its picture (XEP-0153 section 4.3), which is empty when it has none.
func (x *room) portrait() *stanza.Stanza {
	b := append([]byte("<x xmlns='"+ns.VCardUpdate+"'><photo>"), x.config.Picture...)
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, From: x.address}, string(append(b, "</photo></x>"...)))
	if err != nil {
		return nil
	}
	return st.Seal()
}
