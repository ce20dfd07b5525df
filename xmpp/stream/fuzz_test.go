package stream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"stonechat/xmpp/sasl"
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
		r := enabled(attrOf(st))
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

// Everything that a client can say at the start of a log-in, and back.
func FuzzAuthenticate(f *testing.F) {
	for _, more := range []string{
		"<initial-response>biwsbj11c2VyLHI9YWJj</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>A&amp;B</software><device>x</device></user-agent>",
		"<initial-response/><bind xmlns='urn:xmpp:bind:0'><tag>T</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>",
		"<resume xmlns='urn:xmpp:sm:3' h='4294967295' previd='x&quot;y'/><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>",
		"<fast xmlns='urn:xmpp:fast:0' count='12' invalidate='1'/><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>",
		"<resume xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0' count='-1'/>", "<initial-response>%</initial-response>",
	} {
		f.Add("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'>" + more + "</authenticate>")
	}
	f.Fuzz(func(t *testing.T, xml string) {
		st, err := stanza.Parse(xml)
		if err != nil {
			return
		}
		a, err := ParseAuthenticate(st)
		var refused *sasl.Error
		if err != nil {
			if !errors.As(err, &refused) {
				t.Fatalf("not a condition: %v", err)
			}
			return
		}
		if len(a.Agent.Software) > maxAgentText || len(a.Agent.Device) > maxAgentText || len(a.Tag) > maxTag || len(a.Upgrades) > maxUpgrades {
			t.Fatalf("too much: %+v", a)
		}
		if a.BadResume {
			a.Resume = nil
		}
		a.BadResume = false
		again, err := stanza.Parse(string(a.AppendXML(nil)))
		if err != nil {
			t.Fatalf("%s: %v", a.AppendXML(nil), err)
		}
		b, err := ParseAuthenticate(again)
		if err != nil || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v became %+v: %v", a, b, err)
		}
	})
}

// What a server offers by XEP-0388, and back.
func FuzzSASL2Offer(f *testing.F) {
	f.Add("<mechanism>SCRAM-SHA-1</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>" +
		"<sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0' tls-0rtt='true'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>" +
		"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>")
	f.Add("<inline/>")
	f.Add("<mechanism/><inline><bind xmlns='urn:xmpp:bind:0'/></inline>")
	f.Fuzz(func(t *testing.T, inner string) {
		st, err := stanza.Parse("<stream:features xmlns:stream='http://etherx.jabber.org/streams'><authentication xmlns='urn:xmpp:sasl:2'>" + inner + "</authentication></stream:features>")
		if err != nil {
			return
		}
		o, ok := ParseSASL2Offer(st)
		if !ok {
			return
		}
		again, err := stanza.Parse("<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" + o.Feature() + "</stream:features>")
		if err != nil {
			t.Fatal(err)
		}
		b, ok := ParseSASL2Offer(again)
		if len(o.Inline) == 0 {
			o.Inline, b.Inline = nil, nil
		}
		if !ok || !reflect.DeepEqual(o, b) {
			t.Fatalf("%+v became %+v", o, b)
		}
	})
}
