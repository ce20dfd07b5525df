package chaos

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

const (
	nsRoster = "jabber:iq:roster"
	nsMAM    = "urn:xmpp:mam:2"
	nsSID    = "urn:xmpp:sid:0"
	nsRSM    = "http://jabber.org/protocol/rsm"

	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"

	// maxUnacked bounds what a talker has sent without an acknowledgement.
	maxUnacked = 256
)

// talker is one user with one session at a time, who sends numbered messages
// to others, answers what must be answered, and notes everything in a ledger.
// Between sessions it remembers what was not acknowledged.
type talker struct {
	server *peers.Server
	user   int
	others []int  // whom the user talks to
	pad    string // filler behind the body
	ledger *Ledger
	resume bool   // sessions are resumed where the server lets them
	said   *Said  // of rooms; nil: it is in none
	facts  *Facts // of changes; likewise
	doer   *doer

	mu      sync.Mutex
	session *wire.Session
	pending []sent // stanzas since <enabled/> that no <a/> has counted
	counted uint32 // stanzas that <a/> has counted
	resend  []Message
	next    int           // index into others of the next message
	changes int           // changes of contacts asked for so far
	ackTime time.Duration // longest time from sending to acknowledgement
	sayings int           // messages to others, for the share of those to rooms
	inside  int           // halls entered in this session
}

// sent is one stanza on its way: a message, a saying, or something else, with
// neither.
type sent struct {
	message Message
	said    Saying
	again   string // what is sent again if the session is resumed and the server has not counted it
	at      time.Time
}

// awaited tells whether somebody waits for the acknowledgement.
func (s *sent) awaited() bool { return s.message.Seq > 0 || s.said.Seq > 0 }

// connect logs in, makes the user available, and sends again what the last
// session left unacknowledged, in order (XEP-0198 section 5: a client whose
// resumption failed decides itself what to send again). What was said in rooms
// is not: nobody can know whether the others have heard it.
func (t *talker) connect(ctx context.Context, keys *wire.Keys) error {
	var session *wire.Session
	var err error
	if t.resume {
		session, err = Return(ctx, t.server, keys, t.user, "talk", t.session)
	} else {
		session, err = Login(ctx, t.server, keys, t.user, "talk", true)
	}
	if err != nil {
		return err
	}
	if t.resume && t.session != nil {
		t.ledger.Returned(session.Resumed)
	}
	if session.Resumed {
		return t.goOn(session)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pending {
		if p.message.Seq > 0 {
			t.resend = append(t.resend, p.message)
		}
	}
	t.session, t.pending, t.counted = session, nil, 0
	again := t.resend
	t.resend = nil
	t.ledger.Resent(len(again))
	text := "<iq type='get' id='roster'><query xmlns='" + nsRoster + "'/></iq><presence/>"
	t.pending = append(t.pending, sent{}, sent{})
	entering, n := t.enterHalls()
	text += entering
	t.pending = append(t.pending, make([]sent, n)...)
	for _, m := range again {
		text += t.push(sent{message: m, again: t.stanza(m)})
	}
	return session.Send([]byte(text + "<r xmlns='urn:xmpp:sm:3'/>"))
}

// push notes a stanza as on its way and returns its text. The caller holds t.mu.
func (t *talker) push(p sent) string {
	p.at = time.Now()
	t.pending = append(t.pending, p)
	return p.again
}

// goOn sends again what the server has not counted of a session that was
// resumed (XEP-0198 section 5), but for requests about contacts: nobody waits
// for their answers.
func (t *talker) goOn(session *wire.Session) error {
	if err := t.acknowledged(session.Acked()); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = session
	open := t.pending
	t.pending = nil
	var text strings.Builder
	for _, p := range open {
		if p.again != "" {
			text.WriteString(t.push(p))
		}
	}
	t.ledger.Resent(len(t.pending))
	return session.Send([]byte(text.String() + "<r xmlns='urn:xmpp:sm:3'/>"))
}

func (t *talker) stanza(m Message) string {
	id := m.String()
	return "<message type='chat' to='" + Address(t.server, m.To) + "' id='" + id + "'><body>" + id + t.pad +
		"</body><origin-id xmlns='" + nsSID + "' id='" + id + "'/></message>"
}

// send sends n new messages, less when too much is unacknowledged.
func (t *talker) send(n int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text strings.Builder
	for range min(n, maxUnacked-len(t.pending)) { // a saying and a change now and then on top of it
		m := t.ledger.Next(t.user, t.others[t.next%len(t.others)])
		t.next++
		text.WriteString(t.push(sent{message: m, again: t.stanza(m)}))
		t.say(&text)
	}
	text.WriteString("<r xmlns='urn:xmpp:sm:3'/>")
	return t.session.Send([]byte(text.String()))
}

// changeContact asks for the next version of a contact.
func (t *talker) changeContact() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := t.changes % contactSlots
	t.changes++
	version := t.ledger.ContactAsked(t.user, slot)
	t.pending = append(t.pending, sent{})
	return t.session.Send(fmt.Appendf(nil, "<iq type='set' id='c.%[1]d.%[2]d'><query xmlns='%[3]s'>"+
		"<item jid='c%[1]d@%[4]s' name='v.%[1]d.%[2]d'/></query></iq>", slot, version, nsRoster, t.server.Domain))
}

