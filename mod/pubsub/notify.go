package pubsub

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// newID is a name that nobody guesses: of an item, of a node, or of a notification.
func newID() string {
	b := make([]byte, 12)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// event is a notification of an account, which all who get it share (XEP-0060 section 7.1.2, XEP-0163 section 4.3.1).
func (m *Module) event(a home, t stanza.Type, inner, behind string) *stanza.Stanza {
	if t == stanza.Normal {
		behind += storeHint
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: t, ID: newID(), From: a.jid}, "<event xmlns='"+ns.PubSubEvent+"'>"+inner+"</event>"+behind)
	if err != nil {
		m.obs.Log.Error("notification not made", obs.JID, a.jid.String(), obs.Err, err)
		return nil
	}
	return st.Seal()
}

// storeHint says that a message is as good as one with a body: what is of type normal waits for who is away, and whoever was said to be told must not miss
// it because a line broke (XEP-0334 section 4.4).
const storeHint = "<store xmlns='" + ns.Hints + "'/>"

func (o *options) messages() stanza.Type {
	if o.Headline {
		return stanza.Headline
	}
	return stanza.Normal
}

// element is <local node='…'>inner</local>.
func element(local, node, inner string) string {
	b := xmltok.AppendAttr([]byte("<"+local), "node", node)
	if inner == "" {
		return string(append(b, "/>"...))
	}
	return string(append(append(append(b, '>'), inner...), "</"+local+">"...))
}

// itemXML is an item as it is told. The publisher is named where it is not the owner (XEP-0060 section 7.1.2.3).
func itemXML(a home, id, payload string, publisher jid.JID) string {
	b := xmltok.AppendAttr([]byte("<item"), "id", id)
	if !publisher.IsZero() && publisher != a.jid {
		b = xmltok.AppendAttr(b, "publisher", publisher.String())
	}
	if payload == "" {
		return string(append(b, "/>"...))
	}
	return string(append(append(append(b, '>'), payload...), "</item>"...))
}

func retracted(ids []string) string {
	var b []byte
	for _, id := range ids {
		b = append(xmltok.AppendAttr(append(b, "<retract"...), "id", id), "/>"...)
	}
	return string(b)
}

// last is the newest item as it is sent to who has just come (XEP-0163 section 4.3.4).
func (m *Module) last(a home, n *node, x *store.NodeItem) *stanza.Stanza {
	payload := ""
	if n.options.Payloads {
		payload = string(x.Payload)
	}
	delay := xmltok.AppendAttr([]byte("<delay xmlns='"+ns.Delay+"'"), "from", a.jid.String())
	delay = xmltok.AppendAttr(delay, "stamp", x.Key.Time().Format(time.RFC3339))
	return m.event(a, n.options.messages(), element("items", n.name, itemXML(a, x.ID, payload, x.Publisher)), string(append(delay, "/>"...)))
}

// tell sends a notification to everybody who is to hear of the node: the account's own devices, contacts who may read it, and subscribers. Whether
// a device wants it is decided where the device is. The ticket is done when what is kept for somebody is durable. Only in a turn of a.
func (m *Module) tell(w *core.Work, a home, n *node, st *stanza.Stanza) store.Ticket {
	if st == nil || !n.options.Deliver {
		return store.Ticket{}
	}
	m.prune(w, a, n)
	direct := n.devices()
	if a.account != nil {
		m.receive(w, a.account, a.jid, n.name, st, heard{explicit: n.subscriptions[a.jid] == stateSubscribed, direct: direct})
	}
	wanted := func(w *core.Work, b *core.Account) { m.receive(w, b, a.jid, n.name, st, heard{direct: direct}) }
	m.eachContact(a, n, func(contact jid.JID) {
		if n.subscriptions[contact] != stateSubscribed && !m.indifferent(contact, n.name) {
			a.visit(w, contact, wanted)
		}
	})
	var mail []*stanza.Stanza
	for j, state := range n.subscriptions {
		if state == stateSubscribed {
			mail = append(mail, m.tellSubscriber(w, a, n, j, st, direct)...)
		}
	}
	return m.host.Router.Deliver(w, mail...)
}

// tellSubscriber sends a notification to an address that has subscribed (XEP-0163 section 4.3.2); direct as in heard. It returns what is to be delivered
// as any message: what is for a device goes with it, and headlines are for who is there.
func (m *Module) tellSubscriber(w *core.Work, a home, n *node, j jid.JID, st *stanza.Stanza, direct map[jid.JID]struct{}) (mail []*stanza.Stanza) {
	h, from, name := m.host.Router.Host(j.Domain()), a.jid, n.name
	switch {
	case a.blocks(j) || h == nil: // other servers are not reached yet
	case j == a.jid:
		// The owner's devices have been told.
	case st.Type == stanza.Headline && m.host.Router.Far(j):
		m.host.Router.Route(w, st.WithTo(j))
	case m.host.Router.Far(j):
		return []*stanza.Stanza{st.WithTo(j)}
	case j.IsBare() && !j.IsDomain() && st.Type == stanza.Headline:
		why := heard{explicit: true, everywhere: a.room != nil, direct: direct}
		a.visit(w, j, func(w *core.Work, b *core.Account) { m.receive(w, b, from, name, st, why) })
	case j.IsFull() && !j.IsDomain():
		there := a.visit(w, j.Bare(), func(w *core.Work, b *core.Account) {
			for _, s := range b.Sessions() {
				if s.JID == j {
					if !b.Blocks(from) {
						s.SendShared(w, st, j)
					}
					return
				}
			}
			m.absent(a, name, j)
		})
		if !there {
			m.lapse(a, name, j)
		}
	default:
		return []*stanza.Stanza{st.WithTo(j)}
	}
	return nil
}

