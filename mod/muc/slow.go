package muc

import (
	"fmt"
	"maps"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// tooSoon is XEP-0500 section 6: in slow mode nobody below admin says two things with a body within its span, whatever the nick or the device. What
// may be said is noted.
func (x *room) tooSoon(who jid.JID, st *stanza.Stanza, now time.Time) *stanza.Error {
	if x.config.Slow == 0 || !st.Has(ns.Client, "body") || x.affiliation(who) >= muc.Admin {
		return nil
	}
	span := time.Duration(x.config.Slow) * time.Second
	if last, ok := x.spoke[who]; ok && now.Sub(last) < span {
		text := fmt.Sprintf("This room is in slow mode: wait %d seconds between messages.", x.config.Slow)
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.PolicyViolation, Text: text}
	}
	if len(x.spoke) > 2*len(x.nicks)+16 {
		maps.DeleteFunc(x.spoke, func(_ jid.JID, last time.Time) bool { return now.Sub(last) >= span })
	}
	if x.spoke == nil {
		x.spoke = make(map[jid.JID]time.Time)
	}
	x.spoke[who] = now
	return nil
}
