package stream

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// The head of a frame, case by case: what RFC 6455 sections 5.2 to 5.5 allow, and what not. A server reads masked frames.
func TestParseFrame(t *testing.T) {
	const most = 70_000
	for _, c := range []struct {
		name, in string // hex
		want     frameHead
		code     int
		short    bool
	}{
		{name: "nothing", in: "", short: true},
		{name: "one byte", in: "81", short: true},
		{name: "text without payload", in: "8180aabbccdd", want: frameHead{fin: true, op: opText, masked: true, mask: [4]byte{0xaa, 0xbb, 0xcc, 0xdd}, head: 6}},
		{name: "text of 5", in: "8185aabbccdd", want: frameHead{fin: true, op: opText, masked: true, mask: [4]byte{0xaa, 0xbb, 0xcc, 0xdd}, head: 6, size: 5}},
		{name: "without its mask yet", in: "8185aabbcc", short: true},
		{name: "16 bits", in: "81fe007eaabbccdd", want: frameHead{fin: true, op: opText, masked: true, mask: [4]byte{0xaa, 0xbb, 0xcc, 0xdd}, head: 8, size: 126}},
		{name: "half of 16 bits", in: "81fe00", short: true},
		{name: "64 bits", in: "81ff0000000000010000aabbccdd", want: frameHead{fin: true, op: opText, masked: true, mask: [4]byte{0xaa, 0xbb, 0xcc, 0xdd}, head: 14, size: 65536}},
		{name: "half of 64 bits", in: "81ff00000000000100", short: true},
		{name: "16 bits for a short one", in: "81fe007d", code: closeProtocol},
		{name: "64 bits for a short one", in: "81ff000000000000ffff", code: closeProtocol},
		{name: "top bit of 64", in: "81ff8000000000000000", code: closeProtocol},
		{name: "too big, told before its mask", in: "81ff0000000000011171", code: closeTooBig},
		{name: "as big as may be", in: "81ff000000000001117000000000", want: frameHead{fin: true, op: opText, masked: true, head: 14, size: most}},
		{name: "huge", in: "81ff7fffffffffffffff", code: closeTooBig},
		{name: "first piece", in: "018000000000", want: frameHead{op: opText, masked: true, head: 6}},
		{name: "continuation", in: "808000000000", want: frameHead{fin: true, masked: true, head: 6}},
		{name: "RSV1", in: "c180", code: closeProtocol},
		{name: "RSV2", in: "a180", code: closeProtocol},
		{name: "RSV3", in: "9180", code: closeProtocol},
		{name: "RSV on a control frame", in: "d980", code: closeProtocol},
		{name: "opcode 3", in: "8380", code: closeProtocol},
		{name: "opcode 7", in: "8780", code: closeProtocol},
		{name: "opcode 11", in: "8b80", code: closeProtocol},
		{name: "opcode 15", in: "8f80", code: closeProtocol},
		{name: "not masked", in: "8100", code: closeProtocol},
		{name: "ping", in: "898000000000", want: frameHead{fin: true, op: opPing, masked: true, head: 6}},
		{name: "pong of 125", in: "8afd00000000", want: frameHead{fin: true, op: opPong, masked: true, head: 6, size: 125}},
		{name: "ping of 126", in: "89fe007e", code: closeProtocol},
		{name: "ping in pieces", in: "0980", code: closeProtocol},
		{name: "close in pieces", in: "0880", code: closeProtocol},
	} {
		in, err := hex.DecodeString(c.in)
		if err != nil {
			t.Fatal(err)
		}
		f, ok, broken := parseFrame(in, true, most)
		switch {
		case c.code != 0:
			if broken == nil || broken.code != c.code {
				t.Errorf("%s: %v, %v", c.name, f, broken)
			}
		case broken != nil || ok == c.short:
			t.Errorf("%s: %v, %v", c.name, ok, broken)
		case ok && f != c.want:
			t.Errorf("%s: %+v", c.name, f)
		}
	}
	if _, _, broken := parseFrame([]byte{0x81, 0x85}, false, most); broken == nil {
		t.Error("a client takes a masked frame")
	}
}

