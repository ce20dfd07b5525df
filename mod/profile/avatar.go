package profile

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// readTime is for short reads in a turn.
const readTime = 250 * time.Millisecond

// face is what the module knows of an account's picture: the one in its vCard, which is what its presence tells (XEP-0153).
type face struct {
	hash  string       // SHA-1 of the picture that presence tells; empty: there is none
	next  string       // that of the picture when the newest change of the vCard is done
	under store.Ticket // of that change
	sets  int          // how often a client has set the whole of it

	unread time.Time // since when what the forms say cannot be read; zero: it can

	visible  visibility
	chosen   store.Ticket     // of the newest choice of that
	views    map[string]*view // by node
	doubtful bool             // whether nodes show what they should is to be looked at: the process may have ended before they did
}

// view is one of the other forms of the profile.
func (f *face) view(node string) *view {
	if f.views == nil {
		f.views = make(map[string]*view)
	}
	if f.views[node] == nil {
		f.views[node] = new(view)
	}
	return f.views[node]
}

// picture is one as it stands in vCards and on nodes. The zero value is none.
type picture struct {
	hash, kind string
	data       []byte
}

// pictureOf reads a picture in base64, as clients write that. kind is what it is said to be; what it is counts more (XEP-0153 section 5).
func pictureOf(text, kind string) (picture, bool) {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(data) == 0 {
		return picture{}, false
	}
	if found := http.DetectContentType(data); strings.HasPrefix(found, "image/") || !strings.HasPrefix(kind, "image/") || len(kind) > 64 {
		kind = found
	}
	sum := sha1.Sum(data)
	return picture{hash: hex.EncodeToString(sum[:]), kind: strings.Clone(kind), data: data}, true
}

// photoOf is the picture in a vCard.
func photoOf(card *xmltok.Node) picture {
	photo := card.Child(ns.VCardTemp, "PHOTO")
	p, _ := pictureOf(photo.Child(ns.VCardTemp, "BINVAL").Text(), strings.TrimSpace(photo.Child(ns.VCardTemp, "TYPE").Text()))
	return p
}

// withPhoto is a vCard with another picture, or with none.
func withPhoto(card string, p picture) (string, error) {
	tree := &xmltok.Node{Space: ns.VCardTemp, Local: "vCard"}
	if card != "" {
		var err error
		if tree, err = xmltok.Tree(card, ns.Client); err != nil {
			return "", err
		}
	}
	var rest []*xmltok.Node
	for _, c := range tree.Children {
		if !c.Is(ns.VCardTemp, "PHOTO") {
			rest = append(rest, c)
		}
	}
	if tree.Children = rest; p.hash != "" {
		leaf := func(local, text string) *xmltok.Node {
			return &xmltok.Node{Space: ns.VCardTemp, Local: local, Lead: text}
		}
		tree.Children = append(tree.Children, &xmltok.Node{Space: ns.VCardTemp, Local: "PHOTO", Children: []*xmltok.Node{
			leaf("TYPE", p.kind), leaf("BINVAL", base64.StdEncoding.EncodeToString(p.data)),
		}})
	}
	if len(tree.Children) == 0 {
		return "", nil
	}
	return string(tree.AppendXML(nil, ns.Client)), nil
}

// installAvatar registers the conversion of XEP-0398, and what presence tells.
func (m *Module) installAvatar(h *core.Host) {
	m.faces, m.own = core.NewSlot[face](h), core.NewSlot[bool](h)
	h.Hooks.Loading.Add(m.Name(), m.loading)
	h.Hooks.Announcing.Add(m.Name(), m.announcing)
	h.Hooks.Directing.Add(m.Name(), m.directing)
	h.Hooks.Published = append(h.Hooks.Published, core.PublishedHook{Module: m.Name(), Do: m.published})
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.AvatarConversion)
}

