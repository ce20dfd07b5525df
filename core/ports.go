package core

import (
	"context"
	"net/netip"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Ports are what one feature needs of another. Each is set once, by the module that offers it.
type Ports struct {
	Authenticator Authenticator
	Contacts      Contacts
	Reports       Reports // nil: nobody takes them
	Ties          Ties
	// Places may be nil: then no place is known.
	Places Places
	// Publisher may be nil: then nothing is published.
	Publisher Publisher
	// Upgrades and Devices may be missing; then log-in is by SCRAM with SHA-1 and SHA-256, and there are no tokens.
	Upgrades Upgrades
	Devices  Devices
	// Archiver may be nil: then nothing of what is said in rooms is kept.
	Archiver Archiver
	// Spaces may be nil: then no room follows a space.
	Spaces Spaces
}

// Archiver keeps what is said in rooms, and gives it to whoever asks (rows for ToRoom, with the right ActReadRoom).
type Archiver interface {
	// Archive keeps a message that the room is about to show, if keep is set and it is of a kind that is kept: st comes from the occupant's
	// address. What it says in our name is taken out in any case, so what is shown is Archived.Stanza, when the ticket is done. publisher is
	// the full address of who said it. Only in a turn of the room.
	Archive(r *Room, st *stanza.Stanza, publisher jid.JID, keep bool) (Archived, store.Ticket, error)
	// Find returns an archived message by its id. store.ErrNotFound: the room has none of it (any more). It may wait: only outside turns.
	Find(ctx context.Context, r *Room, id string) (Archived, error)
	// Replace puts something else into the place of an archived message, such as a tombstone (XEP-0424 section 5); with is from the same
	// address. Only in a turn of the room.
	Replace(r *Room, was Archived, with *stanza.Stanza) store.Ticket
	// Newest returns the last messages of the room, at most n, oldest first. It may wait: only in Rooms.Load, behind the room's ID.
	Newest(ctx context.Context, r *Room, n int) ([]Archived, error)
}

// Archived is a message of a room.
type Archived struct {
	// Stanza is sealed, from the occupant's address, to nobody, and tells its id in the archive (XEP-0359); ID is empty when it is not kept.
	Stanza    *stanza.Stanza
	ID        string
	Publisher jid.JID // bare
	At        time.Time
	Key       store.Key // its place in the archive
}

// Reports takes complaints about addresses (XEP-0377).
type Reports interface {
	// Report keeps what the account of e says of an address; report is the element <report/>. What cannot be kept is dropped, since the block
	// that it came with holds in any case. Only in a turn of the account; e waits for the disk.
	Report(e *Event, about jid.JID, report *xmltok.Node)
}

// Authenticator knows how accounts prove who they are. It is asked at the door and may wait.
type Authenticator interface {
	// Credential returns what is stored for the account under one hash; ok is false when there is no such account or credential, or it may
	// not log in. Salt and iterations of c are then what whoever asks is shown, if they are set.
	Credential(ctx context.Context, account jid.JID, hash sasl.Hash) (c sasl.Credential, ok bool, err error)
	// Secret keys the salts that are made up for unknown accounts.
	Secret() []byte
}

// Subscription says who gets whose presence.
type Subscription uint8

// A subscription is a set of directions; both bits are "both".
const (
	SubscribedTo   Subscription = 1 << iota // the account gets the contact's presence
	SubscribedFrom                          // the contact gets the account's presence
)

// Contacts knows an account's roster. Its methods run in a turn of the account.
type Contacts interface {
	// Subscription of a contact's bare address; zero for strangers.
	Subscription(a *Account, contact jid.JID) Subscription
	// Lists tells whether the bare address stands in the roster, whatever the subscription.
	Lists(a *Account, contact jid.JID) bool
	// Groups are the groups in which the bare address stands in the roster; the slice is the caller's own.
	Groups(a *Account, contact jid.JID) []string
	// Each calls f for every contact with a subscription.
	Each(a *Account, f func(contact jid.JID, s Subscription))
}

// Tie is what the server wants between an account and a contact.
type Tie struct {
	// Befriend makes them contacts of each other like any other two.
	Befriend bool
	// Circles that both are in, which are groups of the contact; Dropped is one that they are in no longer.
	Circles []string
	Dropped string
}

// Ties changes an account's own side of a contact on behalf of the server. Its methods run in a turn of the account; the ticket is done when
// clients were told.
type Ties interface {
	// Tie makes the contact as t says, subscription both, without asking anybody; without circles and Befriend what circles made goes again.
	Tie(w *Work, a *Account, contact jid.JID, t Tie) store.Ticket
	// Grant approves the contact's request, which may be on its way, and asks in return.
	Grant(w *Work, a *Account, contact jid.JID) store.Ticket
}

// Places knows from which networks accounts have logged in. It is asked at the door and may wait.
type Places interface {
	// Place is what is known of a network; nothing, when it cannot be read or the account does not exist, which costs the same.
	Place(ctx context.Context, account jid.JID, network netip.Prefix) store.Place
	// LoggedIn notes a log-in from the network, of which place is known. It does not wait.
	LoggedIn(account jid.JID, network netip.Prefix, place store.Place)
}

// Upgrades knows which credentials accounts have, and gives them more (XEP-0480). It is asked at the door and may wait.
type Upgrades interface {
	// Hashes are those of which every account that can log in has a credential, the preferred first: what may be offered to anybody.
	Hashes(ctx context.Context) ([]sasl.Hash, error)
	// Missing are those of which this account has none.
	Missing(ctx context.Context, account jid.JID) ([]sasl.Hash, error)
	// Upgrade adds a credential for an account whose log-in has just proven the credential proven. store.ErrNotFound: its password was
	// changed meanwhile.
	Upgrade(ctx context.Context, account jid.JID, c, proven sasl.Credential) error
}

// Devices knows the installations of clients and their tokens (XEP-0388 section 2.3, XEP-0484). It is asked at the door and may wait.
type Devices interface {
	// ID is the name of an installation that calls itself agent, for everybody but itself. Nothing can be concluded from it about agent.
	ID(account jid.JID, agent string) string
	// Resource is a stable one for the installation, and for the tag if there is one (XEP-0386 section 3.2.1).
	Resource(account jid.JID, agent, tag string) string
	// Tokens that the device has for the mechanism, the newest first; none for an account that may not log in.
	Tokens(ctx context.Context, account jid.JID, device, mechanism string) ([]DeviceToken, error)
	// Enter notes a log-in, and gives the device a token when it wants one or its old one is due. It returns nil when there is none.
	// store.ErrNotFound: what was proven is worth nothing any more; store.ErrConflict: the count was used before.
	Enter(ctx context.Context, l DeviceLogin) (*NewToken, error)
}

// DeviceToken is a token that a device may prove.
type DeviceToken struct {
	sasl.Token
	Seed []byte // its name in the store
	New  bool   // it was never used
	Due  bool   // it is to be replaced
}

// DeviceLogin is a log-in of a device.
type DeviceLogin struct {
	Account jid.JID
	Device  string // of Devices.ID
	// Name and Software are what the client says of itself, for people; Address where it is.
	Name, Software, Address string

	// Mechanism of the log-in, and what it has proven: a token, or a credential.
	Mechanism  string
	Token      *DeviceToken
	Credential sasl.Credential
	// Count and Invalidate are what the client said of the token (XEP-0484 sections 3.4 and 3.6).
	Count      int64
	Invalidate bool
	// Want is the mechanism of the token that the client asks for; empty: it asks for none.
	Want string
}

// NewToken is told to the client once.
type NewToken struct {
	Secret  string
	Expires time.Time
}
