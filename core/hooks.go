package core

import (
	"context"

	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Verdict is what a deciding hook says.
type Verdict uint8

// The verdicts of deciding hooks.
const (
	Next Verdict = iota // go on with the next hook
	Done                // the hook has taken care of the stanza: nothing more happens to it
	Drop                // the stanza ends here; Event.Err, if set, is what its sender is told (Sending, and Receiving of messages)
)

// Event is what a hook or an IQ handler sees of one stanza. It is valid during the call only and reused afterwards.
type Event struct {
	Host    *Host
	Work    *Work
	Account *Account       // whose turn it is; nil in turns of a room
	Room    *Room          // whose turn it is; nil in turns of an account
	Session *Session       // the sending session, where it is a session of Account
	Stanza  *stanza.Stanza // a deciding hook may put another in its place
	Targets []*Session     // Received: who gets it, perhaps nobody
	Err     *stanza.Error  // with Drop: the answer to the sender
	Absent  bool           // Receiving: nobody would get it now
	Over    bool           // Rooms.Receive: presence of a session that has ended, or is not there: unavailable, or an error; whoever is at its address now is another
	// Standing of who asks, in rows for ToRoom and ToOccupant.
	Standing Standing
	Asker    jid.JID // Probed: who asks

	// Kept is the archive's public id of the owner's copy, Key its place in the archive; zero when the owner keeps none.
	Kept string
	Key  store.Key

	also    []jid.JID // sessions beside the one that the stanza is addressed to
	tickets []store.Ticket
	after   []func(*Event)
	trace   *obs.Traced
	runs    []obs.HookRun // of a traced stanza, until they are told
}

// Wait makes what follows the hooks (delivery, the answer, After) wait for the disk's promise. The turn itself never waits.
func (e *Event) Wait(t store.Ticket) { e.tickets = append(e.tickets, t) }

// After has f called in a turn of the same owner when all tickets of this event are done, before the answer goes out, which waits for what f gives to
// Wait, too; never when one failed.
func (e *Event) After(f func(*Event)) { e.after = append(e.after, f) }

// Refuse drops the stanza and tells its sender why.
func (e *Event) Refuse(err *stanza.Error) Verdict {
	e.Err = err
	return Drop
}

// owner is whose turn it is.
func (e *Event) owner() jid.JID {
	if e.Room != nil {
		return e.Room.JID
	}
	return e.Account.JID
}

// Hook is one registered function with the module that registered it.
type Hook[F any] struct {
	Module string
	Do     F
}

// Deciding hooks run until one returns Done or Drop.
type Deciding []Hook[func(*Event) Verdict]

// Add appends f; the order of modules is the order of hooks.
func (d *Deciding) Add(module string, f func(*Event) Verdict) {
	*d = append(*d, Hook[func(*Event) Verdict]{module, f})
}

func (d Deciding) run(e *Event) Verdict {
	if e.trace != nil {
		return d.traced(e)
	}
	for i := range d {
		if v := d[i].Do(e); v != Next {
			return v
		}
	}
	return Next
}

// Watching hooks all run.
type Watching []Hook[func(*Event)]

// Add appends f; the order of modules is the order of hooks.
func (w *Watching) Add(module string, f func(*Event)) {
	*w = append(*w, Hook[func(*Event)]{module, f})
}

func (w Watching) run(e *Event) {
	if e.trace != nil {
		w.traced(e)
		return
	}
	for i := range w {
		w[i].Do(e)
	}
}

// Loading hooks read what they need of an account; held says where a look is worth it.
type Loading []Hook[func(ctx context.Context, a *Account, held store.Held) error]

// Add appends f; the order of modules is the order of hooks.
func (l *Loading) Add(module string, f func(context.Context, *Account, store.Held) error) {
	*l = append(*l, Hook[func(context.Context, *Account, store.Held) error]{module, f})
}

// Hooks are the points where modules stand. They are filled by Install before the first door opens and never change afterwards.
// Every hook but Loading and Features runs in a turn of the owner it is about.
type Hooks struct {
	// Loading: an account is read into memory; not a guest, of whom nothing is kept. Before its first turn, on a goroutine that may wait; what
	// fails here makes it unavailable.
	Loading Loading
	// Sending: a local client's message or subscription, before routing. Turn of the sender.
	Sending Deciding
	// Sent: it was routed, and the sender's own copy, if one is kept, is durable. Turn of the sender.
	Sent Watching
	// Receiving: a message or subscription reached the owner of its local addressee. Turn of the addressee.
	Receiving Deciding
	// Received: its targets are known, perhaps none; what is kept is durable. Turn of the addressee.
	Received Watching
	// Fallback: no session takes it. Done: somebody keeps it for later. Turn of the addressee.
	Fallback Deciding
	// Announcing: a session's presence before it goes to its contacts. Turn of the session's account.
	Announcing Deciding
	// Directing: a session's available presence to one address; the hook may put another stanza into Event.Stanza. Turn of the session's account.
	Directing Watching
	// Available: first presence of a session. Turn of its account.
	Available Watching
	// Unavailable: the last of it. Turn of its account.
	Unavailable Watching
	// Bound: new or resumed session. Turn of its account.
	Bound Watching
	// Parked: a session without a connection is written to disk: what is known of it must stand there too, since the process may end
	// before its client comes back. Turn of its account.
	Parked Watching
	// Probed: Event.Asker, a contact's bare address, asks for the account's presence on behalf of all its sessions, since it was just allowed to
	// see it, or is blocked no more. It has been shown it. Turn of the account.
	Probed Watching
	// Publishing: a client is about to publish an item, which may be done, and a hook may put another payload into its place. Turn of the account.
	Publishing []PublishedHook
	// Published: something was published to a node of the account, or is gone; it is durable, and told. Turn of the account.
	Published []PublishedHook
	// Used: a client has put an element into the account's private storage (XEP-0049), which is on its way to the disk, or was shown one, or the newest
	// item of a node of the account: what it writes from then on, it writes knowing that. Event.Wait makes the answer wait for more than the disk.
	// Turn of the account.
	Used []UsedHook
	// Said: something was said in a room, and is durable and shown; once for each message. What it means for a member who is not there is a turn of
	// that account (Host.Do, or Account.Visit for what is of no use to who is offline). Turn of the room.
	Said []SaidHook
	// Closed: the session ended. Turn of its account.
	Closed Watching
	// Features: what is offered with the stream features at a stage, as XML. Runs at the door; the stranger is nil after log-in.
	Features []Hook[func(Stage, *Stranger) string]
	// AccountDeleted: the account is being deleted, its sessions have ended; whoever keeps something of it erases it. What Event.Wait is
	// given, DeleteAccount waits for; what After is given comes behind the store, which may have failed. Turn of the account.
	AccountDeleted Watching
}

// HookList is the whole order of hooks, for people.
func (h *Hooks) HookList() []string {
	var out []string
	deciding := func(name string, d Deciding) {
		for _, k := range d {
			out = append(out, name+" "+k.Module)
		}
	}
	watching := func(name string, d Watching) {
		for _, k := range d {
			out = append(out, name+" "+k.Module)
		}
	}
	for _, k := range h.Loading {
		out = append(out, "Loading "+k.Module)
	}
	for _, k := range h.Features {
		out = append(out, "Features "+k.Module)
	}
	watching("Bound", h.Bound)
	deciding("Sending", h.Sending)
	watching("Sent", h.Sent)
	deciding("Receiving", h.Receiving)
	watching("Received", h.Received)
	deciding("Fallback", h.Fallback)
	deciding("Announcing", h.Announcing)
	watching("Directing", h.Directing)
	watching("Available", h.Available)
	watching("Unavailable", h.Unavailable)
	watching("Probed", h.Probed)
	for _, k := range h.Publishing {
		out = append(out, "Publishing "+k.Module)
	}
	for _, k := range h.Published {
		out = append(out, "Published "+k.Module)
	}
	for _, k := range h.Used {
		out = append(out, "Used "+k.Module)
	}
	for _, k := range h.Said {
		out = append(out, "Said "+k.Module)
	}
	watching("Parked", h.Parked)
	watching("Closed", h.Closed)
	watching("AccountDeleted", h.AccountDeleted)
	return out
}
