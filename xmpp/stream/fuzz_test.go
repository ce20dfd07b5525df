package stream

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"stonechat/xmpp/stanza"
)

// memConn yields bytes in pieces of a given size and swallows what is written.
type memConn struct {
	in   *bytes.Reader
	step int
}

func (m *memConn) Read(p []byte) (int, error) {
	return m.in.Read(p[:min(len(p), m.step)])
}
func (m *memConn) Write(p []byte) (int, error)      { return len(p), nil }
func (m *memConn) Close() error                     { return nil }
func (m *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (m *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (m *memConn) SetDeadline(time.Time) error      { return nil }
func (m *memConn) SetReadDeadline(time.Time) error  { return nil }
func (m *memConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzStream checks that it does not matter how the bytes of a stream arrive.
func FuzzStream(f *testing.F) {
	f.Add([]byte(open+"<message to='a@b' id='x'><body>&lt;</body></message> <r xmlns='urn:xmpp:sm:3'/></stream:stream>"), uint8(1))
	f.Add([]byte(open+"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"), uint8(5))
	f.Add([]byte("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a@' version='1.0'>"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		read := func(step int) (seen []string) {
			c := NewConn(&memConn{bytes.NewReader(in), step}, Options{})
			h, err := c.ReadHeader()
			seen = append(seen, h.To.String(), h.From.String(), h.ID)
			for err == nil {
				var st *stanza.Stanza
				if st, err = c.Read(); err == nil {
					seen = append(seen, st.Raw())
				}
			}
			if err == io.EOF && c.buf == nil && c.attached {
				t.Fatal("holds memory at the end")
			}
			return append(seen, err.Error())
		}
		whole, pieces := read(1<<20), read(int(step)+1)
		if len(whole) != len(pieces) {
			t.Fatalf("%q in one piece, %q in pieces", whole, pieces)
		}
		for i := range whole {
			if whole[i] != pieces[i] {
				t.Fatalf("%q in one piece, %q in pieces", whole[i], pieces[i])
			}
		}
	})
}

func FuzzSASL(f *testing.F) {
	for _, s := range []string{"", "=", "biws", "YQ==", " YQ== ", "YR==", "&#x41;A==", "<x/>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		st, err := stanza.Parse("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + text + "</response>")
		if err != nil {
			return
		}
		data, err := ParseSASL(st)
		if err != nil {
			return
		}
		again, err := stanza.Parse(string(AppendSASL(nil, "response", data)))
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseSASL(again)
		if err != nil || !bytes.Equal(back, data) || (back == nil) != (data == nil) {
			t.Fatalf("%q became %q: %v", data, back, err)
		}
	})
}

func FuzzManagement(f *testing.F) {
	f.Add("<enabled xmlns='urn:xmpp:sm:3' resume='true' id='a&amp;b' max='99' location='[::1]:1' h='4294967295'/>")
	f.Add("<a xmlns='urn:xmpp:sm:3' h='-1'/>")
	f.Fuzz(func(t *testing.T, xml string) {
		st, err := stanza.Parse(xml)
		if err != nil {
			return
		}
		r := enabled(st)
		if r.Max < 0 {
			t.Fatalf("waits %v", r.Max)
		}
		r.Handled, _ = Handled(st)
		again, err := stanza.Parse(resumeRequest(r))
		if err != nil {
			t.Fatal(err)
		}
		h, ok := Handled(again)
		if id, _ := again.Attr("previd"); id != r.ID || !ok || h != r.Handled {
			t.Fatalf("%q became %q", r.ID, id)
		}
	})
}
