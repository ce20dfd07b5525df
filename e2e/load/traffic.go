package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// bodyLength is the length of every message body in bytes.
const bodyLength = 100

// runDigits and timeDigits are the widths of the numbers in a body: which
// measurement it belongs to, and when it was due (nanoseconds since the start).
const (
	runDigits  = 8
	timeDigits = 16
)

// pair is a sender and a receiver. Only one goroutine at a time sends.
type pair struct {
	from, to  *member
	message   []byte // complete stanza; numbers are written into it in place
	body      int    // where the body starts in message
	id        int    // where the number of the id starts, 0 for the floor
	sent      int64
	latencies []int64 // nanoseconds; written by the receiver's goroutine
	turn      sync.Mutex
}

// traffic is a set of pairs and the measurement that goes on over them.
type traffic struct {
	cell    *cell
	pairs   []*pair
	fleet   *fleet
	start   time.Time
	run     atomic.Int64
	arrived atomic.Int64
	onward  atomic.Pointer[func(*pair)] // what follows an arrival
	refused chan error                  // the first message that came back
}

// newTraffic logs in n pairs of users u, who all keep presence.
func (c *cell) newTraffic(ctx context.Context, n int) (*traffic, error) {
	t := &traffic{cell: c, start: time.Now(), pairs: make([]*pair, n), refused: make(chan error, 1)}
	for i := range t.pairs {
		t.pairs[i] = c.newPair(target.Name("u", 2*i+1))
	}
	var err error
	t.fleet, err = c.gather(ctx, 2*n, func(i int) string { return target.Name("u", i) }, wire.DirectTLS, true, t.receive)
	if err != nil {
		return nil, err
	}
	for i, p := range t.pairs {
		p.from, p.to = t.fleet.members[2*i], t.fleet.members[2*i+1]
	}
	return t, nil
}

func (c *cell) newPair(to string) *pair {
	p := &pair{}
	zero := fmt.Sprintf("%0*d.%0*d.", runDigits, 0, timeDigits, 0)
	body := zero + string(bytes.Repeat([]byte("x"), bodyLength-len(zero)))
	if c.server.Floor {
		p.message = fmt.Appendf(nil, "<message to='%s'><body>%s</body></message>\n", to, body)
	} else {
		p.message = fmt.Appendf(nil, "<message to='%s' type='chat' id='%0*d'><body>%s</body></message>",
			target.JID(to), timeDigits, 0, body)
		p.id = bytes.Index(p.message, []byte("id='")) + len("id='")
	}
	p.body = bytes.Index(p.message, []byte("<body>")) + len("<body>")
	return p
}

// send sends the pair's next message, marked with the measurement and with the
// moment it was due.
func (p *pair) send(run int64, due time.Duration) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.sent++
	put(p.message[p.body:p.body+runDigits], run)
	put(p.message[p.body+runDigits+1:p.body+runDigits+1+timeDigits], int64(due))
	if p.id > 0 {
		put(p.message[p.id:p.id+timeDigits], run*100_000_000+p.sent)
	}
	return p.from.Send(p.message)
}

// put writes n in decimal into all of b.
func put(b []byte, n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// number reads decimal digits.
func number(b []byte) int64 {
	var n int64
	for _, digit := range b {
		n = n*10 + int64(digit-'0')
	}
	return n
}

// receive takes a stanza of member i: odd members receive the messages, even
// ones get back what could not be delivered.
func (t *traffic) receive(i int, stanza []byte) {
	if !wire.Named(stanza, "message") {
		return
	}
	if i%2 == 0 {
		if bytes.Equal(wire.Attr(stanza, "type"), []byte("error")) {
			select {
			case t.refused <- fmt.Errorf("a message came back: %.300s", stanza):
			default:
			}
		}
		return
	}
	at := bytes.Index(stanza, []byte("<body>"))
	if at < 0 || len(stanza) < at+len("<body>")+bodyLength {
		return
	}
	body := stanza[at+len("<body>"):]
	if number(body[:runDigits]) != t.run.Load() {
		return
	}
	p := t.pairs[i/2]
	due := number(body[runDigits+1 : runDigits+1+timeDigits])
	p.latencies = append(p.latencies, int64(time.Since(t.start))-due)
	t.arrived.Add(1)
	if onward := t.onward.Load(); onward != nil {
		(*onward)(p)
	}
}

// begin starts a measurement: earlier messages no longer count.
func (t *traffic) begin(onward func(*pair)) int64 {
	t.cell.bench.nextRun++
	for _, p := range t.pairs {
		p.latencies = p.latencies[:0]
	}
	t.arrived.Store(0)
	if onward == nil {
		t.onward.Store(nil)
	} else {
		t.onward.Store(&onward)
	}
	t.run.Store(t.cell.bench.nextRun)
	return t.cell.bench.nextRun
}

// end stops counting and returns all latencies. Nothing may be in flight.
func (t *traffic) end() []int64 {
	t.run.Store(-1)
	var all []int64
	for _, p := range t.pairs {
		all = append(all, p.latencies...)
	}
	return all
}

// outcome is what a measurement over traffic gave.
type outcome struct {
	cpu       float64 // server, microseconds per message
	rate      float64 // messages per second
	p50, p99  float64 // milliseconds
	count     int
	toolMicro float64 // the generator's own microseconds per message
}

// lateLimit is how long messages in flight may take after the last send.
const lateLimit = 60 * time.Second

// closed runs a closed loop for a time: every arrival makes its pair send the
// next message, so that inFlight messages per pair are always on their way.
func (t *traffic) closed(ctx context.Context, inFlight int, length time.Duration) (outcome, error) {
	var flying atomic.Int64
	finished := make(chan error, 1)
	var until time.Time
	var run int64
	finish := func(err error) {
		select {
		case finished <- err:
		default:
		}
	}
	ready := make(chan struct{})
	onward := func(p *pair) {
		<-ready
		now := time.Now()
		if now.Before(until) {
			if err := p.send(run, now.Sub(t.start)); err != nil {
				finish(err)
			}
			return
		}
		if flying.Add(-1) == 0 {
			finish(nil)
		}
	}
	own := gauge.Own()
	cpu, wall, err := t.cell.measure(func() error {
		run = t.begin(onward)
		until = time.Now().Add(length)
		flying.Store(int64(inFlight * len(t.pairs)))
		close(ready)
		for range inFlight {
			for _, p := range t.pairs {
				if err := p.send(run, time.Since(t.start)); err != nil {
					return err
				}
			}
		}
		return t.await(ctx, finished, length+lateLimit, &flying)
	})
	if err != nil {
		return outcome{}, err
	}
	own = gauge.Own() - own
	return t.outcome(cpu, wall, own), nil
}

func (t *traffic) await(ctx context.Context, finished <-chan error, limit time.Duration, flying *atomic.Int64) error {
	select {
	case err := <-finished:
		return err
	case err := <-t.refused:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		return fmt.Errorf("%d messages had not arrived %v after the last was sent", flying.Load(), lateLimit)
	}
}

func (t *traffic) outcome(cpu, wall, own time.Duration) outcome {
	latencies := t.end()
	n := len(latencies)
	return outcome{
		cpu: micros(cpu, n), rate: float64(n) / wall.Seconds(), count: n, toolMicro: micros(own, n),
		p50: quantile(latencies, 0.5) / 1e6, p99: quantile(latencies, 0.99) / 1e6,
	}
}

// failing stands for figures of a server that does not hold an offered rate.
func failing() outcome {
	return outcome{cpu: math.Inf(1), p50: math.Inf(1), p99: math.Inf(1)}
}
