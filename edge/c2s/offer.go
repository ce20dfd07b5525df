package c2s

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stream"
)

// offer is how a client may log in over one connection: by the classic profile of RFC 6120 and by that of XEP-0388. It does not depend on who
// the client says it is.
type offer struct {
	hashes   []sasl.Hash
	bindings []sasl.Binding // seen on the connection; none when they are switched off
	types    []string       // their names, announced for both profiles (XEP-0440)
	classic  []string
	secure   bool // inside TLS; elsewhere is only this machine, and the modern profile is not for it (XEP-0388 section 7)
	bound    bool // classic has mechanisms that bind
	modern   stream.SASL2Offer
}

// offer lists the mechanisms. Those that bind to the channel come first (RFC 5802 section 6, RFC 9266).
func (c *conn) offer(ctx context.Context) *offer {
	login := &c.door.config.Login
	o := &offer{hashes: c.door.hashes.of(ctx, c.door, c.host)}
	_, o.secure = c.stream.TLS()
	if login.ChannelBinding != "off" && !c.hidden {
		o.bindings = c.stream.Bindings(nil)
	}
	for _, b := range o.bindings {
		o.types = append(o.types, b.Type)
	}
	o.bound = login.ChannelBinding == "all" && len(o.bindings) > 0
	o.classic = sasl.Offer(o.hashes, o.bound, login.Plain && o.secure)
	o.modern = stream.SASL2Offer{
		Mechanisms: sasl.Offer(o.hashes, len(o.bindings) > 0, login.Plain && o.secure), Inline: c.host.Inline.Features(), Resume: true,
	}
	if len(c.door.config.Guests.To) > 0 {
		o.classic, o.modern.Mechanisms = append(o.classic, sasl.Anonymous), append(o.modern.Mechanisms, sasl.Anonymous)
	}
	if c.host.Ports.Devices != nil && login.TokenLife > 0 {
		o.modern.Tokens = sasl.OfferTokens(o.bindings)
	}
	if c.host.Ports.Upgrades != nil {
		for _, h := range upgradable() {
			o.modern.Upgrades = append(o.modern.Upgrades, upgradeTask(h))
		}
	}
	return o
}

// features are those of RFC 6120 section 6.3.3 and XEP-0388 section 2.1.
func (o *offer) features() string {
	if !o.secure {
		return stream.Mechanisms(o.classic, nil)
	}
	return stream.Mechanisms(o.classic, nil) + o.modern.Feature() + stream.BindingTypes(o.types)
}

// options are the terms of a log-in by either profile. Bindings are those that the list in use has offered: a client that could bind and says
// that the server cannot was shown a list that somebody has cut.
func (c *conn) options(ctx context.Context, o *offer, modern bool) sasl.Options {
	options := sasl.Options{
		Secret: c.host.Ports.Authenticator.Secret(), Iterations: c.door.config.Login.Iterations, AllowPlain: c.door.config.Login.Plain && o.secure,
		PlainHash: o.hashes[0], Authorize: c.authorize, Offered: o.classic, OfferedBindings: o.types, Guest: c.welcome,
		Deciding: func(user string, right bool) error { return c.slow(ctx, user, right) },
	}
	if modern {
		options.Offered = o.modern.Mechanisms
	}
	if modern || o.bound {
		options.Bindings = o.bindings
	}
	return options
}

// hashesTime is how long it is taken for granted what the credentials of a host have in common, as long as this node changes nothing about them.
const hashesTime = time.Minute

// hashes remembers what may be offered to everybody, by host.
type hashes struct {
	first sync.Mutex // held while nothing is known of a host yet: everybody waits for the one that looks
	mu    sync.Mutex
	known map[*core.Host]knownHashes
}

type knownHashes struct {
	list    []sasl.Hash
	at      time.Time
	version uint64 // core.Host.Credentials
}

// classicHashes are offered where nobody knows better.
func classicHashes() []sasl.Hash { return []sasl.Hash{sasl.SHA256, sasl.SHA1} }

// of returns them, the preferred first and never none. One connection looks them up; meanwhile others use what was known before.
func (x *hashes) of(ctx context.Context, d *Door, h *core.Host) []sasl.Hash {
	if h.Ports.Upgrades == nil {
		return classicHashes()
	}
	k, fresh := x.look(h)
	if k.list == nil {
		x.first.Lock()
		defer x.first.Unlock()
		k, fresh = x.look(h)
	}
	if fresh {
		return k.list
	}
	return x.ask(ctx, d, h, k)
}

// look returns what is known of a host, and whether that will do. Whoever is told that it will not looks it up; the others go on with it. It is
// tried again after a failure when the version changes once more, or in a minute.
func (x *hashes) look(h *core.Host) (k knownHashes, fresh bool) {
	now, version := h.Now(), h.Credentials.Load()
	x.mu.Lock()
	defer x.mu.Unlock()
	k, ok := x.known[h]
	if !ok || k.version == version && now.Sub(k.at) < hashesTime {
		return k, ok
	}
	x.known[h] = knownHashes{k.list, now, version}
	return k, false
}

// ask looks it up in the store.
func (x *hashes) ask(ctx context.Context, d *Door, h *core.Host, k knownHashes) []sasl.Hash {
	now, version := h.Now(), h.Credentials.Load()
	list, err := h.Ports.Upgrades.Hashes(ctx)
	switch {
	case err != nil && k.list != nil:
		list = k.list
	case len(list) == 0:
		list = classicHashes()
	}
	if err != nil {
		d.obs.Log.Warn("it is not known which credentials accounts have", obs.Err, err)
		return list
	}
	switch {
	case len(list) < len(k.list):
		// Clients that remember a stronger one may take this for an attack.
		d.obs.Log.Warn("log-in offered with less, since accounts came that have no more: see login.hashes", "domain", h.Domain.String(), "hashes", fmt.Sprint(list))
	case !slices.Equal(list, k.list):
		d.obs.Log.Info("log-in offered", "domain", h.Domain.String(), "hashes", fmt.Sprint(list))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known == nil {
		x.known = make(map[*core.Host]knownHashes)
	}
	x.known[h] = knownHashes{list, now, version}
	return list
}
