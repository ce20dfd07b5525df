package store

import (
	"context"

	"stonechat/xmpp/jid"
)

// Circle is a group of accounts who are contacts of each other.
type Circle struct {
	Name    string
	Members int
}

// Tie is a contact that has to be looked at again in one roster, since circles changed or an invite was used. It stays until Tied.
type Tie struct {
	Owner   Owner
	Domain  string // of the owner
	Local   string // of the owner
	Contact jid.JID
	// Befriend: an invite makes them contacts, whatever circles say.
	Befriend bool
	// Dropped is a circle that both are in no longer; empty: none.
	Dropped string
	// Wish tells Tied which wish was followed, since a newer one may have come.
	Wish int64
	// Circles that both are in now, by name.
	Circles []string
}

// Circles keeps who belongs together, and which rosters have to follow.
type Circles interface {
	// Make adds a circle; one that exists stays as it is.
	Make(ctx context.Context, domain, name string) error
	// End removes a circle with its members, or returns ErrNotFound.
	End(ctx context.Context, domain, name string) error
	// Circles of a domain by name.
	Circles(ctx context.Context, domain string) ([]Circle, error)
	// Members of a circle by name, or ErrNotFound.
	Members(ctx context.Context, domain, name string) ([]string, error)
	// Join adds a member. ErrNotFound: no such circle, or the account is gone or leaves. ErrTooMany: it has as many as limit; zero is no limit.
	Join(ctx context.Context, domain, name string, owner Owner, limit int) error
	// Part removes a member, or returns ErrNotFound.
	Part(ctx context.Context, domain, name string, owner Owner) error
	// Ties returns up to limit ties of accounts of a domain: those of invites first, then owner by owner.
	Ties(ctx context.Context, domain string, limit int) ([]Tie, error)
	// Tied removes ties that rosters have followed, unless there is a newer wish.
	Tied(ctx context.Context, ties []Tie) error
}