func TestParseClose(t *testing.T) {
	for _, c := range []struct {
		payload string
		code    int
		refused int
	}{
		{"", closeNone, 0},
		{"\x03", 0, closeProtocol},
		{"\x03\xe8", 1000, 0},
		{"\x03\xe8bye", 1000, 0},
		{"\x03\xe8\xff", 0, closeEncoding},
		{"\x03\xe7", 0, closeProtocol}, // 999
		{"\x03\xec", 0, closeProtocol}, // 1004
		{"\x03\xed", 0, closeProtocol}, // 1005
		{"\x03\xee", 0, closeProtocol}, // 1006
		{"\x03\xf3", 1011, 0},
		{"\x03\xf7", 0, closeProtocol}, // 1015
		{"\x07\xd0", 0, closeProtocol}, // 2000
		{"\x0b\xb8", 3000, 0},
		{"\x13\x87", 4999, 0},
		{"\x13\x88", 0, closeProtocol}, // 5000
	} {
		code, err := parseClose([]byte(c.payload))
		if (err != nil) != (c.refused != 0) || err != nil && err.code != c.refused || err == nil && code != c.code {
			t.Errorf("%q: %d, %v", c.payload, code, err)
		}
	}
}

func TestUnmask(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for n := range 40 {
		p := []byte(strings.Repeat("abcdefg", 6)[:n])
		want := bytes.Clone(p)
		for i := range want {
			want[i] ^= mask[i%4]
		}
		if unmask(p, mask); !bytes.Equal(p, want) {
			t.Errorf("%d bytes: %x", n, p)
		}
	}
}

// What is written is cut into elements, each of which stands alone.
func TestAppendMessages(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"<r xmlns='urn:xmpp:sm:3'/>", []string{"<r xmlns='urn:xmpp:sm:3'/>"}},
		{"<message/><message to='a'><body>x</body></message>", []string{"<message xmlns='jabber:client'/>", "<message xmlns='jabber:client' to='a'><body>x</body></message>"}},
		{
			"<iq id=' xmlns='><a><b/></a></iq> <presence\tid=\"a>b\"/>",
			[]string{"<iq xmlns='jabber:client' id=' xmlns='><a><b/></a></iq>", "<presence xmlns='jabber:client'\tid=\"a>b\"/>"},
		},
		{"<message><body><![CDATA[</message>]]></body></message><r xmlns='x'/>", []string{"<message xmlns='jabber:client'><body><![CDATA[</message>]]></body></message>", "<r xmlns='x'/>"}},
		{
			"<stream:features><bind xmlns='b'/></stream:features>",
			[]string{"<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='b'/></stream:features>"},
		},
		{"<stream:features/>", []string{"<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>"}},
	} {
		for _, masked := range []bool{false, true} {
			out, err := appendMessages(nil, []byte(c.in), "jabber:client", masked)
			if err != nil {
				t.Errorf("%s: %v", c.in, err)
			}
			if got := messages(t, out, masked); !equal(got, c.want) {
				t.Errorf("%s became %q", c.in, got)
			}
		}
	}
	for _, bad := range []string{"<", "<a", "<a>", "<a><b></a", "<a x='>", "text", "<a/>text", "<a><![CDATA[</a>", "</a"} {
		if out, err := appendMessages(nil, []byte(bad), "jabber:client", false); err == nil {
			t.Errorf("%s became %q", bad, out)
		}
	}
}

func equal(a, b []string) bool { return strings.Join(a, "\x00") == strings.Join(b, "\x00") }

// messages reads complete text frames.
func messages(t testing.TB, p []byte, masked bool) (all []string) {
	t.Helper()
	for len(p) > 0 {
		f, ok, broken := parseFrame(p, masked, 1<<20)
		if broken != nil || !ok || len(p) < f.head+f.size || f.op != opText || !f.fin {
			t.Fatalf("no text frame: %x (%v)", p, broken)
		}
		payload := bytes.Clone(p[f.head : f.head+f.size])
		unmask(payload, f.mask)
		all = append(all, string(payload))
		p = p[f.head+f.size:]
	}
	return all
}

func BenchmarkAppendMessages(b *testing.B) {
	one := []byte("<message to='romeo@example.net/orchard' from='juliet@example.net/balcony' id='abcdefgh' type='chat'><body>" + strings.Repeat("word ", 60) +
		"</body><active xmlns='http://jabber.org/protocol/chatstates'/><stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.net' id='1234567890'/></message>")
	dst := make([]byte, 0, 4096)
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := appendMessages(dst, one, "jabber:client", false); err != nil {
			b.Fatal(err)
		}
	}
}
