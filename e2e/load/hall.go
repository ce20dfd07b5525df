package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// joinLimit is how long filling or emptying a room may take. What is slower
// does not hold: nobody waits that long.
const joinLimit = 3 * time.Minute

// hall is a room while it is measured. Everybody in it keeps account of what
// the room shows: who is there, and which message came last. So nothing can be
// lost, doubled or out of order unnoticed.
type hall struct {
	room    string // bare address
	floor   bool   // the floor broadcasts lines; nobody hears himself and there is no room to tell of
	members []*member
	guests  []guest
	number  int64 // of the last message
	wrong   *watch
	stage   atomic.Pointer[stage]
	talk    atomic.Pointer[tally] // receivers of the message under way
	answers atomic.Pointer[tally] // results of requests to the room
	mark    atomic.Pointer[[]byte]
	kept    atomic.Pointer[tally] // the marked message, out of the archive
}

// guest is what one member was told. Only the member's reader touches it.
type guest struct {
	here    []bool // by nick
	subject bool
	heard   int64 // number of the last message
}

// stage is what has just been asked of a room: how many of each kind must
// come. What it does not name must not come.
type stage struct {
	come    *tally // presences of occupants, to all together
	self    *tally // of them those that tell a joiner that he is in
	subject *tally // one after each join (XEP-0045 section 7.2.15)
	gone    *tally // presences of leavers, to all together
	out     *tally // of them those that tell a leaver that he is out
}

func newHall(room string, n int, floor bool, wrong *watch) *hall {
	h := &hall{room: room, floor: floor, guests: make([]guest, n), wrong: wrong}
	for i := range h.guests {
		h.guests[i].here = make([]bool, n)
	}
	h.stage.Store(&stage{})
	return h
}

func (h *hall) size() int { return len(h.guests) }

// receivers is how many get a message: in a room the sender is one of them.
func (h *hall) receivers() int {
	if h.floor {
		return h.size() - 1
	}
	return h.size()
}

// presences is how many presences filling the room takes behind the first
// occupant: the k-th to join gets k, his own the last of them, and each who is
// there gets one.
func (h *hall) presences() int {
	if h.floor {
		return h.size() * (h.size() - 1)
	}
	return h.size()*h.size() - 1
}

// departures is how many presences it takes until only the first is left.
func (h *hall) departures() int { return h.size()*(h.size()+1)/2 - 1 }

// run starts a stage by sending what begin does and waits for all of it.
func (h *hall) run(ctx context.Context, s *stage, begin func() error) error {
	h.stage.Store(s)
	if err := begin(); err != nil {
		return err
	}
	for _, part := range []struct {
		*tally
		what string
	}{{s.come, "presences"}, {s.self, "own presences"}, {s.subject, "subjects"}, {s.gone, "presences of leavers"}, {s.out, "own presences of leavers"}} {
		if part.tally == nil {
			continue
		}
		if err := part.wait(ctx, joinLimit, h.wrong, part.what); err != nil {
			return err
		}
	}
	return nil
}

func (h *hall) join(i int) error {
	if h.floor {
		return h.members[i].Send([]byte("<presence to='*' from='" + h.room + "/" + target.Name("n", i) + "'/>\n"))
	}
	return h.members[i].Send([]byte("<presence to='" + h.room + "/" + target.Name("n", i) +
		"'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"))
}

func (h *hall) leave(i int) error {
	return h.members[i].Send([]byte("<presence type='unavailable' to='" + h.room + "/" + target.Name("n", i) + "'/>"))
}

