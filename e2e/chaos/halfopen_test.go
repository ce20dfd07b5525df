package chaos

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// A stall is a way to connect and then say nothing more.
type stall struct {
	name   string
	direct bool   // to the port of direct TLS
	bytes  string // what is said
	half   bool   // half a handshake follows, once STARTTLS was granted
}

// A TLS record that announces a ClientHello and ends in the middle of it.
const halfHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03stonechat"

const streamHeader = "<?xml version='1.0'?><stream:stream to='" + "example.org" +
	"' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

const startTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

func stalls() []stall {
	return []stall{
		{name: "no bytes"},
		{name: "stream header only", bytes: streamHeader},
		{name: "STARTTLS, half a handshake", bytes: streamHeader + startTLS, half: true},
		{name: "direct TLS, no bytes", direct: true},
		{name: "direct TLS, half a handshake", direct: true, bytes: halfHello},
	}
}

// say says what there is to say.
func (k stall) say(conn net.Conn) error {
	if _, err := io.WriteString(conn, k.bytes); err != nil || !k.half {
		return err
	}
	var heard strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(heard.String(), "<proceed"); {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		heard.Write(buf[:n])
	}
	_, err := io.WriteString(conn, halfHello)
	return err
}

// stalled is one connection that says nothing more.
type stalled struct {
	conn   net.Conn
	opened time.Time
	lasted time.Duration // until the server closed it; 0 if it did not
}

// openStalled opens n connections of a kind, fifty at a time.
func openStalled(s *peers.Server, kind stall, n int) ([]*stalled, error) {
	address := s.C2S
	if kind.direct {
		address = s.C2STLS
	}
	list := make([]*stalled, n)
	errs := make([]error, n)
	slots := make(chan struct{}, 50)
	var done sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			conn, err := net.DialTimeout("tcp", address, 20*time.Second)
			if err != nil {
				errs[i] = err
				return
			}
			list[i] = &stalled{conn: conn, opened: time.Now()}
			errs[i] = kind.say(conn)
		})
	}
	done.Wait()
	for _, err := range errs {
		if err != nil {
			return slices.DeleteFunc(list, func(s *stalled) bool { return s == nil }), err
		}
	}
	return list, nil
}

// awaitClose reads each connection to its end, until the deadline.
func awaitClose(list []*stalled, deadline time.Time) {
	var done sync.WaitGroup
	for _, c := range list {
		done.Go(func() {
			if err := c.conn.SetReadDeadline(deadline); err != nil {
				return
			}
			_, err := io.Copy(io.Discard, c.conn)
			if late, ok := err.(net.Error); !ok || !late.Timeout() {
				c.lasted = time.Since(c.opened)
			}
			_ = c.conn.Close() // the server is asked no more
		})
	}
	done.Wait()
}

// TestHalfOpen opens many connections that never log in while a user does.
func TestHalfOpen(t *testing.T) {
	random(t)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if need := uint64(*halfOpen + 500); files.Cur < need {
		t.Skipf("THIS MACHINE LACKS: %d open files per process for %d connections; the limit is %d", need, *halfOpen, files.Cur)
	}
	s := newServer(t, 2, fmt.Sprintf("[limits]\nlogin_time = %q\n", loginLimit.String()))
	pair, err := NewPair(t.Context(), s, wire.NewKeys(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	server := gauge.NewTree(s.Pid())
	rows := newTable("connections", "opened", "in", "memory each", "closed", "first after", "last after")
	logins := newTable("connections", "question", "asked", "without answer", "slowest")
	answered(t, logins, "none", []question{{"log-in", pair.LogIn}}, 3)

	type group struct {
		kind stall
		list []*stalled
	}
	var groups []group
	var closing sync.WaitGroup
	began := time.Now()
	for _, kind := range stalls() {
		before, err := server.PSS()
		if err != nil {
			t.Fatal(err)
		}
		list, err := openStalled(s, kind, *halfOpen/len(stalls()))
		if err != nil {
			t.Errorf("%s: %v", kind.name, err)
		}
		opened := time.Since(began)
		after, err := server.PSS()
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, group{kind, list})
		closing.Go(func() { awaitClose(list, time.Now().Add(*loginLimit+15*time.Second)) })
		rows.row(kind.name, len(list), opened, fmt.Sprintf("%.1f kB", float64(after-before)/1000/float64(max(len(list), 1))), "", "", "")
	}
	answered(t, logins, "all half open", []question{{"log-in", pair.LogIn}, {"message", pair.Message}, {"ping", pair.Ping}}, 5)
	closing.Wait()
	for _, g := range groups {
		var times []time.Duration
		for _, c := range g.list {
			if c.lasted > 0 {
				times = append(times, c.lasted)
			}
		}
		slices.Sort(times)
		rows.row(g.kind.name, "", "", "", len(times), percentile(times, 0), percentile(times, 100))
		if open := len(g.list) - len(times); open > 0 {
			t.Errorf("%s: %d of %d connections are still open 15 s after the time limit of %v", g.kind.name, open, len(g.list), *loginLimit)
		}
	}
	answered(t, logins, "all closed", []question{{"log-in", pair.LogIn}}, 3)
	rows.print(t, fmt.Sprintf("%d half-open connections, time limit %v", *halfOpen, *loginLimit))
	logins.print(t, "meanwhile")
}