// absent has the subscription of a device that is not there end, in a turn of the owner.
func (m *Module) absent(a home, name string, j jid.JID) {
	if err := m.later(a, func(_ *core.Work, a home) { m.lapse(a, name, j) }); err != nil {
		m.obs.Log.Warn("subscription of a device not ended", obs.JID, j.String(), obs.Err, err)
	}
}

// heard says why an account hears of a node: explicit, since it has subscribed as a whole. direct are devices, of anybody, that have subscribed for themselves
// and are told in their own right, once (XEP-0163 section 4.3.2). everywhere: what clients want by caps is about nodes of accounts, and does not count.
type heard struct {
	explicit, everywhere bool
	direct               map[jid.JID]struct{}
}

// devices are the full addresses that have subscribed; nil when there are none, as almost always.
func (n *node) devices() map[jid.JID]struct{} {
	var out map[jid.JID]struct{}
	for j, state := range n.subscriptions {
		if state == stateSubscribed && j.IsFull() {
			if out == nil {
				out = make(map[jid.JID]struct{})
			}
			out[j] = struct{}{}
		}
	}
	return out
}

// receive gives a notification to the devices of b that want it. If none asks for it by caps, and the account has subscribed, to all that take messages.
// Only in a turn of b.
func (m *Module) receive(w *core.Work, b *core.Account, from jid.JID, name string, st *stanza.Stanza, why heard) {
	if !b.Exists || b.Blocks(from) {
		return
	}
	for _, s := range b.Sessions() {
		if _, direct := why.direct[s.JID]; !why.everywhere && s.Available() && m.wants(s, name) && !direct {
			s.SendShared(w, st, s.JID)
			m.toldEvent(w, s, name, st)
			m.listeners.Of(s).heard(from, name)
			why.explicit = false
		}
	}
	if !why.explicit {
		return
	}
	for _, s := range b.Sessions() {
		if _, direct := why.direct[s.JID]; s.Available() && s.Priority() >= 0 && !direct {
			s.SendShared(w, st, b.JID)
		}
	}
}

// lapse ends the subscription of a device that is no longer there (XEP-0060 section 12.7).
func (m *Module) lapse(a home, name string, j jid.JID) {
	b, err := m.of(a)
	if err != nil || b.nodes[name] == nil {
		return
	}
	n := b.nodes[name]
	if _, there := n.subscriptions[j]; !there {
		return
	}
	delete(n.subscriptions, j)
	m.changed(a, b, m.nodes.ChangeNode(a.id(), store.NodeChange{Node: name, Subscriptions: []store.NodeSubscription{{JID: j}}}))
}

// prune ends the subscriptions of people who may not read the node any more, and tells them (XEP-0163 section 7.1, XEP-0060 section 12.18).
func (m *Module) prune(w *core.Work, a home, n *node) {
	var gone []store.NodeSubscription
	for j, state := range n.subscriptions {
		if state != stateSubscribed || mayRead(&n.options, m.subscribed(a, n, j.Bare(), state)) == nil {
			continue
		}
		delete(n.subscriptions, j)
		gone = append(gone, store.NodeSubscription{JID: j})
		m.tellState(w, a, n, j, stateNone)
	}
	if len(gone) > 0 {
		b := m.books.Of(a.holder())
		m.changed(a, b, m.nodes.ChangeNode(a.id(), store.NodeChange{Node: n.name, Subscriptions: gone}))
	}
}

// tellState tells a subscriber what has become of its subscription (XEP-0060 section 8.6).
func (m *Module) tellState(w *core.Work, a home, n *node, j jid.JID, state string) {
	if a.blocks(j) || m.host.Router.Host(j.Domain()) == nil {
		return
	}
	if st := m.event(a, stanza.Headline, subscriptionXML(n.name, j, state), ""); st != nil {
		m.host.Router.Route(w, st.WithTo(j))
	}
}

// subscriptionXML is a subscription as it is told to others than the owner.
func subscriptionXML(name string, j jid.JID, state string) string {
	b := []byte("<subscription")
	if name != "" {
		b = xmltok.AppendAttr(b, "node", name)
	}
	b = xmltok.AppendAttr(b, "jid", j.String())
	return string(append(xmltok.AppendAttr(b, "subscription", state), "/>"...))
}
