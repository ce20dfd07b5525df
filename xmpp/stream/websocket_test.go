package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// rawFrame is a client's frame.
func rawFrame(fin bool, op byte, payload string) string {
	b := appendFrame(nil, op, []byte(payload), true)
	if !fin {
		b[0] &^= finBit
	}
	return string(b)
}

func text(payload string) string { return rawFrame(true, opText, payload) }

// framedPair is a connection whose server end is a Conn over WebSocket.
func framedPair(t testing.TB) (client net.Conn, c *Conn) {
	t.Helper()
	client, server := sockets(t)
	c = NewConn(server, Options{WebSocket: true})
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return client, c
}

const message = "<message xmlns='jabber:client' to='a@b' id='1'><body>x</body></message>"

// What a client may send, as frames, and what becomes of it: stanzas by their id, then how it ends. Numbers are those of the Autobahn test suite,
// where it has such a case.
func TestFramedReading(t *testing.T) {
	long := "<message xmlns='jabber:client' id='long'><body>" + strings.Repeat("ä", 60_000) + "</body></message>"
	pieces := func(s string, size int, between string) string {
		var b strings.Builder
		for i, op := 0, byte(opText); i < len(s); i, op = i+size, opContinuation {
			b.WriteString(rawFrame(i+size >= len(s), op, s[i:min(len(s), i+size)]))
			b.WriteString(between)
		}
		return b.String()
	}
	eof := "EOF"
	for _, c := range []struct {
		name, in string
		ids      string
		end      string // of the error
		code     int    // of the close frame
	}{
		{"1.1.2 text", text(message), "1", "unexpected EOF", 1000},
		{"two in one read", text(message) + text(message), "1 1", "unexpected EOF", 1000},
		{"1.1.6 long", text(long), "long", "unexpected EOF", 1000},
		{"5.3 in two pieces", pieces(message, 40, ""), "1", "unexpected EOF", 1000},
		{"5.6 with pings between", pieces(message, 7, rawFrame(true, opPing, "p")), "1", "unexpected EOF", 1000},
		{"6.2.4 in single bytes", pieces(message, 1, ""), "1", "unexpected EOF", 1000},
		{"9.3 long in small pieces", pieces(long, 64, ""), "long", "unexpected EOF", 1000},
		{"empty pieces", rawFrame(false, opText, "") + rawFrame(false, opContinuation, message) + rawFrame(true, opContinuation, ""), "1", "unexpected EOF", 1000},
		{"2.1 ping and 2.7 pong", rawFrame(true, opPing, "") + rawFrame(true, opPong, "unasked") + text(message), "1", "unexpected EOF", 1000},
		{"1.2.1 binary", rawFrame(true, opBinary, message), "", "only text", closeData},
		{"5.9 continuation of nothing", rawFrame(true, opContinuation, message), "", "wrong order", closeProtocol},
		{"5.18 text inside a message", rawFrame(false, opText, "<") + text(message), "", "wrong order", closeProtocol},
		{"3.1 reserved bit", "\xc1\x80\x00\x00\x00\x00", "", "reserved", closeProtocol},
		{"4.1.1 opcode", "\x83\x80\x00\x00\x00\x00", "", "opcode", closeProtocol},
		{"not masked", "\x81\x01<", "", "masking", closeProtocol},
		{"6.3.1 bad UTF-8", text("<message xmlns='jabber:client'><body>\xce\xba\xed\xa0\x80</body></message>"), "", "unsupported-encoding", closeEncoding},
		{"too big", "\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00", "", "too big", closeTooBig},
		{"too big in pieces", rawFrame(false, opText, long[:100_000]) + rawFrame(false, opContinuation, long[:100_000]) + rawFrame(true, opContinuation, long[:100_000]), "", "too big", closeTooBig},
		{"7.1.1 close", rawFrame(true, opClose, "\x03\xe8"), "", "unexpected EOF", 1000},
		{"7.3.2 close without code", rawFrame(true, opClose, ""), "", "unexpected EOF", closeNone},
		{"7.7 its code comes back", rawFrame(true, opClose, "\x0b\xb8bye"), "", "unexpected EOF", 3000},
		{"7.9.1 bad code", rawFrame(true, opClose, "\x03\xe7"), "", "close code", closeProtocol},
		{"7.3.2 half a code", rawFrame(true, opClose, "\x03"), "", "half", closeProtocol},
		{"7.1.3 nothing behind a close", rawFrame(true, opClose, "\x03\xe8") + text(message), "", "unexpected EOF", 1000},
		{"close element", text("<close xmlns='" + ns.Framing + "'/>"), "", eof, 1000},
		{"open where none is due", text("<open xmlns='" + ns.Framing + "'/>"), "", "unexpected stream header", 1000},
		{"white space", text(" "), "", "begin with an element", 1000},
		{"an empty message", text(""), "", "begin with an element", 1000},
		{"space in front", text(" " + message), "", "begin with an element", 1000},
		{"two elements", text(message + message), "", "not-well-formed", 1000},
		{"half an element", text("<message xmlns='jabber:client'>"), "", "not-well-formed", 1000},
		{"an old header", text("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>"), "", "not-well-formed", 1000},
		{"a prefix of nowhere", text("<stream:features/>"), "", "not-well-formed", 1000},
		{"a document type", text("<!DOCTYPE x [<!ENTITY a 'b'>]><message/>"), "", "restricted-xml", 1000},
		{"a comment", text("<message xmlns='jabber:client'><!-- x --></message>"), "", "restricted-xml", 1000},
		{"without its namespace", text("<message id='bare'/>"), "bare", "unexpected EOF", 1000},
		{"with an XML declaration", text("<?xml version='1.0'?>" + message), "1", "unexpected EOF", 1000},
		{"a stream error", text("<error xmlns='" + ns.Streams + "'><reset xmlns='" + ns.StreamErrors + "'/></error>"), "", "error from the peer", 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, conn := framedPair(t)
			conn.SetLimits(Limits{Limits: AfterLogin().Limits})
			go func() {
				_, _ = io.WriteString(client, c.in)
				_ = client.(*net.TCPConn).CloseWrite()
			}()
			var ids []string
			var err error
			for err == nil {
				var st *stanza.Stanza
				if st, err = conn.Read(); err == nil {
					ids = append(ids, st.ID)
				}
			}
			if strings.Join(ids, " ") != c.ids || !strings.Contains(err.Error(), c.end) {
				t.Errorf("read %q, then %v", ids, err)
			}
			go conn.Fail(err, Header{})
			if code := closeCode(t, client); code != c.code {
				t.Errorf("close code %d", code)
			}
		})
	}
}

