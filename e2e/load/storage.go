package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

const (
	pageSize     = 50  // messages per archive page
	smallArchive = 500 // messages
	fillLimit    = 3 * time.Minute
	others       = 20 // accounts a and o, each
)

func storageScenarios() []scenario {
	return []scenario{
		{name: "offline", about: "messages for an absent user, and his return", run: absent},
		{name: "paging", about: "reading archives by pages", archive: true, run: paging},
	}
}

// absent sends to a user who is not there, waiting for acknowledgements every
// 50 messages, and then lets him come and take them.
func absent(ctx context.Context, c *cell) (err error) {
	if c.server.Floor {
		return fmt.Errorf("%w: the floor keeps nothing", errSkip)
	}
	sender, err := c.online(ctx, target.Name("a", others-1), wire.DirectTLS, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sender.Close()) }()
	user, n := target.Name("o", c.round%others), c.bench.sizes.absent
	cpu, wall, err := c.measure(func() error { return acknowledged(sender, user, n) })
	if err != nil {
		return err
	}
	c.record("offline-store", micros(cpu, n))
	c.record("offline-store-rate", float64(n)/wall.Seconds())
	var back *wire.Session
	cpu, _, err = c.measure(func() error {
		back, err = c.online(ctx, user, wire.DirectTLS, true)
		if err != nil {
			return err
		}
		if err := back.SetReadDeadline(time.Now().Add(waveWait)); err != nil {
			return err
		}
		for got := 0; got < n; {
			stanza, err := back.Next()
			if err != nil {
				return fmt.Errorf("%d of %d messages kept for the absent user: %w", got, n, err)
			}
			if bytes.Contains(stanza, []byte("<body>")) {
				got++
			}
		}
		return nil
	})
	if back != nil {
		err = errors.Join(err, back.Close())
	}
	if err != nil {
		return err
	}
	c.record("offline-drain", micros(cpu, n))
	return nil
}

// acknowledged sends n messages and returns when the server has taken charge
// of all (XEP-0198 section 4), with at most 50 open.
func acknowledged(sender *wire.Session, to string, n int) error {
	text := bytes.Repeat([]byte("x"), bodyLength)
	// The log-in sent a roster request and presence, which count too.
	const before = 2
	if err := sender.SetReadDeadline(time.Now().Add(fillLimit)); err != nil {
		return err
	}
	for sent := 0; sent < n; {
		var batch []byte
		for range min(pageSize, n-sent) {
			sent++
			batch = fmt.Appendf(batch, "<message to='%s' type='chat' id='k%d'><body>%s</body></message>", target.JID(to), sent, text)
		}
		batch = append(batch, "<r xmlns='urn:xmpp:sm:3'/>"...)
		if err := sender.Send(batch); err != nil {
			return err
		}
		for int(sender.Acked()) < before+sent {
			stanza, err := sender.Next()
			if err != nil {
				return fmt.Errorf("%d of %d messages acknowledged: %w", int(sender.Acked())-before, sent, err)
			}
			if bytes.Equal(wire.Attr(stanza, "type"), []byte("error")) {
				return fmt.Errorf("refused: %.300s", stanza)
			}
		}
	}
	return sender.SetReadDeadline(time.Time{})
}

// paging reads a large archive from its start, and the newest page of it and
// of a small one.
func paging(ctx context.Context, c *cell) (err error) {
	if err := c.unkept(); err != nil {
		return err
	}
	if !c.bench.filled[c.server.Name] {
		if err := c.fillArchives(ctx); err != nil {
			return fmt.Errorf("filling the archives: %w", err)
		}
		c.bench.filled[c.server.Name] = true
		// What a server puts in order behind the fill is part of storing, not of paging.
		if _, err := c.rested(ctx, c.bench.sizes.rest/2); err != nil {
			return err
		}
	}
	large, err := c.online(ctx, target.Name("a", 0), wire.DirectTLS, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, large.Close()) }()
	small, err := c.online(ctx, target.Name("a", 2), wire.DirectTLS, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, small.Close()) }()
	if err := c.walk(large); err != nil {
		return err
	}
	c.record("archive-size", float64(smallArchive*c.bench.sizes.clones))
	for _, archive := range []struct {
		figure  string
		session *wire.Session
	}{{"newest-small", small}, {"newest-large", large}} {
		if err := c.newest(archive.figure, archive.session); err != nil {
			return err
		}
	}
	return nil
}

// fillArchives gives a0 a large archive and a2 a small one. Where the store
// can be multiplied, only the small number goes through the server.
func (c *cell) fillArchives(ctx context.Context) error {
	if err := c.converse(ctx, target.Name("a", 3), target.Name("a", 2), smallArchive); err != nil {
		return err
	}
	n := smallArchive * c.bench.sizes.clones
	if !c.server.Clones() {
		return c.converse(ctx, target.Name("a", 1), target.Name("a", 0), n)
	}
	if err := c.converse(ctx, target.Name("a", 1), target.Name("a", 0), smallArchive); err != nil {
		return err
	}
	return c.server.CloneArchive(ctx, target.Name("a", 0), c.bench.sizes.clones)
}

// converse sends n messages between two users who are both online.
func (c *cell) converse(ctx context.Context, from, to string, n int) (err error) {
	receiver, err := c.online(ctx, to, wire.DirectTLS, false)
	if err != nil {
		return err
	}
	m := read(0, receiver, nil)
	defer func() { err = errors.Join(err, m.leave()) }()
	sender, err := c.online(ctx, from, wire.DirectTLS, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sender.Close()) }()
	return acknowledged(sender, to, n)
}

// page asks for one page and returns how many messages came and the id of the
// last (XEP-0313 section 4.3, XEP-0059).
func page(session *wire.Session, id int, where string) (int, string, error) {
	count := 0
	name := "p" + strconv.Itoa(id)
	end, err := session.Query(name, "set", "", "<query xmlns='urn:xmpp:mam:2' queryid='"+name+
		"'><set xmlns='http://jabber.org/protocol/rsm'><max>"+strconv.Itoa(pageSize)+"</max>"+where+"</set></query>",
		func(stanza []byte) {
			if bytes.Contains(stanza, []byte("urn:xmpp:mam:2")) {
				count++
			}
		})
	if err != nil {
		return 0, "", err
	}
	return count, string(wire.Between(end, "<last>", "</last>")), nil
}

func (c *cell) walk(session *wire.Session) error {
	read := 0
	cpu, wall, err := c.measure(func() error {
		where := ""
		for i := range c.bench.sizes.pages {
			count, last, err := page(session, i, where)
			if err != nil {
				return err
			}
			if count != pageSize || last == "" {
				return fmt.Errorf("page %d has %d messages and ends at %q", i, count, last)
			}
			read += count
			where = "<after>" + last + "</after>"
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.record("page", micros(cpu, read))
	c.record("page-rate", float64(read)/wall.Seconds())
	return nil
}

// newest asks for the newest page again and again.
func (c *cell) newest(figure string, session *wire.Session) error {
	const again = 30
	if _, _, err := page(session, 1000, "<before/>"); err != nil {
		return err
	}
	cpu, _, err := c.measure(func() error {
		for i := range again {
			count, _, err := page(session, 1001+i, "<before/>")
			if err != nil {
				return err
			}
			if count != pageSize {
				return fmt.Errorf("the newest page has %d messages", count)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.record(figure, millis(cpu, again))
	return nil
}
