package store

import (
	"context"
	"time"
)

// InviteKind is what an invite is good for.
type InviteKind string

// The kinds of invites.
const (
	InviteAccount InviteKind = "account" // makes an account, and its owner a contact of the maker's if Befriend says so
	InviteContact InviteKind = "contact" // makes a contact of somebody who has an account already
	InviteReset   InviteKind = "reset"   // sets the password of the account that owns it
)

// Invite is a token that somebody gave out. The token itself is kept nowhere.
type Invite struct {
	Hash   string // of the token
	ID     string // names it for people; unique within the domain
	Domain string
	Owner  Owner // whose it is; zero: the server's operator. With InviteReset: whose password it sets
	Kind   InviteKind
	Role   Role   // of the new account
	Name   string // prepared localpart that the new account must have; empty: any
	Label  string // for the maker
	// Circles that the new account joins.
	Circles []string
	// Befriend: maker and guest become contacts of each other.
	Befriend         bool
	Uses, Used       int
	Created, Expires time.Time // microseconds, UTC

	// Maker, MakerRole and MakerActive are of the account Owner as it is now, when an invite is read; an operator's has none.
	Maker       string
	MakerRole   Role
	MakerActive bool
}

// Registration is an account that somebody makes for themselves.
type Registration struct {
	NewAccount
	// Token is the hash of an invite of the kind InviteAccount; empty: there is none. It must have a use left, whatever its time; the new
	// account gets Role and Circles of the caller, and the maker as contact where the invite says so.
	Token string
	// Circles are joined; those that are gone are passed over.
	Circles []string
	// Waiting: somebody has to approve the account first.
	Waiting bool
}

// Everybody stands for all owners in Invites.List and Invites.Revoke.
const Everybody Owner = -1

// Invites keeps tokens by their hashes.
type Invites interface {
	// Put adds an invite. ErrConflict: there is one with that hash, that id, or with a use left for that name. ErrNotFound: its owner is gone or
	// leaves.
	Put(i Invite) Ticket
	// Get returns the invite, expired or used up as it may be, or ErrNotFound.
	Get(ctx context.Context, domain, hash string) (Invite, error)
	// List returns up to limit invites of a domain and owner, or of Everybody, the newest first.
	List(ctx context.Context, domain string, owner Owner, limit int) ([]Invite, error)
	// Revoke removes an invite of an owner, or of Everybody, or returns ErrNotFound.
	Revoke(ctx context.Context, domain, id string, owner Owner) error
	// Use takes one use of an owner's invite that befriends. Used is written before the ticket is done: false when there was no use left.
	Use(owner Owner, hash string) (used *bool, t Ticket)
	// Register adds the account and takes the use of its invite in one step. ErrNotFound: the invite has no use left or is gone. ErrConflict: the
	// name is taken, held, or reserved by another invite.
	Register(ctx context.Context, r Registration) (Account, error)
	// Reset replaces the credentials of the account that an invite of the kind InviteReset is for, and takes its use, in one step. ErrNotFound:
	// no use is left.
	Reset(ctx context.Context, hash string, c []Credential) error
	// Expire removes the invites that ended before a time, and returns how many.
	Expire(ctx context.Context, before time.Time) (int64, error)
}
