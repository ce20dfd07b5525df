package roster

import (
	"strconv"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// appendItem writes a roster item (RFC 6121 section 2.1.2), or that there is none any more.
func appendItem(dst []byte, j jid.JID, c contact) []byte {
	dst = append(dst, "<item"...)
	dst = xmltok.AppendAttr(dst, "jid", j.String())
	if !c.state.has(listed) {
		return append(dst, " subscription='remove'/>"...)
	}
	if c.name != "" {
		dst = xmltok.AppendAttr(dst, "name", c.name)
	}
	dst = xmltok.AppendAttr(dst, "subscription", string(c.state.subscription()))
	if c.state.has(pendingOut) {
		dst = append(dst, " ask='subscribe'"...)
	}
	if c.state.has(approved) {
		dst = append(dst, " approved='true'"...)
	}
	if c.groups == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for name := range strings.SplitSeq(string(c.groups), groupEnd) {
		dst = append(dst, "<group>"...)
		dst = xmltok.AppendEscaped(dst, name)
		dst = append(dst, "</group>"...)
	}
	return append(dst, "</item>"...)
}

// itemSize is the length of an item as XML, bytes.
func itemSize(j jid.JID, c contact) int {
	var scratch [512]byte
	return len(appendItem(scratch[:0], j, c))
}

// appendQuery opens the payload of a result or push with a version.
func appendQuery(dst []byte, v store.Version) []byte {
	dst = append(dst, "<query xmlns='"+ns.Roster+"' ver='"...)
	dst = strconv.AppendInt(dst, int64(v), 10)
	return append(dst, "'>"...)
}

// pushOf is a roster push without a receiver. It has no from: that stands for the receiver's own account (RFC 6121 section 2.1.6).
func pushOf(j jid.JID, c contact, id string, v store.Version) *stanza.Stanza {
	payload := append(appendItem(appendQuery(nil, v), j, c), "</query>"...)
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: stanza.Set, ID: id}, string(payload))
	if err != nil {
		return nil
	}
	return st
}

// push tells every interested session of a changed item (RFC 6121 section 2.1.6). What clients answer to it is of no interest.
func (r *roster) push(w *core.Work, a *core.Account, j jid.JID, c contact, v store.Version) {
	st := pushOf(j, c, "push"+strconv.FormatInt(int64(v), 36), v)
	if st == nil {
		r.obs.Log.Error("roster push not made", "jid", a.JID.String())
		return
	}
	a.TellPrivileged(w, st)
	for _, s := range a.Sessions() {
		if s.Interested() {
			r.settleDebt(w, s)
			s.Send(w, st.WithTo(s.JID).Seal())
		}
	}
}
