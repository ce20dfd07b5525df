package profile

import (
	"context"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// view is one of the nodes that show the profile: vCard 4 (XEP-0292 section 4.1), and the nickname (XEP-0172 section 4.3).
type view struct {
	item    string
	payload string       // as it will be when under is done
	under   store.Ticket // of the newest publication of ours
	// whole is what a client has published last, before what nobody else sees was taken out of it; bare what was left.
	whole, bare string
	sets        int // of the face, when that was published: what is older than a whole vCard changes nothing in it
}

// installViews registers the other forms of the profile.
func (m *Module) installViews(h *core.Host) {
	h.Hooks.Publishing = append(h.Hooks.Publishing, core.PublishedHook{Module: m.Name(), Do: m.publishing})
	h.Hooks.Published = append(h.Hooks.Published, core.PublishedHook{Module: m.Name(), Do: m.viewed})
	h.Hooks.Bound.Add(m.Name(), m.bound)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.VCard4Element) // XEP-0292 section 7
}

// bound renews the nodes of somebody who has chosen who sees what, once while the account is in memory.
func (m *Module) bound(e *core.Event) {
	if f, ok := m.faces.Has(e.Account); ok && f.doubtful {
		f.doubtful = false
		m.follow(e.Work, e.Account, new(store.Promise))
	}
}

func isView(node string) bool { return node == ns.VCard4 || node == ns.Nick }

// publishing takes out of what the account itself publishes what readers of the node do not see.
func (m *Module) publishing(e *core.Event, p *core.Publication) {
	if !isView(p.Node) || p.By.Bare() != e.Account.JID || e.Account.ID == 0 {
		return
	}
	tree, err := xmltok.Tree(p.Payload, "")
	if err != nil {
		return
	}
	f := m.faces.Of(e.Account)
	x := f.view(p.Node)
	x.whole, x.sets = p.Payload, f.sets
	switch {
	case p.Node == ns.Nick && !f.visible.onNode("NICKNAME", p.Access):
		p.Payload = nickXML("")
	case p.Node == ns.VCard4 && len(f.visible) > 0:
		p.Payload = string(f.visible.shown(tree, p.Access != "open").AppendXML(nil, ""))
	}
	x.bare = p.Payload
}

// viewed: a client has published one of the forms, and the profile becomes what it says; or who reads it has changed.
func (m *Module) viewed(e *core.Event, p *core.Publication) {
	if !isView(p.Node) || e.Account.ID == 0 || p.By.IsZero() {
		return
	}
	done := new(store.Promise)
	if p.Configured {
		p.Wait(done.Ticket())
		m.follow(e.Work, e.Account, done)
		return
	}
	if p.Item == "" || p.By.Bare() != e.Account.JID {
		return
	}
	f := m.faces.Of(e.Account)
	x := f.view(p.Node)
	payload := p.Payload
	if payload == x.bare {
		payload = x.whole
	}
	x.whole, x.bare = "", ""
	tree, err := xmltok.Tree(payload, "")
	if err != nil {
		return
	}
	access := m.host.Ports.Publisher.Access(e.Account, p.Node)
	var become func(*xmltok.Node) *xmltok.Node
	switch {
	case tree.Is(ns.VCard4Element, "vcard"):
		// A client that reads the node does not see what nobody sees there, and so does not say that it is to go.
		become = func(card *xmltok.Node) *xmltok.Node {
			return asTemp(card, tree, func(name string) bool { return !f.visible.onNode(name, access) })
		}
	case tree.Is(ns.Nick, "nick"):
		become = func(card *xmltok.Node) *xmltok.Node { return withNick(card, tree.Text()) }
	default:
		return
	}
	p.Wait(done.Ticket())
	m.edit(e.Work, e.Account, x.sets, become, done)
}

// withNick is a vCard with another nickname, or none (XEP-0172 section 3).
func withNick(card *xmltok.Node, nick string) *xmltok.Node {
	if strings.TrimSpace(card.Child(ns.VCardTemp, "NICKNAME").Text()) == strings.TrimSpace(nick) {
		return card
	}
	out := &xmltok.Node{Space: ns.VCardTemp, Local: "vCard", Attrs: card.Attrs, Lead: card.Lead}
	out.Children = replaced(card.Children, ns.VCardTemp, "NICKNAME", []*xmltok.Node{leaf(ns.VCardTemp, "NICKNAME", nick)})
	return out
}

func nickXML(nick string) string {
	b := xmltok.AppendEscaped([]byte("<nick xmlns='"+ns.Nick+"'>"), nick)
	return string(append(b, "</nick>"...))
}

// edit changes the vCard, unless the whole of it was set since, and then the other forms; done is settled behind that. Only in a turn of a.
func (m *Module) edit(w *core.Work, a *core.Account, sets int, become func(*xmltok.Node) *xmltok.Node, done *store.Promise) {
	f := m.faces.Of(a)
	if f.sets != sets {
		m.follow(w, a, done)
		return
	}
	once := func(w *core.Work, a *core.Account) { m.edit(w, a, sets, become, done) }
	if over, _ := f.under.Outcome(); !over {
		m.behind(a.JID, f.under, done, once)
		return
	}
	kept, card, err := m.card(a)
	if err != nil {
		m.later(a, err, done, once)
		return
	}
	next := ""
	if n := become(card); len(n.Children) > 0 {
		next = string(n.AppendXML(nil, ns.Client))
	}
	if len(next) > m.config.VCardBytes {
		m.host.Metrics().Refused("vcard")
		done.Settle(nil) // the node has what was published; the other forms stay as they are
		return
	}
	if next == kept {
		m.follow(w, a, done)
		return
	}
	m.behind(a.JID, m.keep(a, next, f.next), done, func(w *core.Work, a *core.Account) { m.follow(w, a, done) })
}

