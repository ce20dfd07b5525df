package store

import (
	"context"
	"time"

	"stonechat/xmpp/jid"
)

// Subscription is the state of a contact as the roster's owner sees it (RFC 6121 section 2.1.2.5).
type Subscription string

// The subscription states.
const (
	SubscriptionNone Subscription = "none"
	SubscriptionTo   Subscription = "to"
	SubscriptionFrom Subscription = "from"
	SubscriptionBoth Subscription = "both"
)

// Contact is one roster item (RFC 6121 section 2.1.2).
type Contact struct {
	JID          jid.JID // without resource
	Name         string
	Subscription Subscription // empty: none
	Ask          bool         // "pending out": our request is not answered yet
	Approved     bool         // pre-approved (RFC 6121 section 3.4)
	Groups       []string
	Bond         Bond
}

// Bond says that a contact belongs to the account by circles, not by the account's own choice.
type Bond uint8

// The bonds.
const (
	BondNone  Bond = iota
	BondOnly       // a circle made the contact, and it goes with the last common one
	BondAbove      // it was a contact before, and stays one
)

// Pending is a subscription request that the owner has not answered yet (RFC 6121 section 3.1.3: "pending in").
type Pending struct {
	JID    jid.JID // who asks, without resource
	Stanza []byte  // the whole presence stanza as standalone XML, delivered again at each log-on
	Since  time.Time
}

// Version is a roster version (RFC 6121 section 2.6). It grows with every change of a roster and is unique among all rosters. Zero is the
// version of a roster that never changed.
type Version int64

// Roster is all that is kept of one owner's contacts.
type Roster struct {
	Version  Version
	Contacts []Contact // ordered by address
	Pending  []Pending // ordered by address
}

// RosterChange is one atomic change. The zero value of a field means no change.
type RosterChange struct {
	Put           *Contact // add or replace
	Remove        jid.JID
	PutPending    *Pending // add or replace; Since zero: now
	RemovePending jid.JID
}

// RosterChanges is the difference between two versions of a roster.
type RosterChanges struct {
	Version Version // the newest
	// Items are the contacts that changed, each as it is now, in the order of their last changes.
	Items []ChangedContact
}

// ChangedContact is a contact after a change, or one that is gone.
type ChangedContact struct {
	Contact
	// Version is that of the roster after the contact's last change. Only contacts that changed together share one.
	Version Version
	// Gone: it was removed; nothing but the address is known.
	Gone bool
}

// Rosters keeps contacts and unanswered subscription requests.
type Rosters interface {
	// Load returns the roster; an owner without one has an empty roster of version zero.
	Load(ctx context.Context, owner Owner) (Roster, error)
	// Change applies c as one. When it puts or removes a contact the roster's new version is returned, else zero. Removing what is not
	// there succeeds (and counts as a change).
	Change(owner Owner, c RosterChange) (Version, Ticket)
	// ChangesSince returns what changed after since. Ok is false when that is not known any more or never was; then only the whole
	// roster helps (RFC 6121 section 2.6.3).
	ChangesSince(ctx context.Context, owner Owner, since Version) (changes RosterChanges, ok bool, err error)
}
