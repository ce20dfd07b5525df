package stream

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowReader(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		near, far := sockets(t)
		tr := NewTransport(near)
		c, peer := (*Conn)(nil), far
		if encrypted {
			cfg, _ := certificate(t)
			peer = tls.Client(far, &tls.Config{InsecureSkipVerify: true})
			go peer.(*tls.Conn).Handshake()
			tc, err := ServerTLS(t.Context(), tr, cfg)
			if err != nil {
				t.Fatal(err)
			}
			c = NewConn(tc, Options{})
		} else {
			c = NewConn(tr, Options{})
		}
		writable := make(chan struct{}, 100)
		tr.OnWritable(func() { writable <- struct{}{} })
		block := letters(100_000)
		var want bytes.Buffer
		for tr.Writable() {
			if _, err := c.Write(block); err != nil {
				t.Fatal(err)
			}
			want.Write(block)
		}
		// Written while the rest still waits: it must come behind it.
		if err := c.WriteBatch([][]byte{[]byte("<the/>"), []byte("<end/>")}); err != nil {
			t.Fatal(err)
		}
		want.WriteString("<the/><end/>")
		got := make([]byte, want.Len())
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("TLS %v: %d bytes did not come as they were sent: %v", encrypted, want.Len(), err)
		}
		<-writable
		if !tr.Writable() || tr.Pending() != 0 {
			t.Error("still not writable")
		}
	}
}

func TestStuckReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewConn(near, Options{WriteTimeout: 10 * time.Second})
		if _, err := c.Write([]byte("<a/>")); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := c.Read(); err == nil || time.Since(begin) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if _, err := c.Write([]byte("<b/>")); err == nil {
			t.Error("writes to a dropped connection")
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewConn(near, Options{})
		if err := c.t.Flush(time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("<a/>")); err != nil {
			t.Fatal(err)
		}
		if err := c.t.Flush(time.Second); !errors.Is(err, ErrFlushTimeout) {
			t.Error(err)
		}
		go io.Copy(io.Discard, far)
		if err := c.t.Flush(time.Second); err != nil {
			t.Error(err)
		}
		c.Close()
		if _, err := c.Write([]byte("<a/>")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// TestTLSBuffers fails when a new Go version names or types the fields of
// tls.Conn otherwise: idle connections then keep several KB more.
func TestTLSBuffers(t *testing.T) {
	if !tlsFields.found {
		t.Fatal("buffers of tls.Conn not found in this Go version")
	}
	cfg, _ := certificate(t)
	near, far := sockets(t)
	peer := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	go peer.Handshake()
	tc, err := ServerTLS(t.Context(), NewTransport(near), cfg)
	if err != nil {
		t.Fatal(err)
	}
	raw, hand := tlsBufferSizes(tc)
	if raw+hand == 0 {
		t.Fatal("the handshake leaves nothing behind any more: the code can go")
	}
	c := NewConn(tc, Options{})
	say(t, peer, open)
	if _, err := c.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	c.SetLimits(AfterLogin())
	for range 3 {
		say(t, peer, "<message>"+string(letters(30_000))+"</message>")
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
		if c.Buffered() {
			t.Fatal("more than was sent")
		}
		c.release()
		if raw, hand := tlsBufferSizes(tc); raw+hand != 0 {
			t.Fatalf("buffers of %d and %d bytes are kept", raw, hand)
		}
	}
}

// TestTLSBuffersKeepHalfRecords cuts records in the middle, so that the buffers
// must survive the wait.
func TestTLSBuffersKeepHalfRecords(t *testing.T) {
	cfg, _ := certificate(t)
	near, far := sockets(t)
	slow := &slowConn{Conn: far}
	peer := tls.Client(slow, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- peer.Handshake() }()
	tc, err := ServerTLS(t.Context(), NewTransport(near), cfg)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	c := NewConn(tc, Options{})
	slow.step = 7
	go io.WriteString(peer, open+"<message id='1'/><message id='2'/>")
	if _, err := c.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1", "2"} {
		if st, err := c.Read(); err != nil || st.ID != want {
			t.Fatal(st, err)
		}
	}
}

// slowConn writes in small pieces with pauses.
type slowConn struct {
	net.Conn
	step int
}

func (s *slowConn) Write(p []byte) (n int, err error) {
	if s.step == 0 {
		return s.Conn.Write(p)
	}
	for n < len(p) {
		m, err := s.Conn.Write(p[n:min(n+s.step, len(p))])
		if n += m; err != nil {
			return n, err
		}
		time.Sleep(time.Millisecond)
	}
	return n, nil
}
