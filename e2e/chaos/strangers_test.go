package chaos

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// dialFrom dials from an address of this machine, such as one of 127.0.0.0/8; empty: any.
func dialFrom(from string) net.Dialer {
	var d net.Dialer
	if ip := net.ParseIP(from); ip != nil {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return d
}

// crowdKinds are ways to fill the room in front of the log-in: what each stranger does, and where the i-th comes from.
func crowdKinds() []crowdKind {
	one := func(net int) func(int) string { // a hundred for each address, as from a house with many machines
		return func(i int) string { return fmt.Sprintf("127.%d.0.%d", net, 1+i/100%250) }
	}
	many := func(net int) func(int) string { // each from a network of its own
		return func(i int) string { return fmt.Sprintf("127.%d.%d.1", net+i/250%50, i%250) }
	}
	silent := func(net.Conn) error { return nil }
	header := func(c net.Conn) error { return stall{bytes: streamHeader}.say(c) }
	half := func(c net.Conn) error { return stall{bytes: streamHeader + startTLS, half: true}.say(c) }
	secure := func(c net.Conn) error {
		t := tls.Client(c, &tls.Config{ServerName: "example.org", InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
		if _, err := io.WriteString(t, streamHeader); err != nil {
			return err
		}
		_, err := t.Read(make([]byte, 1)) // the features follow
		return err
	}
	return []crowdKind{
		{"no bytes, few addresses", false, one(10), silent},
		{"no bytes, many networks", false, many(20), silent},
		{"stream header, many networks", false, many(80), header},
		{"half a handshake, few addresses", false, one(11), half},
		{"TLS and features, many networks", true, many(140), secure},
	}
}

type crowdKind struct {
	name   string
	direct bool
	from   func(i int) string
	say    func(net.Conn) error
}

// come opens n connections of the kind, fifty at a time. Those that the server drops meanwhile are none of its errors.
func (k crowdKind) come(s *peers.Server, n int) []*stalled {
	address := s.C2S
	if k.direct {
		address = s.C2STLS
	}
	list := make([]*stalled, n)
	slots := make(chan struct{}, 50)
	var done sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			d := dialFrom(k.from(i))
			d.Timeout = 20 * time.Second
			conn, err := d.Dial("tcp", address)
			if err != nil {
				return
			}
			list[i] = &stalled{conn: conn, opened: time.Now()}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			_ = k.say(conn) // it shows as a connection that does not last
		})
	}
	done.Wait()
	return slices.DeleteFunc(list, func(s *stalled) bool { return s == nil })
}

// strangerMemory is what a connection that has not logged in may cost, bytes: all of them together, by their number. Garbage that was not
// collected yet counts, since the machine has to hold it.
const strangerMemory = 20_000

// TestStrangers fills the room in front of the log-in from many addresses, twice: once as far as it goes, and once far beyond it. A user gets in.
func TestStrangers(t *testing.T) {
	random(t)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if need := uint64(*strangers + 500); files.Cur < need {
		t.Skipf("THIS MACHINE LACKS: %d open files per process for %d connections; the limit is %d", need, *strangers, files.Cur)
	}
	for _, room := range []int{*strangers + 100, *strangers / 4} {
		t.Run(fmt.Sprintf("room for %d", room), func(t *testing.T) { crowdIn(t, *strangers, room) })
	}
}

func crowdIn(t *testing.T, n, room int) {
	setup := setupFor(t, t.TempDir(), 2, fmt.Sprintf("[limits]\nlogin_time = %q\nhandshakes = %d\n", loginLimit.String(), room))
	setup.Limited = true
	s := serve(t, setup)
	pair, err := NewPair(t.Context(), s, wire.NewKeys(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	server := gauge.NewTree(s.Pid())
	rows := newTable("strangers", "came", "in", "memory each", "closed", "first after", "last after")
	logins := newTable("strangers", "log-ins", "slowest")
	ask := func(when string, times int) {
		var worst time.Duration
		for range times {
			ctx, cancel := context.WithTimeout(t.Context(), answerTime)
			took, err := pair.LogIn(ctx)
			cancel()
			if err != nil {
				t.Errorf("%s: the user does not get in: %v", when, err)
			}
			worst = max(worst, took)
		}
		if *loginWithin > 0 && worst > *loginWithin {
			t.Errorf("%s: a log-in took %v", when, worst)
		}
		logins.row(when, times, worst)
	}
	ask("none", 3)
	empty, err := server.PSS()
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	var lists [][]*stalled
	var closing sync.WaitGroup
	for _, kind := range crowdKinds() {
		began := time.Now()
		before, err := server.PSS()
		if err != nil {
			t.Fatal(err)
		}
		came := make(chan []*stalled, 1)
		go func() { came <- kind.come(s, n/len(crowdKinds())) }()
		ask("coming: "+kind.name, 3)
		list := <-came
		after, err := server.PSS()
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, list)
		there += len(list)
		rows.row(kind.name, len(list), time.Since(began), fmt.Sprintf("%.1f kB", float64(after-before)/1000/float64(max(len(list), 1))), "", "", "")
		closing.Go(func() { awaitClose(list, time.Now().Add(*loginLimit+15*time.Second)) })
	}
	ask("all there", 5)
	full, err := server.PSS()
	if err != nil {
		t.Fatal(err)
	}
	each := float64(full-empty) / float64(max(there, 1))
	rows.row("all", there, "", fmt.Sprintf("%.1f kB", each/1000), "", "", "")
	if room > n && n >= 2000 && each > strangerMemory { // few drown in what the server's heap does for itself
		t.Errorf("%.1f kB each", each/1000)
	}
	closing.Wait()
	for i, list := range lists {
		var times []time.Duration
		for _, c := range list {
			if c.lasted > 0 {
				times = append(times, c.lasted)
			}
		}
		slices.Sort(times)
		rows.row(crowdKinds()[i].name, "", "", "", len(times), percentile(times, 0), percentile(times, 100))
		if open := len(list) - len(times); open > 0 {
			t.Errorf("%s: %d of %d connections are still open 15 s after the time limit of %v", crowdKinds()[i].name, open, len(list), *loginLimit)
		}
	}
	ask("all gone", 3)
	rows.print(t, fmt.Sprintf("%d strangers, room for %d, time limit %v", n, room, *loginLimit))
	logins.print(t, "meanwhile")
}
