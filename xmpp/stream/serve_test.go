package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/xmpp/stanza"
)

// served is a connection that a Poller reads, with what its handler was given.
type served struct {
	*Conn
	far    net.Conn
	events chan string
	done   chan struct{}
}

// serveOne serves one end of nc; it ends after any error but one of its timeout.
func serveOne(t testing.TB, p *Poller, nc, far net.Conn, timeout time.Duration) *served {
	t.Helper()
	v := &served{Conn: begun(t, nc, far), far: far, events: make(chan string, 64), done: make(chan struct{})}
	v.SetReadTimeout(timeout)
	p.Serve(v.Conn, func(st *stanza.Stanza, err error) bool {
		if st == nil && err == nil {
			return true
		}
		if err != nil {
			v.events <- err.Error()
			return errors.Is(err, os.ErrDeadlineExceeded) && timeout > 0
		}
		v.events <- st.ID
		return true
	}, func() { close(v.done) })
	return v
}

// next is the next event but a timeout.
func (v *served) next(t testing.TB) string {
	t.Helper()
	for {
		select {
		case e := <-v.events:
			if !strings.Contains(e, "timeout") {
				return e
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nothing happens")
		}
	}
}

func poller(t testing.TB) *Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ends are the two kinds of connection: sockets, which a Poller watches, and
// pipes, for each of which a goroutine waits.
var ends = map[string]func(t testing.TB) (near, far net.Conn){
	"socket": sockets,
	"pipe": func(t testing.TB) (net.Conn, net.Conn) {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		return near, far
	},
}

func TestServe(t *testing.T) {
	for name, connect := range ends {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			v := serveOne(t, poller(t), near, far, 20*time.Millisecond)
			if e := <-v.events; !strings.Contains(e, "timeout") {
				t.Fatal(e)
			}
			say(t, far, "<message id='1'/><message id='2'/>")
			got := []string{v.next(t), v.next(t)}
			say(t, far, "<mess")
			if e := <-v.events; !strings.Contains(e, "timeout") {
				t.Fatal(e)
			}
			say(t, far, "age id='3'/>")
			if got = append(got, v.next(t)); fmt.Sprint(got) != "[1 2 3]" {
				t.Errorf("got %v", got)
			}
			far.Close()
			<-v.done
		})
	}
}

// TestServeEnds: whoever ends a silent connection, its handler hears of it.
func TestServeEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(v *served) error
		want string
	}{
		{"closed", func(v *served) error { return v.Close() }, "use of closed"},
		{"closed by the peer", func(v *served) error { return v.far.Close() }, "unexpected EOF"},
		{"half closed by the peer", func(v *served) error { return v.far.(*net.TCPConn).CloseWrite() }, "unexpected EOF"},
		{"interrupted", func(v *served) error { return v.Transport().SetReadDeadline(time.Now()) }, "timeout"},
		{"write fails", func(v *served) error {
			v.Transport().mu.Lock()
			v.Transport().timeout = 10 * time.Millisecond
			v.Transport().mu.Unlock()
			for {
				if _, err := v.Write(make([]byte, 1<<20)); err != nil {
					return nil // the peer does not read
				}
			}
		}, "use of closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := sockets(t)
			v := serveOne(t, poller(t), near, far, 0)
			say(t, far, "<message id='1'/>")
			if e := v.next(t); e != "1" {
				t.Fatal(e)
			}
			if err := c.end(v); err != nil {
				t.Fatal(err)
			}
			if e := <-v.events; !strings.Contains(e, c.want) {
				t.Errorf("the handler heard %q, not %q", e, c.want)
			}
			_ = v.Close()
			<-v.done
		})
	}
}

// TestServeMany: what many peers send in pieces arrives whole and in order, and
// the handler of one connection never runs twice at a time.
func TestServeMany(t *testing.T) {
	const conns, stanzas = 40, 200
	p := poller(t)
	var all sync.WaitGroup
	for range conns {
		near, far := sockets(t)
		c := NewConn(near, Options{})
		say(t, far, open)
		if _, err := c.ReadHeader(); err != nil {
			t.Fatal(err)
		}
		c.SetLimits(AfterLogin())
		c.SetReadTimeout(time.Millisecond)
		var inside atomic.Int32
		next := 0
		all.Add(1)
		p.Serve(c, func(st *stanza.Stanza, err error) bool {
			if inside.Add(1) != 1 {
				t.Error("the handler runs twice")
			}
			defer inside.Add(-1)
			switch {
			case st == nil && err == nil, errors.Is(err, os.ErrDeadlineExceeded):
				return true
			case err != nil:
				t.Errorf("after %d: %v", next, err)
				return false
			case st.ID != fmt.Sprint(next):
				t.Errorf("%s instead of %d", st.ID, next)
				return false
			}
			next++
			return next < stanzas
		}, all.Done)
		go func() {
			for i := range stanzas {
				text := fmt.Sprintf("<message id='%d'><body>%s</body></message>", i, letters(i*100%40_000))
				for len(text) > 0 {
					n := min(len(text), 1+i*977%9000)
					if _, err := io.WriteString(far, text[:n]); err != nil {
						t.Error(err)
						return
					}
					text = text[n:]
				}
				if i%50 == 0 {
					time.Sleep(5 * time.Millisecond) // long enough to be silent
				}
			}
		}()
	}
	all.Wait()
}

// TestServeTellsWhenNothingIsInHand: also when half of the next element has come.
func TestServeTellsWhenNothingIsInHand(t *testing.T) {
	for name, connect := range ends {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			c := begun(t, near, far)
			answers, held := make(chan string, 8), []string(nil)
			done := make(chan struct{})
			poller(t).Serve(c, func(st *stanza.Stanza, err error) bool {
				switch {
				case err != nil:
					return false
				case st != nil:
					held = append(held, st.ID)
				case len(held) > 0:
					answers <- strings.Join(held, " ")
					held = nil
				}
				return true
			}, func() { close(done) })
			say(t, far, "<message id='1'/><message id='2'/><mess")
			if got := <-answers; got != "1 2" {
				t.Errorf("answered %q", got)
			}
			say(t, far, "age id='3'/>")
			if got := <-answers; got != "3" {
				t.Errorf("answered %q", got)
			}
			far.Close()
			<-done
		})
	}
}

// TestServeOutlivesAPanic: a mistake in reading costs its connection only.
func TestServeOutlivesAPanic(t *testing.T) {
	near, far := sockets(t)
	c := NewConn(near, Options{})
	say(t, far, open)
	if _, err := c.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	c.sc = nil // the mistake
	heard, done := make(chan error, 1), make(chan struct{})
	poller(t).Serve(c, func(_ *stanza.Stanza, err error) bool {
		if err != nil {
			heard <- err
		}
		return err == nil
	}, func() { close(done) })
	say(t, far, "<message id='1'/>")
	var mistake *PanicError
	if err := <-heard; !errors.As(err, &mistake) || len(mistake.Stack) == 0 {
		t.Errorf("heard %v", err)
	}
	<-done
}
