package muc

import (
	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file bounds what one account has rooms send to others: one stanza makes as many as there are people in the room.

// creationCost is what a room costs its creator: it is kept, and erased again, in many rows.
const creationCost = 1000

// listed is how many people of a list count as one delivery: some addresses are as large as a presence.
const listed = 4

// weight is core.Weight of a stanza.
func weight(st *stanza.Stanza) int { return core.Weight(st.Size()) }

// afford counts what somebody is about to have the room send; nil: it may.
func (m *Module) afford(who jid.JID, deliveries int) *stanza.Error {
	return m.purses.Afford(m.host, who, deliveries, m.config.Deliveries, "room_deliveries")
}
