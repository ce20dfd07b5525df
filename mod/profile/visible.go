package profile

import (
	"context"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Space is the namespace in which clients say who sees which field of the profile. A field is named as in XEP-0054; one that is not named is for everybody
// who may read vCards at all. The picture is none of them: who sees it is said by the node of the avatar.
//
//	<visibility/>                                     get: what holds
//	<visibility><field name='TEL' to='contacts'/>…</visibility>   set: the whole of it; to is everybody, contacts or nobody
const Space = "urn:stonechat:profile:1"

// audience is who sees a field, from the widest on.
type audience uint8

const (
	everybody audience = iota
	contacts
	nobody
)

func (a audience) String() string { return [...]string{"everybody", "contacts", "nobody"}[a] }

// visibility is who sees which field, by its name in XEP-0054. What is not in it is for everybody.
type visibility map[string]audience

const (
	maxFields    = 64
	maxFieldName = 32 // bytes
)

// choice is where the visibility is kept. What an account says of itself there, it may also say in private storage.
var choice = store.PrivateName{Space: Space, Local: "visibility"}

// readVisibility reads an element of a client; nothing is kept of the text that it was cut out of.
func readVisibility(n *xmltok.Node) (visibility, error) {
	v := make(visibility)
	for _, f := range n.Children {
		name := strings.Clone(f.Attr("name"))
		to := slices.Index([]string{"everybody", "contacts", "nobody"}, f.Attr("to"))
		if !f.Is(Space, "field") || !fieldName(name) || to < 0 {
			return nil, stanza.NewError(stanza.BadRequest, "a field that is no picture is shown to everybody, contacts or nobody")
		}
		if _, twice := v[name]; twice || len(v) == maxFields {
			return nil, stanza.NewError(stanza.BadRequest, "too many fields, or one of them twice")
		}
		v[name] = audience(to)
	}
	return v, nil
}

func fieldName(name string) bool {
	return name != "" && name != "PHOTO" && len(name) <= maxFieldName && !strings.ContainsFunc(name, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' })
}

// xml is the element of a client.
func (v visibility) xml() string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	b := []byte("<visibility xmlns='" + Space + "'>")
	for _, name := range names {
		b = xmltok.AppendAttr(append(b, "<field"...), "name", name)
		b = append(xmltok.AppendAttr(b, "to", v[name].String()), "/>"...)
	}
	return string(append(b, "</visibility>"...))
}

// parseVisibility reads what is kept. What cannot be read shows nothing but to the account itself.
func parseVisibility(kept []byte) (visibility, error) {
	if len(kept) == 0 {
		return nil, nil
	}
	tree, err := xmltok.Tree(string(kept), "")
	if err != nil {
		return nil, err
	}
	return readVisibility(tree)
}

// shows tells whether somebody sees a field.
func (v visibility) shows(name string, toContact bool) bool {
	switch v[name] {
	case nobody:
		return false
	case contacts:
		return toContact
	}
	return true
}

// onNode tells whether a field may stand on a node with that access model; that of a node that is not there will be presence.
func (v visibility) onNode(name, access string) bool { return v.shows(name, access != "open") }

// shown is a vCard without what somebody does not see.
func (v visibility) shown(card *xmltok.Node, toContact bool) *xmltok.Node {
	out := &xmltok.Node{Space: card.Space, Local: card.Local, Attrs: card.Attrs, Lead: card.Lead}
	for _, c := range card.Children {
		if v.shows(tempName(c), toContact) {
			out.Children = append(out.Children, c)
		}
	}
	return out
}

// tempName is the name of a field of either form in XEP-0054.
func tempName(n *xmltok.Node) string {
	if n.Space == ns.VCard4Element {
		for _, f := range fields() {
			if f.four == n.Local {
				return f.temp
			}
		}
	}
	return strings.ToUpper(n.Local)
}

// installVisibility registers what clients ask of their own account.
func (m *Module) installVisibility(h *core.Host) {
	row := core.IQ{Space: Space, Local: "visibility", To: core.ToOwn, Action: core.ActUseAccount, Module: m.Name()}
	row.Type, row.Do = stanza.Get, m.getVisibility
	h.IQ.Handle(row)
	row.Type, row.Do = stanza.Set, m.setVisibility
	h.IQ.Handle(row)
	h.Hooks.Used = append(h.Hooks.Used, core.UsedHook{Module: m.Name(), Do: m.used})
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, Space)
}

