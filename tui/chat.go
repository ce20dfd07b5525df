// Package tui is the terminal client: conversations in line mode, and sending, listening and reading history for scripts. It is made of
// package client alone and knows nothing of the server.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// MaxText is the greatest size in bytes of a text that is sent.
const MaxText = 200_000

const (
	answerTime  = 20 * time.Second       // for a request of a command
	sendTime    = 5 * time.Second        // for handing a message to the client, when much is not acknowledged
	waitShown   = time.Second            // after which a message without acknowledgement is shown as such
	settleTime  = time.Second            // in which the presence of a new session is gathered
	partingTime = 5 * time.Second        // for the last acknowledgements
	comeBackMin = 500 * time.Millisecond // between attempts to connect again
	comeBackMax = 30 * time.Second
)

// Terminal is where a person sits.
type Terminal struct {
	// In is where the lines come from.
	In io.Reader
	// Out is where everything is shown.
	Out io.Writer
	// Raw says that both are a terminal in raw mode: lines are edited here.
	Raw bool
	// Width returns the columns of a terminal; nil means 80.
	Width func() int
}

// chat is one conversation of a person with everybody. Everything in it belongs to the goroutine of loop; others post to it.
type chat struct {
	ctx    context.Context
	client *client.Client
	self   jid.JID // bare
	screen *screen
	events chan func()
	lines  chan typed
	ends   chan typed    // a key that means to leave, whatever is going on
	over   chan struct{} // closed when nothing is taken any more

	roster   map[jid.JID]client.RosterItem
	present  map[jid.JID]map[string]client.Presence
	shown    map[jid.JID]string // what was last said about a contact's presence
	settling int                // sessions whose presence is being gathered
	requests map[jid.JID]bool
	status   client.Presence

	open     jid.JID
	outgoing []*outgoing // in order, without acknowledgement
	sent     []*outgoing // the latest, to tell which one failed
	seen     *seen
	last     string // id in the archive up to which everything was shown
	lastSet  bool
	busy     bool // a command waits for its answer, or the first for the contacts
	quitting bool
}

// outgoing is a message of ours.
type outgoing struct {
	id, text string
	to       jid.JID
	at       time.Time
	shown    bool
	ticket   *client.Ticket
}

// Chat logs in and talks until the person leaves, input or ctx ends, or the session is lost for good. The error says what could not be
// done, also when messages were not acknowledged.
func Chat(ctx context.Context, a Account, t Terminal) error {
	ch := &chat{
		ctx: ctx, self: a.JID.Bare(), screen: newScreen(t), events: make(chan func(), 256), lines: make(chan typed), ends: make(chan typed), over: make(chan struct{}),
		roster: map[jid.JID]client.RosterItem{}, present: map[jid.JID]map[string]client.Presence{}, shown: map[jid.JID]string{},
		requests: map[jid.JID]bool{}, seen: newSeen(),
	}
	ch.note("connecting as %s", Escape(ch.self.String()))
	c, err := a.dial(ctx, ch.config())
	if err != nil {
		return err
	}
	ch.client = c
	ch.screen.begin()
	defer ch.screen.end()
	ch.note("connected as %s; /help shows the commands", Escape(c.JID().String()))
	ch.setPrompt()
	ch.begin(true)
	go ch.read(t)
	return ch.loop()
}

// config has the functions that the client calls; they only hand over.
func (ch *chat) config() client.Config {
	return client.Config{
		Reconnect:  &client.Backoff{Min: comeBackMin, Max: comeBackMax},
		Handle:     func(st *stanza.Stanza) { ch.post(func() { ch.handle(st) }) },
		Carbon:     func(st *stanza.Stanza, sent bool) { ch.post(func() { ch.carbon(st, sent) }) },
		RosterPush: func(item client.RosterItem) { ch.post(func() { ch.pushed(item) }) },
		Acked:      func(st *stanza.Stanza) { ch.post(func() { ch.acked(st.ID) }) },
		Online:     func(resumed bool) { ch.post(func() { ch.online(resumed) }) },
		Offline:    func(err error) { ch.post(func() { ch.offline(err) }) },
	}
}

