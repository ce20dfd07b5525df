package pubsub

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file bounds what one account has nodes do for it, whosesoever they are: one request makes as many notifications as there are people who hear of
// it, and what is published on many nodes is kept on all of them.

// afford counts what somebody is about to have sent to others; nil: it may be.
func (m *Module) afford(who jid.JID, deliveries int) *stanza.Error {
	if deliveries == 0 {
		return nil
	}
	return m.purses.Afford(m.host, who, deliveries, m.config.Deliveries, "pubsub_deliveries")
}

// keeping is as how many deliveries a message counts that may be kept for its addressee: it takes room on the disk.
const keeping = 20

// pay is afford for a notification of a node to everybody who hears of it.
func (m *Module) pay(who jid.JID, a home, n *node, bytes int, notifies bool) *stanza.Error {
	if !notifies {
		return nil
	}
	people := m.audience(a, n)
	if !n.options.Headline {
		people += len(n.subscriptions) * (keeping - 1)
	}
	return m.afford(who, people*core.Weight(bytes))
}

// greeting is what it costs at most to send a new subscriber the last item.
func (m *Module) greeting(n *node) int {
	if n.options.Send == sendNever || !n.options.Persist || !n.options.Deliver {
		return 0
	}
	cost := core.Weight(min(n.bytes, m.config.ItemBytes))
	if !n.options.Headline {
		cost *= keeping
	}
	return cost
}

// ledger is how much there is on the nodes of the service that an account has created: as it was read, and what has come since.
type ledger struct {
	bytes int
	read  time.Time
}

// ledgerTime is for how long what was read counts: what goes meanwhile makes no room yet.
const ledgerTime = time.Second

// roomFor tells whether there is room for so many bytes more on the nodes of the service that a node's creator has made. Only in a turn of a.
func (m *Module) roomFor(a home, n *node, size int) *stanza.Error {
	if a.room == nil || size <= 0 {
		return nil // what an account has is counted in its book
	}
	who, now := n.creator.String(), m.host.Now()
	l, known := m.ledgers.Get(who)
	if age := now.Sub(l.read); !known || age >= ledgerTime || age < 0 {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		bytes, err := m.rooms.BytesBy(ctx, m.domain.Domain(), who)
		if err != nil {
			m.obs.Log.Error("items of an account not counted", obs.JID, who, obs.Err, err)
			return stanza.NewError(stanza.InternalServerError, "")
		}
		l = ledger{bytes, now}
	}
	if l.bytes+size > m.config.BytesPerAccount {
		m.ledgers.Put(who, l)
		m.host.Metrics().Refused("pubsub_bytes")
		return stanza.NewError(stanza.ResourceConstraint, "who made this node has no room for more items")
	}
	l.bytes += size
	m.ledgers.Put(who, l)
	return nil
}

// ledgers is room for those of accounts that are publishing.
func ledgers() *core.Cache[string, ledger] { return core.NewCache[string, ledger](10_000) }
