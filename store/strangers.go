package store

import (
	"context"
	"time"

	"stonechat/xmpp/jid"
)

// StrangerMode says what becomes of messages from people that an owner does not know.
type StrangerMode string

// The modes; empty when the owner never chose.
const (
	StrangersOpen   StrangerMode = "open"   // they come like all others
	StrangersQuiet  StrangerMode = "quiet"  // they wait until the owner lets them in
	StrangersClosed StrangerMode = "closed" // they are refused
)

// StrangerPrefs is what an owner chose.
type StrangerPrefs struct {
	Mode StrangerMode
	// Members: people of the owner's own server are no strangers.
	Members bool
}

// Waiting is what one sender has in an owner's box.
type Waiting struct {
	Sender   jid.JID // bare
	Messages int
	Bytes    int
}

// WaitingMessage is one message in the box.
type WaitingMessage struct {
	Key    Key // place in the order of arrival, and when that was
	Sender jid.JID
	Stanza []byte // standalone XML; the caller's own
}

// Strangers keeps what owners chose about strangers, whom they came to know, and what waits.
type Strangers interface {
	// StrangerPrefs returns the choice, or the zero value.
	StrangerPrefs(ctx context.Context, owner Owner) (StrangerPrefs, error)
	// SetStrangerPrefs replaces it.
	SetStrangerPrefs(owner Owner, p StrangerPrefs) Ticket
	// Acquaintances returns the bare addresses that the owner came to know, in no order, at most limit.
	Acquaintances(ctx context.Context, owner Owner, limit int) ([]jid.JID, error)
	// AddAcquaintance notes one; again is no error.
	AddAcquaintance(owner Owner, bare jid.JID) Ticket
	// AddWaiting puts a message into the box. The store keeps the slice until the ticket is done.
	AddWaiting(owner Owner, sender jid.JID, stanza []byte) Ticket
	// Waiting returns the messages of one sender, or of all with the zero address, oldest first.
	Waiting(ctx context.Context, owner Owner, sender jid.JID) ([]WaitingMessage, error)
	// RemoveWaiting erases the messages of one sender up to a key.
	RemoveWaiting(owner Owner, sender jid.JID, upTo Key) Ticket
	// ExpireWaiting erases what has waited in all boxes since before a time, and returns how many.
	ExpireWaiting(ctx context.Context, before time.Time) (int64, error)
}