// closeCode reads frames up to the close frame.
func closeCode(t *testing.T, client net.Conn) int {
	t.Helper()
	all, err := io.ReadAll(client)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Log(err)
	}
	for len(all) > 0 {
		f, ok, broken := parseFrame(all, false, 1<<20)
		if !ok || len(all) < f.head+f.size {
			t.Fatalf("%x: %v", all, broken)
		}
		if f.op == opClose {
			code, _ := parseClose(all[f.head : f.head+f.size])
			return code
		}
		all = all[f.head+f.size:]
	}
	return 0
}

// Pings are answered, but not more than one for all that is read at once.
func TestPong(t *testing.T) {
	client, conn := framedPair(t)
	if _, err := io.WriteString(client, rawFrame(true, opPing, "first")+rawFrame(true, opPing, "last")); err != nil {
		t.Fatal(err)
	}
	go conn.Read()
	got := make([]byte, 6)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "\x8a\x04last" {
		t.Errorf("%q, %v", got, err)
	}
}

// An idle connection in the middle of a message holds little, and what was sent by half goes on.
func TestHalfAMessage(t *testing.T) {
	client, conn := framedPair(t)
	if _, err := io.WriteString(client, rawFrame(false, opText, message[:10])+rawFrame(true, opPing, "x")+text(message)[:4]); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := conn.read(false)
		if err != errAgain {
			t.Fatal(err)
		}
		if conn.ws.have == 10 && conn.w-conn.r-conn.ws.at == 4 {
			break
		}
		if err := conn.await(); err != nil {
			t.Fatal(err)
		}
	}
	if conn.attached || len(conn.buf) > smallPartial {
		t.Errorf("holds %d bytes", len(conn.buf))
	}
}

