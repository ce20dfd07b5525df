package stream

import (
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// readSize is the size of pooled read buffers: one TLS record.
const readSize = 16 << 10

// defaultWriteTimeout is used when Options name none.
const defaultWriteTimeout = 30 * time.Second

// errAgain says that a parked Transport has no bytes in hand. crypto/tls goes
// on after an error that calls itself temporary.
type againError struct{}

func (againError) Error() string   { return "stream: no bytes in hand" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true }

var errAgain net.Error = againError{}

// Transport is a net.Conn between a socket and a Conn (or the TLS connection
// of one). At first it blocks like any other. Once a Conn has taken it over it
// never does: what does not fit into the socket is kept and written by a
// goroutine that lives only for that, and reading waits without a buffer.
type Transport struct {
	nc  net.Conn
	raw syscall.RawConn // nil where readiness cannot be waited for

	showed *x509.Certificate // what the peer was shown in the handshake, see Showed
	parked bool
	in     *[readSize]byte // bytes that waiting has brought are in[r:w]
	r, w   int

	mu         sync.Mutex
	over       []byte // what did not fit; not empty while flushing
	flushing   bool
	idle       chan struct{} // closed when flushing ends; made by Flush
	onWritable func()
	reader     *Conn // to be woken when reading would end
	err        error // first error of writing
	timeout    time.Duration
	pending    atomic.Int64

	interrupted atomic.Bool // see Interrupt
}

// ErrClosed says that the connection was closed by this side.
var ErrClosed = net.ErrClosed

var inPool = sync.Pool{New: func() any { return new([readSize]byte) }}

// NewTransport wraps a connection and turns Nagle's algorithm off. On systems
// other than Unix, and for connections without a file descriptor, waiting holds
// a buffer.
func NewTransport(nc net.Conn) *Transport {
	t := &Transport{nc: nc, timeout: defaultWriteTimeout}
	if tc, ok := nc.(*net.TCPConn); ok {
		// Best effort: the option only concerns latency.
		_ = tc.SetNoDelay(true)
	}
	t.raw = rawConn(nc)
	return t
}

// Showed notes the certificate that this side shows in the handshake that
// goes on, for Conn.Bindings. The last one counts.
func (t *Transport) Showed(leaf *x509.Certificate) { t.showed = leaf }

// park makes reading and writing return at once; see Conn.
func (t *Transport) park(writeTimeout time.Duration) {
	t.parked = true
	if writeTimeout > 0 {
		t.mu.Lock()
		t.timeout = writeTimeout
		t.mu.Unlock()
	}
}

// Read reads what is in hand. It blocks only before a Conn has taken over and
// during a TLS handshake.
func (t *Transport) Read(p []byte) (int, error) {
	if t.r == t.w {
		if t.parked {
			return 0, errAgain
		}
		return t.nc.Read(p)
	}
	n := copy(p, t.in[t.r:t.w])
	if t.r += n; t.r == t.w {
		t.discard()
	}
	return n, nil
}

// discard throws away what is in hand and returns how much that was.
func (t *Transport) discard() int {
	n := t.w - t.r
	if t.in != nil {
		inPool.Put(t.in)
	}
	t.in, t.r, t.w = nil, 0, 0
	return n
}

// inHand returns the number of bytes that Read has ready.
func (t *Transport) inHand() int { return t.w - t.r }

// wait blocks until there is something in hand, or the connection fails or the
// read deadline passes.
func (t *Transport) wait() error {
	if t.r < t.w {
		return nil
	}
	if t.raw == nil {
		return t.waitBlocking()
	}
	return t.waitReady()
}

// waitBlocking is for connections whose readiness cannot be seen.
func (t *Transport) waitBlocking() error {
	in := inPool.Get().(*[readSize]byte)
	n, err := t.nc.Read(in[:])
	if n == 0 {
		inPool.Put(in)
		return err
	}
	// An error beside bytes comes again with the next read.
	t.in, t.w = in, n
	return nil
}

// Write writes p or keeps what does not fit. It fails only when the connection
// is broken or closed, perhaps by an earlier write.
func (t *Transport) Write(p []byte) (int, error) {
	if !t.parked {
		return t.nc.Write(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return 0, t.err
	}
	rest := p
	if !t.flushing {
		n, err := t.writeNow(p)
		if err != nil {
			t.err = err
			return n, err
		}
		rest = p[n:]
	}
	if len(rest) == 0 {
		return len(p), nil
	}
	t.over = append(t.over, rest...)
	t.pending.Store(int64(len(t.over)))
	if !t.flushing {
		t.flushing = true
		go t.flush()
	}
	return len(p), nil
}

// flush writes what did not fit, and ends.
func (t *Transport) flush() {
	for {
		t.mu.Lock()
		chunk, err, timeout := t.over, t.err, t.timeout
		if len(chunk) == 0 || err != nil {
			t.endFlush()
			return
		}
		t.over = nil
		t.mu.Unlock()
		err = t.writeChunk(chunk, timeout)
		t.mu.Lock()
		if err != nil && t.err == nil {
			t.err = err
		}
		t.pending.Store(int64(len(t.over)))
		t.mu.Unlock()
	}
}

// flushStep is the greatest write that must make progress in one WriteTimeout.
const flushStep = 32 << 10

func (t *Transport) writeChunk(p []byte, timeout time.Duration) error {
	for len(p) > 0 {
		step := p[:min(len(p), flushStep)]
		if err := t.nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		n, err := t.nc.Write(step)
		if err != nil && n == 0 {
			return err
		}
		p = p[n:]
	}
	return t.nc.SetWriteDeadline(time.Time{})
}

// endFlush is entered with the lock held and gives it back.
func (t *Transport) endFlush() {
	t.flushing, t.over = false, nil
	t.pending.Store(0)
	idle, call, err := t.idle, t.onWritable, t.err
	t.idle = nil
	t.mu.Unlock()
	if idle != nil {
		close(idle)
	}
	if err != nil {
		// The reader must learn of it, too.
		_ = t.nc.Close()
		t.wakeReader()
	}
	if call != nil {
		call()
	}
}

// Writable reports whether everything written so far has gone to the socket.
// While it is false the caller should hold back; see OnWritable.
func (t *Transport) Writable() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.flushing
}

// Pending returns the number of bytes that wait to be taken up by the goroutine
// that writes, without those it is writing.
func (t *Transport) Pending() int { return int(t.pending.Load()) }

// OnWritable sets a function that is called, in a goroutine of its own, each
// time that Writable becomes true again or the connection broke on the way. It
// must not block. It is set before the first write.
func (t *Transport) OnWritable(f func()) {
	t.mu.Lock()
	t.onWritable = f
	t.mu.Unlock()
}

// Flush waits until everything written has gone to the socket, for at most d.
// It returns the error of writing, if any, or ErrFlushTimeout.
func (t *Transport) Flush(d time.Duration) error {
	t.mu.Lock()
	if !t.flushing {
		defer t.mu.Unlock()
		return t.err
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		return ErrFlushTimeout
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// ErrFlushTimeout says that the peer did not take the last bytes in time.
var ErrFlushTimeout = errors.New("stream: peer does not read")

// Close closes the socket; bytes not written yet are lost.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.err == nil {
		t.err = ErrClosed
	}
	t.mu.Unlock()
	err := t.nc.Close()
	t.wakeReader()
	return err
}

// parkedBy sets whom a Poller reads for.
func (t *Transport) parkedBy(c *Conn) {
	t.mu.Lock()
	t.reader = c
	t.mu.Unlock()
}

func (t *Transport) wakeReader() {
	t.mu.Lock()
	c := t.reader
	t.mu.Unlock()
	if c != nil {
		c.wake()
	}
}

// NetConn returns the connection underneath.
func (t *Transport) NetConn() net.Conn { return t.nc }

// LocalAddr implements net.Conn.
func (t *Transport) LocalAddr() net.Addr { return t.nc.LocalAddr() }

// RemoteAddr implements net.Conn.
func (t *Transport) RemoteAddr() net.Addr { return t.nc.RemoteAddr() }

// SetDeadline implements net.Conn.
func (t *Transport) SetDeadline(at time.Time) error {
	return errors.Join(t.nc.SetDeadline(at), t.stillInterrupted())
}

// SetReadDeadline implements net.Conn. For a connection that a Poller serves
// it counts only what has passed already, which interrupts it.
func (t *Transport) SetReadDeadline(at time.Time) error {
	err := errors.Join(t.nc.SetReadDeadline(at), t.stillInterrupted())
	t.wakeReader()
	return err
}

// Interrupt makes reading fail with os.ErrDeadlineExceeded from now on. No
// deadline that the reading goroutine sets later takes that back, since it may
// just be about to set one; only its waiting for the peer's end of the stream
// does. It may be called from any goroutine.
func (t *Transport) Interrupt() error {
	t.interrupted.Store(true)
	return t.SetReadDeadline(past)
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (t *Transport) stillInterrupted() error {
	if !t.interrupted.Load() {
		return nil
	}
	return t.nc.SetReadDeadline(past)
}

// awaitEnd sets the deadline for the peer's end of the stream.
func (t *Transport) awaitEnd(within time.Duration) error {
	t.interrupted.Store(false)
	return t.SetReadDeadline(time.Now().Add(within))
}

// SetWriteDeadline implements net.Conn. It has no effect after a Conn has taken
// over, which sets its own (Options.WriteTimeout).
func (t *Transport) SetWriteDeadline(at time.Time) error {
	if t.parked {
		return nil
	}
	return t.nc.SetWriteDeadline(at)
}