// loading reads which picture presence tells of, and who sees what.
func (m *Module) loading(ctx context.Context, a *core.Account, held store.Held) error {
	if held.Any(store.HoldsPrivate) {
		kept, err := m.store.Private(ctx, a.ID, choice)
		if err != nil {
			return err
		}
		v, err := parseVisibility(kept)
		if err != nil {
			m.obs.Log.Error("who sees the profile cannot be read: nobody does", obs.JID, a.JID.String(), obs.Err, err)
			v = hidden()
		}
		if v != nil {
			f := m.faces.Of(a)
			f.visible, f.doubtful = v, true
		}
	}
	if !held.Any(store.HoldsVCard) {
		return nil
	}
	card, err := m.store.VCard(ctx, a.ID)
	if err != nil || card == nil {
		return err
	}
	if tree, bad := xmltok.Tree(string(card), ns.Client); bad == nil {
		f := m.faces.Of(a)
		f.hash = photoOf(tree).hash
		f.next = f.hash
	}
	return nil
}

// published is XEP-0398 section 3.1: what was published as an avatar becomes the picture in the vCard. What the server publishes comes from there.
func (m *Module) published(e *core.Event, p *core.Publication) {
	if !(p.Node == ns.AvatarMetadata || p.Node == ns.AvatarData && p.Configured) || p.By.IsZero() {
		return
	}
	id, said := "", true // purged or deleted
	switch {
	case p.Item != "":
		id, said = described(p.Payload)
	case p.Configured:
		// Who may see the avatar has changed, and with it whether it belongs into the vCard.
		id, said = m.newest(e.Account)
		said = said && id != "" // what the vCard has without the nodes is not their business
	case len(p.Retracted) > 0:
		id, said = m.newest(e.Account)
	}
	if said {
		done := new(store.Promise)
		p.Wait(done.Ticket())
		m.adopt(e.Work, e.Account, id, done)
	}
}

// newest is described for what metadata there are; without any there is no picture.
func (m *Module) newest(a *core.Account) (id string, said bool) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	items, err := m.host.Ports.Publisher.Items(ctx, a, ns.AvatarMetadata)
	if err != nil {
		m.obs.Log.Warn("avatar not compared with the vCard", obs.JID, a.JID.String(), obs.Err, err)
		return "", false
	}
	if len(items) == 0 {
		return "", true
	}
	return described(string(items[len(items)-1].Payload))
}

// described is the picture that metadata names and that lies on the node: not one elsewhere on the web. said is false when there is only such a one;
// metadata without any says that there is no picture (XEP-0084 section 3.5).
func described(payload string) (id string, said bool) {
	metadata, err := xmltok.Tree(payload, "")
	if err != nil || !metadata.Is(ns.AvatarMetadata, "metadata") {
		return "", false
	}
	infos := metadata.All(ns.AvatarMetadata, "info")
	for _, i := range infos {
		if _, elsewhere := i.Lookup("", "url"); !elsewhere && i.Attr("id") != "" {
			return strings.ToLower(i.Attr("id")), true
		}
	}
	return "", len(infos) == 0
}

