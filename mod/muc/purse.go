package muc

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file bounds what one account has rooms send to others: one stanza makes as many as there are people in the room.

// creationCost is what a room costs its creator: it is kept, and erased again, in many rows.
const creationCost = 1000

// listed is how many people of a list count as one delivery: some addresses are as large as a presence.
const listed = 4

// weight is as how many deliveries each of a stanza counts: what is large costs everybody more than a turn.
func weight(st *stanza.Stanza) int { return 1 + st.Size()>>12 }

// afford counts what somebody is about to have the room send; nil: it may.
func (m *Module) afford(who jid.JID, deliveries int) *stanza.Error {
	if !m.host.Config.RateLimits {
		return nil
	}
	if m.purses.Take(m.host.Now(), who.Bare().String(), deliveries, m.config.Deliveries) {
		return nil
	}
	m.host.Metrics().Refused("room_deliveries")
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.PolicyViolation, Text: "too much at once for so many people"}
}
