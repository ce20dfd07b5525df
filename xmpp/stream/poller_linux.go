package stream

import (
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Poller waits for all connections that it serves; see Serve. One is enough for
// a program.
type Poller struct {
	file *os.File // the epoll instance, which the runtime's own poller waits for
	raw  syscall.RawConn
	fd   int
	last atomic.Uint64 // id given out
	made time.Time     // times are counted from here, whatever happens to the clock

	mu      sync.Mutex
	served  map[uint64]*Conn
	timer   *time.Timer
	running sync.WaitGroup
	next    atomic.Int64 // when the timer looks for silent connections; see now
}

// NewPoller starts a Poller; Close ends it.
func NewPoller() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), syscall.Close(fd))
	}
	p := &Poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, made: time.Now(), served: make(map[uint64]*Conn)}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	p.next.Store(math.MaxInt64)
	p.timer = time.AfterFunc(math.MaxInt64, p.look)
	p.running.Go(p.run)
	return p, nil
}

// Close ends the Poller. The connections that it serves must have ended before:
// those left are never heard of again.
func (p *Poller) Close() error {
	p.timer.Stop()
	err := p.file.Close()
	p.running.Wait()
	return err
}

// watch takes a connection on, if it is a socket. It is told of nothing until
// it is armed.
func (p *Poller) watch(c *Conn) bool {
	if c.t.raw == nil {
		return false
	}
	c.id = p.last.Add(1)
	p.mu.Lock()
	p.served[c.id] = c
	p.mu.Unlock()
	if p.control(c, syscall.EPOLL_CTL_ADD, syscall.EPOLLONESHOT) != nil {
		p.forget(c)
		return false
	}
	return true
}

// forget ends what watch began.
func (p *Poller) forget(c *Conn) {
	p.mu.Lock()
	delete(p.served, c.id)
	p.mu.Unlock()
}

// arm has the next arrival on c told, once. It fails when c was closed or its
// read deadline has passed.
func (p *Poller) arm(c *Conn) error {
	return p.control(c, syscall.EPOLL_CTL_MOD, syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLONESHOT)
}

// controlOp is one change of what is waited for; see readOp.
type controlOp struct {
	epoll, op int
	ev        syscall.EpollEvent
	err       error
	fn        func(fd uintptr) bool
}

var controlOps = sync.Pool{New: func() any {
	o := &controlOp{}
	o.fn = func(fd uintptr) bool {
		o.err = syscall.EpollCtl(o.epoll, o.op, int(fd), &o.ev)
		return true
	}
	return o
}}

func (p *Poller) control(c *Conn, op int, events uint32) error {
	o := controlOps.Get().(*controlOp)
	defer controlOps.Put(o)
	o.epoll, o.op = p.fd, op
	// Fd and Pad together are the word that comes back with the event.
	o.ev = syscall.EpollEvent{Events: events, Fd: int32(c.id), Pad: int32(c.id >> 32)}
	// Within Read the descriptor is not closed, and so not another's; and Read
	// knows of the deadline.
	if err := c.t.raw.Read(o.fn); err != nil {
		return err
	}
	return os.NewSyscallError("epoll_ctl", o.err)
}

// run waits for events until the Poller is closed.
func (p *Poller) run() {
	events := make([]syscall.EpollEvent, 128)
	var found []*Conn
	_ = p.raw.Read(func(fd uintptr) bool { // ends with Close
		for {
			n, err := syscall.EpollWait(int(fd), events, 0)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 {
				return err != nil
			}
			found = p.find(found[:0], events[:n])
			for i, c := range found {
				c.wake()
				found[i] = nil
			}
		}
	})
}

// find appends the connections of events. One that has ended meanwhile is not
// known any more, and ids are not given twice.
func (p *Poller) find(found []*Conn, events []syscall.EpollEvent) []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		if c := p.served[uint64(uint32(events[i].Fd))|uint64(uint32(events[i].Pad))<<32]; c != nil {
			found = append(found, c)
		}
	}
	return found
}

// now is the time of due and next, in nanoseconds.
func (p *Poller) now() int64 { return int64(time.Since(p.made)) }

// expect has silent connections looked for at due, unless that happens before.
func (p *Poller) expect(due int64) {
	if due == 0 || p.next.Load() <= due {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if due < p.next.Load() {
		p.next.Store(due)
		p.timer.Reset(time.Duration(due - p.now()))
	}
}

// look wakes the connections that have been silent for too long.
func (p *Poller) look() {
	now := p.now()
	var over []*Conn
	p.mu.Lock()
	// One that parks from now on must not rely on the look that is under way,
	// which may have passed it.
	next := int64(math.MaxInt64)
	p.next.Store(next)
	for _, c := range p.served {
		switch due := c.due.Load(); {
		case due == 0 || c.state.Load() != parked: // when it parks it says when it is due
		case due <= now:
			over = append(over, c)
		default:
			next = min(next, due)
		}
	}
	if next < math.MaxInt64 {
		p.next.Store(next)
		p.timer.Reset(time.Duration(next - now))
	}
	p.mu.Unlock()
	for _, c := range over {
		c.silent(now)
	}
}
