package cluster

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/xmpp/jid"
)

func addresses(n int) []jid.JID {
	all := make([]jid.JID, n)
	for i := range all {
		all[i] = jid.MustParse(fmt.Sprintf("user%d@example.org", i))
	}
	return all
}

// Every node names the same owner, the load is even, and one member less moves only what was its own.
func TestOwners(t *testing.T) {
	all := addresses(3000)
	three := NewMemory(MemoryOptions{}, "a", "b", "c")
	two := NewMemory(MemoryOptions{}, "a", "b").Member("a")
	load := make(map[Node]int)
	for _, j := range all {
		owner, _ := three.Member("a").Owner(j)
		for _, n := range []Node{"b", "c"} {
			if o, _ := three.Member(n).Owner(j); o != owner {
				t.Fatalf("%s: a says %s, %s says %s", j, owner, n, o)
			}
		}
		load[owner]++
		if o, _ := two.Owner(j); owner != "c" && o != owner {
			t.Errorf("%s moved from %s to %s when c went", j, owner, o)
		}
	}
	for _, n := range []Node{"a", "b", "c"} {
		if load[n] < 900 || load[n] > 1100 {
			t.Errorf("%s owns %d of 3000", n, load[n])
		}
	}
}

// The numbers must be the same in every version of the program: nodes of two versions serve together while they are replaced.
func TestScoresAreFixed(t *testing.T) {
	if s := score("a", "user1@example.org"); s != 12623333129370038556 {
		t.Errorf("score %d", s)
	}
}

func TestOwnerAllocatesNothing(t *testing.T) {
	m, j := NewMemory(MemoryOptions{}, "a", "b", "c").Member("a"), jid.MustParse("juliet@example.org")
	if n := testing.AllocsPerRun(100, func() { m.Owner(j) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSingle(t *testing.T) {
	var c Cluster = Single{}
	if n, _ := c.Owner(jid.MustParse("juliet@example.org")); n != c.Self() {
		t.Errorf("owned by %q", n)
	}
	if err := c.Send("a", Frame{Op: AckStanza}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("sent: %v", err)
	}
}

// Frames of one pair of nodes arrive in order, whoever else sends.
func TestMemoryKeepsOrder(t *testing.T) {
	const each = 2000
	m := NewMemory(MemoryOptions{}, "a", "b", "c")
	var mu sync.Mutex
	last := make(map[Node]uint64)
	var done sync.WaitGroup
	done.Add(2 * each)
	m.Member("c").Receive(func(from Node, f Frame) {
		mu.Lock()
		defer mu.Unlock()
		if f.Ref != last[from]+1 {
			t.Errorf("%s: %d after %d", from, f.Ref, last[from])
		}
		last[from] = f.Ref
		done.Done()
	})
	var senders sync.WaitGroup
	for _, n := range []Node{"a", "b"} {
		senders.Go(func() {
			for i := range each {
				if err := m.Member(n).Send("c", Frame{Op: DeliverStanza, Ref: uint64(i + 1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	done.Wait()
	m.Close()
}

// What is sent is copied, so that the sender may use its bytes again.
func TestMemoryCopies(t *testing.T) {
	m := NewMemory(MemoryOptions{}, "a", "b")
	got := make(chan string, 1)
	b := []byte("first")
	if err := m.Member("a").Send("b", Frame{Op: OutboundBytes, Data: b}); err != nil {
		t.Fatal(err)
	}
	copy(b, "other")
	m.Member("b").Receive(func(_ Node, f Frame) { got <- string(f.Data) })
	if s := <-got; s != "first" {
		t.Errorf("got %q", s)
	}
	m.Close()
}

func TestMemoryLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{Delay: time.Second}, "a", "b")
		a := m.Member("a")
		var mu sync.Mutex
		var all []uint64
		m.Member("b").Receive(func(_ Node, f Frame) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, f.Ref)
		})
		got := func() string {
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint(all)
		}
		send := func(ref uint64) error { return a.Send("b", Frame{Op: AckStanza, Ref: ref}) }
		begun := time.Now()
		errs := []error{send(1)}
		synctest.Wait()
		if got() != "[]" {
			t.Error("no delay")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got() != "[1]" || time.Since(begun) != time.Second {
			t.Errorf("got %s after %v", got(), time.Since(begun))
		}
		errs = append(errs, send(2), send(3))
		synctest.Wait() // both are on their way
		m.Cut("a", "b")
		if err := send(4); !errors.Is(err, ErrUnreachable) {
			t.Errorf("sent over a cut link: %v", err)
		}
		m.Mend("a", "b")
		errs = append(errs, send(5))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if err := errors.Join(errs...); err != nil || got() != "[1 5]" {
			t.Errorf("got %s, %v", got(), err)
		}
		for _, n := range []Node{"a", "nobody"} {
			if err := a.Send(n, Frame{Op: AckStanza}); !errors.Is(err, ErrUnreachable) {
				t.Errorf("sent to %s: %v", n, err)
			}
		}
		m.Close()
		if err := send(6); !errors.Is(err, ErrUnreachable) {
			t.Errorf("sent over a closed link: %v", err)
		}
	})
}

// full has something in every field, so that one that is forgotten is found.
func full() Frame {
	return Frame{
		Op: InboundStanza, Flag: true, Ref: 1 << 63, Count: 300, To: "to", From: "from", ID: "id", Address: "[::1]:5222",
		Role: "owner", Fault: Fault{"condition", "text", "detail", "app"}, Data: []byte("data"),
	}
}

func TestFrameRoundTrip(t *testing.T) {
	f := full()
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the test's frame has no %s", v.Type().Field(i).Name)
		}
	}
	for _, f := range []Frame{full(), {Op: AckStanza}, {Op: DeliverPresence, To: "a@b"}, {Op: DeliverTold, To: "a@b/c"}} {
		b, err := f.Append([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b[len("before"):])
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%+v came back as %+v, %v", f, got, err)
		}
	}
}

func TestFrameLimits(t *testing.T) {
	f := Frame{Op: OutboundBytes, Data: make([]byte, MaxFrame)}
	if _, err := f.Append(nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("encoded: %v", err)
	}
	good := full()
	b, err := good.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(b) - len(good.Data) {
		if _, err := Decode(b[:n]); !errors.Is(err, ErrBadFrame) {
			t.Errorf("decoded the first %d bytes: %v", n, err)
		}
	}
	for _, op := range []byte{0, byte(DeliverTold) + 1, 0x7f} {
		b[0] = op
		if _, err := Decode(b); !errors.Is(err, ErrBadFrame) {
			t.Errorf("decoded op %d: %v", op, err)
		}
	}
}

func TestEveryOpHasAKind(t *testing.T) {
	kinds := make(map[Kind]int)
	for op := AckStanza; op <= DeliverTold; op++ {
		kinds[op.Kind()]++
	}
	if len(kinds) != 5 || kinds[0] != 0 {
		t.Errorf("kinds %v", kinds)
	}
}

// Whatever comes, it is refused or is a frame that encodes to what decodes to it.
func FuzzDecode(f *testing.F) {
	for _, x := range []Frame{full(), {Op: AckInbound, Ref: 7, Count: 1}, {Op: AttachAnswer, Fault: Fault{Condition: "no-account"}}} {
		b, err := x.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Decode(b)
		if err != nil {
			return
		}
		again, err := x.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		y, err := Decode(again)
		if err != nil || !reflect.DeepEqual(x, y) {
			t.Errorf("%+v became %+v, %v", x, y, err)
		}
	})
}
