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

// occupants is the size of the measured room.
const occupants = 100

func roomScenarios() []scenario {
	return []scenario{{name: "room", about: "a room of 100: filling it, and messages in it", run: room}}
}

// hall is a room while it is measured.
type hall struct {
	cell      *cell
	room      string
	people    *fleet
	presences atomic.Int64
	message   atomic.Pointer[wave]
	number    atomic.Int64
	refused   chan error // the first stanza that came back
}

// room fills a room and sends messages in it, each when everybody has the one
// before.
func room(ctx context.Context, c *cell) (err error) {
	service, err := c.roomService(ctx)
	if err != nil {
		return err
	}
	c.bench.nextRun++
	h := &hall{cell: c, refused: make(chan error, 1), room: "room" + strconv.FormatInt(c.bench.nextRun, 10) + "@" + service}
	h.people, err = c.gather(ctx, occupants, func(i int) string { return target.Name("u", i) }, wire.DirectTLS, false, h.see)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.people.close()) }()
	if !c.server.Floor {
		if err := h.fill(ctx); err != nil {
			return err
		}
	}
	count := c.bench.sizes.cycles * 5
	var last []float64
	speak := func() error {
		w := newWave(h.receivers(), 0)
		h.message.Store(w)
		if err := h.people.members[0].Send([]byte(h.text())); err != nil {
			return err
		}
		err := w.wait(ctx, h.refused)
		last = append(last, float64(w.last.Load())/1e6)
		return err
	}
	if err := speak(); err != nil {
		return err
	}
	last = nil
	cpu, _, err := c.measure(func() error {
		for range count {
			if err := speak(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.record("room", micros(cpu, count*h.receivers()))
	c.record("room-last", median(last))
	return nil
}

// roomService asks the server which of its services has rooms: the domain lists
// its services, and the one that is meant says so (XEP-0045 sections 6.1 and
// 6.2). A server without any cannot be measured.
func (c *cell) roomService(ctx context.Context) (service string, err error) {
	if c.server.Floor {
		return target.Rooms, nil
	}
	session, err := c.login(ctx, target.Name("u", 0), wire.DirectTLS, false)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if err := session.SetReadDeadline(time.Now().Add(loginWait)); err != nil {
		return "", err
	}
	answer, err := session.IQ("services", "get", target.Host, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
	if err != nil && !errors.Is(err, wire.ErrRefused) {
		return "", err
	}
	for _, item := range itemAddresses(answer) {
		answer, err := session.IQ("service", "get", item, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
		switch {
		case errors.Is(err, wire.ErrRefused):
		case err != nil:
			return "", err
		case hasRooms(answer):
			return item, nil
		}
	}
	return "", fmt.Errorf("%w: has no rooms yet", errSkip)
}

// itemAddresses lists who is named in an answer about items (XEP-0030 section
// 4.1).
func itemAddresses(answer []byte) []string {
	var list []string
	for {
		at := bytes.Index(answer, []byte("<item "))
		if at < 0 {
			return list
		}
		answer = answer[at:]
		if jid := wire.Attr(answer, "jid"); jid != nil {
			list = append(list, string(jid))
		}
		answer = answer[1:]
	}
}

// hasRooms tells whether an answer about features names those of XEP-0045.
func hasRooms(answer []byte) bool {
	for _, quote := range []string{"'", `"`} {
		if bytes.Contains(answer, []byte("var="+quote+"http://jabber.org/protocol/muc"+quote)) {
			return true
		}
	}
	return false
}

// receivers is how many get a message: in a room the sender is one of them.
func (h *hall) receivers() int {
	if h.cell.server.Floor {
		return occupants - 1
	}
	return occupants
}

func (h *hall) text() string {
	body := fmt.Sprintf("<body>%0*d%s</body>", timeDigits, h.number.Add(1), bytes.Repeat([]byte("x"), bodyLength-timeDigits))
	if h.cell.server.Floor {
		return "<message to='*'>" + body + "</message>\n"
	}
	return "<message to='" + h.room + "' type='groupchat' id='" + strconv.FormatInt(h.number.Load(), 10) + "'>" + body + "</message>"
}

// fill lets everybody join, the first alone since he makes the room. The k-th
// to join causes 2k-1 presences: k to him (his own the last of them) and one
// to each who is there.
func (h *hall) fill(ctx context.Context) error {
	join := func(i int) error {
		return h.people.members[i].Send([]byte("<presence to='" + h.room + "/" + target.Name("n", i) +
			"'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"))
	}
	if err := join(0); err != nil {
		return err
	}
	if err := h.await(ctx, 1); err != nil {
		return err
	}
	// XEP-0045 section 10.1.2: a new room may be locked until its owner
	// accepts the default configuration.
	err := h.people.members[0].Send([]byte("<iq type='set' id='unlock' to='" + h.room +
		"'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>"))
	if err != nil {
		return err
	}
	time.Sleep(settling)
	cpu, _, err := h.cell.measure(func() error {
		for i := 1; i < occupants; i++ {
			if err := join(i); err != nil {
				return err
			}
		}
		return h.await(ctx, occupants*occupants)
	})
	if err != nil {
		return fmt.Errorf("filling the room: %w", err)
	}
	h.cell.record("room-fill", micros(cpu, occupants*occupants-1))
	return nil
}

// await waits until n presences of the room have come to all together.
func (h *hall) await(ctx context.Context, n int64) error {
	limit := time.Now().Add(waveWait)
	for h.presences.Load() < n {
		if time.Now().After(limit) {
			return fmt.Errorf("%d of %d presences after %v", h.presences.Load(), n, waveWait)
		}
		select {
		case err := <-h.refused:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// see counts presences and messages of the room.
func (h *hall) see(i int, stanza []byte) {
	ours := h.cell.server.Floor || bytes.HasPrefix(wire.Attr(stanza, "from"), []byte(h.room))
	switch {
	case !ours || wire.Named(stanza, "iq"):
	case bytes.Equal(wire.Attr(stanza, "type"), []byte("error")):
		select {
		case h.refused <- fmt.Errorf("a stanza came back: %.300s", stanza):
		default:
		}
	case wire.Named(stanza, "presence") && wire.Attr(stanza, "type") == nil:
		h.presences.Add(1)
	case wire.Named(stanza, "message"):
		body := wire.Between(stanza, "<body>", "</body>")
		if len(body) != bodyLength || number(body[:timeDigits]) != h.number.Load() {
			return
		}
		if w := h.message.Load(); w != nil {
			w.arrive(i - (occupants - h.receivers()))
		}
	}
}
