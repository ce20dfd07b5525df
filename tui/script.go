package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"stonechat/xmpp/client"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// MaxHistory is the most that History reads at once.
const MaxHistory = 10_000

// errNoAck says that a server cannot promise anything.
var errNoAck = errors.New("the server has no stream management, so nobody can know whether it has the message")

// Send sends one message and returns nil only when the server has acknowledged it (XEP-0198 section 4). A broken line is mended until ctx
// ends.
func Send(ctx context.Context, a Account, to jid.JID, text string) error {
	if err := sendable(text); err != nil {
		return err
	}
	returned := make(chan *stanza.Stanza, 16)
	c, err := a.dial(ctx, client.Config{
		Reconnect: &client.Backoff{Min: comeBackMin, Max: comeBackMax},
		Handle: func(st *stanza.Stanza) {
			if st.Kind == stanza.Message && st.Type == stanza.TypeError {
				select {
				case returned <- st:
				default:
				}
			}
		},
	})
	if err != nil {
		return err
	}
	defer part(c)
	ticket, err := c.Message(ctx, to, text)
	if err != nil {
		return fmt.Errorf("not sent: %s", reason(err))
	}
	if err := ticket.Wait(ctx); err != nil {
		return unacknowledged(c, err)
	}
	return bounce(ctx, c, ticket.Stanza().ID, returned)
}

// part closes a session whose work is done.
func part(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	// What matters has been acknowledged; how the line ends does not.
	_ = c.Close(ctx)
}

// unacknowledged says why there is no acknowledgement.
func unacknowledged(c *client.Client, err error) error {
	var why string
	switch {
	case errors.Is(err, client.ErrUnmanaged):
		return errNoAck
	case errors.Is(err, client.ErrLost):
		why = "the session was lost"
		if e := c.Err(); e != nil {
			why += " (" + reason(e) + ")"
		}
	case errors.Is(err, context.DeadlineExceeded):
		why = "no acknowledgement in time"
	default:
		why = "interrupted"
	}
	return fmt.Errorf("%s; the message may have arrived or not", why)
}

// bounce looks for an error that came back at once, as it does from the own server. A ping behind the message gives it the time.
func bounce(ctx context.Context, c *client.Client, id string, returned <-chan *stanza.Stanza) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	// Any answer will do, and none as well.
	_ = c.Ping(ctx, jid.JID{})
	for {
		select {
		case st := <-returned:
			if e := stanza.ParseError(st); e != nil && st.ID == id {
				return fmt.Errorf("the message came back: %s", reason(e))
			}
		default:
			return nil
		}
	}
}

// record is a message as JSON.
type record struct {
	Time      string `json:"time"`
	From      string `json:"from"`
	To        string `json:"to,omitempty"`
	Type      string `json:"type"`
	ID        string `json:"id,omitempty"`
	ArchiveID string `json:"archive_id,omitempty"`
	Body      string `json:"body"`
}

// appendRecord appends one line. Nothing in it can steer a terminal, though JSON itself would allow more.
func appendRecord(dst []byte, st *stanza.Stanza, archived string, at time.Time) ([]byte, error) {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	err := e.Encode(record{
		Time: forward.FormatStamp(at), From: st.From.String(), To: st.To.String(), Type: string(st.Type), ID: st.ID,
		ArchiveID: archived, Body: childText(st, "body"),
	})
	if err != nil {
		return nil, err
	}
	for _, r := range strings.TrimSuffix(line.String(), "\n") {
		switch {
		case unicode.IsPrint(r):
			dst = append(dst, string(r)...)
		case r > 0xffff:
			// RFC 8259 section 7: a surrogate pair.
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return append(dst, '\n'), nil
}

// listener prints what comes.
type listener struct {
	w       io.Writer
	self    jid.JID
	count   int // to go; 0 means without end
	seen    *seen
	client  chan *client.Client // filled once the log-in is done
	failure chan error
}

// Listen prints every incoming message that has a text as one line of JSON, until count of them were printed (0: without end) or ctx ends,
// which is no error. What was not printed is not acknowledged either: the server keeps it for the next time.
func Listen(ctx context.Context, a Account, w io.Writer, count int, login time.Duration) error {
	l := &listener{
		w: w, self: a.JID.Bare(), count: count, seen: newSeen(), client: make(chan *client.Client, 1), failure: make(chan error, 1),
	}
	again := make(chan struct{}, 1)
	bounded, cancel := context.WithTimeout(ctx, login)
	defer cancel()
	c, err := a.dial(bounded, client.Config{
		Reconnect: &client.Backoff{Min: comeBackMin, Max: comeBackMax},
		Handle:    l.handle,
		Online: func(resumed bool) {
			if !resumed {
				select {
				case again <- struct{}{}:
				default:
				}
			}
		},
	})
	if err != nil {
		return err
	}
	l.client <- c
	again <- struct{}{}
	for {
		select {
		case <-again:
			// Without presence the server sends no messages.
			bounded, cancel := context.WithTimeout(ctx, sendTime)
			_, err := c.SendPresence(bounded, client.Presence{})
			cancel()
			if err != nil && c.Err() == nil {
				part(c)
				return err
			}
		case <-ctx.Done():
			part(c)
			return nil
		case <-c.Done():
			return l.ended(c)
		}
	}
}

// ended tells the wanted end from others.
func (l *listener) ended(c *client.Client) error {
	select {
	case err := <-l.failure:
		return err
	default:
	}
	if err := c.Err(); err != client.ErrClosed {
		return fmt.Errorf("the session has ended: %s", reason(err))
	}
	return nil
}

// handle prints before the message counts as arrived.
func (l *listener) handle(st *stanza.Stanza) {
	if st.Kind != stanza.Message || st.Type == stanza.TypeError || childText(st, "body") == "" || st.FromErr != nil {
		return
	}
	id := stanzaID(st, l.self)
	if !l.seen.add(id, st) {
		return
	}
	c := <-l.client
	l.client <- c
	b, err := appendRecord(nil, st, id, sentAt(st))
	if err == nil {
		_, err = l.w.Write(b)
	}
	if err != nil {
		l.failure <- err
		c.Leave(false)
		return
	}
	if l.count > 0 {
		if l.count--; l.count == 0 {
			c.Leave(true)
		}
	}
}

// History prints the newest n messages exchanged with somebody, or with everybody if with is zero, from old to new: one line of JSON each,
// or as text.
func History(ctx context.Context, a Account, with jid.JID, n int, w io.Writer, asJSON bool) error {
	c, err := a.dial(ctx, client.Config{Handle: func(*stanza.Stanza) {}})
	if err != nil {
		return err
	}
	defer part(c)
	items, err := c.Last(ctx, client.Query{With: with}, n)
	if err != nil {
		return fmt.Errorf("no history: %s", reason(err))
	}
	var out bytes.Buffer
	for _, item := range items {
		if asJSON {
			line, err := appendRecord(nil, item.Stanza, item.ID, item.Time)
			if err != nil {
				return err
			}
			out.Write(line)
			continue
		}
		if text := body(item.Stanza); text != "" {
			out.WriteString(strings.Join(show(item.Time, " ", Escape(item.Stanza.From.Bare().String()), text), "\n") + "\n")
		}
	}
	_, err = w.Write(out.Bytes())
	return err
}
