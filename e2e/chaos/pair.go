package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// Pair is two ordinary users who should not notice what a judge does to
// others. Each question waits for its answer.
type Pair struct {
	server *peers.Server
	keys   *wire.Keys
	a, b   *wire.Session
	userA  int
	userB  int
	number atomic.Int64

	mu      sync.Mutex
	waiting map[string]chan struct{}
	broken  error
	forged  []string // senders of messages that only User(2) can have sent
	readers sync.WaitGroup
}

// forgery is the text of messages sent under another's address.
const forgery = "sent in another's name"

// NewPair logs two users in and makes them available.
func NewPair(ctx context.Context, s *peers.Server, keys *wire.Keys, userA, userB int) (*Pair, error) {
	p := &Pair{server: s, keys: keys, userA: userA, userB: userB, waiting: make(map[string]chan struct{})}
	var err error
	if p.a, err = Login(ctx, s, keys, userA, "pair", false); err != nil {
		return nil, err
	}
	if p.b, err = Login(ctx, s, keys, userB, "pair", false); err != nil {
		return nil, errors.Join(err, p.a.Drop())
	}
	for _, session := range []*wire.Session{p.a, p.b} {
		p.readers.Go(func() { p.read(session) })
		if err := session.Send([]byte("<presence/>")); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// read wakes whoever waits for the token that an element carries, and answers
// requests.
func (p *Pair) read(session *wire.Session) {
	for {
		element, err := session.Next()
		if err != nil {
			p.mu.Lock()
			p.broken = err
			for token, c := range p.waiting {
				close(c)
				delete(p.waiting, token)
			}
			p.mu.Unlock()
			return
		}
		kind := string(wire.Attr(element, "type"))
		if wire.Named(element, "iq") && (kind == "get" || kind == "set") {
			// A failed write shows as a failed read soon.
			_ = session.Send([]byte("<iq type='result' id='" + string(wire.Attr(element, "id")) + "'/>"))
			continue
		}
		if kind == "error" {
			continue
		}
		token := wire.Between(element, "pair-", "-end")
		p.mu.Lock()
		if from := string(wire.Attr(element, "from")); bytes.Contains(element, []byte(forgery)) && !strings.HasPrefix(from, Address(p.server, 2)) {
			p.forged = append(p.forged, from)
		}
		if c, ok := p.waiting[string(token)]; ok {
			close(c)
			delete(p.waiting, string(token))
		}
		p.mu.Unlock()
	}
}

// ask sends a stanza with a token in it and waits until the token comes back
// to either of the two.
func (p *Pair) ask(ctx context.Context, format string) (time.Duration, error) {
	token := fmt.Sprint(p.number.Add(1))
	c := make(chan struct{})
	p.mu.Lock()
	if p.broken != nil {
		p.mu.Unlock()
		return 0, p.broken
	}
	p.waiting[token] = c
	p.mu.Unlock()
	began := time.Now()
	if err := p.a.Send([]byte(strings.ReplaceAll(format, "TOKEN", "pair-"+token+"-end"))); err != nil {
		return 0, err
	}
	select {
	case <-c:
		p.mu.Lock()
		defer p.mu.Unlock()
		return time.Since(began), p.broken
	case <-ctx.Done():
		return time.Since(began), fmt.Errorf("no answer to %.40q: %w", format, ctx.Err())
	}
}

// Message sends a message and returns the time until the other one has it.
func (p *Pair) Message(ctx context.Context) (time.Duration, error) {
	return p.ask(ctx, "<message type='chat' id='TOKEN' to='"+Address(p.server, p.userB)+"'><body>TOKEN</body></message>")
}

// Presence sends presence and returns the time until the other one has it.
func (p *Pair) Presence(ctx context.Context) (time.Duration, error) {
	return p.ask(ctx, "<presence to='"+p.b.JID+"'><status>TOKEN</status></presence>")
}

// Ping asks the server for a sign of life (XEP-0199).
func (p *Pair) Ping(ctx context.Context) (time.Duration, error) {
	return p.ask(ctx, "<iq type='get' id='TOKEN' to='"+p.server.Domain+"'><ping xmlns='urn:xmpp:ping'/></iq>")
}

// LogIn logs in once more and returns how long that took.
func (p *Pair) LogIn(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	session, err := Login(ctx, p.server, p.keys, p.userA, "once", false)
	if err != nil {
		return time.Since(began), err
	}
	return time.Since(began), session.Drop()
}

// ReadArchive reads the newest page of the archive in a session of its own.
func (p *Pair) ReadArchive(ctx context.Context) (time.Duration, error) {
	session, err := Login(ctx, p.server, p.keys, p.userA, "reader", false)
	if err != nil {
		return 0, err
	}
	defer session.Drop()
	began := time.Now()
	if deadline, ok := ctx.Deadline(); ok {
		if err := session.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
	}
	_, err = session.IQ("newest", "set", "", "<query xmlns='"+nsMAM+"'><set xmlns='"+nsRSM+"'><max>20</max><before/></set></query>")
	return time.Since(began), err
}

// Messages sends a message every interval for a while and returns the
// delivery times in ascending order.
func (p *Pair) Messages(ctx context.Context, d, interval time.Duration) ([]time.Duration, error) {
	var times []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		one, cancel := context.WithTimeout(ctx, answerTime)
		took, err := p.Message(one)
		cancel()
		if err != nil {
			return times, err
		}
		times = append(times, took)
		select {
		case <-time.After(max(interval-took, 0)):
		case <-ctx.Done():
			return times, ctx.Err()
		}
	}
	slices.Sort(times)
	return times, nil
}

// answerTime is when an answer counts as missing.
const answerTime = 30 * time.Second

// percentile returns a percentile of ascending times, 0 when there are none.
func percentile(times []time.Duration, percent int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[min(len(times)*percent/100, len(times)-1)]
}

// Forged returns the senders named in messages with the text of a forgery
// other than the true one, User(2).
func (p *Pair) Forged() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.forged)
}

// Close ends both sessions and waits for their readers.
func (p *Pair) Close() {
	_ = errors.Join(p.a.Drop(), p.b.Drop()) // the judge has its answers
	p.readers.Wait()
}

// sorted returns times in ascending order.
func sorted(times []time.Duration) []time.Duration {
	slices.Sort(times)
	return times
}