// site is an HTTP server whose WebSockets are served by serve.
func site(t *testing.T, serve func(*Conn)) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, early, err := Upgrade(w, r)
		var refused *UpgradeError
		if errors.As(err, &refused) {
			http.Error(w, refused.Text, refused.Status)
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		serve(NewConn(nc, Options{WebSocket: true, Early: early}))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A foreign implementation of WebSocket gets along with ours: the handshake, messages of all sizes, pings, the end.
func TestForeignPeer(t *testing.T) {
	url := site(t, func(c *Conn) {
		if _, err := c.ReadHeader(); err != nil {
			t.Error(err)
		}
		if err := c.SendHeader(Header{ID: "7"}, "<a xmlns='b'/>"); err != nil {
			t.Error(err)
		}
		for {
			st, err := c.Read()
			if err != nil {
				if err != io.EOF {
					t.Error(err)
				}
				_ = c.CloseStream(err == io.EOF, nil)
				return
			}
			if err := c.Send(st); err != nil {
				t.Error(err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"other", "xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	exchange := func(in string, want ...string) {
		t.Helper()
		if err := c.Write(ctx, websocket.MessageText, []byte(in)); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			kind, got, err := c.Read(ctx)
			if err != nil || kind != websocket.MessageText || string(got) != w {
				t.Fatalf("%v %.200s, %v", kind, got, err)
			}
		}
	}
	exchange("<open xmlns='"+ns.Framing+"' to='example.net' version='1.0'/>",
		"<open xmlns='"+ns.Framing+"' id='7' version='1.0'/>", "<stream:features xmlns:stream='"+ns.Streams+"'><a xmlns='b'/></stream:features>")
	for _, n := range []int{0, 1, 40, 41, 42, 125, 126, 127, 500, 9_000} {
		m := "<message xmlns='jabber:client'><body>" + strings.Repeat("x", n) + "</body></message>"
		exchange(m, m)
	}
	go func() { _ = c.Ping(ctx) }()
	exchange("<message xmlns='jabber:client'/>", "<message xmlns='jabber:client'/>")
	exchange(closeElement, closeElement)
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Error(err)
	}
}

// Requests that are no WebSocket for XMPP are refused before anything is taken over.
func TestUpgradeRefusals(t *testing.T) {
	url := site(t, func(c *Conn) { _ = c.Close() })
	good := map[string]string{
		"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "chat, xmpp",
	}
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"", "", http.StatusSwitchingProtocols},
		{"Sec-WebSocket-Extensions", "permessage-deflate", http.StatusSwitchingProtocols},
		{"Connection", "keep-alive", http.StatusUpgradeRequired},
		{"Upgrade", "h2c", http.StatusUpgradeRequired},
		{"Sec-WebSocket-Version", "8", http.StatusUpgradeRequired},
		{"Sec-WebSocket-Key", "short", http.StatusBadRequest},
		{"Sec-WebSocket-Key", "", http.StatusBadRequest},
		{"Sec-WebSocket-Protocol", "", http.StatusBadRequest},
		{"Sec-WebSocket-Protocol", "XMPP", http.StatusBadRequest},
		{"Sec-WebSocket-Protocol", "xmppframing", http.StatusBadRequest},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range good {
			r.Header.Set(k, v)
		}
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != c.status {
			t.Errorf("%s %q: %s", c.header, c.value, answer.Status)
		}
		if c.status != http.StatusSwitchingProtocols {
			continue
		}
		// RFC 6455 section 1.3 has this pair.
		if answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || answer.Header.Get("Sec-WebSocket-Protocol") != "xmpp" ||
			answer.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%v", answer.Header)
		}
	}
}

