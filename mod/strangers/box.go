package strangers

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// countAgain is how long a count that says "full" is believed; expiry makes room behind its back.
const countAgain = time.Minute

// box is what an account has in memory.
type box struct {
	prefs           store.StrangerPrefs
	known           map[jid.JID]struct{}
	piles           map[jid.JID]pile // what waits, by sender; may count too much, never too little
	messages, bytes int
	counted         time.Time
	given           map[jid.JID]store.Key // up to where messages of a sender were given, until the disk knows it
}

// pile is what waits of one sender.
type pile struct {
	messages, bytes int
	written         store.Ticket // of the last one: what is not on disk cannot be read
	promised        bool         // it is given when that is done
}

// count reads how much waits.
func (m *Module) count(ctx context.Context, a *core.Account, b *box) error {
	all, err := m.Strangers.Waiting(ctx, a.ID, jid.JID{})
	if err != nil {
		return err
	}
	old := b.piles
	b.piles, b.messages, b.bytes, b.counted = nil, 0, 0, m.host.Now()
	for _, x := range all {
		if x.Key > b.given[x.Sender] {
			b.add(x.Sender, len(x.Stanza), store.Ticket{})
		}
	}
	for sender, p := range old {
		if done, _ := p.written.Outcome(); !done {
			b.drop(sender)
			b.put(sender, p)
		}
	}
	return nil
}

func (b *box) add(sender jid.JID, bytes int, written store.Ticket) {
	p := b.piles[sender]
	b.drop(sender)
	p.messages, p.bytes, p.written = p.messages+1, p.bytes+bytes, written
	b.put(sender, p)
}

func (b *box) put(sender jid.JID, p pile) {
	if b.piles == nil {
		b.piles = make(map[jid.JID]pile)
	}
	b.piles[sender] = p
	b.messages, b.bytes = b.messages+p.messages, b.bytes+p.bytes
}

// drop forgets the pile of a sender.
func (b *box) drop(sender jid.JID) {
	p := b.piles[sender]
	b.messages, b.bytes = b.messages-p.messages, b.bytes-p.bytes
	delete(b.piles, sender)
}

// full tells whether there is no room for a message.
func (m *Module) full(b *box, sender jid.JID, bytes int) bool {
	p, c := b.piles[sender], &m.config
	return b.messages >= c.Messages || b.bytes+bytes > c.Bytes || p.messages >= c.MessagesPerSender || p.bytes+bytes > c.BytesPerSender
}

// keep puts a message of a stranger into the box. Its sender hears what they would hear of somebody who is not there: nothing.
func (m *Module) keep(e *core.Event, b *box, by jid.JID) core.Verdict {
	text := e.Stanza.Append(make([]byte, 0, e.Stanza.Size()), ns.Client)
	if m.full(b, by, len(text)) && m.host.Now().Sub(b.counted) > countAgain {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		if err := m.count(ctx, e.Account, b); err != nil {
			m.obs.Log.Warn("messages of strangers not counted", obs.JID, e.Account.JID.String(), obs.Err, err)
		}
	}
	if m.full(b, by, len(text)) {
		return m.refuse(e)
	}
	by = by.Clone()
	written := m.Strangers.AddWaiting(e.Account.ID, by, text)
	b.add(by, len(text), written)
	e.Wait(written)
	return core.Done
}

// releaseKnown gives what waits of everybody who is no stranger any more.
func (m *Module) releaseKnown(w *core.Work, a *core.Account, b *box) {
	for sender := range b.piles {
		if m.met(a, b, sender) {
			m.release(w, a, b, sender)
		}
	}
}

// release gives what waits of a sender as if it came now, with the time at which it came (XEP-0203). It is erased behind its way into the
// archive: what a crash interrupts is given again, and never lost.
func (m *Module) release(w *core.Work, a *core.Account, b *box, sender jid.JID) {
	p, waits := b.piles[sender]
	if !waits || m.releaseLater(a, b, sender, p) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	rows, err := m.Strangers.Waiting(ctx, a.ID, sender)
	if err != nil {
		m.obs.Log.Warn("messages of a stranger not read", obs.JID, a.JID.String(), obs.Err, err)
		return // the next occasion comes
	}
	b.drop(sender)
	last := b.given[sender]
	for _, x := range rows {
		if x.Key <= last {
			continue
		}
		last = x.Key
		if st := m.late(a, &x); st != nil && !a.Blocks(st.From) { // whoever is blocked hears no late error either
			m.host.Router.Route(w, st)
		}
	}
	if last == b.given[sender] {
		return
	}
	if b.given == nil {
		b.given = make(map[jid.JID]store.Key)
	}
	b.given[sender] = last
	// The messages are turns of this account already, so this turn comes behind them.
	if err := m.host.Do(a.JID, func(_ *core.Work, a *core.Account) { m.Strangers.RemoveWaiting(a.ID, sender, last) }); err != nil {
		m.obs.Log.Warn("messages of a stranger not erased", obs.JID, a.JID.String(), obs.Err, err)
	}
}

// releaseLater has a pile given when the last of it is on disk, if it is not yet.
func (m *Module) releaseLater(a *core.Account, b *box, sender jid.JID, p pile) bool {
	if done, _ := p.written.Outcome(); done {
		return false
	}
	if p.promised {
		return true
	}
	p.promised = true
	b.piles[sender] = p
	p.written.Done(func(error) {
		err := m.host.Do(a.JID, func(w *core.Work, a *core.Account) {
			b, ok := m.boxes.Has(a)
			if !ok {
				return
			}
			if p, waits := b.piles[sender]; waits {
				p.promised = false
				b.piles[sender] = p
				m.release(w, a, b, sender)
			}
		})
		if err != nil {
			m.obs.Log.Warn("messages of a stranger not given yet", obs.JID, a.JID.String(), obs.Err, err)
		}
	})
	return true
}

// late is a kept message as it is given. The delay names nobody: what names this server is taken for forged by the archive.
func (m *Module) late(a *core.Account, x *store.WaitingMessage) *stanza.Stanza {
	st, err := stanza.Parse(string(x.Stanza))
	if err == nil {
		st, err = st.WithChildren(string(forward.Delay{Stamp: x.Key.Time()}.AppendXML(nil)))
	}
	if err != nil || st.Kind != stanza.Message {
		m.obs.Log.Error("message of a stranger cannot be read", obs.JID, a.JID.String(), "key", int64(x.Key))
		return nil
	}
	return st.WithTo(a.JID).Seal()
}
