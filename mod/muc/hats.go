package muc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/disco"
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

// The nodes of the commands of sections 3.2 to 3.7.
const hatNodes = "urn:xmpp:hats:commands:"

// hatCommand is one command: it reads what was submitted and says what shall be.
type hatCommand struct {
	name, title string
	fields      func(x *room) []form.Field // of its form; nil: it has none
	do          func(m *Module, x *room, f *form.Form) (wardrobe, error)
	list        func(x *room) *form.Form // instead of do
	open        bool                     // for everybody who may read what is said
}

// wardrobe is what shall change of a room's hats.
type wardrobe struct {
	hats []hat // all of them; nil: they stay
	plan []change
}

func hatCommands() []hatCommand {
	text := func(name, label string, required bool) form.Field {
		return form.Field{Var: name, Type: form.TextSingle, Label: label, Required: required}
	}
	choice := func(x *room) form.Field {
		f := form.Field{Var: "hats#uri", Type: form.ListSingle, Label: "The hat", Required: true}
		for _, h := range x.hats {
			f.Options = append(f.Options, form.Option{Label: h.Title, Value: h.URI})
		}
		return f
	}
	person := func(x *room) []form.Field {
		return []form.Field{{Var: "hats#jid", Type: form.JIDSingle, Label: "Address", Required: true}, choice(x)}
	}
	return []hatCommand{
		{name: "create", title: "Make or change a hat", do: (*Module).makeHat, fields: func(*room) []form.Field {
			return []form.Field{text("hats#title", "Title", true), text("hats#uri", "URI", true), text("hats#hue", "Hue, from 0 to 360", false)}
		}},
		{name: "destroy", title: "Do away with a hat", do: (*Module).dropHat, fields: func(x *room) []form.Field { return []form.Field{choice(x)} }},
		{name: "list", title: "List the hats", list: (*room).listHats, open: true},
		{name: "assign", title: "Give somebody a hat", do: (*Module).giveHat, fields: person},
		{name: "unassign", title: "Take a hat from somebody", do: (*Module).takeHat, fields: person},
		{name: "list-assigned", title: "List who wears which hat", list: (*room).listWorn},
	}
}

// mayRun: hats are for admins and owners to make and to give.
func (c *hatCommand) mayRun(x *room, s standing) *stanza.Error {
	switch {
	case x.locked && s.affiliation < muc.Owner:
		return errNoRoom
	case s.affiliation >= muc.Admin, c.open && x.mayRead(s):
		return nil
	}
	return forbidden("only admins and owners make and give hats")
}

// commandItems are the commands that somebody may run (XEP-0050 section 2.2).
func (x *room) commandItems(s standing) (out []disco.Item) {
	for _, c := range hatCommands() {
		if c.mayRun(x, s) == nil {
			out = append(out, disco.Item{JID: x.address, Node: hatNodes + c.name, Name: c.title})
		}
	}
	return out
}

// commandInfo is what one of them is, or their list; nil: there is no such node.
func (x *room) commandInfo(node string) *disco.Info {
	i := &disco.Info{Node: node, Features: []string{ns.Commands, ns.DataForm}}
	if node == ns.Commands {
		i.Identities = []disco.Identity{{Category: "automation", Type: "command-list", Name: "Commands"}}
		return i
	}
	for _, c := range hatCommands() {
		if node == hatNodes+c.name {
			i.Identities = []disco.Identity{{Category: "automation", Type: "command-node", Name: c.title}}
			return i
		}
	}
	return nil
}

// command is XEP-0050 for the commands of XEP-0317. Nothing is kept of a session: what is submitted is judged alone, with a session or without one, as
// section 3.3 lets clients do.
func (m *Module) command(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	name, ours := strings.CutPrefix(tree.Attr("node"), hatNodes)
	all := hatCommands()
	i := slices.IndexFunc(all, func(c hatCommand) bool { return ours && c.name == name })
	if i < 0 {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no such command")
	}
	c := &all[i]
	if err := c.mayRun(x, x.standingOf(e.Stanza.From)); err != nil {
		return core.Answer{}, err
	}
	m.behind(e)
	session := cmp.Or(tree.Attr("sessionid"), rand.Text())
	answer := func(status string, payload []byte) core.Answer {
		b := xmltok.AppendAttr([]byte("<command xmlns='"+ns.Commands+"'"), "node", hatNodes+c.name)
		b = xmltok.AppendAttr(xmltok.AppendAttr(b, "sessionid", session), "status", status)
		b = append(append(append(b, '>'), payload...), "</command>"...)
		return core.Answer{Payload: string(b)}
	}
	asked := tree.Child(ns.DataForm, "x")
	switch {
	case tree.Attr("action") == "cancel":
		return answer("canceled", nil), nil
	case c.list != nil:
		return answer("completed", c.list(x).AppendXML(nil)), nil
	case asked == nil:
		f := form.New(form.Prompt, "urn:xmpp:hats:commands", c.fields(x)...)
		f.Title = c.title
		return answer("executing", f.AppendXML([]byte("<actions execute='complete'><complete/></actions>"))), nil
	}
	f, err := form.ParseSubmit(asked)
	if err != nil {
		return core.Answer{}, err
	}
	next, err := c.do(m, x, f)
	if err != nil {
		return core.Answer{}, err
	}
	return answer("completed", nil), m.dress(e, x, next)
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
		t = both(t, m.Affiliations.Set(e.Room.ID, keep))
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

// table is a form of results (XEP-0004 section 3.4).
func table(title string, columns []string, rows [][]form.Field) *form.Form {
	f := &form.Form{Type: form.Result, Title: title, Items: rows}
	for _, name := range columns {
		f.Reported = append(f.Reported, form.Field{Var: name})
	}
	return f
}

// listHats is section 3.4.
func (x *room) listHats() *form.Form {
	var rows [][]form.Field
	for i := range x.hats {
		rows = append(rows, x.hats[i].fields())
	}
	return table("Hats", []string{"hats#title", "hats#uri", "hats#hue"}, rows)
}

// listWorn is section 3.7.
func (x *room) listWorn() *form.Form {
	var rows [][]form.Field
	for who, p := range x.people {
		for _, uri := range p.hats {
			if h := x.hat(uri); h != nil {
				rows = append(rows, append([]form.Field{{Var: "hats#jid", Values: []string{who.String()}}}, h.fields()...))
			}
		}
	}
	slices.SortFunc(rows, func(a, b []form.Field) int {
		return cmp.Or(cmp.Compare(a[0].Value(), b[0].Value()), cmp.Compare(a[2].Value(), b[2].Value()))
	})
	return table("Who wears which hat", []string{"hats#jid", "hats#title", "hats#uri", "hats#hue"}, rows)
}