// Both roles: log-in, and a server that sends its client elsewhere.
func TestConnectByWebSocket(t *testing.T) {
	r := newReceiver(t, nil)
	done := make(chan error, 1)
	there := site(t, func(c *Conn) { done <- r.serve(c) })
	here := site(t, func(c *Conn) {
		_, err := c.ReadHeader()
		if err == nil {
			err = c.SendXML("<close xmlns='" + ns.Framing + "' see-other-uri='" + strings.Replace(there, "http", "ws", 1) + "/'/>")
		}
		if err != nil {
			t.Error(err)
		}
		_, _ = c.Read()
		_ = c.Close()
	})
	s, err := Connect(t.Context(), Login{
		JID: jid.MustParse("juliet@" + domain), Password: password, Address: strings.Replace(here, "http", "ws", 1) + "/", AllowCleartext: true, Manage: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s.JID.Resource() != "balcony" || !s.Managed || len(s.Early) != 1 {
		t.Errorf("%+v", s)
	}
	if _, err := Connect(t.Context(), Login{JID: jid.MustParse("juliet@" + domain), Address: "ws://127.0.0.1:1/"}); err != ErrNoTLS {
		t.Error(err)
	}
}

func TestMayMove(t *testing.T) {
	for _, c := range []struct {
		from, to string
		may      bool
	}{
		{"wss://a/ws", "wss://b/ws", true},
		{"wss://a/ws", "ws://b/ws", false},
		{"ws://a/ws", "wss://b/ws", true},
		{"ws://a/ws", "ws://b/ws", true},
		{"wss://a/ws", "https://b/bosh", false},
		{"wss://a/ws", "nonsense", false},
		{"a:5222", "wss://b/ws", false},
		{"wss://a/ws", "wss://user@b/ws", false},
	} {
		if MayMove(c.from, c.to) != c.may {
			t.Error(c)
		}
	}
}

// FuzzFrames checks that it does not matter how frames arrive, and that what was read is never more than may be.
func FuzzFrames(f *testing.F) {
	head := text("<open xmlns='" + ns.Framing + "' to='a' version='1.0'/>")
	f.Add([]byte(head+text(message)+rawFrame(true, opPing, "x")+text(closeElement)), uint8(1))
	f.Add([]byte(head+rawFrame(false, opText, message[:9])+rawFrame(true, opPing, "x")+rawFrame(true, opContinuation, message[9:])+rawFrame(true, opClose, "\x03\xe8")), uint8(3))
	f.Add([]byte(head+"\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00"), uint8(2))
	f.Add([]byte(text("<open xmlns='"+ns.Framing+"' to='@' version='1'/>")), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		read := func(step int) (seen string) {
			c := NewConn(&memConn{bytes.NewReader(in), step}, Options{WebSocket: true})
			h, err := c.ReadHeader()
			seen = fmt.Sprint(h.To, h.From, h.ID)
			for err == nil {
				var st *stanza.Stanza
				if st, err = c.Read(); err == nil {
					seen += st.Raw()
					if len(st.Raw()) > 10_000 {
						t.Fatal("too long")
					}
				}
			}
			if len(c.buf) > 4*readSize+10_000 {
				t.Fatalf("holds %d bytes", len(c.buf))
			}
			return seen + err.Error()
		}
		if whole, pieces := read(1<<20), read(int(step)+1); whole != pieces {
			t.Fatalf("%q in one piece, %q in pieces", whole, pieces)
		}
	})
}

// FuzzMessages checks that what our scanner has passed is cut into the same elements again.
func FuzzMessages(f *testing.F) {
	f.Add("<message><body><![CDATA[</message>]]>&lt;</body><x a='>' b=\"'\"/></message>")
	f.Add("<a xmlns='b'><c/></a>")
	f.Fuzz(func(t *testing.T, xml string) {
		st, err := stanza.Parse(xml)
		if err != nil {
			return
		}
		one := st.Append(nil, "")
		out, err := appendMessages(nil, append(append([]byte(nil), one...), one...), ns.Client, false)
		if err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		got := messages(t, out, false)
		if len(got) != 2 || got[0] != got[1] {
			t.Fatalf("%s became %q", one, got)
		}
		again, err := stanza.Parse(got[0])
		if err != nil || again.Standalone() != st.Standalone() {
			t.Fatalf("%s became %s: %v", st.Standalone(), got[0], err)
		}
	})
}
