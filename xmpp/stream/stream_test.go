package stream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const open = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

// pair returns a Conn and the bare socket at the other end.
func pair(t testing.TB, o Options) (*Conn, net.Conn) {
	t.Helper()
	near, far := sockets(t)
	return NewConn(near, o), far
}

func say(t testing.TB, nc net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(nc, s); err != nil {
		t.Fatal(err)
	}
}

func condition(err error) stanza.StreamCondition {
	var e *stanza.StreamError
	if errors.As(err, &e) {
		return e.Condition
	}
	return ""
}

func TestReadHeader(t *testing.T) {
	const streams = "xmlns:stream='http://etherx.jabber.org/streams'"
	for _, tc := range []struct {
		name, space, in string
		want            stanza.StreamCondition
	}{
		{"good", "", open, ""},
		{"other prefix", "", "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' version='1.0'>", ""},
		{"newer version", "", "<stream:stream xmlns='jabber:client' " + streams + " version='11.15'>", ""},
		{"server", ns.Server, "<stream:stream xmlns='jabber:server' " + streams + " version='1.0'>", ""},
		{"server without version", ns.Server, "<stream:stream xmlns='jabber:server' " + streams + ">", ""},
		{"component", ns.ComponentAccept, "<stream:stream xmlns='jabber:component:accept' " + streams + " to='x.example'>", ""},
		{"no version", "", "<stream:stream xmlns='jabber:client' " + streams + ">", stanza.StreamUnsupportedVersion},
		{"version 0.9", "", "<stream:stream xmlns='jabber:client' " + streams + " version='0.9'>", stanza.StreamUnsupportedVersion},
		{"version words", "", "<stream:stream xmlns='jabber:client' " + streams + " version='one'>", stanza.StreamUnsupportedVersion},
		{"server namespace", "", "<stream:stream xmlns='jabber:server' " + streams + " version='1.0'>", stanza.StreamInvalidNamespace},
		{"no namespace", "", "<stream:stream " + streams + " version='1.0'>", stanza.StreamInvalidNamespace},
		{"wrong streams namespace", "", "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' version='1.0'>", stanza.StreamInvalidNamespace},
		{"no prefix", "", "<stream xmlns='http://etherx.jabber.org/streams' version='1.0'>", stanza.StreamBadNamespacePrefix},
		{"unbound prefix", "", "<stream:stream xmlns='jabber:client' version='1.0'>", stanza.StreamBadNamespacePrefix},
		{"not a stream", "", "<stream:message xmlns='jabber:client' " + streams + " version='1.0'>", stanza.StreamBadFormat},
		{"bad to", "", "<stream:stream xmlns='jabber:client' " + streams + " version='1.0' to='@'>", stanza.StreamImproperAddressing},
		{"bad from", "", "<stream:stream xmlns='jabber:client' " + streams + " version='1.0' from='a@'>", stanza.StreamImproperAddressing},
		{"HTTP", "", "GET / HTTP/1.1\r\n\r\n", stanza.StreamNotWellFormed},
		{"DTD", "", "<!DOCTYPE x><x/>", stanza.StreamRestrictedXML},
		{"too long", "", "<stream:stream a='" + strings.Repeat("x", 9000), stanza.StreamPolicyViolation},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, far := pair(t, Options{Space: tc.space})
			say(t, far, tc.in)
			if _, err := c.ReadHeader(); condition(err) != tc.want || tc.want == "" && err != nil {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	near, far := sockets(t)
	a, b := NewConn(near, Options{Initiating: true}), NewConn(far, Options{})
	want := Header{To: jid.MustParse("example.net"), From: jid.MustParse("juliet@example.net"), ID: "a'<&", Lang: "de"}
	if err := a.SendHeader(want, ""); err != nil {
		t.Fatal(err)
	}
	got, err := b.ReadHeader()
	if err != nil || got.To != want.To || got.From != want.From || got.ID != want.ID || got.Lang != want.Lang || got.Space != ns.Client || got.NoVersion {
		t.Errorf("%+v, %v", got, err)
	}
	if a.SendHeader(want, "") == nil {
		t.Error("second header without a restart")
	}
	if id := NewID(); id == NewID() || len(id) < 16 {
		t.Error("ids can be guessed")
	}
}

func TestReadInPieces(t *testing.T) {
	c, far := pair(t, Options{})
	in := open + " \n<message id='1'><body>x</body></message> <presence id='2'/>\n<iq id='3'><a xmlns='urn:x'/></iq><r xmlns='urn:xmpp:sm:3'/></stream:stream>"
	go func() {
		for i := range len(in) {
			if _, err := far.Write([]byte{in[i]}); err != nil {
				return
			}
		}
	}()
	if _, err := c.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"message", "presence", "iq", "r"} {
		if st, err := c.Read(); err != nil || st.Local != want {
			t.Fatalf("%v, %v instead of %s", st, err, want)
		}
	}
	if _, err := c.Read(); err != io.EOF {
		t.Error(err)
	}
	if c.buf != nil || c.attached {
		t.Error("memory is held at the end of the stream")
	}
}

func TestLimits(t *testing.T) {
	message := func(n int) string { return "<message><body>" + string(letters(n)) + "</body></message>" }
	for _, tc := range []struct {
		name, in string
		after    bool
		want     stanza.StreamCondition
	}{
		{"small", message(9000), false, ""},
		{"large before log-in", message(10_000), false, stanza.StreamPolicyViolation},
		{"large after log-in", message(250_000), true, ""},
		{"huge", message(260_000), true, stanza.StreamPolicyViolation},
		{"total before log-in", strings.Repeat(message(9000), 8), false, stanza.StreamPolicyViolation},
		{"total after log-in", strings.Repeat(message(9000), 40), true, ""},
		{"white space before log-in", strings.Repeat(" ", 70_000), false, stanza.StreamPolicyViolation},
		{"deep", strings.Repeat("<a>", 101), true, stanza.StreamPolicyViolation},
		{"text", "hello", true, stanza.StreamBadFormat},
		{"comment", "<!-- x -->", true, stanza.StreamRestrictedXML},
		{"second header", open, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, far := pair(t, Options{})
			go func() {
				io.WriteString(far, open+tc.in+"<presence/></stream:stream>")
			}()
			_, err := c.ReadHeader()
			if tc.after {
				c.SetLimits(AfterLogin())
			}
			for err == nil {
				_, err = c.Read()
			}
			if tc.name == "second header" {
				if err == io.EOF {
					t.Error("a header inside the stream is taken")
				}
				return
			}
			if condition(err) != tc.want || tc.want == "" && err != io.EOF {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestStreamErrors(t *testing.T) {
	t.Run("received", func(t *testing.T) {
		c, far := pair(t, Options{Initiating: true})
		say(t, far, open+"<stream:error><conflict xmlns='"+ns.StreamErrors+"'/><text xmlns='"+ns.StreamErrors+"'>gone</text></stream:error>")
		if _, err := c.ReadHeader(); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read()
		var e *PeerError
		if !errors.As(err, &e) || e.Err.Condition != stanza.StreamConflict || e.Err.Text != "gone" {
			t.Error(err)
		}
	})
	for _, tc := range []struct {
		name   string
		header bool
		err    error
		want   string
	}{
		{"before the header", false, &stanza.StreamError{Condition: stanza.StreamHostUnknown}, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='example.net' id='i' version='1.0'><stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"},
		{"after the header", true, &stanza.StreamError{Condition: stanza.StreamReset}, "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"},
		{"answer to an error", true, &PeerError{Err: &stanza.StreamError{Condition: stanza.StreamReset}}, "</stream:stream>"},
		{"cut line", true, io.ErrUnexpectedEOF, "</stream:stream>"},
		{"nothing begun", false, io.ErrUnexpectedEOF, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, far := pair(t, Options{})
			h := Header{From: jid.MustParse("example.net"), ID: "i"}
			if tc.header {
				if err := c.SendHeader(h, ""); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(tc.want, "error") {
				// What nobody reads must not take the error back.
				say(t, far, strings.Repeat(" ", 1000))
			}
			done := make(chan error, 1)
			go func() { done <- c.Fail(tc.err, h) }()
			got, err := io.ReadAll(far)
			far.Close()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			s := string(got)
			if tc.header {
				_, s, _ = strings.Cut(s, "version='1.0'>")
			}
			if err != nil || s != tc.want {
				t.Errorf("sent %q, %v", s, err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Error("writes after the end tag")
			}
		})
	}
}

func TestClosingHandshake(t *testing.T) {
	near, far := sockets(t)
	a, b := NewConn(near, Options{Initiating: true}), NewConn(far, Options{})
	if err := errors.Join(a.SendHeader(Header{}, ""), b.SendHeader(Header{}, "<x xmlns='urn:x'/>")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		// The other side still has something to say before it closes, too.
		_, err := b.Read()
		if err == io.EOF {
			err = b.SendXML("<message id='last'/>")
		}
		done <- errors.Join(err, b.CloseStream(true, nil))
	}()
	var last []string
	if err := a.CloseStream(false, func(st *stanza.Stanza) { last = append(last, st.Local+st.ID) }); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if fmt.Sprint(last) != "[features messagelast]" {
		t.Errorf("saw %v", last)
	}
}

func TestBuffered(t *testing.T) {
	cfg, _ := certificate(t)
	for _, encrypted := range []bool{false, true} {
		near, far := sockets(t)
		peer := far
		c := (*Conn)(nil)
		if encrypted {
			peer = tls.Client(far, &tls.Config{InsecureSkipVerify: true})
			go peer.(*tls.Conn).Handshake()
			tc, err := ServerTLS(t.Context(), NewTransport(near), cfg)
			if err != nil {
				t.Fatal(err)
			}
			c = NewConn(tc, Options{})
		} else {
			c = NewConn(near, Options{})
		}
		say(t, peer, open+"<a xmlns='urn:x'/><b xmlns='urn:x'/><c xm")
		if _, err := c.ReadHeader(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []bool{true, true, true} {
			if c.Buffered() != want {
				t.Errorf("TLS %v: buffered is not %v", encrypted, want)
			}
			if c.r < c.w && strings.HasPrefix(string(c.buf[c.r:c.w]), "<c") {
				break
			}
			if _, err := c.Read(); err != nil {
				t.Fatal(err)
			}
		}
		say(t, peer, "lns='urn:x'/>")
		if st, err := c.Read(); err != nil || st.Local != "c" {
			t.Fatal(st, err)
		}
		if c.Buffered() {
			t.Errorf("TLS %v: something is buffered", encrypted)
		}
		say(t, peer, "<d xmlns='urn:x'/>")
		if st, err := c.Read(); err != nil || st.Local != "d" {
			t.Fatal(st, err)
		}
	}
}

// TestTimeouts runs on a pipe, which also has no readiness to wait for.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := begun(t, near, far)
		c.SetReadTimeout(time.Minute)
		begin := time.Now()
		if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		go func() {
			// Each piece comes in time, half an element at a time.
			for _, s := range []string{" ", "<mess", "age/>"} {
				time.Sleep(50 * time.Second)
				io.WriteString(far, s)
			}
		}()
		if st, err := c.Read(); err != nil || st.Kind != stanza.Message {
			t.Fatalf("%v, %v", st, err)
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		c.SetReadTimeout(0)
		go func() {
			time.Sleep(time.Hour)
			io.WriteString(far, "<presence/>")
		}()
		if st, err := c.Read(); err != nil || st.Kind != stanza.Presence {
			t.Fatalf("%v, %v", st, err)
		}
		c.Close()
	})
}

// TestInterrupt: whatever deadline comes later, reading fails; the end of the stream is waited for nevertheless.
func TestInterrupt(t *testing.T) {
	for name, connect := range ends {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			c := begun(t, near, far)
			if err := c.Transport().Interrupt(); err != nil {
				t.Fatal(err)
			}
			for what, set := range map[string]func() error{
				"timeout":       func() error { c.SetReadTimeout(time.Hour); return nil },
				"deadline":      func() error { return c.SetReadDeadline(time.Now().Add(time.Hour)) },
				"both at once":  func() error { return c.Transport().SetDeadline(time.Now().Add(time.Hour)) },
				"none any more": func() error { return c.SetReadDeadline(time.Time{}) },
			} {
				if err := set(); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: %v", what, err)
				}
			}
			go func() {
				_, _ = io.WriteString(far, "<presence/></stream:stream>")
				_, _ = io.Copy(io.Discard, far)
			}()
			last := 0
			if err := c.CloseStream(false, func(*stanza.Stanza) { last++ }); err != nil || last != 1 {
				t.Errorf("%d stanzas before the end: %v", last, err)
			}
		})
	}
}
