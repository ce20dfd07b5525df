package core

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// heldBack is what waits for a client that nobody looks at (XEP-0352): of presence, typing notices, notifications of nodes and entries of
// the list of chats the newest of each. It leaves in the order in which it came, before anything that is important, so order holds for every sender.
type heldBack struct {
	on    bool
	items map[holdKey]heldItem
	bytes int
	next  uint64
}

type heldItem struct {
	item
	turn uint64
}

// holdKey is equal for stanzas of which only the newest counts.
type holdKey struct {
	what     held
	from, to jid.JID
	detail   string
}

type held uint8

const (
	heldPresence held = iota + 1
	heldTyping
	heldTypingCopy
	heldNotice
	heldEntry
)

// The reasons for which what is held goes out, as the metric names them.
const (
	releasedActive    = "active"    // the client says so, or has a new connection
	releasedImportant = "important" // something goes out that cannot wait
	releasedClient    = "client"    // the client has said something: its radio is on
	releasedFull      = "full"      // too much is held
)

// clientState handles the elements of XEP-0352. False: the element is none of them.
func (a *Account) clientState(w *Work, s *Session, st *stanza.Stanza) bool {
	switch st.Local {
	case "active", "inactive":
		s.SetInactive(w, st.Local == "inactive")
		return true
	}
	return false
}

// offerState adds the rows by which a new session begins in a state (XEP-0386 section 3.2). Active it is anyway.
func (h *Host) offerState() {
	h.Inline.Add(Inline{Space: ns.ClientState, Local: "inactive", Feature: ns.ClientState, Module: "core", Do: func(e *Event, _ *xmltok.Node) string {
		e.Session.SetInactive(e.Work, true)
		return ""
	}})
	h.Inline.Add(Inline{Space: ns.ClientState, Local: "active", Module: "core", Do: func(*Event, *xmltok.Node) string { return "" }})
}

// SetInactive begins or ends the time in which nobody looks at the session's client (XEP-0352): what is of no use to it meanwhile is held.
// A session begins active, and is so again with every new connection (section 4.3). Nobody else is told (section 5). Only in a turn of its
// account.
func (s *Session) SetInactive(w *Work, inactive bool) {
	s.unwatched.Store(inactive)
	s.out.hold(w, inactive)
}

// Inactive tells whether the client has said that nobody looks at it. Safe from any goroutine.
func (s *Session) Inactive() bool { return s.unwatched.Load() }

// noteState is what a door reads off a nonza before its turn: how long it may leave the client alone.
func (s *Session) noteState(st *stanza.Stanza) {
	if st.Space == ns.ClientState {
		s.unwatched.Store(st.Local == "inactive")
	}
}

// hold switches holding on or off; off lets everything go.
func (o *Outbox) hold(w *Work, on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held.on == on {
		return
	}
	o.held.on = on
	n := int64(-1)
	if on {
		n = 1
	}
	o.session.Account.Host.metrics.inactive.Add(n)
	if !on {
		o.release(releasedActive)
		o.mark(w)
	}
}

// said lets go what is held because the client has said something: its radio is on, and what is to be sent is cheap now (XEP-0286 section 4.2).
func (o *Outbox) said(w *Work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.held.items) > 0 {
		o.release(releasedClient)
		o.mark(w)
	}
}

// keepBack holds it, if it may wait, and else lets go what was held before it. The lock is held.
func (o *Outbox) keepBack(it item) bool {
	limit := o.session.Account.Host.Config.Limits.HoldBytes
	if !o.held.on || it.st == nil || limit == 0 {
		if it.src != nil && o.held.on {
			o.release(releasedImportant)
		}
		return false
	}
	key, ok := holdKeyOf(it.st, it.to)
	if !ok {
		o.held.forgetTyping(it.st.From)
		o.release(releasedImportant)
		return false
	}
	h, m := &o.held, o.session.Account.Host.metrics
	h.next++
	if key.what == heldNotice && key.detail == "" {
		key.detail = strconv.FormatUint(h.next, 10) // nothing takes its place
	}
	if h.items == nil {
		h.items = make(map[holdKey]heldItem)
	}
	if old, ok := h.items[key]; ok {
		h.bytes -= old.size
		m.spared.Inc()
	}
	h.items[key] = heldItem{it, h.next}
	h.bytes += it.size
	m.held.Inc()
	if h.bytes > limit {
		o.release(releasedFull)
	}
	return true
}

