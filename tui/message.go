package tui

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"stonechat/xmpp/client"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	maxLines  = 200    // of one message that are shown
	maxShown  = 20_000 // bytes of one message that are shown
	maxSent   = 64     // messages of ours that are remembered for errors
	shortText = 40     // characters of a message that is only mentioned
)

// handle takes messages and presence.
func (ch *chat) handle(st *stanza.Stanza) {
	switch {
	case st.Kind == stanza.Presence:
		ch.presence(st)
	case st.Type == stanza.TypeError:
		ch.bounced(st)
	default:
		ch.message(st, stanzaID(st, ch.self), time.Time{})
	}
}

// carbon takes a copy of what went to or came from another of our devices.
func (ch *chat) carbon(st *stanza.Stanza, sent bool) {
	if st.Type == stanza.TypeError || sent != (st.From.Bare() == ch.self) && st.From.Bare() != st.To.Bare() {
		return
	}
	ch.message(st, stanzaID(st, ch.self), time.Time{})
}

// message shows a message, of whomever and from wherever, once.
func (ch *chat) message(st *stanza.Stanza, archived string, at time.Time) {
	if !ch.seen.add(archived, st) {
		return
	}
	if archived != "" {
		ch.last, ch.lastSet = archived, true
	}
	text := body(st)
	if text == "" || st.FromErr != nil {
		return
	}
	if at.IsZero() {
		at = sentAt(st)
	}
	ch.screen.print(ch.lineOf(st, text, at)...)
}

// lineOf makes the lines of a message. What another of our devices has sent says to whom.
func (ch *chat) lineOf(st *stanza.Stanza, text string, at time.Time) []string {
	from := st.From.Bare()
	if from.IsZero() {
		from = ch.self.DomainJID()
	}
	who := ch.name(from)
	if from == ch.self {
		who = "me (other device) → " + ch.name(st.To.Bare())
	}
	if st.Type == stanza.GroupChat && st.From.IsFull() {
		who += "/" + Escape(st.From.Resource())
	}
	return show(at, " ", who, text)
}

// show lays a message out: time, mark, sender, text; further lines are set in, so that none of them looks like a message.
func show(at time.Time, mark, who, text string) []string {
	cut := ""
	if len(text) > maxShown {
		n := maxShown
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text, cut = text[:n], fmt.Sprintf("%d more bytes", len(text)-n)
	}
	lines := Lines(text)
	if len(lines) > maxLines {
		lines, cut = lines[:maxLines], fmt.Sprintf("%d more lines", len(lines)-maxLines)
	}
	for i, l := range lines[1:] {
		lines[i+1] = "         | " + l
	}
	if cut != "" {
		lines = append(lines, "         | <"+cut+">")
	}
	lines[0] = fmt.Sprintf("%s %s %s: %s", clock(at), mark, who, lines[0])
	return lines
}