// read handles what arrives until the connection ends.
func (t *talker) read() error {
	for {
		element, err := t.session.Next()
		if err != nil {
			return err
		}
		switch {
		case wire.Named(element, "a"):
			err = t.acknowledged(t.session.Acked())
		case wire.Named(element, "message"):
			t.message(element)
		case wire.Named(element, "presence"):
			err = t.presence(element)
		case wire.Named(element, "iq"):
			err = t.iq(element)
		}
		if err != nil {
			return err
		}
	}
}

// acknowledged takes in the server's count (XEP-0198 section 4).
func (t *talker) acknowledged(h uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := h - t.counted // wraps at 2^32 as h does
	if int(n) > len(t.pending) {
		return fmt.Errorf("%s: the server acknowledges %d stanzas, %d are on their way", User(t.user), n, len(t.pending))
	}
	now := time.Now()
	for _, p := range t.pending[:n] {
		switch {
		case p.message.Seq > 0:
			t.ledger.Acked(p.message)
		case p.said.Seq > 0:
			t.said.Acked(p.said)
		default:
			continue
		}
		t.ackTime = max(t.ackTime, now.Sub(p.at))
	}
	t.pending = t.pending[n:]
	t.counted = h
	return nil
}

func (t *talker) message(element []byte) {
	if t.heard(element) {
		return
	}
	if string(wire.Attr(element, "type")) == "error" {
		if m, ok := ParseMessage(string(wire.Attr(element, "id"))); ok {
			t.ledger.Refused(m, condition(element))
		}
		return
	}
	if m, ok := ParseMessage(string(wire.Between(element, "<body>", "</body>"))); ok {
		t.ledger.Seen(m)
	}
}

// condition reads the defined condition of a stanza error (RFC 6120 section
// 8.3.3): the first child of the error that is in the namespace of conditions.
func condition(element []byte) string {
	inside := wire.Between(element, "<error", "</error>")
	for part := range bytes.SplitSeq(inside, []byte("<")) {
		if name, rest, _ := bytes.Cut(part, []byte(" ")); bytes.Contains(rest, []byte(nsStanzas)) && string(name) != "text" {
			return string(name)
		}
	}
	return "no condition"
}

// iq answers requests of the server and notes results and pushes.
func (t *talker) iq(element []byte) error {
	id, kind := string(wire.Attr(element, "id")), string(wire.Attr(element, "type"))
	switch kind {
	case "result", "error":
		if t.confirmed(id, kind, element) || kind == "error" {
			return nil
		}
		var slot, version int
		if n, _ := fmt.Sscanf(id, "c.%d.%d", &slot, &version); n == 2 && slot < contactSlots {
			t.ledger.ContactKept(t.user, slot, version)
		}
		return nil
	case "get", "set":
		if bytes.Contains(element, []byte(nsRoster)) {
			for slot, version := range contactVersions(element) {
				t.ledger.ContactKept(t.user, slot, version)
			}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.pending = append(t.pending, sent{})
		to := ""
		if from := wire.Attr(element, "from"); from != nil {
			to = " to='" + string(from) + "'"
		}
		return t.session.Send([]byte("<iq type='result' id='" + id + "'" + to + "/>"))
	}
	return nil
}

// contactVersions reads the versions of contacts from a roster result or push.
func contactVersions(element []byte) map[int]int {
	versions := make(map[int]int)
	for _, part := range bytes.Split(element, []byte("<item"))[1:] {
		var slot, version int
		name := string(wire.Attr(append([]byte("<item"), part...), "name"))
		if n, _ := fmt.Sscanf(name, "v.%d.%d", &slot, &version); n == 2 && slot < contactSlots {
			versions[slot] = version
		}
	}
	return versions
}

// unsettled is the number of messages and sayings without an acknowledgement.
func (t *talker) unsettled() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.resend)
	for _, p := range t.pending {
		n += count(p.awaited())
	}
	return n
}
