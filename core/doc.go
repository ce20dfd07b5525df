// Package core is the heart of the server: who gets a stanza, and in which order.
//
// Seven words of our own are used everywhere:
//
//   - An owner alone changes an account (later: a room). There is exactly one at any time.
//   - A turn is one thing that an owner handles. Turns come one at a time, in the order of arrival, with no lock held. A turn may change
//     its owner freely, may bring turns to other owners, and never waits: not for another owner, not for the disk, not for the network.
//     The one exception are short reads of the store with a deadline.
//   - The line is what an owner is about to show to others, in order. A stanza that is kept stands there until its ticket is done.
//   - An outbox is what waits to be sent to one session; a sink is where it goes: a socket, another node, or nowhere while detached.
//   - A door is what may wait: read loops and handlers. A door carries a Work, brings turns with it and then calls Work.Run.
//   - A ticket is a promise of the disk.
//
// Who owns what: an Account's fields belong to its turns. Outbox, window, Turns, owners, requests, shelf, the pool and the tables of nodes have leaf
// locks of their own, and no lock is ever held while anything else is called, so there is no order of locks to know. The one exception is a
// Source, which its outbox pulls under its lock, and which therefore may call nothing of core. Host is fixed before the first door opens.
//
// Reading order: turns.go, session.go, route.go, account.go, account_iq.go, line.go, delivery.go, targets.go, hooks.go, iq.go, presence.go, aside.go, apart.go,
// rooms.go and what begins with room, outbox.go, outbox_acks.go, idle.go, resume.go; then park.go, kept.go, restore.go and shutdown.go, which are sessions on disk;
// trace.go for what administrators see of it.
package core
