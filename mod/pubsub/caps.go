package pubsub

import (
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	cachedCaps = 5000 // hashes whose wishes are remembered
	maxWishes  = 256  // nodes that one client wants to hear of
	maxCaps    = 256  // bytes of a node or hash of capabilities

	cachedInterests = 20_000 // accounts of which it is remembered what their clients want
)

// wishes are the nodes that a client wants to hear of: its features that end in +notify (XEP-0060 section 9.2).
type wishes map[string]struct{}

// capsKey is what a verified answer is remembered by, for everybody (XEP-0115 section 5.4).
type capsKey struct{ hash, ver string }

// listener is what is known of the wishes of one session.
type listener struct {
	caps   disco.Caps // as its presence says; zero: there are none
	wishes wishes
	known  bool

	owed    map[jid.JID]debt // by contact
	reading bool             // the store is asked, or will be when the client has read what was queued for it
}

// forget is for a session of which nothing is known any more. What is under way comes back to it.
func (l *listener) forget() { *l = listener{reading: l.reading} }

// interest is what the clients of an account want to hear of, for publishers, which have no business in its turns: who is known to want nothing is not visited.
// It may name too much, such as the wishes of a client that has just gone, and never too little: what a session wants is noted before it asks for last
// items, so what a publisher who did not know it yet has published is among them.
type interest []wishes

// note remembers what the clients of an account want to hear of. Only in a turn of a.
func (m *Module) note(a *core.Account) {
	if a.Guest() {
		return // nobody's contact
	}
	var all interest
	for _, s := range a.Sessions() {
		if l, ok := m.listeners.Has(s); ok && len(l.wishes) > 0 {
			all = append(all, l.wishes)
		}
	}
	m.interests.Put(a.JID, all)
}

// indifferent tells whether it is known that no client of an account wants to hear of a node.
func (m *Module) indifferent(bare jid.JID, name string) bool {
	all, known := m.interests.Get(bare)
	return known && !slices.ContainsFunc(all, func(of wishes) bool {
		_, wanted := of[name]
		return wanted
	})
}

// wants tells whether the session's client wants to hear of a node.
func (m *Module) wants(s *core.Session, name string) bool {
	l, ok := m.listeners.Has(s)
	if !ok {
		return false
	}
	_, ok = l.wishes[name]
	return ok
}

// capsOf reads what a presence says of its client; ok is false when it says nothing. A client that has only the second form of capabilities
// (XEP-0390) is asked like one whose hash proves nothing.
func capsOf(st *stanza.Stanza) (c disco.Caps, ok bool) {
	x, there := st.Child(ns.Caps, "c")
	if !there {
		x, there = st.Child(ns.Caps2, "c")
		inner := x.Inner()
		return disco.Caps{Node: ns.Caps2, Ver: strings.Clone(xmltok.Clip(inner, maxCaps))}, there
	}
	tree, err := x.Tree()
	if err != nil {
		return c, false
	}
	if c, err = disco.ParseCaps(tree); err != nil || len(c.Node) > maxCaps || len(c.Ver) > maxCaps || len(c.Hash) > maxCaps {
		return disco.Caps{}, false
	}
	return disco.Caps{Hash: strings.Clone(c.Hash), Node: strings.Clone(c.Node), Ver: strings.Clone(c.Ver)}, true
}

// announcing looks at a session's presence before it goes out. Turn of the session's account.
func (m *Module) announcing(e *core.Event) core.Verdict {
	if e.Stanza.Type == stanza.Available {
		m.look(e.Work, e.Session, e.Stanza)
	}
	return core.Next
}

// look finds out what a session wants, as its presence says it.
func (m *Module) look(w *core.Work, s *core.Session, presence *stanza.Stanza) {
	c, ok := capsOf(presence)
	l, had := m.listeners.Has(s)
	switch {
	case !ok && !had:
		return
	case !ok:
		l.forget()
		return
	case had && l.caps == c:
		return
	}
	l = m.listeners.Of(s)
	l.caps, l.known = c, false
	if found, known := m.caps.Get(capsKey{c.Hash, c.Ver}); known && c.Hash != "" {
		m.learn(w, s, found)
		return
	}
	m.ask(w, s, c)
}

// ask asks a client what it can do (XEP-0115 section 6.2). Until it answers, what it wanted before holds.
func (m *Module) ask(w *core.Work, s *core.Session, c disco.Caps) {
	query := []byte("<query xmlns='" + ns.DiscoInfo + "'")
	if c.Node != ns.Caps2 {
		query = xmltok.AppendAttr(query, "node", c.QueryNode())
	}
	err := s.Request(w, string(append(query, "/>"...)), func(w *core.Work, answer *stanza.Stanza) {
		if l, ok := m.listeners.Has(s); ok && l.caps == c && !l.known {
			m.learn(w, s, m.answered(c, answer))
		}
	})
	if err != nil {
		m.obs.Log.Debug("capabilities not asked for", obs.JID, s.JID.String(), obs.Err, err)
	}
}

// answered reads a client's answer. What the hash proves is remembered for all that show the same one; what it does not prove, also in the form
// of before version 1.4, holds for this session alone (XEP-0115 sections 5.4 and 9.1).
func (m *Module) answered(c disco.Caps, answer *stanza.Stanza) wishes {
	payload, ok := answer.Child(ns.DiscoInfo, "query")
	if answer.Type != stanza.TypeResult || !ok {
		return nil
	}
	tree, err := payload.Tree()
	if err != nil {
		return nil
	}
	info, err := disco.ParseInfo(tree)
	if err != nil {
		return nil
	}
	proven, err := disco.Verify(c, info)
	if err != nil {
		return wishesOf(info)
	}
	found := wishesOf(proven)
	m.caps.Put(capsKey{c.Hash, c.Ver}, found)
	return found
}

func wishesOf(i *disco.Info) wishes {
	out := make(wishes)
	for _, f := range i.Features {
		if node, ok := strings.CutSuffix(f, "+notify"); ok && node != "" && len(node) <= maxName && len(out) < maxWishes {
			out[strings.Clone(node)] = struct{}{}
		}
	}
	return out
}

// learn takes over what a session wants. An available one gets the last items of what is new to it; one that is about to be, when it is.
func (m *Module) learn(w *core.Work, s *core.Session, found wishes) {
	l := m.listeners.Of(s)
	fresh := make(wishes)
	for node := range found {
		if _, had := l.wishes[node]; !had {
			fresh[node] = struct{}{}
		}
	}
	l.wishes, l.known = found, true
	m.note(s.Account)
	if s.Available() {
		m.fetch(w, s, fresh)
	}
}

// available is the first presence of a session: if it is known what it wants, it gets the last items (XEP-0163 section 4.3.4).
func (m *Module) available(e *core.Event) {
	m.remind(e.Work, e.Account, e.Session)
	m.note(e.Account)
	m.arrived(e.Work, e.Account)
	if l, ok := m.listeners.Has(e.Session); ok && l.known {
		m.fetch(e.Work, e.Session, l.wishes)
	}
}

// unavailable: the next presence is the first again.
func (m *Module) unavailable(e *core.Event) {
	if l, ok := m.listeners.Has(e.Session); ok {
		l.forget()
	}
	m.note(e.Account)
}

// bound: a session has a connection again. One that is back from disk has shown its presence, and nothing is known of it.
func (m *Module) bound(e *core.Event) {
	s := e.Session
	if !s.Available() || s.Presence() == nil {
		return
	}
	if l, ok := m.listeners.Has(s); !ok || !l.known {
		if ok {
			l.forget()
		}
		m.look(e.Work, s, s.Presence())
	}
}