func (m *Module) getVisibility(_ context.Context, e *core.Event) (core.Answer, error) {
	var v visibility
	if f, ok := m.faces.Has(e.Account); ok {
		e.Wait(f.chosen)
		v = f.visible
	}
	return core.Answer{Payload: v.xml()}, nil
}

// setVisibility is the whole of a choice. It counts at once, as far as it is in memory; the answer says that it is durable, and that nodes follow it.
func (m *Module) setVisibility(_ context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	tree, err := payload.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	v, err := readVisibility(tree)
	if err != nil {
		return core.Answer{}, err
	}
	t := m.store.SetPrivate(e.Account.ID, []store.PrivateData{{PrivateName: choice, XML: []byte(v.xml())}}, m.config.PrivateElements, m.config.PrivateBytes)
	e.Wait(t)
	m.choose(e, v, t)
	return core.Answer{Payload: v.xml()}, nil
}

// used: a client has chosen by private storage.
func (m *Module) used(e *core.Event, x core.Use) {
	if x.Private != choice || x.How != core.Stored {
		return
	}
	v, err := parseVisibility([]byte(x.XML()))
	if err != nil {
		v = hidden()
	}
	m.choose(e, v, x.Ticket)
}

// hidden is the visibility of who has made a choice that cannot be read: what both forms know is for nobody.
func hidden() visibility {
	v := make(visibility)
	for _, f := range fields() {
		v[f.temp] = nobody
	}
	return v
}

// choose takes a choice over that is on its way to the disk, and renews what stands on nodes behind it.
func (m *Module) choose(e *core.Event, v visibility, t store.Ticket) {
	f := m.faces.Of(e.Account)
	f.visible, f.chosen = v, t
	done := new(store.Promise)
	e.Wait(done.Ticket())
	account := e.Account.JID
	t.Done(func(failed error) {
		err := m.host.Do(account, func(w *core.Work, a *core.Account) {
			if failed != nil {
				m.reread(a)
			}
			m.follow(w, a, done)
		})
		if err != nil {
			done.Settle(err)
		}
	})
}

// reread has the visibility that is on the disk, since a choice was not kept.
func (m *Module) reread(a *core.Account) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	kept, err := m.store.Private(ctx, a.ID, choice)
	v, bad := parseVisibility(kept)
	if err != nil || bad != nil {
		v = hidden()
	}
	m.faces.Of(a).visible = v
}

// seenBy is the part of a vCard that somebody else sees. It runs outside turns.
func (m *Module) seenBy(ctx context.Context, a *core.Account, card []byte, asker jid.JID) ([]byte, error) {
	kept, err := m.store.Private(ctx, a.ID, choice)
	if err != nil || kept == nil {
		return card, err
	}
	v, err := parseVisibility(kept)
	if err != nil {
		v = hidden()
	}
	tree, err := xmltok.Tree(string(card), ns.Client)
	if err != nil {
		return nil, err
	}
	contact := false
	err = m.host.Ask(ctx, a.JID, func(_ *core.Work, a *core.Account) error {
		contact = a.Exists && m.host.Ports.Contacts.Subscription(a, asker.Bare())&core.SubscribedFrom != 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	shown := v.shown(tree, contact)
	if len(shown.Children) == 0 {
		return nil, nil
	}
	return shown.AppendXML(nil, ns.Client), nil
}
