package core

import (
	"context"
	"net/netip"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
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
