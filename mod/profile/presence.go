package profile

import (
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// announcing puts the hash of the picture into presence (XEP-0398 section 4).
func (m *Module) announcing(e *core.Event) core.Verdict {
	if e.Stanza.Type == stanza.Available && !e.Account.Guest() {
		*m.own.Of(e.Session) = withholds(e.Stanza)
		m.stamp(e)
	}
	return core.Next
}

// directing does the same for presence to one address, such as a room.
func (m *Module) directing(e *core.Event) {
	if !e.Account.Guest() {
		m.stamp(e)
	}
}

func (m *Module) stamp(e *core.Event) {
	f, ok := m.faces.Has(e.Account)
	if !ok || f.hash == "" || withholds(e.Stanza) {
		return
	}
	if st := m.stamped(e.Stanza, f.hash); st != nil {
		e.Stanza = st
	}
}

// photoIn is the hash that a presence tells, and whether it says anything of a picture.
func photoIn(st *stanza.Stanza) (hash string, said bool) {
	x, ok := st.Child(ns.VCardUpdate, "x")
	if !ok {
		return "", false
	}
	tree, err := x.Tree()
	if err != nil {
		return "", false
	}
	photo := tree.Child(ns.VCardUpdate, "photo")
	return strings.TrimSpace(photo.Text()), photo != nil
}

// withholds tells whether a client says that it shows no picture; that is left to it.
func withholds(st *stanza.Stanza) bool {
	hash, said := photoIn(st)
	return said && hash == ""
}

// stamped is a presence that tells the hash, empty for no picture, instead of what it told before; nil when that is what it tells.
func (m *Module) stamped(st *stanza.Stanza, hash string) *stanza.Stanza {
	if now, said := photoIn(st); said && now == hash {
		return nil
	}
	out, err := st.Without(func(c stanza.Child) bool { return c.Space == ns.VCardUpdate && c.Local == "x" }).
		WithChildren("<x xmlns='" + ns.VCardUpdate + "'><photo>" + hash + "</photo></x>") // a hash is letters and digits
	if err != nil {
		m.obs.Log.Error("presence without the hash of the picture", obs.JID, st.From.String(), obs.Err, err)
		return nil
	}
	return out.Seal()
}

// show tells by presence that there is another picture, empty for none. Only in a turn of a.
func (m *Module) show(w *core.Work, a *core.Account, hash string) {
	f := m.faces.Of(a)
	if f.hash == hash {
		return
	}
	f.hash = hash
	for _, s := range a.Sessions() {
		if !s.Available() || s.Presence() == nil {
			continue
		}
		// One that is back from disk has said it in the presence that it has.
		if own, known := m.own.Has(s); known && *own || !known && withholds(s.Presence()) {
			continue
		}
		if st := m.stamped(s.Presence(), hash); st != nil {
			s.Announce(w, st)
		}
	}
}
