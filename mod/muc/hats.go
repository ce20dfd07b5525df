package muc

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	maxHats  = 32  // of a room
	maxWorn  = 8   // of one person
	maxTitle = 128 // bytes
	maxURI   = 256
)

// hat is what people of a room may wear (XEP-0317): a title that means something to them, and grants nothing.
type hat struct {
	URI   string `json:"uri"`
	Title string `json:"title"`
	Hue   string `json:"hue,omitempty"`
}

func (h *hat) fields() []form.Field {
	return []form.Field{
		{Var: "hats#title", Values: []string{h.Title}}, {Var: "hats#uri", Values: []string{h.URI}}, {Var: "hats#hue", Values: []string{h.Hue}},
	}
}

// hat of the room by its URI, or nil.
func (x *room) hat(uri string) *hat {
	for i := range x.hats {
		if x.hats[i].URI == uri {
			return &x.hats[i]
		}
	}
	return nil
}

// worn is the element of section 3.1 for presence of somebody; nothing for who wears none.
func (x *room) worn(who jid.JID) string {
	var b []byte
	for _, uri := range x.people[who].hats {
		h := x.hat(uri)
		if h == nil {
			continue
		}
		if b == nil {
			b = []byte("<hats xmlns='" + ns.Hats + "'>")
		}
		b = xmltok.AppendAttr(append(b, "<hat"...), "title", h.Title)
		b = xmltok.AppendAttr(b, "uri", h.URI)
		if h.Hue != "" {
			b = xmltok.AppendAttr(b, "hue", h.Hue)
		}
		b = append(b, "/>"...)
	}
	if b != nil {
		b = append(b, "</hats>"...)
	}
	return string(b)
}

