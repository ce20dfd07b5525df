package store

import "context"

// Limits of lists of chats.
const (
	MaxChats  = 10_000 // of one owner; of more, those with the first addresses are listed
	MaxUnread = 256    // rows of a chat that are looked at
	MaxNews   = 32     // entries of Chat.News
	MaxRecent = 1024   // rows of Chats.News; of more, those of the first chats are given
)

// Chat is where an owner talks with somebody: the rows of its archive with one peer, or the archive of a room that it belongs to.
type Chat struct {
	Peer string // bare address of the other party, the owner's own for notes to self; or of the room
	Room Owner  // the room's number; zero: the chat is in the owner's archive
	// Last is the newest row that says something (Entry.Aside), or the newest one when none of those looked at does. LastID is its id in the archive that
	// it is in.
	Last   Key
	LastID string
	// Unread is how many rows say something behind what the owner has displayed, or said. More: there may be others, which were not looked at.
	Unread int
	More   bool
	// Of a room: News are the newest of the unread rows, at most MaxNews, newest first, and Nick is the one that the owner has reserved there, perhaps none.
	News []Key
	Nick string
}

// ChatsQuery says what an owner has displayed.
type ChatsQuery struct {
	Self  string            // the owner's bare address, prepared
	Only  []string          // addresses of chats; none: all are wanted
	Marks map[string]string // by the address of the chat, the id of a row up to which everything was displayed; one that is not in the chat says nothing
}

// Chats tells in which chats an owner is. Nothing is kept for it: it is read from the order of the archives.
type Chats interface {
	// Chats of an owner, the one with the newest Last first.
	Chats(ctx context.Context, owner Owner, q ChatsQuery) ([]Chat, error)
	// Last returns the last row of each chat; one that is gone is zero, and those behind MaxPageBytes have no stanza.
	Last(ctx context.Context, owner Owner, chats []Chat) ([]Row, error)
	// News returns the rows of Chat.News of each chat, as many as MaxRecent and MaxPageBytes let it. Those that are gone are missing.
	News(ctx context.Context, chats []Chat) ([][]Row, error)
}
