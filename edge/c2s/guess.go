package c2s

import (
	"context"
	"math"
	"sync"
	"time"
)

// What slows guessing: the answer to a wrong password waits, longer with each, and nobody is locked out. Right passwords never wait.
const (
	freeGuesses = 4                      // wrong passwords in a short time that everybody may need
	firstWait   = 250 * time.Millisecond // of the fifth; it doubles
	longestWait = 2 * time.Second
	guessLife   = time.Minute // in which half of the past wrong passwords are forgotten
	maxGuessers = 20_000      // entries; above that the oldest knowledge is given up
)

// guesses counts wrong passwords by whatever key, such as a source of connections or a name of an account, existing or not.
type guesses struct {
	mu    sync.Mutex
	wrong map[any]guessed
}

type guessed struct {
	n  float64 // fades with guessLife
	at time.Time
}

// fade is what is left of the count.
func (g guessed) fade(now time.Time) float64 {
	return g.n * math.Exp2(-max(0, float64(now.Sub(g.at))/float64(guessLife)))
}

// wait counts one more wrong password for each key and returns how long its answer has to wait.
func (g *guesses) wait(now time.Time, keys ...any) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.wrong) >= maxGuessers {
		g.forget(now)
	}
	if g.wrong == nil {
		g.wrong = make(map[any]guessed)
	}
	most := 0.0
	for _, key := range keys {
		n := g.wrong[key].fade(now) + 1
		g.wrong[key] = guessed{n, now}
		most = max(most, n)
	}
	over := math.Ceil(most - 0.5 - freeGuesses)
	if over <= 0 {
		return 0
	}
	return min(longestWait, firstWait<<min(10, int(over)-1))
}

// forget makes room: of what has faded away, or else of everything.
func (g *guesses) forget(now time.Time) {
	for key, w := range g.wrong {
		if w.fade(now) < 0.5 {
			delete(g.wrong, key)
		}
	}
	if len(g.wrong) >= maxGuessers {
		clear(g.wrong)
	}
}

// slow waits before a wrong password is answered.
func (c *conn) slow(ctx context.Context, user string) {
	if !c.door.config.RateLimits {
		return
	}
	keys := []any{c.from}
	if account, err := c.accountOf(user); err == nil {
		keys = append(keys, account.Clone())
	}
	wait := c.door.guesses.wait(time.Now(), keys...)
	if wait == 0 {
		return
	}
	c.door.hosts.Refused("guesses")
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.door.ctx.Done():
	}
}