// release queues what is held, in the order in which it came. The lock is held.
func (o *Outbox) release(why string) {
	h := &o.held
	if len(h.items) == 0 {
		return
	}
	o.session.Account.Host.metrics.released.WithLabelValues(why).Inc()
	for _, it := range h.take() {
		o.add(it)
	}
}

// take empties h.
func (h *heldBack) take() []item {
	all := slices.SortedFunc(maps.Values(h.items), func(a, b heldItem) int { return cmp.Compare(a.turn, b.turn) })
	h.items, h.bytes = nil, 0
	out := make([]item, len(all))
	for i := range all {
		out[i] = all[i].item
	}
	return out
}

// forgetTyping: who has written something is not typing it any more.
func (h *heldBack) forgetTyping(from jid.JID) {
	for k, it := range h.items {
		if k.what == heldTyping && k.from == from {
			h.bytes -= it.size
			delete(h.items, k)
		}
	}
}

// holdKeyOf tells whether a stanza may wait while nobody looks, and what takes its place. Everything that is not known to be of no
// importance is important (XEP-0352 section 3.2).
func holdKeyOf(st *stanza.Stanza, to jid.JID) (holdKey, bool) {
	switch {
	case isBroadcast(st):
		// What answers a client's own joining of a room does not wait (XEP-0045 section 7.2.2: code 110).
		return holdKey{what: heldPresence, from: st.From, to: to}, !aboutItself(st)
	case st.Kind != stanza.Message || st.Type == stanza.TypeError:
		return holdKey{}, false
	case isTyping(st):
		return holdKey{what: heldTyping, from: st.From, to: to}, true
	}
	if chat, ok := typingCopy(st); ok {
		return holdKey{what: heldTypingCopy, from: st.From, to: to, detail: chat}, true
	}
	if detail, ok := notice(st); ok {
		return holdKey{what: heldNotice, from: st.From, to: to, detail: detail}, true
	}
	if chat, ok := followed(st, to); ok {
		return holdKey{what: heldEntry, from: st.From, to: to, detail: chat}, true
	}
	return holdKey{}, false
}

// aboutItself: presence of a room with the status of the receiver itself.
func aboutItself(st *stanza.Stanza) bool {
	x, ok := st.Child(ns.MUCUser, "x")
	if !ok {
		return false
	}
	tree, err := x.Tree()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(tree.All(ns.MUCUser, "status"), func(n *xmltok.Node) bool { return n.Attr("code") == "110" })
}

// typingCopy: a carbon (XEP-0280) of a message that is nothing but a typing notice; chat is whose, and to whom.
func typingCopy(st *stanza.Stanza) (chat string, ok bool) {
	c, ok := st.Child(ns.Carbons, "")
	if !ok {
		return "", false
	}
	tree, err := c.Tree()
	if err != nil {
		return "", false
	}
	m := tree.Child(ns.Forward, "forwarded").Child(ns.Client, "message")
	if m == nil {
		return "", false
	}
	states := 0
	for _, n := range m.Children {
		switch {
		case n.Space == ns.ChatStates:
			states++
		case n.Space == ns.Hints || n.Local == "thread":
		default:
			return "", false
		}
	}
	return m.Attr("from") + " " + m.Attr("to"), states > 0
}

// notice: a notification of a node (XEP-0163 section 4.3: a headline). detail names the one item that it is about; it is empty when it is about
// several, or about the node, and nothing may take its place then.
func notice(st *stanza.Stanza) (detail string, ok bool) {
	if st.Type != stanza.Headline {
		return "", false
	}
	c, ok := st.Child(ns.PubSubEvent, "event")
	if !ok {
		return "", false
	}
	tree, err := c.Tree()
	if err != nil {
		return "", false
	}
	items := tree.Child(ns.PubSubEvent, "items")
	if len(tree.Children) != 1 || items == nil || len(items.Children) != 1 {
		return "", true
	}
	if id := items.Children[0].Attr("id"); id != "" {
		return items.Attr("node") + "\x00" + id, true
	}
	return "", true
}