// clock shows a time of today without the date.
func clock(t time.Time) string {
	t = t.Local()
	if y, d := time.Now().Year(), time.Now().YearDay(); t.Year() == y && t.YearDay() == d {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// send sends text to the open chat.
func (ch *chat) send(text string) {
	if ch.open.IsZero() {
		ch.note("no chat is open: /to ADDRESS opens one")
		return
	}
	if err := sendable(text); err != nil {
		ch.note("%s", err)
		return
	}
	ctx, cancel := context.WithTimeout(ch.ctx, sendTime)
	defer cancel()
	ticket, err := ch.client.Message(ctx, ch.open, text)
	o := &outgoing{text: text, to: ch.open, at: time.Now(), ticket: ticket}
	if err != nil {
		ch.failed(o, reason(err))
		return
	}
	o.id = ticket.Stanza().ID
	ch.seen.addSent(ch.self, ticket.Stanza())
	if ch.sent = append(ch.sent, o); len(ch.sent) > maxSent {
		ch.sent = ch.sent[1:]
	}
	if !ch.managed(ticket) {
		ch.screen.print(show(o.at, "?", "me → "+ch.name(o.to), text)...)
		return
	}
	ch.outgoing = append(ch.outgoing, o)
	if ch.client.Err() != nil {
		ch.waiting(o)
		return
	}
	time.AfterFunc(waitShown, func() { ch.post(func() { ch.waiting(o) }) })
}

// managed reports whether there will be an acknowledgement, or was one.
func (ch *chat) managed(t *client.Ticket) bool {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return !errors.Is(t.Wait(now), client.ErrUnmanaged)
}

// waiting shows a message that is not acknowledged yet.
func (ch *chat) waiting(o *outgoing) {
	for _, w := range ch.outgoing {
		if w == o && !o.shown {
			o.shown = true
			ch.screen.print(show(o.at, "…", "me → "+ch.name(o.to), o.text)...)
		}
	}
}

// acked shows that the server has taken a message over (XEP-0198 section 4).
func (ch *chat) acked(id string) {
	for _, o := range ch.outgoing {
		if o.id != id {
			continue
		}
		ch.forget(o)
		if o.shown {
			ch.screen.print(fmt.Sprintf("%s ✓ me → %s: %s", clock(time.Now()), ch.name(o.to), Escape(short(o.text, shortText))))
			return
		}
		ch.screen.print(show(o.at, "✓", "me → "+ch.name(o.to), o.text)...)
		return
	}
}

func (ch *chat) forget(o *outgoing) {
	for i, w := range ch.outgoing {
		if w == o {
			ch.outgoing = append(ch.outgoing[:i:i], ch.outgoing[i+1:]...)
			return
		}
	}
}

// failed shows that a message did not arrive.
func (ch *chat) failed(o *outgoing, why string) {
	ch.screen.print(fmt.Sprintf("%s ✗ me → %s: %s -- %s", clock(time.Now()), ch.name(o.to), Escape(short(o.text, shortText)), why))
}

// bounced shows an error that came back for a message.
func (ch *chat) bounced(st *stanza.Stanza) {
	e := stanza.ParseError(st)
	if e == nil {
		return
	}
	for _, o := range ch.sent {
		if o.id == st.ID && o.to == st.From.Bare() {
			ch.forget(o) // that the server has taken it over is no comfort any more
			ch.failed(o, reason(e))
			return
		}
	}
	ch.note("✗ %s: %s", ch.name(st.From.Bare()), reason(e))
}

// short returns the beginning of a text.
func short(s string, n int) string {
	rs := []rune(s)
	if len(rs) <= n {
		return s
	}
	return string(rs[:n]) + "…"
}

// reason puts an error into words, escaped.
func reason(err error) string {
	var e *stanza.Error
	switch {
	case errors.As(err, &e) && e.Text != "":
		return Escape(short(string(e.Condition)+": "+e.Text, 300))
	case errors.As(err, &e):
		return Escape(string(e.Condition))
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case err == nil:
		return "closed"
	}
	return Escape(short(err.Error(), 300))
}

// childText returns the text of a child that stands in the content namespace.
func childText(st *stanza.Stanza, name string) string {
	c, _ := st.Child(ns.Client, name)
	return c.Text()
}

// body is what to show of a message; "" for what has nothing to show.
func body(st *stanza.Stanza) string {
	text := childText(st, "body")
	switch {
	case text == "" && (st.Has(ns.EME, "encryption") || st.Has(ns.OMEMO, "encrypted") || st.Has(ns.OMEMOLegacy, "encrypted")):
		return "(an encrypted message, which this client cannot read)"
	case text != "" && st.Has(ns.Correct, "replace"):
		return "(corrected) " + text
	}
	if subject := childText(st, "subject"); subject != "" && text != "" {
		return "[" + subject + "] " + text
	}
	return text
}

// sentAt is when a message was sent: now, unless it says that it was delayed (XEP-0203).
func sentAt(st *stanza.Stanza) time.Time {
	if c, ok := st.Child(ns.Delay, "delay"); ok {
		if tree, err := c.Tree(); err == nil {
			if d, err := forward.ParseDelay(tree); err == nil {
				return d.Stamp
			}
		}
	}
	return time.Now()
}

// stanzaID is the id that our own archive gave a message; ids of others count for nothing (XEP-0359 section 6).
func stanzaID(st *stanza.Stanza, self jid.JID) string {
	for c := range st.Children() {
		if c.Space != ns.StanzaID || c.Local != "stanza-id" {
			continue
		}
		by, _ := c.Attr("by")
		if j, err := jid.Parse(by); err == nil && j == self {
			id, _ := c.Attr("id")
			return id
		}
	}
	return ""
}

// maxSeen is how many messages are remembered, to show none twice.
const maxSeen = 4096

// seen remembers messages that were shown.
type seen struct {
	keys map[string]struct{}
	ring []string
	next int
}

func newSeen() *seen {
	return &seen{keys: make(map[string]struct{}), ring: make([]string, maxSeen)}
}

// add takes note of a message and reports whether it is new. A message is known by its id in the archive, or by its parties, id and text:
// what is sent again after a lost session carries the same.
func (s *seen) add(archived string, st *stanza.Stanza) bool {
	fresh := true
	if archived != "" {
		fresh = s.put("a" + archived)
	}
	if st.ID != "" && !s.put(own(st.From.Bare(), st)) {
		fresh = false
	}
	return fresh
}

// addSent takes note of a message of ours.
func (s *seen) addSent(self jid.JID, st *stanza.Stanza) { s.put(own(self, st)) }

func own(from jid.JID, st *stanza.Stanza) string {
	parts := []string{from.String(), st.To.Bare().String(), st.ID, string(st.Type), childText(st, "body")}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "m" + string(sum[:])
}

func (s *seen) put(key string) bool {
	if _, known := s.keys[key]; known {
		return false
	}
	delete(s.keys, s.ring[s.next])
	s.keys[key], s.ring[s.next] = struct{}{}, key
	s.next = (s.next + 1) % len(s.ring)
	return true
}