// card is the vCard that is kept, as text and as a tree, which is never nil. Only in a turn of a.
func (m *Module) card(a *core.Account) (string, *xmltok.Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	kept, err := m.store.VCard(ctx, a.ID)
	if err != nil || kept == nil {
		return "", &xmltok.Node{Space: ns.VCardTemp, Local: "vCard"}, err
	}
	tree, err := xmltok.Tree(string(kept), ns.Client)
	return string(kept), tree, err
}

// behind has f called in a turn of the account when t is done, whatever its outcome.
func (m *Module) behind(account jid.JID, t store.Ticket, done *store.Promise, f func(*core.Work, *core.Account)) {
	t.Done(func(err error) {
		if err == nil {
			err = m.host.Do(account, f)
		}
		if err != nil {
			m.lag(account, err, done)
		}
	})
}

const (
	tryAgain = 500 * time.Millisecond // between two looks at what cannot be read
	patience = 20 * time.Second       // for it
)

// later has f look once more, after a while, at what could not be read now: a database that is away comes back. Nobody is told meanwhile that a change is
// done, since the forms do not say the same.
func (m *Module) later(a *core.Account, err error, done *store.Promise, f func(*core.Work, *core.Account)) {
	x, now, account := m.faces.Of(a), m.host.Now(), a.JID
	if x.unread.IsZero() {
		x.unread = now
	}
	if now.Sub(x.unread) > patience {
		x.unread = time.Time{}
		m.lag(account, err, done)
		return
	}
	time.AfterFunc(tryAgain, func() {
		if err := m.host.Do(account, f); err != nil {
			m.lag(account, err, done)
		}
	})
}

// lag: the forms of the profile do not say the same until it is changed the next time.
func (m *Module) lag(account jid.JID, err error, done *store.Promise) {
	m.obs.Log.Warn("profile not renewed in all its forms", obs.JID, account.String(), obs.Err, err)
	done.Settle(nil)
}

// follow renews the nodes that say something else than the vCard, and settles done behind that. Only in a turn of a.
func (m *Module) follow(w *core.Work, a *core.Account, done *store.Promise) {
	f := m.faces.Of(a)
	once := func(w *core.Work, a *core.Account) { m.follow(w, a, done) }
	if over, _ := f.under.Outcome(); !over {
		m.behind(a.JID, f.under, done, once)
		return
	}
	_, card, err := m.card(a)
	if err == nil {
		err = m.renew(w, a, f, card)
	}
	if err != nil {
		m.later(a, err, done, once)
		return
	}
	f.unread = time.Time{}
	m.settle(a.JID, f.view(ns.VCard4).under, f.view(ns.Nick).under, done)
}

// settle settles done when both publications are done, and forgets what they were.
func (m *Module) settle(account jid.JID, first, second store.Ticket, done *store.Promise) {
	m.behind(account, first, done, func(*core.Work, *core.Account) {
		m.behind(account, second, done, func(_ *core.Work, a *core.Account) {
			for _, x := range m.faces.Of(a).views {
				if over, _ := x.under.Outcome(); over {
					x.payload = ""
				}
			}
			done.Settle(nil)
		})
	})
}

// renew publishes what has changed.
func (m *Module) renew(w *core.Work, a *core.Account, f *face, card *xmltok.Node) error {
	publisher := m.host.Ports.Publisher
	if publisher == nil || !a.Exists {
		return nil
	}
	for _, node := range []string{ns.VCard4, ns.Nick} {
		x, access := f.view(node), publisher.Access(a, node)
		if err := m.now(a, node, x); err != nil {
			return err
		}
		next := ""
		if node == ns.Nick {
			next = nextNick(x.payload, card, f.visible, access)
		} else {
			next = nextFour(x.payload, card, f.visible, access)
		}
		if next == x.payload {
			continue
		}
		x.payload = next
		x.under = m.anyway(a, publisher.Publish(w, a, node, x.item, next, nil))
	}
	return nil
}

// now makes x what is on the node, unless something of ours is on its way there.
func (m *Module) now(a *core.Account, node string, x *view) error {
	if over, _ := x.under.Outcome(); !over {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	items, err := m.host.Ports.Publisher.Items(ctx, a, node)
	x.item, x.payload = "current", ""
	if n := len(items); err == nil && n > 0 {
		x.item, x.payload = items[n-1].ID, string(items[n-1].Payload)
	}
	return err
}

// nextFour is the payload of the node of the vCard 4 when the profile is card: as it was if it says the same.
func nextFour(was string, card *xmltok.Node, v visibility, access string) string {
	tree := &xmltok.Node{Space: ns.VCard4Element, Local: "vcard"}
	if was != "" {
		old, err := xmltok.Tree(was, "")
		if err != nil || !old.Is(ns.VCard4Element, "vcard") {
			return was // what a client keeps there under that name is its own
		}
		tree = old
	}
	next := v.shown(asFour(tree, card), access != "open")
	if xml := string(next.AppendXML(nil, "")); xml != string(tree.AppendXML(nil, "")) && (len(next.Children) > 0 || was != "") {
		return xml
	}
	return was
}

// nextNick is that of the node of the nickname.
func nextNick(was string, card *xmltok.Node, v visibility, access string) string {
	nick, old := "", ""
	if v.onNode("NICKNAME", access) {
		nick = strings.TrimSpace(card.Child(ns.VCardTemp, "NICKNAME").Text())
	}
	if was != "" {
		tree, err := xmltok.Tree(was, "")
		if err != nil || !tree.Is(ns.Nick, "nick") {
			return was
		}
		old = strings.TrimSpace(tree.Text())
	}
	if nick == old {
		return was
	}
	return nickXML(nick)
}
