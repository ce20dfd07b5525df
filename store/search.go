package store

import (
	"context"
	"time"
)

// Limits of searches.
const (
	MaxPhrases = 16     // entries of SearchQuery.Phrases
	MaxWords   = 64     // words in all of them together
	MaxFound   = 10_000 // Result.Count of a search stops here
)

// Phrase is words that stand beside each other.
type Phrase struct {
	Text string
	Not  bool // rows that say it are not wanted
}

// Party is who wrote a message, as the archive's owner sees it.
type Party uint8

// The parties of SearchQuery.By.
const (
	ByAnybody Party = iota
	ByOwner
	ByPeer
)

// SearchQuery selects rows by what they say. All conditions apply together.
type SearchQuery struct {
	Query   // IDs must be empty
	Phrases []Phrase
	Link    bool // only rows with a link in them
	By      Party
}

// Found is a page of what was found.
type Found struct {
	Result
	// Behind: rows that were kept a moment ago may be missing, and what was taken back a moment ago may be among these.
	Behind bool
}

// SearchState is how far the words of the archives can be found.
type SearchState struct {
	Rows   int64         `json:"rows"`   // that were looked at since the store was opened
	Behind time.Duration `json:"behind"` // between the last row that can be found and the last one that is kept
	Failed string        `json:"failed"` // why words cannot be noted at present; empty: they can
}

// Search finds rows of archives by the words that people wrote in them (package words says what these are). It follows the archive by
// itself, behind its commits: of what is corrected (XEP-0308) the newest form is found, and nothing of what is taken back (XEP-0424, or
// Archive.Replace) or erased.
type Search interface {
	// Search returns one page of an owner's archive, with everything that was durable before the call, unless Found.Behind says otherwise.
	// ErrNotFound: an id in the query is not in the archive. ErrInvalid: a limit was passed.
	Search(ctx context.Context, owner Owner, q SearchQuery) (Found, error)
	// Rebuild forgets all words and begins to read the archives anew; until that is done, results are Behind.
	Rebuild(ctx context.Context) error
	// State tells how far it is.
	State() SearchState
}