// adopt puts the picture of that id, or none, into the vCard, and settles done, if there is one, behind that. One that not everybody may see takes the
// place of another by leaving none, since the vCard is for everybody (XEP-0398 section 7). Only in a turn of a.
func (m *Module) adopt(w *core.Work, a *core.Account, id string, done *store.Promise) {
	if done == nil {
		done = new(store.Promise)
	}
	f := m.faces.Of(a)
	if over, _ := f.under.Outcome(); !over {
		m.again(a.JID, f.under, id, done) // what would be read now is not what will be there
		return
	}
	if access := m.host.Ports.Publisher.Access(a, ns.AvatarData); access != "" && access != "open" {
		id = ""
	}
	if id == f.next {
		done.Settle(nil)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	card, ok, err := m.adopted(ctx, a, id)
	if err != nil || !ok {
		if err != nil {
			m.obs.Log.Warn("avatar not put into the vCard", obs.JID, a.JID.String(), obs.Err, err)
		}
		done.Settle(nil)
		return
	}
	account := a.JID
	m.keep(a, card, id).Done(func(err error) {
		if err != nil {
			m.obs.Log.Warn("avatar not put into the vCard", obs.JID, account.String(), obs.Err, err)
		}
		done.Settle(nil)
	})
}

// keep makes card, which has the picture of that hash, the vCard. The ticket is done when it is durable, and presence tells of the picture. Only in a
// turn of a.
func (m *Module) keep(a *core.Account, card, hash string) store.Ticket {
	f, p, account := m.faces.Of(a), new(store.Promise), a.JID
	f.next, f.under = hash, m.store.SetVCard(a.ID, []byte(card))
	f.under.Done(func(failed error) {
		err := m.host.Do(account, func(w *core.Work, a *core.Account) {
			m.kept(w, a)
			m.people.changed(a.ID, a.JID.Local())
			p.Settle(failed)
		})
		if err != nil {
			p.Settle(errors.Join(failed, err))
		}
	})
	return p.Ticket()
}

// kept tells by presence which picture there is, if no other change of the vCard is under way, which will. Only in a turn of a.
func (m *Module) kept(w *core.Work, a *core.Account) {
	f := m.faces.Of(a)
	over, failed := f.under.Outcome()
	if !over {
		return
	}
	if failed != nil {
		_, card, err := m.card(a)
		if err != nil {
			return
		}
		f.next = photoOf(card).hash
	}
	m.show(w, a, f.next)
}

// again adopts behind t.
func (m *Module) again(account jid.JID, t store.Ticket, id string, done *store.Promise) {
	t.Done(func(error) {
		if err := m.host.Do(account, func(w *core.Work, a *core.Account) { m.adopt(w, a, id, done) }); err != nil {
			done.Settle(nil)
		}
	})
}

// adopted is the vCard with the picture of that id; ok is false when that is none.
func (m *Module) adopted(ctx context.Context, a *core.Account, id string) (card string, ok bool, err error) {
	var p picture
	if id != "" {
		items, err := m.host.Ports.Publisher.Items(ctx, a, ns.AvatarData)
		if err != nil {
			return "", false, err
		}
		for _, i := range items {
			if strings.EqualFold(i.ID, id) {
				tree, bad := xmltok.Tree(string(i.Payload), "")
				if bad == nil && tree.Is(ns.AvatarData, "data") {
					p, _ = pictureOf(tree.Text(), "")
				}
			}
		}
		// XEP-0398 section 3.1: the hash of the image is the id.
		if p.hash != id {
			return "", false, nil
		}
	}
	kept, err := m.store.VCard(ctx, a.ID)
	if err == nil {
		card, err = withPhoto(string(kept), p)
	}
	if err != nil {
		return "", false, err
	}
	if len(p.data) > m.config.PhotoBytes || len(card) > m.config.VCardBytes {
		m.host.Metrics().Refused("vcard")
		return "", false, nil
	}
	return card, true, nil
}

// open makes avatars that are made of pictures of vCards for everybody, as those are; nodes that are there keep what they have.
func open() map[string]string { return map[string]string{"pubsub#access_model": "open"} }

// spread is XEP-0398 section 3.2: another picture of a vCard that is on its way to the disk, or that there is none any more, is published as an avatar. The
// answer waits for that, and does not depend on it. Only in a turn of the account.
func (m *Module) spread(e *core.Event, p picture) {
	a, publisher := e.Account, m.host.Ports.Publisher
	if publisher == nil {
		return
	}
	if p.hash == "" {
		if publisher.Access(a, ns.AvatarMetadata) != "" {
			e.Wait(m.anyway(a, publisher.Publish(e.Work, a, ns.AvatarMetadata, "", "<metadata xmlns='"+ns.AvatarMetadata+"'/>", nil)))
		}
		return
	}
	data := "<data xmlns='" + ns.AvatarData + "'>" + base64.StdEncoding.EncodeToString(p.data) + "</data>"
	t := publisher.Publish(e.Work, a, ns.AvatarData, p.hash, data, open())
	e.Wait(m.anyway(a, t))
	if over, err := t.Outcome(); over && err != nil {
		return
	}
	b := xmltok.AppendAttr([]byte("<metadata xmlns='"+ns.AvatarMetadata+"'><info"), "bytes", strconv.Itoa(len(p.data)))
	b = append(xmltok.AppendAttr(xmltok.AppendAttr(b, "id", p.hash), "type", p.kind), "/></metadata>"...)
	e.Wait(m.anyway(a, publisher.Publish(e.Work, a, ns.AvatarMetadata, p.hash, string(b), open())))
}

// anyway is a ticket that is done without a failure when t is done; a failure is logged.
func (m *Module) anyway(a *core.Account, t store.Ticket) store.Ticket {
	p, name := new(store.Promise), a.JID.String()
	t.Done(func(err error) {
		if err != nil {
			m.obs.Log.Warn("picture of the vCard not published", obs.JID, name, obs.Err, err)
		}
		p.Settle(nil)
	})
	return p.Ticket()
}
