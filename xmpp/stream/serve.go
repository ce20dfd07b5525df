package stream

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"stonechat/xmpp/stanza"
)

// serving is the part of a Conn that a Poller serves. While it is parked,
// whoever changes the state to working has it; while it is working, only the
// goroutine that works it.
type serving struct {
	poller *Poller
	handle func(st *stanza.Stanza, err error) (more bool)
	done   func()
	id     uint64 // in the Poller; 0: a goroutine of its own waits for it
	state  atomic.Int32
	due    atomic.Int64 // when its silence is an event; see Poller.now; 0: never
	quiet  bool         // it was due: unless something has come, tell
}

const (
	working int32 = iota
	parked
)

// Serve reads c until handle returns false, and gives it each element, or an
// error of Read instead; handle may go on after os.ErrDeadlineExceeded only.
// Neither means that nothing more is in hand, so that what arrives together can
// be answered together. In the end done is called. Serve itself returns at once, and c belongs to handle
// from then on: its calls never overlap, and within it the connection may be
// used as by the reading goroutine.
//
// On Linux nothing but the Conn itself stands for a connection on which
// nothing arrives: when something does, a goroutine is started that ends when
// all of it is handled. Elsewhere, and for what is no socket, a goroutine waits
// whose stack is as small as it began, since handle runs in another one.
func (p *Poller) Serve(c *Conn, handle func(st *stanza.Stanza, err error) (more bool), done func()) {
	c.poller, c.handle, c.done = p, handle, done
	if !p.watch(c) {
		go c.serveAlone()
		return
	}
	c.t.parkedBy(c)
	go c.work()
}

// serveAlone waits in this goroutine and works in others.
func (c *Conn) serveAlone() {
	defer c.done()
	for {
		more := make(chan bool)
		go func() { more <- c.burst() }()
		if !<-more {
			return
		}
		if err := c.await(); err != nil {
			c.readErr = err
		}
	}
}

// burst handles what is in hand. It returns false when handle wants no more.
func (c *Conn) burst() bool {
	for {
		st, err := c.readInHand()
		if err == errAgain {
			return c.handle(nil, nil)
		}
		if !c.handle(st, err) {
			return false
		}
	}
}

// PanicError says that reading what the peer has sent panicked: a mistake of
// this package, which costs the connection and nothing else.
type PanicError struct {
	Value any    // of the panic
	Stack []byte // where it was
}

// Error tells the value.
func (e *PanicError) Error() string { return fmt.Sprint("stream: panic while reading: ", e.Value) }

// readInHand is read without waiting.
func (c *Conn) readInHand() (st *stanza.Stanza, err error) {
	defer func() {
		if v := recover(); v != nil {
			st, err = nil, &PanicError{v, debug.Stack()}
		}
	}()
	return c.read(false)
}

// work handles what has arrived and parks the connection again.
func (c *Conn) work() {
	for {
		more := c.look()
		if !c.burst() {
			c.poller.forget(c)
			c.done()
			return
		}
		if !more && c.park() {
			return
		}
	}
}

// look takes up what has arrived. It returns whether there is probably more.
func (c *Conn) look() (more bool) {
	if !c.dry || c.readErr != nil {
		return false
	}
	n, err := c.t.poll()
	c.dry = n == 0
	switch {
	case err != nil:
		c.readErr = cut(err)
	case c.quiet && n == 0:
		c.readErr = os.ErrDeadlineExceeded
	}
	c.quiet = false
	return n == readSize
}

// park leaves the connection to the Poller. It returns false when that is not
// possible, because it was closed or interrupted: readErr says why. After true
// it belongs to somebody else.
func (c *Conn) park() bool {
	due := c.silence()
	c.due.Store(due)
	c.state.Store(parked)
	c.poller.expect(due)
	err := c.poller.arm(c)
	if err == nil || !c.state.CompareAndSwap(parked, working) {
		return true
	}
	c.readErr = cut(err)
	return false
}

// silence is when the timeout of SetReadTimeout is over, a little later so that
// many connections are looked through for it seldom.
func (c *Conn) silence() int64 {
	if c.timeout <= 0 {
		return 0
	}
	step := max(int64(c.timeout/16), 1)
	return (c.poller.now() + int64(c.timeout) + step - 1) / step * step
}

// wake has a parked connection worked: something arrived, or it was closed.
func (c *Conn) wake() {
	if c.state.CompareAndSwap(parked, working) {
		go c.work()
	}
}

// silent wakes a parked connection whose time is over at now.
func (c *Conn) silent(now int64) {
	if !c.state.CompareAndSwap(parked, working) {
		return
	}
	// It may have been worked and parked again since it was looked at.
	due := c.due.Load()
	c.quiet = due != 0 && due <= now
	go c.work()
}
