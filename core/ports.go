package core

import (
	"context"
	"net/netip"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// Ports are what one feature needs of another. Each is set once, by the module that offers it.
type Ports struct {
	Authenticator Authenticator
	Contacts      Contacts
	// Places may be nil: then no place is known.
	Places Places
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

// Places knows from which networks accounts have logged in. It is asked at the door and may wait.
type Places interface {
	// Place is what is known of a network; nothing, when it cannot be read or the account does not exist, which costs the same.
	Place(ctx context.Context, account jid.JID, network netip.Prefix) store.Place
	// LoggedIn notes a log-in from the network, of which place is known. It does not wait.
	LoggedIn(account jid.JID, network netip.Prefix, place store.Place)
}
