package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
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