// post hands something to the loop; it waits while the loop has much to do, and with it the server.
func (ch *chat) post(f func()) {
	select {
	case ch.events <- f:
	case <-ch.over:
	}
}

// read brings the lines of the person.
func (ch *chat) read(t Terminal) {
	give := func(l typed) bool {
		to := ch.lines
		if l.end && t.Raw {
			to = ch.ends
		}
		select {
		case to <- l:
			return true
		case <-ch.over:
			return false
		}
	}
	if t.Raw {
		ch.screen.readTerminal(t.In, give)
		return
	}
	readLines(t.In, give)
}

// loop does one thing after the other until the end.
func (ch *chat) loop() error {
	for {
		lines := ch.lines
		if ch.busy {
			// The next command waits for the answer to this one.
			lines = nil
		}
		select {
		case f := <-ch.events:
			f()
		case l := <-lines:
			if l.end || ch.line(l.text) {
				return errors.Join(l.err, ch.leave())
			}
		case l := <-ch.ends:
			return errors.Join(l.err, ch.leave())
		case <-ch.ctx.Done():
			return ch.leave()
		case <-ch.screen.failed:
			return errors.Join(ch.screen.err, ch.leave())
		case <-ch.client.Done():
			return ch.lost()
		}
	}
}

// leave waits for what is not acknowledged, a little, and closes the session.
func (ch *chat) leave() error {
	ch.quitting = true
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	for waiting := true; waiting && len(ch.outgoing) > 0; {
		select {
		case f := <-ch.events:
			f()
		case <-ch.client.Done():
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		ctx, cancel := context.WithTimeout(context.Background(), partingTime)
		defer cancel()
		// Whatever goes wrong now, what matters was counted above.
		_ = ch.client.Close(ctx)
	}()
	for waiting := true; waiting; {
		select {
		case f := <-ch.events:
			f()
		case <-closed:
			waiting = false
		}
	}
	ch.drain()
	return ch.unsent()
}

// drain takes what was handed over before the end.
func (ch *chat) drain() {
	close(ch.over)
	for {
		select {
		case f := <-ch.events:
			f()
		default:
			return
		}
	}
}

// lost tells why the session has ended for good.
func (ch *chat) lost() error {
	ch.quitting = true
	ch.drain()
	err := ch.client.Err()
	return errors.Join(fmt.Errorf("the session has ended: %s", reason(err)), ch.unsent())
}

// unsent complains about messages that the server has not acknowledged.
func (ch *chat) unsent() error {
	for _, o := range ch.outgoing {
		ch.failed(o, "not acknowledged by the server")
	}
	if n := len(ch.outgoing); n > 0 {
		return fmt.Errorf("%d messages were not acknowledged by the server", n)
	}
	return nil
}

// request runs do, which asks the server and may wait, and then what it returns, in the loop. Lines wait meanwhile.
func (ch *chat) request(do func(ctx context.Context) (then func(), err error)) {
	ch.busy = true
	go func() {
		ctx, cancel := context.WithTimeout(ch.ctx, answerTime)
		defer cancel()
		then, err := do(ctx)
		ch.post(func() {
			ch.busy = false
			switch {
			case err != nil:
				ch.note("that did not work: %s", reason(err))
			case then != nil:
				then()
			}
		})
	}()
}

// note prints one line of our own.
func (ch *chat) note(format string, args ...any) {
	ch.screen.print("-- " + fmt.Sprintf(format, args...))
}

func (ch *chat) setPrompt() {
	if ch.open.IsZero() {
		ch.screen.setPrompt("> ")
		return
	}
	ch.screen.setPrompt(ch.name(ch.open) + "> ")
}
