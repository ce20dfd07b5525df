package tui

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"stonechat/xmpp/jid"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":            "plain text",
		"\x1b]0;title\x07":      "<U+001B>]0;title<U+0007>",
		"a\nb\rc":               "a<U+000A>b<U+000D>c",
		"\u009b31m":             "<U+009B>31m",
		"\x7f":                  "<U+007F>",
		"\u202eabc\u202c":       "<U+202E>abc<U+202C>",
		"\u2066abc\u2069":       "<U+2066>abc<U+2069>",
		"\ufeffx\u200b\u2060":   "<U+FEFF>x<U+200B><U+2060>",
		"\xff\xfe":              "<0xFF><0xFE>",
		"你好 👩‍👩‍👧 e\u0301":      "你好 👩‍👩‍👧 e\u0301",
		"שלום":                  "\u2068שלום\u2069",
		"a\u00a0b\tc":           "a\u00a0b    c",
		"\ue000\U000e0041":      "<U+E000><U+E0041>",
		"a" + zalgo(maxMarks+1): "a" + zalgo(maxMarks) + "<U+0301>",
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

var clockZero = time.Unix(0, 0)

func zalgo(n int) string { return strings.Repeat("\u0301", n) }

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"hello", "\x1b[2J", "\u202e", "\xff", "שלום\u2069\u2069", zalgo(20), "\u2028", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range Lines(s) {
			if !utf8.ValidString(l) {
				t.Fatalf("%q: not UTF-8: %q", s, l)
			}
			inner := strings.TrimSuffix(strings.TrimPrefix(l, "\u2068"), "\u2069")
			for _, r := range inner {
				if unicode.IsControl(r) || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
					t.Fatalf("%q: %U in %q", s, r, l)
				}
			}
		}
	})
}

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"abc": 3, "你好": 4, "e\u0301": 1, "👍": 2, "한글": 4, "ｱ": 1, "Ａ": 2, "\u200d": 0} {
		if got := columns([]rune(s)); got != want {
			t.Errorf("%q: %d columns, want %d", s, got, want)
		}
	}
}

// enter types bytes at a raw terminal and returns the lines and what was drawn.
func enter(in string, width int) (lines []typed, drawn string) {
	var out bytes.Buffer
	s := newScreen(Terminal{Out: &out, Raw: true, Width: func() int { return width }})
	s.setPrompt("me> ")
	s.readTerminal(strings.NewReader(in), func(l typed) bool {
		lines = append(lines, l)
		return true
	})
	return lines, out.String()
}

func TestEditing(t *testing.T) {
	for in, want := range map[string]string{
		"hello\r":                             "hello",
		"hellp\x7fo\r":                        "hello",
		"ello\x01h\r":                         "hello",
		"hllo\x1b[D\x1b[D\x1b[De\r":           "hello",
		"你好\x1b[D\x7f再\r":                     "再好",
		"one two\x17three\r":                  "one three",
		"gone\x15here\r":                      "here",
		"abc\x01\x0b\x1b[3~x\r":               "x",
		"abc\x1b[Hx\x1b[Fy\x1b[3~\r":          "xabcy",
		"lost\x03kept\r":                      "kept",
		"a\x00\x1b[99;99Xb\r":                 "ab",
		"\x1b[200~two\rlines\x1b[201~ more\r": "two\nlines more",
		"\x1b[200~/quit\r\x1b[201~\r":         "/quit\n",
	} {
		if lines, _ := enter(in, 80); len(lines) == 0 || lines[0].text != want {
			t.Errorf("%q: %+v, want %q", in, lines, want)
		}
	}
}

func TestEarlierLines(t *testing.T) {
	lines, _ := enter("one\rtwo\rnew\x1b[A\x1b[A\x1b[A\r\x1b[A\x1b[A\x1b[B\x1b[Bnext\r", 80)
	var got []string
	for _, l := range lines {
		got = append(got, l.text)
	}
	if strings.Join(got, "|") != "one|two|one|next|" {
		t.Errorf("%q", got)
	}
}

func TestLeavingKeys(t *testing.T) {
	for _, in := range []string{"\x03more", "\x04more", "x\x03\x03more", ""} {
		lines, _ := enter(in, 80)
		if len(lines) != 1 || !lines[0].end || lines[0].err != nil {
			t.Errorf("%q: %+v", in, lines)
		}
	}
}

