package store

import "context"

// PrivateName names one kept element: its namespace and local name.
type PrivateName struct{ Space, Local string }

// PrivateData is what an owner's clients keep under one name, byte for byte.
type PrivateData struct {
	PrivateName
	XML []byte
}

// Personal keeps the small things that belong to one owner: private XML (XEP-0049) and the vCard (XEP-0054).
type Personal interface {
	// Private returns what is kept under a name, or nil.
	Private(ctx context.Context, owner Owner, name PrivateName) ([]byte, error)
	// AllPrivate returns everything that is kept, ordered by name.
	AllPrivate(ctx context.Context, owner Owner) ([]PrivateData, error)
	// SetPrivate replaces everything kept under the names of data, as one. The ticket ends with ErrQuota, and nothing was changed, when the
	// owner would then have more than most names or more than mostBytes in all. The store keeps the slices until the ticket is done.
	SetPrivate(owner Owner, data []PrivateData, most, mostBytes int) Ticket
	// VCard returns the vCard, or nil.
	VCard(ctx context.Context, owner Owner) ([]byte, error)
	// VCards returns up to limit vCards of a domain's accounts that may log in, by owner, those after the owner `after`; zero begins.
	VCards(ctx context.Context, domain string, after Owner, limit int) ([]OwnedVCard, error)
	// SetVCard replaces it; an empty one removes it.
	SetVCard(owner Owner, vcard []byte) Ticket
}

// OwnedVCard is a vCard and whose it is.
type OwnedVCard struct {
	Owner Owner
	Local string // prepared localpart
	VCard []byte
}
