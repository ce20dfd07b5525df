package xmltok

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

const clientHeader = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xml:lang='en'" +
	" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// chatMessage is what a mobile client sends: 457 bytes.
const chatMessage = `<message xml:lang='en' to='romeo@montague.example' type='chat' id='c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f'>` +
	`<body>Wherefore art thou, Romeo? I&apos;ve &quot;waited&quot; at the balcony &amp; waited half the night, until the lark sang at daw</body>` +
	`<origin-id xmlns='urn:xmpp:sid:0' id='c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f'/>` +
	`<request xmlns='urn:xmpp:receipts'/>` +
	`<markable xmlns='urn:xmpp:chat-markers:0'/>` +
	`<active xmlns='http://jabber.org/protocol/chatstates'/></message>`

// omemoMessage is an encrypted message for several devices: 1222 bytes.
var omemoMessage = `<message to='romeo@montague.example' type='chat' id='c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f3c11'>` +
	`<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>` +
	strings.Repeat(`<key rid='1801439'>MwohBQ3c1w2c0f0m7l3wB7h8p1Y1Nn0pQe4Q2kq0lS0YEAAYACIwq1Zt5uV1m2o3p4q5r6s7t8u9v0wXyZaBcDeFgHiJkLmNoPqRsTuVwXyZ0123456</key>`, 5) +
	`<iv>c3RvbmVjaGF0IQ==</iv></header><payload>` + strings.Repeat("QUJDREVGR0hJSktM", 6) + `QUJDREVG` + `</payload></encrypted>` +
	`<origin-id xmlns='urn:xmpp:sid:0' id='c2f1a0de-9e5b-4d0e'/>` +
	`<encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/>` +
	`<store xmlns='urn:xmpp:hints'/></message>`

// opened returns a scanner that has read a client's header.
func opened(t testing.TB) *Scanner {
	t.Helper()
	s := NewScanner(Limits{})
	if _, ev, err := s.Next([]byte(clientHeader)); ev != Header || err != nil {
		t.Fatalf("header: %v %v", ev, err)
	}
	return s
}

func BenchmarkScan(b *testing.B) {
	for _, c := range []struct{ name, in string }{{"chat", chatMessage}, {"omemo", omemoMessage}} {
		buf := []byte(c.in)
		b.Run(c.name, func(b *testing.B) {
			s := opened(b)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if n, ev, err := s.Next(buf); n != len(buf) || ev != Element || err != nil {
					b.Fatal(n, ev, err)
				}
			}
		})
		b.Run(c.name+"/encoding-xml", func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				d := xml.NewDecoder(bytes.NewReader(buf))
				for {
					if _, err := d.RawToken(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkTree(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Tree(chatMessage, "jabber:client"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEscape(b *testing.B) {
	text := strings.Repeat("plain words and no markup ", 10)
	buf := make([]byte, 0, 1024)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buf = AppendEscaped(buf[:0], text)
	}
}

func TestNoAllocation(t *testing.T) {
	s := opened(t)
	for _, in := range []string{chatMessage, omemoMessage} {
		buf := []byte(in)
		if n := testing.AllocsPerRun(100, func() {
			for cut := 1; cut < len(buf); cut += 100 {
				if _, ev, err := s.Next(buf[:cut]); ev != More || err != nil {
					t.Fatal(ev, err)
				}
			}
			if _, ev, err := s.Next(buf); ev != Element || err != nil {
				t.Fatal(ev, err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
	buf := []byte("plain text and nothing else")
	if n := testing.AllocsPerRun(100, func() {
		buf = AppendAttr(AppendEscaped(buf[:0], "abc"), "a", "bcd")
		if Unescape("plain") != "plain" || UnescapeText("plain\ntext") != "plain\ntext" {
			t.Fatal("changed")
		}
	}); n != 0 {
		t.Errorf("writing: %v allocations", n)
	}
}
