// Package store says what is kept: one small interface and its types per domain, one file each. It holds no code that touches a disk;
// sqlstore does, and storetest is the contract that an implementation must pass.
//
// Calls are of two kinds. Reads, and changes that an administrator waits for, take a context and return when it is done. Changes that a
// turn makes never wait: they return a Ticket, the promise of the disk. What such calls change becomes visible to reads when the ticket
// is done. Changes of one owner reach the disk in the order of the calls.
package store

// Owner is the id of whoever owns kept things: an account or a room. Ids are never given twice, not even after an account was deleted.
// Zero is nobody.
type Owner int64

// Set is everything that one implementation offers.
type Set struct {
	Accounts Accounts
	Rosters  Rosters
	Archive  Archive
	Search   Search // nil: words are not kept
	Chats    Chats
	Offline  Offline
	Prefs    Prefs
	Secrets  Secrets
	Holdings Holdings

	Blocks    Blocks
	Reports   Reports
	Strangers Strangers
	Personal  Personal
	Sessions  Sessions
	Activity  Activity
	Invites   Invites
	Leavers   Leavers
	Circles   Circles
	Places    Places
	Shapes    Shapes
	Devices   Devices

	Rooms        Rooms
	Affiliations Affiliations
	Occupants    Occupants
	Tombstones   Tombstones

	Nodes Nodes
	Files Files
	// OwnFiles is the same files, as their owners see them.
	OwnFiles OwnFiles
	Push     Push
	Pushed   Pushed
	// Fastenings is beside Archive, for what is folded.
	Fastenings Fastenings
	// Credentials is beside Accounts, for log-in.
	Credentials Credentials
}
