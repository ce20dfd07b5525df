package proxy65

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/obs"
)

func usual() Limits {
	return Limits{Connections: 100, PerSource: 50, PerAccount: 2, Meet: time.Minute, Idle: 2 * time.Minute, Rate: 1 << 30}
}

// hashOf is what parties name for a word.
func hashOf(word string) string {
	h := sha1.Sum([]byte(word))
	return hex.EncodeToString(h[:])
}

// dial connects, over TCP.
type dial func() net.Conn

func open(t *testing.T, l Limits) (*Door, dial) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := New(l, obs.Discard())
	served := make(chan error, 1)
	go func() { served <- d.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(listener.Close(), d.Shutdown(t.Context()), <-served); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return d, func() net.Conn {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

// comes says what a party says, and returns the status of the answer; -1: it was hung up on.
func comes(t *testing.T, c net.Conn, hash string) int {
	t.Helper()
	if _, err := c.Write([]byte{5, 2, 2, 0}); err != nil {
		return -1
	}
	var method [2]byte
	if _, err := io.ReadFull(c, method[:]); err != nil || method != [2]byte{5, 0} {
		return -1
	}
	if _, err := c.Write(append(append([]byte{5, 1, 0, 3, byte(len(hash))}, hash...), 0, 0)); err != nil {
		return -1
	}
	answer := make([]byte, 5+40+2)
	if _, err := io.ReadFull(c, answer[:4]); err != nil {
		return -1
	}
	if answer[1] == 0 {
		if _, err := io.ReadFull(c, answer[4:]); err != nil || string(answer[4:45]) != "("+strings.ToLower(hash) {
			t.Errorf("answer %q, %v", answer, err)
		}
	}
	return int(answer[1])
}

func TestTransfer(t *testing.T) {
	d, dial := open(t, usual())
	target, requester, third := dial(), dial(), dial()
	hash := hashOf("a")
	for want, c := range []net.Conn{target, requester} {
		if parties, ok := d.Activate(hash, "alice"); ok || parties != want {
			t.Errorf("with %d parties: %d, %v", want, parties, ok)
		}
		if got := comes(t, c, strings.ToUpper(hash)); got != 0 {
			t.Fatalf("party %d: %d", want, got)
		}
	}
	if got := comes(t, third, hash); got != notAllowed {
		t.Errorf("a third: %d", got)
	}
	// What comes before is handed over afterwards, and not before.
	if _, err := requester.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Activate(hashOf("b"), "alice"); ok {
		t.Error("another hash is activated")
	}
	if parties, ok := d.Activate(hash, "alice"); !ok || parties != 2 {
		t.Fatalf("not activated: %d", parties)
	}
	if _, ok := d.Activate(hash, "alice"); ok {
		t.Error("activated twice")
	}
	content := bytes.Repeat([]byte("content "), 1<<17)
	go func() {
		_, err := requester.Write(content)
		if err = errors.Join(err, requester.(*net.TCPConn).CloseWrite()); err != nil {
			t.Error(err)
		}
	}()
	got, err := io.ReadAll(target)
	if err != nil || string(got) != "early"+string(content) {
		t.Errorf("%d bytes of %d: %v", len(got), len(content), err)
	}
	// The other direction is still open.
	if _, err := target.Write([]byte("thanks")); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(requester); err != nil || string(got) != "thanks" {
		t.Errorf("back: %q, %v", got, err)
	}
}

// What is not asked for as the standard has it is refused, with the reason that SOCKS5 has.
func TestHandshake(t *testing.T) {
	good := "\x05\x01\x00" + "\x05\x01\x00\x03\x28" + hashOf("a") + "\x00\x00"
	for in, want := range map[string]string{
		good:               "\x05\x00",
		"\x04\x01\x00":     "",
		"\x05\x01\x02":     "\x05\xff",
		"\x05\x00":         "\x05\xff",
		"\x05\x01\x00\x05": "\x05\x00",
		"\x05\x01\x00" + "\x05\x02\x00\x03\x28" + hashOf("a") + "\x00\x00":             "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x05\x01\x00" + "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50":                    "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x05\x01\x00" + "\x05\x01\x00\x03\x0bexample.org\x00\x50":                     "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x05\x01\x00" + "\x05\x01\x00\x03\x28" + strings.Repeat("x", 40) + "\x00\x00": "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x05\x01\x00" + "\x04\x01\x00\x03\x28" + hashOf("a") + "\x00\x00":             "\x05\x00",
	} {
		var out bytes.Buffer
		rw := struct {
			io.Reader
			io.Writer
		}{strings.NewReader(in), &out}
		err := greet(rw)
		var r request
		if err == nil {
			r, err = ask(rw)
		}
		if out.String() != want || (err == nil) != (in == good) || err == nil && r.address != hashOf("a") {
			t.Errorf("%q: %q, %+v, %v", in, out.String(), r, err)
		}
	}
}

// Whatever comes, no address but a hash is taken, and nothing panics.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte("\x05\x01\x00" + "\x05\x01\x00\x03\x28" + hashOf("a") + "\x00\x00"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x0bexample.org\x00\x50"))
	f.Fuzz(func(t *testing.T, in []byte) {
		rw := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), io.Discard}
		if greet(rw) != nil {
			return
		}
		if r, err := ask(rw); err == nil {
			if b, err := hex.DecodeString(r.address); err != nil || len(b) != sha1.Size || r.address != strings.ToLower(r.address) {
				t.Errorf("%q is %+v", in, r)
			}
		}
	})
}

