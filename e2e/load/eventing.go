package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

const (
	tuneNode  = "http://jabber.org/protocol/tune"
	nickNode  = "http://jabber.org/protocol/nick"
	capsNode  = "https://load.invalid"
	newsDigit = 10 // digits of the measurement and of the item, each
)

// quietID returns the scenario in which nobody wants what is published.
func quietID(id string) string { return id + "-quiet" }

func eventingID(n int) (id, title string) {
	return "pep" + strconv.Itoa(n), strconv.Itoa(n) + " contacts"
}

func eventingScenarios() []scenario {
	var list []scenario
	for _, n := range starSizes() {
		id, title := eventingID(n)
		list = append(list,
			scenario{
				name: id, about: "personal events to " + title + " who want them", long: n > 500, most: 2,
				run: func(ctx context.Context, c *cell) error { return c.eventing(ctx, n, true) },
			},
			scenario{
				name: quietID(id), about: "personal events that none of " + title + " wants", long: n > 500, most: 2,
				run: func(ctx context.Context, c *cell) error { return c.eventing(ctx, n, false) },
			})
	}
	return list
}

func eventingFigures() []figure {
	var rows []figure
	for _, n := range starSizes() {
		id, title := eventingID(n)
		rows = append(rows,
			figure{id: id, title: "personal event, " + title + " with interest, CPU per notification", unit: "us", digits: 1, vsPeer: 0.2, vsBase: 3},
			figure{id: id + "-last", title: "personal event, " + title + ", publish to last, p50", unit: "ms", digits: 1, wall: true, vsPeer: 0.3, vsBase: 3},
			figure{id: id + "-last-p99", title: "personal event, " + title + ", publish to last, p99", unit: "ms", digits: 1, wall: true},
			figure{id: quietID(id), title: "personal event, " + title + " without interest, CPU per publish", unit: "us", digits: 1, vsPeer: 1},
			figure{id: quietID(id) + "-stanzas", title: "personal event, " + title + " without interest, stanzas per publish", unit: "", digits: 0})
	}
	return rows
}

// audience is a publisher and its contacts. Each contact keeps account of what
// it hears: every item once and in order, or nothing at all.
type audience struct {
	address string // bare, of the publisher
	floor   bool
	star    *member
	fans    []fan
	run     int64        // marks what is published now; servers remember older items
	number  int64        // of the last item
	strict  atomic.Int64 // the first item that must come exactly once; 0 is none yet
	wrong   *watch
	news    atomic.Pointer[tally] // contacts that are to hear of the item under way
	first   *tally                // contacts that have heard of any
	results atomic.Pointer[tally] // of the publisher's requests
	stanzas atomic.Int64          // of whatever kind, to all contacts
	fence   atomic.Pointer[tally] // presence of the publisher behind all it published
}

// fan is one contact.
type fan struct {
	features []string // what it says it can do; none: it says nothing
	heard    int64    // number of the last item; only the fan's reader touches it
}

func newAudience(n int, floor, interested bool, wrong *watch) *audience {
	a := &audience{address: star(n), floor: floor, fans: make([]fan, n), wrong: wrong, first: newTally(n)}
	if !floor {
		a.address = target.JID(star(n))
	}
	for i := range a.fans {
		switch {
		case interested:
			a.fans[i].features = features(tuneNode)
		case i%2 == 0:
			// Interest in something else is none in this; the others have no
			// capabilities at all.
			a.fans[i].features = features(nickNode)
		}
	}
	return a
}

func star(n int) string { return "star" + strconv.Itoa(n) }

// features lists what a client can do that wants to hear of a node (XEP-0163
// section 4.3.2), in the order in which they are hashed.
func features(node string) []string {
	list := []string{"http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info", node + "+notify"}
	slices.Sort(list)
	return list
}

const identity = "<identity category='client' type='pc' name='load'/>"

