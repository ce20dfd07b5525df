package displayed

import (
	"bytes"
	"context"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	readTime = 250 * time.Millisecond
	lookBack = 50  // messages of a chat among which a marked one is looked for
	maxChats = 256 // of an account, whose newest mark is remembered
)

// latest is the newest message of each chat that a marker was concluded from, so that one that comes late, or again, takes nothing back.
type latest map[string]store.Key

// conclude publishes what a marker says without the mark of XEP-0490: an older client tells the contact what was displayed, and other devices should know,
// too. A marker names the id that the sender chose (XEP-0333 section 4.2), and in a room the one that the room gave (section 4.3); a mark the id in the archive
// (XEP-0490 section 4.5). An id that is written in more than one way is left alone. Turn of the sender.
func (m *Module) conclude(e *core.Event) {
	st := e.Stanza
	marker, ok := st.Child(ns.Markers, "displayed")
	id, _ := marker.Attr("id")
	if !ok || id == "" || strings.ContainsAny(id, "<>&'\"") || e.Account.ID == 0 || m.archive == nil || st.Type == stanza.TypeError || st.Has(ns.MUCUser, "x") {
		return // what is said in private in a room has no chat of a bare address
	}
	chat := st.To.Bare()
	if st.Type == stanza.GroupChat {
		e.Wait(m.publish(e, strings.Clone(chat.String()), markOf(id, chat)))
		return
	}
	row, ok := m.find(e.Account, chat, id)
	newest := m.marked.Of(e.Account)
	if !ok || row.Key <= (*newest)[chat.String()] {
		return
	}
	if *newest == nil || len(*newest) >= maxChats {
		*newest = make(latest)
	}
	name := strings.Clone(chat.String())
	(*newest)[name] = row.Key
	e.Wait(m.publish(e, name, markOf(row.ID, e.Account.JID)))
}

// find looks for a message of a chat by the id that its sender gave it, among the newest ones.
func (m *Module) find(a *core.Account, chat jid.JID, id string) (store.Row, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	last := ""
	got, err := m.archive.Page(ctx, a.ID, store.Query{With: chat.String(), Before: &last, Max: lookBack})
	if err != nil {
		m.obs.Log.Debug("what was displayed is not found", obs.JID, a.JID.String(), obs.Err, err)
		return store.Row{}, false
	}
	for i := len(got.Rows) - 1; i >= 0; i-- {
		r := got.Rows[i]
		if r.Direction != store.Incoming || r.ID == "" || !bytes.Contains(r.Stanza, []byte(id)) {
			continue // most need not be read
		}
		st, err := stanza.Parse(string(r.Stanza))
		if err != nil {
			continue
		}
		origin, _ := st.Child(ns.StanzaID, "origin-id")
		if own, _ := origin.Attr("id"); st.ID == id || own == id {
			return r, true
		}
	}
	return store.Row{}, false
}

// markOf is the mark of the message with an id in the archive of somebody.
func markOf(id string, by jid.JID) string {
	b := xmltok.AppendAttr([]byte("<displayed xmlns='"+ns.Displayed+"'><stanza-id xmlns='"+ns.StanzaID+"'"), "by", by.String())
	return string(append(xmltok.AppendAttr(b, "id", id), "/></displayed>"...))
}
