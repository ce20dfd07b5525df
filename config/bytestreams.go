package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"stonechat/xmpp/jid"
)

// Bytestreams is for clients that cannot reach each other and hand over files through the server (XEP-0065); listen.proxy65 switches it on. Nothing of that is kept.
type Bytestreams struct {
	// Address is what clients are told to connect to, such as files.example.org:7777, where that is not the domain at the port of the first listener.
	Address string `toml:"address"`
	// Connections is how many there may be at once; a transfer takes two.
	Connections int `toml:"connections"`
	// PerSource is how many of one address, or of one network of 64 bits.
	PerSource int `toml:"per_source"`
	// PerAccount is how many transfers that one account has begun may be under way.
	PerAccount int `toml:"per_account"`
	// Meet is how long one party waits for the other, and both for the transfer to begin.
	Meet Duration `toml:"meet"`
	// Idle is how long nothing may pass before a transfer ends.
	Idle Duration `toml:"idle"`
	// BytesPerSecond is how much one transfer may pass in one direction.
	BytesPerSecond int `toml:"bytes_per_second"`
}

func usualBytestreams() Bytestreams {
	return Bytestreams{Connections: 1000, PerSource: 20, PerAccount: 4, Meet: Duration(time.Minute), Idle: Duration(2 * time.Minute), BytesPerSecond: 8 << 20}
}

// Of is the domain of the service of a served domain.
func (b Bytestreams) Of(domain string) string { return "proxy." + domain }

// Host and port that clients are told for a served domain; listening is the port of the first listener.
func (b Bytestreams) Host(domain string, listening int) (host string, port int) {
	host, text, err := net.SplitHostPort(b.Address)
	if port, err2 := strconv.Atoi(text); err == nil && err2 == nil {
		return host, port
	}
	return domain, listening
}

// checkBytestreams reports what makes no sense.
func (c *Config) checkBytestreams() (errs []error) {
	b := c.Bytestreams
	for name, v := range map[string]int64{
		"connections": int64(b.Connections), "per_source": int64(b.PerSource), "per_account": int64(b.PerAccount), "meet": int64(b.Meet), "idle": int64(b.Idle),
		"bytes_per_second": int64(b.BytesPerSecond),
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("bytestreams.%s must be positive", name))
		}
	}
	if b.Address != "" {
		host, text, err := net.SplitHostPort(b.Address)
		port, err2 := strconv.ParseUint(text, 10, 16)
		if _, err3 := jid.Parse(host); errors.Join(err, err2) != nil || net.ParseIP(host) == nil && err3 != nil || host == "" || port == 0 {
			errs = append(errs, fmt.Errorf("bytestreams.address is %q, not like files.example.org:7777", b.Address))
		}
	}
	if len(c.Listen.Proxy65) == 0 {
		return errs
	}
	for _, host := range c.Domains {
		d := b.Of(host)
		if slices.ContainsFunc(c.Domains, func(other string) bool {
			return other == d || c.Rooms.Of(other) == d || c.Pubsub.Of(other) == d || c.Upload.Of(other) == d
		}) {
			errs = append(errs, fmt.Errorf("%s is taken, so it cannot be where clients of %s find the proxy for files", d, host))
		}
	}
	return errs
}
