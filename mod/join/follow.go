package join

import (
	"context"
	"errors"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

const (
	tiesAtOnce  = 2000             // of all accounts: each round costs two commits
	tiesPerTurn = 50               // of one account, so that nobody's turn is long
	retryAfter  = time.Second      // after a failure, such as a full disk
	sweepEvery  = 10 * time.Minute // what is due to be erased, and what has expired
	sweepAtOnce = 20               // accounts
)

// follow has the background work look for ties, and for what is due.
func (m *Module) follow() {
	select {
	case m.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run is core.Runner: rosters follow circles and invites, and what has left is erased. What it has not done is in the store, and done by the next
// process.
func (m *Module) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := sweepEvery
		if err := errors.Join(m.followTies(ctx), m.sweep(ctx)); err != nil && ctx.Err() == nil {
			m.failed("rosters do not follow, or accounts are not erased", err)
			next = retryAfter
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.wake:
		case <-timer.C:
		}
	}
}

// sweep erases accounts whose time of grace is over, and tokens and holds that have expired.
func (m *Module) sweep(ctx context.Context) error {
	now := m.now()
	for {
		due, err := m.Leavers.Due(ctx, m.host.Domain.Domain(), now, sweepAtOnce)
		if err != nil || len(due) == 0 {
			// XEP-0445 section 4: who has shown a token in time may still be filling in the form.
			_, expired := m.Invites.Expire(ctx, now.Add(-m.Config.Signup.FormTime.D()-m.Config.Limits.LoginTime.D()))
			return errors.Join(err, expired)
		}
		for _, x := range due {
			// Erasing the others may have taken long, and somebody may have brought this one back.
			err := m.Leavers.EraseDue(ctx, x.Owner, now, now.Add(m.Config.Accounts.HoldName.D()))
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			m.Obs.Log.Info("account erased", obs.JID, m.address(x.Local).String(), "due", x.Due)
		}
	}
}

// followTies works off what the store knows of rosters that are behind.
func (m *Module) followTies(ctx context.Context) error {
	for {
		ties, err := m.Circles.Ties(ctx, m.host.Domain.Domain(), tiesAtOnce)
		if err != nil || len(ties) == 0 {
			return err
		}
		followed, failed := m.followAll(ctx, ties)
		if err := errors.Join(failed, m.Circles.Tied(ctx, followed)); err != nil {
			return err
		}
	}
}

// outcome is how one tie was followed.
type outcome struct {
	tie *store.Tie
	err error
}

// followAll brings each account the turns for its ties, and waits. It returns those that are durable.
func (m *Module) followAll(ctx context.Context, ties []store.Tie) (followed []store.Tie, failed error) {
	done := make(chan outcome, len(ties))
	brought := 0
	for rest := ties; len(rest) > 0; {
		n := 1
		for n < len(rest) && n < tiesPerTurn && rest[n].Owner == rest[0].Owner {
			n++
		}
		mine := rest[:n]
		rest = rest[n:]
		err := m.host.Do(m.address(mine[0].Local), func(w *core.Work, a *core.Account) {
			for i := range mine {
				m.followOne(w, a, &mine[i], done)
			}
		})
		if err != nil {
			failed = err
			break
		}
		brought += n
	}
	for range brought {
		select {
		case o := <-done:
			if o.err == nil {
				followed = append(followed, *o.tie)
			} else {
				failed = o.err
			}
		case <-ctx.Done():
			return followed, ctx.Err()
		}
	}
	return followed, failed
}

// errUnread: the account could not be read, or was not there yet when it was; it is read again for the next try.
var errUnread = errors.New("account not read")

// followOne changes one contact in a turn of the account. A roster that is full stays as it is, which is logged.
func (m *Module) followOne(w *core.Work, a *core.Account, t *store.Tie, done chan<- outcome) {
	if !a.Exists {
		done <- outcome{t, errUnread}
		return
	}
	tie := core.Tie{Befriend: t.Befriend, Circles: t.Circles, Dropped: t.Dropped}
	m.host.Ports.Ties.Tie(w, a, t.Contact, tie).Done(func(err error) {
		var refused *stanza.Error
		if errors.As(err, &refused) {
			m.Obs.Log.Warn("contact not kept", obs.JID, a.JID.String(), obs.Peer, t.Contact.String(), obs.Err, err)
			err = nil
		}
		done <- outcome{t, err}
	})
}
