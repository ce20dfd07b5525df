package core

import (
	"iter"

	"stonechat/xmpp/jid"
)

// Said is a message of a room that was just shown to those who are in it.
type Said struct {
	// Room is whose turn it is; Name is what it is called for people.
	Room *Room
	Name string
	// Message as it was shown: who said it, and its id where it is kept.
	Message Archived
	// Back is what a moderator takes back with this message (XEP-0425), as it was; its Stanza is nil otherwise.
	Back Archived
	// Everybody are the bare addresses of those who belong to the room, be they there or not, and of others who have a client in it, each once. It is pulled,
	// during the call only, so that whoever looks at the message first and does not care pays nothing. Addresses may be of servers that are not ours, and
	// who said it may be among them.
	Everybody iter.Seq[jid.JID]
	// Open: anybody may come, so that not all of it is for everybody.
	Open bool
	// Occupant is what others know an account by in the room (XEP-0421), and Nick the nick that is reserved for it, if there is one.
	Occupant, Nick func(account jid.JID) string
}

// SaidHook is one function that hears what is said in rooms.
type SaidHook = Hook[func(*Work, *Said)]

// Heard tells whether anybody hears what is said in rooms. Without anybody Said need not be made.
func (h *Hooks) Heard() bool { return len(h.Said) > 0 }

// Say has all hooks hear what was said. Only in a turn of s.Room.
func (h *Hooks) Say(w *Work, s *Said) {
	for i := range h.Said {
		h.Said[i].Do(w, s)
	}
}
