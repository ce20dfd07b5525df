package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

const (
	floodSenders = 4
	floodBody    = 4000 // bytes of filler per message
	// slowMemory is how much a session that does not read may cost.
	slowMemory = 16 << 20
)

// peakMemory samples the memory of a process until stop is closed and returns
// the largest sample in bytes.
func peakMemory(pid int, stop <-chan struct{}) int64 {
	tree := gauge.NewTree(pid)
	var peak int64
	for {
		if size, err := tree.PSS(); err == nil {
			peak = max(peak, size)
		}
		select {
		case <-stop:
			return peak
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// flood lets some users send about size bytes to one user and waits until all
// of it is acknowledged.
func flood(t *testing.T, s *peers.Server, keys *wire.Keys, ledger *Ledger, to int, size int64) {
	t.Helper()
	filler := " " + strings.Repeat("flood ", floodBody/6)
	var done sync.WaitGroup
	for i := range floodSenders {
		sender := &talker{server: s, user: 1 + i, others: []int{to}, pad: filler, ledger: ledger}
		if err := sender.connect(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		var over atomic.Bool
		done.Go(func() {
			if err := sender.read(); err != nil && !over.Load() {
				t.Errorf("a sender lost its connection: %v", err)
				over.Store(true)
			}
		})
		done.Go(func() {
			defer func() { over.Store(true); _ = sender.session.Drop() }() // broken or done
			messages := int(size / floodSenders / int64(len(filler)))
			for sentSoFar := 0; !over.Load() && t.Context().Err() == nil; {
				switch open := sender.unsettled(); {
				case sentSoFar == messages && open == 0:
					return
				case sentSoFar < messages && open < 128:
					n := min(16, messages-sentSoFar)
					if err := sender.send(n); err != nil {
						return // the reader says why
					}
					sentSoFar += n
				default:
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	done.Wait()
}

// connections returns the states of the connections to a local port by the
// port of the client, as the server's side sees them (proc_net_tcp(5)).
func connections(address string) (map[int]string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	states := make(map[int]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", n)) {
			continue
		}
		if _, client, ok := strings.Cut(fields[2], ":"); ok {
			if port, err := strconv.ParseInt(client, 16, 32); err == nil {
				states[int(port)] = fields[3]
			}
		}
	}
	return states, lines.Err()
}

// established is the TCP state of an open connection in /proc/net/tcp.
const established = "01"

// deafSession is a session whose client has stopped reading.
type deafSession struct {
	session *wire.Session
	server  *peers.Server
	port    int
}

func newDeafSession(t *testing.T, s *peers.Server, keys *wire.Keys, user int, acks bool) *deafSession {
	t.Helper()
	before, err := connections(s.C2STLS)
	if err != nil {
		t.Fatal(err)
	}
	session, err := Login(t.Context(), s, keys, user, "deaf", acks)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Send([]byte("<presence/>")); err != nil {
		t.Fatal(err)
	}
	after, err := connections(s.C2STLS)
	if err != nil {
		t.Fatal(err)
	}
	d := &deafSession{session: session, server: s}
	for port, state := range after {
		if _, there := before[port]; !there && state == established {
			d.port = port
		}
	}
	if d.port == 0 {
		t.Fatal("the connection of the deaf client is not in /proc/net/tcp")
	}
	return d
}

// detached waits until the server has given the connection up.
func (d *deafSession) detached(ctx context.Context) error {
	for {
		states, err := connections(d.server.C2STLS)
		if err != nil {
			return err
		}
		if states[d.port] != established {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the server still holds the connection")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestSlowReader floods a client that has stopped reading.
func TestSlowReader(t *testing.T) {
	random(t)
	rows := newTable("session", "sent MB", "in", "memory before", "peak", "growth", "detached after", "pair p99 before", "during", "ratio")
	for _, f := range []slowness{
		{"without 0198", false, false, *slowBytes},
		{"with 0198", true, false, *slowBytes},
		// What four senders may send at once and in the seconds after it.
		{"rates limited", true, true, min(*slowBytes, 8<<20)},
	} {
		t.Run(f.name, func(t *testing.T) { f.run(t, rows) })
	}
	rows.print(t, "a client that does not read")
}

// slowness is one flood.
type slowness struct {
	name          string
	acks, limited bool // stream management; rate limits as shipped
	bytes         int64
}

func (f slowness) run(t *testing.T, rows *table) {
	const deaf, reader = 0, 5
	setup := setupFor(t, t.TempDir(), 8, "")
	setup.Limited = f.limited
	s := serve(t, setup)
	keys := wire.NewKeys()
	pair, err := NewPair(t.Context(), s, keys, 6, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	// A flood that is read fills the caches, which are no cost of deafness.
	listener := &talker{server: s, user: reader, ledger: NewLedger()}
	if err := listener.connect(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	var listening sync.WaitGroup
	listening.Go(func() { _ = listener.read() }) // ends with Drop
	warm, warmest := make(chan struct{}), make(chan int64, 1)
	go func() { warmest <- peakMemory(s.Pid(), warm) }()
	flood(t, s, keys, NewLedger(), reader, min(f.bytes, 64<<20))
	close(warm)
	if err := listener.session.Drop(); err != nil {
		t.Error(err)
	}
	listening.Wait()

	quiet, err := pair.Messages(t.Context(), 2*time.Second, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	before, err := gauge.NewTree(s.Pid()).PSS()
	if err != nil {
		t.Fatal(err)
	}
	before = max(before, <-warmest) // what a flood takes for itself is no cost of deafness either
	victim := newDeafSession(t, s, keys, deaf, f.acks)
	stop, peak := make(chan struct{}), make(chan int64, 1)
	go func() { peak <- peakMemory(s.Pid(), stop) }()
	began := time.Now()
	ledger := NewLedger()
	var during []time.Duration
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		flood(t, s, keys, ledger, deaf, f.bytes)
	}()
	for running := true; running; {
		times, err := pair.Messages(t.Context(), 200*time.Millisecond, 10*time.Millisecond)
		if err != nil {
			t.Errorf("the ordinary pair: %v", err)
			break
		}
		during = append(during, times...)
		select {
		case <-flooded:
			running = false
		default:
		}
	}
	<-flooded
	lasted := time.Since(began)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := victim.detached(ctx); err != nil {
		t.Error(err)
	}
	detached := time.Since(began)
	close(stop)
	top := <-peak
	if top-before > slowMemory {
		t.Errorf("memory grew by %.1f MB, more than %d MB", megabytes(top-before), slowMemory>>20)
	}
	was, is := percentile(quiet, 99), percentile(sorted(during), 99)
	rows.row(f.name, fmt.Sprintf("%.1f", megabytes(f.bytes)), lasted.Round(time.Millisecond), megabytesText(before), megabytesText(top),
		megabytesText(top-before), detached, was, is, fmt.Sprintf("%.1f", float64(is)/float64(was)))
	_ = victim.session.Drop() // the server may have closed it
	checkFlood(t, s, keys, ledger, deaf)
}

// checkFlood wants every acknowledged message of a flood in the archives.
func checkFlood(t *testing.T, s *peers.Server, keys *wire.Keys, ledger *Ledger, to int) {
	t.Helper()
	archives := make(map[int][]Message)
	for _, user := range []int{to, 1, 2, 3, 4} {
		kept, err := ReadKept(t.Context(), s, keys, user, Kept{})
		if err != nil {
			t.Fatal(err)
		}
		// The senders' archives also hold the flood that was read.
		for _, m := range kept.Messages {
			if m.To == to {
				archives[user] = append(archives[user], m)
			}
		}
	}
	sum := ledger.Totals()
	t.Logf("sent %d, acknowledged %d, refused %d %v", sum.Sent, sum.Acked, sum.Refused, ledger.Conditions())
	if sum.Acked == 0 {
		t.Error("no message of the flood was acknowledged")
	}
	report(t, ledger.Compare(archives))
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

func megabytesText(n int64) string { return fmt.Sprintf("%.1f MB", megabytes(n)) }