// However long the line is, it stays in one row, and the cursor is put where the text before it ends.
func TestLongLineStaysInOneRow(t *testing.T) {
	for _, s := range []string{strings.Repeat("x", 500), strings.Repeat("你", 300), strings.Repeat("a"+zalgo(3), 200)} {
		_, drawn := enter(s+"\x1b[D\x1b[D\x01\x1b[C", 40)
		for _, row := range strings.Split(drawn, clearLine) {
			row = strings.NewReplacer(saveCursor, "", restoreCursor, "", pasteOn, "").Replace(row)
			if n := columns([]rune(row)); n > 39 || strings.ContainsAny(row, "\r\n") {
				t.Fatalf("%d columns: %q", n, row)
			}
		}
	}
}

func TestPrintKeepsTheLine(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(Terminal{Out: &out, Raw: true})
	s.setPrompt("> ")
	s.edit(func(l *line) { l.set("half") })
	out.Reset()
	s.print("news", "more")
	if want := clearLine + "news\r\nmore\r\n" + clearLine + "> half" + saveCursor + restoreCursor; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestSecret(t *testing.T) {
	for in, want := range map[string]string{
		"pass\rrest": "pass", "pasx\x7fs\r": "pass", "no\x15yes\r": "yes", "pässwörd 你\r": "pässwörd 你", "\r": "",
	} {
		r := strings.NewReader(in)
		if got, err := readSecret(r); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if rest, _ := io.ReadAll(r); strings.HasSuffix(in, "rest") != (string(rest) == "rest") {
			t.Errorf("%q: %q is left", in, rest)
		}
	}
	for _, in := range []string{"pa\x03", "\x04", "pass"} {
		if got, err := readSecret(strings.NewReader(in)); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"text\r", "\x1b[A", "\x1b[200~a\rb\x1b[201~", "\x1b", "\x1bO", "\xff\xc3", "\x7f\x17\x15\x0b\x04"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines, _ := enter(s, 30)
		if len(lines) == 0 || !lines[len(lines)-1].end {
			t.Fatalf("%q: no end: %+v", s, lines)
		}
		r := bufio.NewReader(strings.NewReader(s))
		for {
			k, c, err := readKey(r)
			if err == io.EOF {
				return
			}
			if k == keyRune && unicode.IsControl(c) {
				t.Fatalf("%q: control character %U as text", s, c)
			}
		}
	})
}

func TestShownMessagesAreBounded(t *testing.T) {
	if lines := show(clockZero, " ", "x", strings.Repeat("\n", 5000)); len(lines) != maxLines+1 || !strings.Contains(lines[maxLines], "4801 more lines") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if n := len(strings.Join(show(clockZero, " ", "x", strings.Repeat("é", 50_000)), "")); n > maxShown+200 {
		t.Errorf("%d bytes", n)
	}
}

func TestSeenIsBounded(t *testing.T) {
	s := newSeen()
	for i := range 3 * maxSeen {
		if !s.put(strings.Repeat("k", i%7) + string(rune(i+0x10000))) {
			t.Fatalf("%d is not new", i)
		}
	}
	if len(s.keys) > maxSeen+1 {
		t.Errorf("%d remembered", len(s.keys))
	}
	if s.put(s.ring[0]) {
		t.Error("the latest is forgotten")
	}
}

func TestWays(t *testing.T) {
	for _, test := range []struct {
		a    Account
		want []way
	}{
		{Account{JID: jid.MustParse("a@exämple.org")}, []way{{"xn--exmple-cua.org:5223", true}, {"xn--exmple-cua.org:5222", false}}},
		{Account{JID: jid.MustParse("a@localhost"), Local: true}, []way{{"127.0.0.1:5223", true}, {"127.0.0.1:5222", false}}},
		{Account{JID: jid.MustParse("a@x.org"), Server: "h:443"}, []way{{"h:443", true}, {"h:443", false}}},
		{Account{JID: jid.MustParse("a@x.org"), Server: "h:5222"}, []way{{"h:5222", false}, {"h:5222", true}}},
		{Account{JID: jid.MustParse("a@x.org"), Server: "[::1]"}, []way{{"[::1]:5223", true}, {"[::1]:5222", false}}},
	} {
		got, err := test.a.ways()
		if err != nil || len(got) != 2 || got[0] != test.want[0] || got[1] != test.want[1] {
			t.Errorf("%+v: %v, %v", test.a, got, err)
		}
	}
}

func TestLocalStaysLocal(t *testing.T) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range append(addrs, &net.IPNet{IP: net.IPv4(127, 0, 0, 1)}) {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLinkLocalUnicast() {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			continue
		}
		nc, err := dialLocal(t.Context(), "tcp", l.Addr().String())
		if (err == nil) != n.IP.IsLoopback() {
			t.Errorf("%s: %v", n.IP, err)
		}
		if nc != nil {
			nc.Close()
		}
		l.Close()
	}
}