// hatsHash is section 2: it is another one when the list of hats has changed.
func (x *room) hatsHash() string {
	if len(x.hats) == 0 {
		return ""
	}
	h := sha256.New()
	for _, one := range x.hats {
		h.Write([]byte(one.URI + "\x00" + one.Title + "\x00" + one.Hue + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// wardrobe is what shall change of a room's hats.
type wardrobe struct {
	hats []hat // all of them; nil: they stay
	plan []change
}

// makeHat is section 3.2: a URI that is there already is another title for it.
func (m *Module) makeHat(x *room, f *form.Form) (w wardrobe, err error) {
	h := hat{URI: f.Field("hats#uri").Value(), Title: strings.TrimSpace(f.Field("hats#title").Value()), Hue: f.Field("hats#hue").Value()}
	u, bad := url.Parse(h.URI)
	switch {
	case bad != nil || u.Scheme == "" || len(h.URI) > maxURI || strings.ContainsFunc(h.URI, func(r rune) bool { return r <= ' ' }):
		return w, stanza.NewError(stanza.NotAcceptable, "a hat is named by a URI")
	case h.Title == "" || len(h.Title) > maxTitle || !utf8.ValidString(h.Title) || !visible(h.Title):
		return w, stanza.NewError(stanza.NotAcceptable, "a hat has a title")
	}
	if h.Hue != "" {
		if v, err := strconv.ParseFloat(h.Hue, 64); err != nil || !(v >= 0 && v <= 360) || len(h.Hue) > 16 {
			return w, stanza.NewError(stanza.NotAcceptable, "a hue is an angle from 0 to 360")
		}
	}
	h = hat{strings.Clone(h.URI), strings.Clone(h.Title), strings.Clone(h.Hue)}
	w.hats = slices.Clone(x.hats)
	if i := slices.IndexFunc(w.hats, func(o hat) bool { return o.URI == h.URI }); i >= 0 {
		w.hats[i] = h
		return w, nil
	}
	if len(w.hats) >= maxHats {
		return w, stanza.NewError(stanza.ResourceConstraint, "this room has too many hats")
	}
	w.hats = append(w.hats, h)
	return w, nil
}

// dropHat is section 3.3: whoever wears it loses it.
func (m *Module) dropHat(x *room, f *form.Form) (w wardrobe, err error) {
	uri := f.Field("hats#uri").Value()
	if x.hat(uri) == nil {
		return w, stanza.NewError(stanza.ItemNotFound, "there is no such hat")
	}
	w.hats = slices.DeleteFunc(slices.Clone(x.hats), func(h hat) bool { return h.URI == uri })
	for who, p := range x.people {
		if slices.Contains(p.hats, uri) {
			w.plan = append(w.plan, change{who: who, person: p.without(uri)})
		}
	}
	return w, nil
}

func (p person) without(uri string) person {
	p.hats = slices.DeleteFunc(slices.Clone(p.hats), func(other string) bool { return other == uri })
	return p
}

// wearer reads whom a command is about, and which hat.
func (x *room) wearer(f *form.Form) (who jid.JID, h *hat, err error) {
	who, bad := jid.Parse(f.Field("hats#jid").Value())
	if bad != nil || who.Local() == "" {
		return who, nil, stanza.NewError(stanza.JIDMalformed, "a hat is for an address")
	}
	if h = x.hat(f.Field("hats#uri").Value()); h == nil {
		return who, nil, stanza.NewError(stanza.ItemNotFound, "there is no such hat")
	}
	return who.Bare().Clone(), h, nil
}

// giveHat is section 3.5.
func (m *Module) giveHat(x *room, f *form.Form) (w wardrobe, err error) {
	who, h, err := x.wearer(f)
	if err != nil {
		return w, err
	}
	p, known := x.people[who]
	switch {
	case p.affiliation == muc.Outcast:
		return w, notAllowed("this person is banned from the room")
	case !known && len(x.people) >= m.config.Affiliations:
		return w, stanza.NewError(stanza.ResourceConstraint, "this room remembers too many people")
	case slices.Contains(p.hats, h.URI):
		return w, nil
	case len(p.hats) >= maxWorn:
		return w, stanza.NewError(stanza.ResourceConstraint, "this person wears too many hats")
	}
	p.hats = append(slices.Clone(p.hats), h.URI)
	w.plan = []change{{who: who, person: p}}
	return w, nil
}

// takeHat is section 3.6.
func (m *Module) takeHat(x *room, f *form.Form) (w wardrobe, err error) {
	who, h, err := x.wearer(f)
	if err != nil {
		return w, err
	}
	if p := x.people[who]; slices.Contains(p.hats, h.URI) {
		w.plan = []change{{who: who, person: p.without(h.URI)}}
	}
	return w, nil
}

// dress keeps what shall be of hats, and has everybody see it when it is durable.
func (m *Module) dress(e *core.Event, x *room, next wardrobe) error {
	if next.hats == nil && len(next.plan) == 0 {
		return nil
	}
	if err := m.afford(e.Stanza.From, (1+len(x.dressing(next)))*len(x.crowd)); err != nil {
		return err
	}
	t, config := store.Settled(nil), x.kept.Config
	if next.hats != nil {
		kept, err := x.record(x.config, next.hats)
		if err != nil {
			return err
		}
		kept.Public, kept.Temporary = x.kept.Public, x.kept.Temporary // of a locked room they are not those of the configuration
		config, t = kept.Config, m.Rooms.Change(kept)
	}
	if len(next.plan) > 0 {
		var keep []store.Affiliation
		for i := range next.plan {
			keep = append(keep, next.plan[i].kept())
		}
		t = store.All(t, m.Affiliations.Set(e.Room.ID, keep))
	}
	e.Wait(t)
	out := answered(e)
	r := e.Room
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		defer out.guard()
		if err == nil {
			x.kept.Config = config
			m.dressed(r, w, x, next, out.told())
		}
	})
	return nil
}

// dressing are the occupants who wear something else then.
func (x *room) dressing(next wardrobe) (out []*occupant) {
	then := room{hats: x.hats, people: make(map[jid.JID]person)}
	if next.hats != nil {
		then.hats = next.hats
	}
	for _, o := range x.inOrder() {
		then.people[o.account] = x.people[o.account]
	}
	for _, c := range next.plan {
		then.people[c.who] = c.person
	}
	for _, o := range x.inOrder() {
		if then.worn(o.account) != x.worn(o.account) {
			out = append(out, o)
		}
	}
	return out
}

// dressed makes it hold: sections 3.2 to 3.6, presence of who wears something else, and a note that the list is another one.
func (m *Module) dressed(r *core.Room, w *core.Work, x *room, next wardrobe, hold store.Ticket) {
	changed := x.dressing(next)
	if next.hats != nil {
		x.hats = next.hats
		u := muc.User{Status: []muc.Status{muc.StatusConfiguration}}
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.GroupChat, From: x.address}, string(u.AppendXML(nil)))
		if err == nil {
			st.Seal()
			r.Stand(w, func(w *core.Work, _ error) { x.tellCrowd(r, w, st) }, hold)
		}
	}
	for _, c := range next.plan {
		x.setPerson(c.who, c.person)
	}
	m.showAll(r, w, x, changed, hold)
}