// open makes the room: the first member joins and accepts the default
// configuration, until when a new room may be locked (XEP-0045 section 10.1.2).
func (h *hall) open(ctx context.Context) error {
	if h.floor {
		return nil
	}
	err := h.run(ctx, &stage{come: newTally(1), self: newTally(1), subject: newTally(1)}, func() error { return h.join(0) })
	if err != nil {
		return fmt.Errorf("making the room: %w", err)
	}
	err = h.ask(ctx, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>")
	if err != nil {
		return fmt.Errorf("opening the room: %w", err)
	}
	return nil
}

// ask sends a request to the room and waits for its result.
func (h *hall) ask(ctx context.Context, payload string) error {
	answer := newTally(1)
	h.answers.Store(answer)
	if err := h.members[0].Send([]byte("<iq type='set' id='ask' to='" + h.room + "'>" + payload + "</iq>")); err != nil {
		return err
	}
	return answer.wait(ctx, waveWait, h.wrong, "answers")
}

// fill lets everybody else join at once. On the floor all broadcast a line.
func (h *hall) fill(ctx context.Context) (*stage, error) {
	s, first := &stage{come: newTally(h.presences())}, 0
	if !h.floor {
		s.self, s.subject, first = newTally(h.size()-1), newTally(h.size()-1), 1
	}
	return s, h.run(ctx, s, func() error { return h.all(first, h.join) })
}

// empty lets everybody but the first leave at once.
func (h *hall) empty(ctx context.Context) (*stage, error) {
	s := &stage{gone: newTally(h.departures()), out: newTally(h.size() - 1)}
	return s, h.run(ctx, s, func() error { return h.all(1, h.leave) })
}

// exit lets one member leave while all others are there.
func (h *hall) exit(ctx context.Context, i int) error {
	s := &stage{gone: newTally(h.size()), out: newTally(1)}
	return h.run(ctx, s, func() error { return h.leave(i) })
}

// enter lets one member join while all others are there.
func (h *hall) enter(ctx context.Context, i int) (*stage, error) {
	s := &stage{come: newTally(2*h.size() - 1), self: newTally(1), subject: newTally(1)}
	return s, h.run(ctx, s, func() error { return h.join(i) })
}

// shut lets the first leave, who is the last.
func (h *hall) shut(ctx context.Context) error {
	return h.run(ctx, &stage{gone: newTally(1), out: newTally(1)}, func() error { return h.leave(0) })
}

func (h *hall) all(first int, do func(int) error) error {
	for i := first; i < h.size(); i++ {
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// speaker is who says message n: everybody has his turn.
func (h *hall) speaker(n int64) int { return int(n % int64(h.size())) }

// say sends the next message and returns the time until the last has it.
func (h *hall) say(ctx context.Context) (time.Duration, error) {
	h.number++
	text := fmt.Sprintf("<body>%0*d%s</body></message>", timeDigits, h.number, bytes.Repeat([]byte("x"), bodyLength-timeDigits))
	by := h.speaker(h.number)
	if h.floor {
		text = "<message to='*' from='" + h.room + "/" + target.Name("n", by) + "'>" + text + "\n"
	} else {
		text = "<message to='" + h.room + "' type='groupchat' id='m" + strconv.FormatInt(h.number, 10) + "'>" + text
	}
	t := newTally(h.receivers())
	h.talk.Store(t)
	if err := h.members[by].Send([]byte(text)); err != nil {
		return 0, err
	}
	if err := t.wait(ctx, waveWait, h.wrong, "deliveries"); err != nil {
		return 0, err
	}
	return t.took, nil
}

// archived makes sure that the room has kept the last message: a server that
// forgets is fast.
func (h *hall) archived(ctx context.Context) error {
	mark := fmt.Appendf(nil, "<body>%0*d", timeDigits, h.number)
	found := newTally(1)
	h.kept.Store(found)
	h.mark.Store(&mark)
	err := h.ask(ctx, "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query>")
	if err != nil {
		return fmt.Errorf("asking the room's archive: %w", err)
	}
	// The result ends the page, so the message has come if it is there.
	if found.got.Load() == 0 {
		return errors.New("the messages are not in the room's archive")
	}
	return nil
}

// see takes a stanza of member i.
func (h *hall) see(i int, stanza []byte) {
	nick, ours := bytes.CutPrefix(wire.Attr(stanza, "from"), []byte(h.room))
	if !ours {
		return
	}
	kind := wire.Attr(stanza, "type")
	switch {
	case bytes.Equal(kind, []byte("error")):
		h.wrong.report("a stanza came back to %d: %.300s", i, stanza)
	case wire.Named(stanza, "iq"):
		if t := h.answers.Load(); t != nil {
			t.add()
		}
	case wire.Named(stanza, "presence") && len(nick) == 0:
		// A room may show itself, as ejabberd does with the capabilities of its
		// picture; that is nobody's coming or going.
	case wire.Named(stanza, "presence"):
		h.presence(i, nick, kind, stanza)
	case bytes.Contains(stanza, []byte("<forwarded")):
		if mark := h.mark.Load(); mark != nil && bytes.Contains(stanza, *mark) {
			h.kept.Load().add()
		}
	case bytes.Contains(stanza, []byte("<body>")):
		h.message(i, stanza)
	case bytes.Contains(stanza, []byte("<subject")):
		h.subject(i)
	}
}

func (h *hall) presence(i int, nick, kind, stanza []byte) {
	digits, ok := bytes.CutPrefix(nick, []byte("/n"))
	j := int(number(digits))
	if !ok || len(digits) == 0 || j < 0 || j >= h.size() {
		h.wrong.report("presence of a stranger at %d: %.300s", i, stanza)
		return
	}
	s := h.stage.Load()
	switch string(kind) {
	case "":
		h.arrive(s, i, j, stanza)
	case "unavailable":
		h.depart(s, i, j, stanza)
	default:
		h.wrong.report("presence of an unknown type at %d: %.300s", i, stanza)
	}
}

func (h *hall) arrive(s *stage, i, j int, stanza []byte) {
	g := &h.guests[i]
	switch {
	case g.here[j]:
		h.wrong.report("%d saw %d come twice: %.300s", i, j, stanza)
		return
	case s.come == nil:
		h.wrong.report("%d saw %d come, who has not joined: %.300s", i, j, stanza)
		return
	case i == j && !selfPresence(stanza):
		h.wrong.report("%d's own presence does not say so: %.300s", i, stanza)
		return
	}
	g.here[j] = true
	s.come.add()
	if i == j && s.self != nil {
		s.self.add()
	}
}

func (h *hall) depart(s *stage, i, j int, stanza []byte) {
	g := &h.guests[i]
	if !g.here[j] || s.gone == nil {
		h.wrong.report("%d saw %d leave, who was not there or has not left: %.300s", i, j, stanza)
		return
	}
	g.here[j] = false
	s.gone.add()
	if i == j {
		clear(g.here)
		g.subject = false
		s.out.add()
	}
}

func (h *hall) subject(i int) {
	s, g := h.stage.Load(), &h.guests[i]
	if g.subject || s.subject == nil {
		h.wrong.report("%d got the subject twice or unasked", i)
		return
	}
	g.subject = true
	s.subject.add()
}

// message checks that i hears every message once and in order. On the floor
// nobody hears his own.
func (h *hall) message(i int, stanza []byte) {
	body := wire.Between(stanza, "<body>", "</body>")
	if len(body) != bodyLength {
		h.wrong.report("a message that nobody sent came to %d: %.300s", i, stanza)
		return
	}
	g, n := &h.guests[i], number(body[:timeDigits])
	next := g.heard + 1
	if h.floor && h.speaker(next) == i {
		next++
	}
	t := h.talk.Load()
	switch {
	case n < next:
		h.wrong.report("message %d came to %d again, after %d", n, i, g.heard)
	case n > next:
		h.wrong.report("message %d came to %d without message %d", n, i, next)
	case t == nil:
		h.wrong.report("message %d came to %d unasked", n, i)
	default:
		g.heard = n
		t.add()
	}
}

// selfPresence tells whether a presence has status code 110 (XEP-0045 section
// 15.6.2).
func selfPresence(stanza []byte) bool {
	return bytes.Contains(stanza, []byte("code='110'")) || bytes.Contains(stanza, []byte(`code="110"`))
}
