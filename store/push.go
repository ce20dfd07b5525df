package store

import (
	"context"
	"time"
)

// PushKind says how a notification gets to a target.
type PushKind uint8

// The kinds.
const (
	PushApp PushKind = iota // published to the server of an app (XEP-0357)
	PushWeb                 // an endpoint of RFC 8030, of UnifiedPush, too
)

// How many bytes texts may have that are searched.
const (
	MaxPushAddress = 2560 // service and node of a target together
	MaxPushTopic   = 256
)

// PushTarget is where an account has notifications sent. Of one service and node an owner has one, the last that was enabled.
type PushTarget struct {
	ID      int64 // given by the store, never twice; it stays when the target is enabled again
	Owner   Owner
	Service string // the address of the app's server, or the endpoint
	Node    string // of the app's server; may be empty
	Kind    PushKind
	Device  string // what enabled it, as Devices has it; may be empty
	Data    []byte // what the kind needs beside; may be a secret
	Enabled time.Time

	// Errors are refusals since it was enabled, or since the last success; Said and At are the last answer, Past the last ones, newest first. Enable ignores
	// them all.
	Errors int
	Said   string
	At     time.Time
	Past   []PushAnswer
}

// PushAnswer is what a service said once.
type PushAnswer struct {
	At   time.Time
	Said string
}

// PushJob is something to be sent to a target. There is one for each topic at most: what is added takes the place of what was not sent yet.
type PushJob struct {
	Target  int64
	Owner   Owner
	Topic   string
	Content []byte
	// Due is when it may be sent first; in a leased one, until when it is the caller's.
	Due time.Time
	// Ends is when it is not worth sending any more.
	Ends time.Time
	// Version and Tries, which counts the leases, are the store's; Add ignores them.
	Version int64
	Tries   int
}

// PushOutcome is how sending a job ended.
type PushOutcome uint8

// The outcomes.
const (
	PushFailed   PushOutcome = iota // it is tried again
	PushSent                        // the service has it
	PushRefused                     // it will never be taken, and is dropped
	PushNeedless                    // nobody was asked: it is of no use any more, and is dropped
	PushGone                        // there is no such target any more: it is forgotten with all its jobs
)

// PushResult is what became of sending a job.
type PushResult struct {
	Outcome PushOutcome
	// Next is when the next one of the topic may be sent, or this one again.
	Next time.Time
	// Shown, with PushSent: the device shows it until it is told otherwise; Withdraw has that sent.
	Shown bool
	// Said is the answer for people to read, one line, and At its time.
	Said string
	At   time.Time
}

// Push keeps targets of notifications, and what is to be sent to them, until it is sent: a crash delays a job until its lease ends, and loses none. Times have microseconds.
type Push interface {
	// Enable keeps a target. ErrTooMany: the owner has as many others; ErrNotFound: there is no such account; ErrInvalid: see MaxPushAddress.
	Enable(t PushTarget, most int) Ticket
	// Disable forgets a target with its jobs, or with an empty node all those of the service. That there is none is no error.
	Disable(owner Owner, service, node string) Ticket
	// Targets returns those of an owner in the order in which they were enabled first.
	Targets(ctx context.Context, owner Owner) ([]PushTarget, error)
	// Add keeps a job. One of the same target and topic that was not sent is replaced; it is not sent before that one was due, be it that it waits, is being
	// sent, failed, or was sent just now. Without such a target of the owner nothing is kept, which is no error. ErrInvalid: see MaxPushTopic.
	Add(j PushJob) Ticket
	// Withdraw takes back what was not sent of a topic, to all targets of the owner. Where a device shows something of it, or may, instead is sent now.
	Withdraw(owner Owner, topic string, instead []byte, now time.Time) Ticket
	// Lease returns up to limit jobs that are due and have not ended, the ones due first before others. Nobody else gets them until a time.
	Lease(ctx context.Context, now, until time.Time, limit int) ([]PushJob, error)
	// Settle says what became of a leased job. What was added meanwhile stays to be sent. ErrConflict: the lease has ended, and somebody else may have it.
	Settle(j PushJob, r PushResult) Ticket
	// Expire removes up to limit jobs that ended, or were sent, hold up nothing any more and are not shown, and returns how many.
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
}

// Pushed tells who has targets.
type Pushed interface {
	// PushedAccounts returns the local parts of accounts of a domain that have targets, in their order, at most limit of them behind after.
	PushedAccounts(ctx context.Context, domain, after string, limit int) ([]string, error)
}