func TestLimits(t *testing.T) {
	l := usual()
	l.Connections, l.PerSource, l.PerAccount = 7, 5, 1
	d, dial := open(t, l)
	for i := range 5 {
		if got := comes(t, dial(), hashOf(string(rune('a'+i/2)))); got != 0 {
			t.Errorf("party %d: %d", i, got)
		}
	}
	if got := comes(t, dial(), hashOf("x")); got != -1 {
		t.Errorf("one too many of a source: %d", got)
	}
	if _, ok := d.Activate(hashOf("a"), "alice"); !ok {
		t.Error("not activated")
	}
	if parties, ok := d.Activate(hashOf("b"), "alice"); ok || parties != 2 {
		t.Errorf("one transfer too many: %d, %v", parties, ok)
	}
	if _, ok := d.Activate(hashOf("b"), "bob"); !ok {
		t.Error("another account pays for it")
	}
}

// piped has two parties over pipes, for tests of time.
func piped(t *testing.T, d *Door) (a, b net.Conn) {
	t.Helper()
	var ends [2]net.Conn
	for i := range ends {
		ours, theirs := net.Pipe()
		if !d.admit(&party{Conn: ours, gone: make(chan struct{})}) {
			t.Fatal("no room")
		}
		if got := comes(t, theirs, hashOf("a")); got != 0 {
			t.Fatalf("party %d: %d", i, got)
		}
		ends[i] = theirs
	}
	return ends[0], ends[1]
}

// ended tells whether a connection has been closed by the other side.
func ended(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// Who is not brought together in time goes, and so does a transfer in which nothing passes; as long as something passes one way, the other may be silent.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usual(), obs.Discard())
		a, b := piped(t, d)
		time.Sleep(time.Minute + time.Second)
		if !ended(a) || !ended(b) {
			t.Error("a pair waits for ever")
		}
		if parties, _ := d.Activate(hashOf("a"), "alice"); parties != 0 {
			t.Errorf("%d are left of it", parties)
		}
		a, b = piped(t, d)
		time.Sleep(30 * time.Second)
		if _, ok := d.Activate(hashOf("a"), "alice"); !ok {
			t.Fatal("not activated")
		}
		for range 10 {
			time.Sleep(time.Minute + 59*time.Second)
			if _, err := a.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2*time.Minute + time.Second)
		if !ended(a) || !ended(b) {
			t.Error("nothing passes, for ever")
		}
		if err := d.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What waits, and what is under way, ends with the door.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usual(), obs.Discard())
		a, b := piped(t, d)
		if _, ok := d.Activate(hashOf("a"), "alice"); !ok {
			t.Fatal("not activated")
		}
		c, e := piped(t, d)
		if err := d.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for _, x := range []net.Conn{a, b, c, e} {
			if !ended(x) {
				t.Error("somebody is left")
			}
		}
		if d.admit(&party{gone: make(chan struct{})}) {
			t.Error("it is still open")
		}
		time.Sleep(2 * time.Minute) // the timer of the pair that waited
	})
}

func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	p := pace{rate: 1000}
	for _, x := range []struct {
		n    int
		wait time.Duration
	}{{100, 0}, {150, 0}, {100, 100 * time.Millisecond}, {1000, 1100 * time.Millisecond}} {
		if got := p.pay(x.n, now); got != x.wait {
			t.Errorf("%d bytes wait %v, want %v", x.n, got, x.wait)
		}
	}
	if got := p.pay(200, now.Add(time.Hour)); got != 0 {
		t.Errorf("after a pause it waits %v", got)
	}
}
