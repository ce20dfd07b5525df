package c2s

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync"
	"time"

	"stonechat/config"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// attempt is one try to log in: as whom, and from where.
type attempt struct {
	account jid.JID      // zero: not even a name
	from    netip.Prefix // the address
	network netip.Prefix // what lies around it
	known   bool         // the account has logged in from that network before
}

// guesses slows guessing. The word on a password waits the longer the more were wrong before it: from the address, from its network, and for
// the account, whether it exists or not. Right ones wait as well, or whoever guesses would take silence for a no and hang up. Nobody is
// locked out, and what others try elsewhere does not count where the account is known.
type guesses struct {
	limits *config.Guessing

	mu    sync.Mutex
	wrong map[guessKey]guessed
}

// guessKey is what wrong passwords are counted by: an address, a network, an account from anywhere, or an account from a network that it knows.
type guessKey struct {
	account jid.JID
	network netip.Prefix
}

type guessed struct {
	n  float64 // fades
	at time.Time
}

// counter is one count that concerns an attempt, with how many are free.
type counter struct {
	key  guessKey
	free int
}

func (g *guesses) counters(a attempt) []counter {
	out := append(make([]counter, 0, 3), counter{guessKey{network: a.from}, g.limits.Free}, counter{guessKey{network: a.network}, g.limits.FreeNetwork})
	if a.account.IsZero() {
		return out
	}
	own := guessKey{account: a.account}
	if a.known {
		own.network = a.network
	}
	return append(out, counter{own, g.limits.Free})
}

// wait is how long the word on a password has to wait.
func (g *guesses) wait(now time.Time, a attempt) (longest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.counters(a) {
		over := math.Ceil(g.fade(g.wrong[c.key], now) + 0.5 - float64(c.free))
		if over > 0 {
			longest = max(longest, min(g.limits.LongestDelay.D(), g.limits.FirstDelay.D()<<min(20, int(over)-1)))
		}
	}
	return longest
}

// refused counts a wrong password.
func (g *guesses) refused(now time.Time, a attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.wrong)+3 > g.limits.Entries {
		g.forget(now)
	}
	if g.wrong == nil {
		g.wrong = make(map[guessKey]guessed)
	}
	for _, c := range g.counters(a) {
		key := guessKey{c.key.account.Clone(), c.key.network} // which was cut out of what the client sent
		g.wrong[key] = guessed{g.fade(g.wrong[key], now) + 1, now}
	}
}

// succeeded forgets the user's own mistakes where the account is known. What is counted elsewhere stays: it may be somebody else's.
func (g *guesses) succeeded(a attempt) {
	if a.known {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.wrong, guessKey{a.account, a.network})
	}
}

// fade is what is left of a count.
func (g *guesses) fade(x guessed, now time.Time) float64 {
	return x.n * math.Exp2(-max(0, float64(now.Sub(x.at))/float64(g.limits.HalfLife)))
}

// forget makes room for a quarter: the least first, so that whoever fills the room with new names does not wash away what was counted.
func (g *guesses) forget(now time.Time) {
	for least := 0.5; len(g.wrong)+3 > g.limits.Entries*3/4; least *= 2 {
		for key, x := range g.wrong {
			if g.fade(x, now) < least {
				delete(g.wrong, key)
			}
		}
	}
}

// errCrowded ends an attempt without a word on its password: too many of them wait.
var errCrowded = errors.New("too many attempts to log in wait")

// slow has the word on a password wait as long as it has to, counts it when it is wrong and learns the place when it is right. With an error
// nothing may be said of it.
func (c *conn) slow(ctx context.Context, user string, right bool) error {
	a := attempt{from: c.from, network: around(c.addr)}
	a.account, _ = c.accountOf(user) // without a name there is nothing to count by
	place := c.place(ctx, a)
	a.known = !place.Seen.IsZero()
	var err error
	if c.door.config.RateLimits {
		err = c.delay(ctx, a, right)
	}
	if right && err == nil {
		c.door.guesses.succeeded(a)
		c.learn(a, place)
	}
	return err
}

// arrived learns the place of somebody who has proven a token.
func (c *conn) arrived(ctx context.Context) {
	a := attempt{account: c.account, from: c.from, network: around(c.addr)}
	c.learn(a, c.place(ctx, a))
}

func (c *conn) learn(a attempt, place store.Place) {
	if places := c.host.Ports.Places; places != nil {
		places.LoggedIn(a.account, a.network, place)
	}
}

// place is asked for every name and every password, so that it takes the same time.
func (c *conn) place(ctx context.Context, a attempt) store.Place {
	if c.host.Ports.Places == nil || a.account.IsZero() {
		return store.Place{}
	}
	return c.host.Ports.Places.Place(ctx, a.account, a.network)
}

// delay waits before anything is said.
func (c *conn) delay(ctx context.Context, a attempt, right bool) error {
	now := time.Now()
	c.waited = c.door.guesses.wait(now, a)
	if !right {
		c.door.guesses.refused(now, a)
	}
	if c.waited == 0 {
		return nil
	}
	c.door.hosts.Refused("guesses")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stay := c.door.waiting.enter(c.addr, a.known, func() { cancel(errCrowded) })
	if stay == nil {
		c.door.hosts.Refused("guesses_waiting")
		return errCrowded
	}
	defer stay.leave()
	timer := time.NewTimer(c.waited)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
	case <-c.door.ctx.Done():
		return c.door.ctx.Err()
	}
	if err := context.Cause(ctx); errors.Is(err, errCrowded) {
		c.door.hosts.Refused("guesses_waiting")
	}
	return context.Cause(ctx)
}
