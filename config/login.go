package config

import (
	"errors"
	"fmt"

	"stonechat/xmpp/jid"
)

// Guessing is what slows those who try passwords. The word on a password, right or wrong, waits the longer the more were wrong before it, by
// address, by network and by account; nobody is locked out. rate_limits = false switches it off.
type Guessing struct {
	// Free is how many wrong passwords from one address (IPv6: from one /64), or for one account, are answered at once. The next ones wait.
	// From a network where the account has logged in before, what was tried elsewhere does not count.
	Free int `toml:"free"`
	// FreeNetwork is the same for all addresses of a network together (IPv4: of a /24, IPv6: of a /48).
	FreeNetwork int `toml:"free_network"`
	// FirstDelay is how long the first word that waits does; it doubles with each wrong password.
	FirstDelay Duration `toml:"first_delay"`
	// LongestDelay is the longest that it ever waits, below limits.login_time.
	LongestDelay Duration `toml:"longest_delay"`
	// HalfLife is the time in which half of the past wrong passwords are forgotten.
	HalfLife Duration `toml:"half_life"`
	// Entries is how many addresses, networks and accounts with wrong passwords are remembered; those with the fewest are forgotten first.
	Entries int `toml:"entries"`
	// Waiting is how many attempts may wait at once. With one more, the oldest of the network with most of them is ended without a word on
	// its password.
	Waiting int `toml:"waiting"`
	// WaitingPerSource is how many of them may come from one address (IPv6: from one /64). It bounds how fast one address can try, however many
	// connections it has; those who have logged in from there before do not count.
	WaitingPerSource int `toml:"waiting_per_source"`
	// Places is how many networks are remembered of each account from which it has logged in, the newest; only hashes are kept. 0 keeps none.
	Places int `toml:"places"`
}

func (g *Guessing) check() []error {
	var errs []error
	for name, v := range map[string]int64{
		"first_delay": int64(g.FirstDelay), "longest_delay": int64(g.LongestDelay), "half_life": int64(g.HalfLife),
		"waiting": int64(g.Waiting), "waiting_per_source": int64(g.WaitingPerSource),
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("guessing.%s must be positive", name))
		}
	}
	if g.Free < 0 || g.FreeNetwork < g.Free || g.Places < 0 || g.Entries < 100 {
		errs = append(errs, errors.New("guessing: free >= 0, free_network >= free, places >= 0, entries >= 100"))
	}
	return errs
}

// Guests are people without an account (SASL ANONYMOUS, XEP-0175). Each gets an address of its own for one session, talks to the addresses named
// here and to nobody else, and leaves nothing behind.
type Guests struct {
	// To are the bare addresses that guests may talk to, of served domains. Without any there are no guests.
	To []string `toml:"to"`
	// Idle is how long a guest may send nothing before its session ends.
	Idle Duration `toml:"idle"`
	// Most is how many guests may be there at once, on each domain.
	Most int `toml:"most"`
	// MostPerSource is how many of them may come from one address (IPv6: from one /64).
	MostPerSource int `toml:"most_per_source"`
}

// check also brings the addresses into their prepared form.
func (g *Guests) check() []error {
	var errs []error
	for i, a := range g.To {
		j, err := jid.Parse(a)
		if err != nil || j.IsFull() {
			errs = append(errs, fmt.Errorf("guests.to: %q is not a bare address", a))
			continue
		}
		g.To[i] = j.String()
	}
	if g.Idle <= 0 || g.Most <= 0 || g.MostPerSource <= 0 {
		errs = append(errs, errors.New("guests: idle, most and most_per_source must be positive"))
	}
	return errs
}
