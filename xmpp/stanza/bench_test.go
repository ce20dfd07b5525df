package stanza

import (
	"strings"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/xmltok"
)

// omemoMessage is an encrypted message for several devices: 1222 bytes.
var omemoMessage = `<message to='romeo@montague.example' type='chat' id='c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f3c11'>` +
	`<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>` +
	strings.Repeat(`<key rid='1801439'>MwohBQ3c1w2c0f0m7l3wB7h8p1Y1Nn0pQe4Q2kq0lS0YEAAYACIwq1Zt5uV1m2o3p4q5r6s7t8u9v0wXyZaBcDeFgHiJkLmNoPqRsTuVwXyZ0123456</key>`, 5) +
	`<iv>c3RvbmVjaGF0IQ==</iv></header><payload>` + strings.Repeat("QUJDREVGR0hJSktM", 6) + `QUJDREVG` + `</payload></encrypted>` +
	`<origin-id xmlns='urn:xmpp:sid:0' id='c2f1a0de-9e5b-4d0e'/>` +
	`<encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/>` +
	`<store xmlns='urn:xmpp:hints'/></message>`

// ready returns a scanner behind a client's header.
func ready(tb testing.TB) *xmltok.Scanner {
	tb.Helper()
	sc := xmltok.NewScanner(xmltok.Limits{})
	if _, ev, err := sc.Next([]byte(clientOpen)); ev != xmltok.Header || err != nil {
		tb.Fatal(ev, err)
	}
	return sc
}

// TestAllocations: the way of a message from bytes to what all receivers share
// costs the string, the value as read, and the value as stamped.
func TestAllocations(t *testing.T) {
	from := jid.MustParse("juliet@capulet.example/balcony-4f2a")
	for _, in := range []string{chatMessage, omemoMessage} {
		sc, buf := ready(t), []byte(in)
		out := make([]byte, 0, 4096)
		var kept *Stanza // so that nothing can live on the stack
		measure := func(want float64, what string, f func()) {
			t.Helper()
			if n := testing.AllocsPerRun(200, f); n > want {
				t.Errorf("%s: %v allocations, want %v", what, n, want)
			}
		}
		read := func() *Stanza {
			if _, _, err := sc.Next(buf); err != nil {
				t.Fatal(err)
			}
			s, err := Decode(sc, buf)
			if err != nil {
				t.Fatal(err)
			}
			kept = s
			return s
		}
		measure(2, "scan and decode", func() { read() })
		measure(2, "scan, decode and stamp in place", func() { read().Stamp(from) })
		measure(3, "scan, decode, stamped and seal", func() { kept = read().Stamped(from).Seal() })
		measure(0, "encode", func() { out = kept.AppendTo(out[:0], from, "jabber:client") })
		plain := read()
		measure(0, "encode unsealed", func() { out = plain.AppendTo(out[:0], from, "") })
		measure(0, "look up", func() {
			c, ok := kept.Child("urn:xmpp:sid:0", "origin-id")
			if id, has := c.Attr("id"); !ok || !has || id == "" {
				t.Fatal("no id")
			}
			for c := range kept.Children() {
				if c.Local == "" {
					t.Fatal("no name")
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	from := jid.MustParse("juliet@capulet.example/balcony-4f2a")
	for _, c := range []struct{ name, in string }{{"chat", chatMessage}, {"omemo", omemoMessage}} {
		sc, buf := ready(b), []byte(c.in)
		run := func(name string, f func(s *Stanza)) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(buf)))
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := sc.Next(buf); err != nil {
						b.Fatal(err)
					}
					s, err := Decode(sc, buf)
					if err != nil {
						b.Fatal(err)
					}
					f(s)
				}
			})
		}
		var kept *Stanza
		run("scan-decode", func(s *Stanza) { kept = s })
		run("scan-decode-stamp", func(s *Stanza) { s.Stamp(from); kept = s })
		run("scan-decode-stamped-seal", func(s *Stanza) { kept = s.Stamped(from).Seal() })
		_ = kept
	}
}

func BenchmarkAppendTo(b *testing.B) {
	s := parsed(b, chatMessage).Stamped(jid.MustParse("juliet@capulet.example/balcony-4f2a"))
	to := jid.MustParse("romeo@montague.example/orchard")
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendTo(buf[:0], to, "")
	}
}

func BenchmarkWithChildren(b *testing.B) {
	s := parsed(b, chatMessage)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.WithChildren(`<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.example' id='28482-98726-73623'/>`); err != nil {
			b.Fatal(err)
		}
	}
}