// capsHash is the verification string of such a client (XEP-0115 section 5.1).
func capsHash(features []string) string {
	sum := sha1.Sum([]byte("client/pc//load<" + strings.Join(features, "<") + "<"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// presence is what a fan sends to come online.
func (f *fan) presence() string {
	if f.features == nil {
		return available
	}
	return "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='" + capsNode + "' ver='" + capsHash(f.features) + "'/></presence>"
}

// answer is the reply to a request of the server's, which asks what the client
// can do; anything else is refused.
func (f *fan) answer(request []byte) string {
	head := " id='" + string(wire.Attr(request, "id")) + "'"
	if from := wire.Attr(request, "from"); from != nil {
		head += " to='" + string(from) + "'"
	}
	at := bytes.Index(request, []byte("<query"))
	if f.features == nil || at < 0 || !bytes.Contains(request, []byte("http://jabber.org/protocol/disco#info")) {
		return "<iq type='error'" + head + "><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
	}
	node := ""
	if value := wire.Attr(request[at:], "node"); value != nil {
		node = " node='" + string(value) + "'"
	}
	text := "<iq type='result'" + head + "><query xmlns='http://jabber.org/protocol/disco#info'" + node + ">" + identity
	for _, feature := range f.features {
		text += "<feature var='" + feature + "'/>"
	}
	return text + "</query></iq>"
}

// eventing brings the contacts of a star account online and has it publish.
func (c *cell) eventing(ctx context.Context, n int, interested bool) (err error) {
	if c.server.Floor && !interested {
		return fmt.Errorf("%w: the floor knows no interest", errSkip)
	}
	session, err := c.login(ctx, star(n), wire.DirectTLS, false)
	if err != nil {
		return err
	}
	a := newAudience(n, c.server.Floor, interested, c.watch())
	if err := c.offersEventing(session, a); err != nil {
		return errors.Join(err, session.Close())
	}
	c.bench.nextRun++
	a.run = c.bench.nextRun
	a.star = read(0, session, a.starSees)
	defer func() { err = errors.Join(err, a.star.leave()) }()
	if err := c.scout(ctx, a); err != nil {
		return fmt.Errorf("showing the server a client: %w", err)
	}
	contacts := &fleet{members: make([]*member, n)}
	defer func() { err = errors.Join(err, contacts.close()) }()
	err = each(n, func(i int) (err error) {
		contacts.members[i], err = c.fan(ctx, target.Name("c", i), i, &a.fans[i], a.hear)
		return err
	})
	if err != nil {
		return fmt.Errorf("bringing %d contacts online: %w", n, err)
	}
	if !a.floor {
		if err := a.star.Send([]byte(available)); err != nil {
			return err
		}
	}
	if err := c.calm(ctx); err != nil {
		return err
	}
	id, _ := eventingID(n)
	if interested {
		return c.heard(ctx, a, id)
	}
	return c.unheard(ctx, a, quietID(id))
}

// fan brings a contact online that tells what it can do.
func (c *cell) fan(ctx context.Context, user string, i int, f *fan, see handler) (*member, error) {
	session, err := c.login(ctx, user, wire.DirectTLS, false)
	if err != nil {
		return nil, err
	}
	if c.server.Floor {
		return read(i, session, see), nil
	}
	if _, err := session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>"); err != nil {
		return nil, errors.Join(err, session.Drop())
	}
	m := f.read(i, session, see)
	return m, m.Send([]byte(f.presence()))
}

// read reads for a contact. From its presence on the server may ask what it
// can do.
func (f *fan) read(i int, session *wire.Session, see handler) *member {
	return read(i, session, func(i int, stanza []byte) {
		if wire.Named(stanza, "iq") && bytes.Equal(wire.Attr(stanza, "type"), []byte("get")) {
			// A connection that is gone shows as missing notifications.
			_ = session.Send([]byte(f.answer(stanza)))
		}
		see(i, stanza)
	})
}

// scout shows the server a client of the contacts' kind, with no contacts of
// its own, so that the server knows what all of them can do before they come:
// that is how it stands with the clients that people use. Prosody besides
// notifies a local contact twice whom it had to ask.
func (c *cell) scout(ctx context.Context, a *audience) error {
	if a.floor {
		return nil
	}
	const asking = 2 * time.Second // a server that knows already does not ask
	asked := newTally(1)
	m, err := c.fan(ctx, target.Name("u", 0), 0, &a.fans[0], func(_ int, stanza []byte) {
		if wire.Named(stanza, "iq") {
			asked.add()
		}
	})
	if err != nil {
		return err
	}
	if err := asked.wait(ctx, asking, a.wrong, "questions"); err != nil && !late(err) {
		return errors.Join(err, m.leave())
	}
	return errors.Join(c.calm(ctx), m.leave())
}

// offersEventing tells whether accounts of the server publish (XEP-0163
// section 6.1).
func (c *cell) offersEventing(session *wire.Session, a *audience) error {
	if a.floor {
		return nil
	}
	if err := session.SetReadDeadline(time.Now().Add(loginWait)); err != nil {
		return err
	}
	if _, err := session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>"); err != nil {
		return err
	}
	info, err := session.IQ("offered", "get", a.address, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	if err != nil && !errors.Is(err, wire.ErrRefused) {
		return err
	}
	if err != nil || !hasEventing(info) {
		return fmt.Errorf("%w: its accounts publish no personal events (XEP-0163)", errNotOffered)
	}
	return session.SetReadDeadline(time.Time{})
}

// hasEventing looks for the identity pubsub/pep.
func hasEventing(info []byte) bool {
	for {
		at := bytes.Index(info, []byte("<identity"))
		if at < 0 {
			return false
		}
		info = info[at:]
		if string(wire.Attr(info, "category")) == "pubsub" && string(wire.Attr(info, "type")) == "pep" {
			return true
		}
		info = info[1:]
	}
}

// heard measures notifications, each item when everybody has the one before.
func (c *cell) heard(ctx context.Context, a *audience, id string) error {
	if err := a.warm(ctx); err != nil {
		return err
	}
	if err := c.calm(ctx); err != nil {
		return err
	}
	last := make([]int64, c.bench.sizes.cycles*5)
	cpu, _, err := c.measure(func() error {
		for i := range last {
			took, err := a.publish(ctx, len(a.fans))
			if err != nil {
				return err
			}
			last[i] = int64(took)
		}
		return nil
	})
	if err != nil {
		return err
	}
	time.Sleep(settling) // for what comes twice
	if err := a.wrong.check(); err != nil {
		return err
	}
	c.record(id, micros(cpu, len(last)*len(a.fans)))
	c.record(id+"-last", quantile(last, 0.5)/1e6)
	c.record(id+"-last-p99", quantile(last, 0.99)/1e6)
	return nil
}

// unheard measures publishing to nobody. A presence behind it, which everybody
// gets, shows that nothing else is on its way.
func (c *cell) unheard(ctx context.Context, a *audience, id string) error {
	count := c.bench.sizes.cycles * 5
	a.strict.Store(1)
	before := a.stanzas.Load()
	cpu, _, err := c.measure(func() error {
		for range count {
			if _, err := a.publish(ctx, 0); err != nil {
				return err
			}
		}
		time.Sleep(settling)
		return nil
	})
	if err != nil {
		return err
	}
	extra, err := a.silence(ctx, before)
	if err != nil {
		return err
	}
	c.record(id, micros(cpu, count))
	c.record(id+"-stanzas", float64(extra)/float64(count))
	return nil
}

// silence sends the presence behind everything and returns how many stanzas came
// to the contacts since before, that presence apart. It is an error if any did.
func (a *audience) silence(ctx context.Context, before int64) (int64, error) {
	fence := newTally(len(a.fans))
	a.fence.Store(fence)
	if err := a.star.Send([]byte("<presence><status>fence</status></presence>")); err != nil {
		return 0, err
	}
	if err := fence.wait(ctx, waveWait, a.wrong, "presences of the publisher"); err != nil {
		return 0, err
	}
	time.Sleep(settling)
	extra := a.stanzas.Load() - before - int64(len(a.fans))
	if extra != 0 {
		return extra, fmt.Errorf("%d stanzas came to contacts who want nothing", extra)
	}
	return 0, a.wrong.check()
}

// warm publishes until every contact has heard of something: only then is it
// sure that the server has learnt what each of them wants.
func (a *audience) warm(ctx context.Context) error {
	const tries = 12
	for try := range tries {
		if _, err := a.publish(ctx, 0); err != nil {
			return err
		}
		err := a.first.wait(ctx, 5*time.Second, a.wrong, "contacts")
		if err == nil {
			break
		}
		if !late(err) || try == tries-1 {
			return fmt.Errorf("the first notifications: %w", err)
		}
	}
	a.strict.Store(a.number + 1)
	return nil
}

// publish publishes the next item, waits for the result and for as many
// notifications, and returns the time until the last of these.
func (a *audience) publish(ctx context.Context, receivers int) (time.Duration, error) {
	a.number++
	title := fmt.Sprintf("<title>%0*d%0*d</title>", newsDigit, a.run, newsDigit, a.number)
	news, result := newTally(receivers), newTally(1)
	a.news.Store(news)
	a.results.Store(result)
	text := "<message to='*' from='" + a.address + "'>" + title + "</message>\n"
	if !a.floor {
		text = "<iq type='set' id='publish'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='" + tuneNode +
			"'><item id='current'><tune xmlns='" + tuneNode + "'>" + title + "</tune></item></publish></pubsub></iq>"
	}
	if err := a.star.Send([]byte(text)); err != nil {
		return 0, err
	}
	if err := news.wait(ctx, waveWait, a.wrong, "notifications"); err != nil {
		return 0, err
	}
	if a.floor {
		return news.took, nil
	}
	return news.took, result.wait(ctx, waveWait, a.wrong, "results")
}

// starSees takes a stanza of the publisher. Its own items may come to it,
// whatever it wants (XEP-0163 section 3); they are part of no figure.
func (a *audience) starSees(_ int, stanza []byte) {
	if !wire.Named(stanza, "iq") || !bytes.Equal(wire.Attr(stanza, "id"), []byte("publish")) {
		return
	}
	if !bytes.Equal(wire.Attr(stanza, "type"), []byte("result")) {
		a.wrong.report("the item was refused: %.300s", stanza)
		return
	}
	a.results.Load().add()
}

// hear takes a stanza of contact i.
func (a *audience) hear(i int, stanza []byte) {
	a.stanzas.Add(1)
	if !bytes.Equal(bare(wire.Attr(stanza, "from")), []byte(a.address)) {
		return
	}
	if wire.Named(stanza, "presence") {
		if fence := a.fence.Load(); fence != nil && bytes.Contains(stanza, []byte("<status>fence")) {
			fence.add()
		}
		return
	}
	title := wire.Between(stanza, "<title>", "</title>")
	if !wire.Named(stanza, "message") || len(title) != 2*newsDigit || number(title[:newsDigit]) != a.run {
		return // an item that the server remembers from before
	}
	f, n, strict := &a.fans[i], number(title[newsDigit:]), a.strict.Load()
	next := max(f.heard+1, strict)
	switch {
	case !slices.Contains(f.features, tuneNode+"+notify"):
		a.wrong.report("item %d came to %d, who wants none", n, i)
	case strict == 0 || n < strict && f.heard < strict:
		// Until everybody has heard of something an item may come twice: when
		// it is published and when the server learns of the interest.
		if f.heard == 0 {
			a.first.add()
		}
		f.heard = max(f.heard, n)
	case n < next:
		a.wrong.report("item %d came to %d again, after %d", n, i, f.heard)
	case n > next:
		a.wrong.report("item %d came to %d without item %d", n, i, next)
	default:
		f.heard = n
		a.news.Load().add()
	}
}

// bare cuts the resource off an address.
func bare(address []byte) []byte {
	address, _, _ = bytes.Cut(address, []byte("/"))
	return address
}
