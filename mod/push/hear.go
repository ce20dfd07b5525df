package push

import (
	"slices"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// doubt is a message that a session with a connection was given: if its client does not confirm it, the connection is dead.
type doubt struct {
	told
	since time.Time
}

// received: a message to the account was shown to whoever is there. Whoever is not is told. Turn of the addressee.
func (m *Module) received(e *core.Event) {
	st, a := e.Stanza, e.Account
	if st.Kind != stanza.Message || st.Type != stanza.Chat && st.Type != stanza.Normal || st.From.Bare() == a.JID {
		return
	}
	b := m.of(a)
	if b == nil {
		return
	}
	if m.stopped(a, b, st) {
		return
	}
	if isCall(st, "retract", "left") {
		m.withdraw(a, b, st.From.Bare(), ofCall) // the caller rings no more
	}
	if core.Says(st) {
		if len(e.Targets) == 0 {
			b.judged = e.Key // Fallback hears of it next
		}
		m.judge(a, b, m.direct(a, st, e.Kept, e.Key), st)
	}
}

// direct is a message that is for the account alone.
func (m *Module) direct(a *core.Account, st *stanza.Stanza, kept string, key store.Key) told {
	x := hear(st, st.From.Bare().Clone(), kept, m.host.Now())
	x.key, x.Account = key, a.JID.String()
	name := st.From.Local()
	if st.Has(ns.MUCUser, "x") && st.From.IsFull() {
		name = st.From.Resource() // an occupant of a room (XEP-0045 section 7.5)
	}
	x.titled(name, name)
	x.Mention = true
	return x
}

// fallback: a session has ended and its client never had this message. Turn of the addressee.
func (m *Module) fallback(e *core.Event) core.Verdict {
	b := m.of(e.Account)
	if b == nil || e.Key == 0 || e.Stanza.Kind != stanza.Message || !core.Says(e.Stanza) || e.Stanza.From.Bare() == e.Account.JID {
		return core.Next
	}
	if e.Key != b.judged {
		m.judge(e.Account, b, m.direct(e.Account, e.Stanza, e.Kept, e.Key), nil)
	}
	b.judged = 0
	return core.Next
}

// judge decides for each device whether it is told. st may be looked at again when a device does not confirm it; nil: it was.
func (m *Module) judge(a *core.Account, b *box, x told, st *stanza.Stanza) {
	rule := m.rule(a, b, x.chat)
	for i := range b.targets {
		t := &b.targets[i]
		var why string
		switch {
		case rule.level(t.Identity, always) == never:
			why = "not told: this chat is muted"
		case connected(a, t):
			why = "not told: the device is connected"
			m.doubt(a, b, x, st)
		default:
			why = m.tellOne(b, t, x)
		}
		b.note(decision{At: m.host.Now(), Target: t.ID, Chat: x.Chat, Why: why})
	}
}

// connected tells whether the device has a session with a connection. One that waits to be resumed is away, whatever is queued for it.
func connected(a *core.Account, t *target) bool {
	return slices.ContainsFunc(a.Sessions(), func(s *core.Session) bool { return t.sits(s) && s.LostAt().IsZero() })
}

// doubt has a message looked at again when the device must have confirmed it.
func (m *Module) doubt(a *core.Account, b *box, x told, st *stanza.Stanza) {
	if st == nil || x.key == 0 {
		return
	}
	if b.doubts == nil {
		b.doubts = make(map[jid.JID]doubt)
	}
	if _, ok := b.doubts[x.chat]; !ok && len(b.doubts) >= maxDoubts {
		return
	}
	b.doubts[x.chat] = doubt{x, m.host.Now()}
	m.look(a.JID, b)
}

// look has doubts looked at after a while, once at a time.
func (m *Module) look(account jid.JID, b *box) {
	if b.asked {
		return
	}
	b.asked = true
	time.AfterFunc(m.round.config.Unheard.D(), func() {
		if err := m.host.Do(account, m.lookAgain); err != nil {
			m.round.obs.Log.Debug("what devices have not confirmed is not looked at", obs.JID, account.String(), obs.Err, err)
		}
	})
}

// lookAgain tells devices what their clients should have confirmed.
func (m *Module) lookAgain(_ *core.Work, a *core.Account) {
	b := m.of(a)
	if b == nil {
		return
	}
	b.asked = false
	for chat, d := range b.doubts {
		if m.host.Now().Sub(d.since) < m.round.config.Unheard.D() {
			continue
		}
		delete(b.doubts, chat)
		for i := range b.targets {
			t := &b.targets[i]
			if waitsFor(a, t, d.key) && m.rule(a, b, chat).level(t.Identity, always) != never {
				b.note(decision{At: m.host.Now(), Target: t.ID, Chat: d.Chat, Why: "not confirmed by the client; " + m.tellOne(b, t, d.told)})
			}
		}
	}
	if len(b.doubts) > 0 {
		m.look(a.JID, b)
	}
}

// waitsFor tells whether a client of the device has not confirmed a message.
func waitsFor(a *core.Account, t *target, key store.Key) bool {
	for _, s := range a.Sessions() {
		if t.sits(s) {
			for waiting := range s.Waiting() {
				if waiting == key {
					return true
				}
			}
		}
	}
	return false
}

// tellOne has one device told, once of each message, and says so.
func (m *Module) tellOne(b *box, t *target, x told) string {
	k := toldKey{x.chat, t.ID}
	if last, ok := b.told[k]; ok && x.key != 0 && x.key <= last {
		return "not told: it was told already"
	}
	if b.told == nil || len(b.told) >= maxTold {
		b.told = make(map[toldKey]store.Key)
	}
	b.told[k] = x.key
	m.round.add(t, x.notice)
	return "told"
}

// withdraw takes back what was told of a chat, and what will be.
func (m *Module) withdraw(a *core.Account, b *box, chat jid.JID, kind string) {
	now := m.host.Now()
	m.round.withdraw(a, notice{Kind: ofWithdraw, Of: kind, Account: a.JID.String(), Chat: chat.String(), At: now})
	if kind == ofMessage {
		delete(b.doubts, chat)
		for i := range b.targets {
			delete(b.told, toldKey{chat, b.targets[i].ID})
		}
	}
}

// sent: whoever answers has read, and whoever takes a call on one device does not want it to ring on others. Turn of the sender.
func (m *Module) sent(e *core.Event) {
	st := e.Stanza
	if st.Kind != stanza.Message || !st.HasTo {
		return
	}
	b := m.of(e.Account)
	if b == nil {
		return
	}
	chat := st.To.Bare()
	if isCall(st, "proceed", "accept", "reject", "finish") {
		m.withdraw(e.Account, b, chat, ofCall)
	}
	if core.Says(st) && slices.ContainsFunc(b.targets, func(t target) bool { _, ok := b.told[toldKey{chat, t.ID}]; return ok }) {
		m.withdraw(e.Account, b, chat, ofMessage)
	}
}

// published: what was displayed on one device is news on none (XEP-0490); and rules may have changed. Turn of the account.
func (m *Module) published(e *core.Event, p *core.Publication) {
	if e.Account == nil || p.Node != ns.Displayed && p.Node != ns.Bookmarks {
		return
	}
	b := m.of(e.Account)
	switch {
	case b == nil:
	case p.Node == ns.Bookmarks:
		b.rules = nil
	case p.Item != "":
		if chat, err := jid.Parse(p.Item); err == nil {
			m.withdraw(e.Account, b, chat.Bare(), ofMessage)
		}
	}
}

// said: something was said in a room. Members whose devices do not hear it are told, in turns of theirs. Turn of the room.
func (m *Module) said(_ *core.Work, s *core.Said) {
	st := s.Message.Stanza
	if m.round.idle() || !core.Says(st) {
		return
	}
	x := hear(st, s.Room.JID, s.Message.ID, s.Message.At)
	x.Room = true
	x.titled(s.Name, st.From.Resource())
	for account := range s.Everybody {
		home := m.round.hosts[account.Domain()]
		if home == nil || account == s.Message.Publisher || !home.crowd.has(account) {
			continue
		}
		in := who{account: account, room: s.Room.JID, nick: s.Nick(account), occupant: s.Occupant(account)}
		open, by := s.Open, s.Message.Publisher
		if err := home.host.Do(account, func(_ *core.Work, a *core.Account) { home.saidTo(a, x, st, in, by, open) }); err != nil {
			m.round.obs.Log.Debug("not told what was said in a room", obs.JID, account.String(), obs.Err, err)
		}
	}
}

// saidTo decides for each device of a member whether it is told. Turn of the account.
func (m *Module) saidTo(a *core.Account, x told, st *stanza.Stanza, in who, by jid.JID, open bool) {
	b := m.of(a)
	if b == nil || a.Blocks(st.From) || !by.IsZero() && a.Blocks(by) {
		return
	}
	rule := m.rule(a, b, x.chat)
	if rule.nick != "" {
		in.nick = rule.nick
	} else if in.nick == "" {
		in.nick = a.JID.Local()
	}
	// XEP-0492 section 3: of public rooms mentions, of others everything.
	usual := always
	if open {
		usual = onMention
	}
	x.Account, x.Mention = a.JID.String(), in.mentioned(st)
	for i := range b.targets {
		t := &b.targets[i]
		var why string
		switch level := rule.level(t.Identity, usual); {
		case t.NoRooms:
			why = "not told: the device wants nothing of rooms"
		case level == never:
			why = "not told: this room is muted"
		case level == onMention && !x.Mention:
			why = "not told: nobody of this account was mentioned"
		case connected(a, t):
			why = "not told: the device is connected"
		default:
			why = m.tellOne(b, t, x)
		}
		b.note(decision{At: m.host.Now(), Target: t.ID, Chat: x.Chat, Why: why})
	}
}
