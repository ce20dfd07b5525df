package play

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// script is a server that answers whatever it gets up to each mark with a fixed text.
func script(t *testing.T, exchanges ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for i := 0; i+1 < len(exchanges); i += 2 {
			var got strings.Builder
			for !strings.Contains(got.String(), exchanges[i]) {
				b, err := r.ReadByte()
				if err != nil {
					return
				}
				got.WriteByte(b)
			}
			if _, err := io.WriteString(conn, exchanges[i+1]); err != nil {
				return
			}
		}
	}()
	return listener.Addr().String()
}

const (
	header   = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='d' id='1' version='1.0'>"
	features = "<stream:features><x xmlns='urn:x'/></stream:features>"
)

// TestPerformFails sees that the runner tells a wrong server from a right one.
func TestPerformFails(t *testing.T) {
	start := []string{"streams'>", header + features}
	for _, c := range []struct {
		name, play string
		server     []string
		line       int
		miss       string // part of the error; empty if the play must succeed
	}{
		{"right", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet receives:\n  <b/>\njuliet's stream ends\n", append(start, "<a/>", "<b/></stream:stream>", "</stream:stream>", ""), 0, ""},
		{"wrong element", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet receives:\n  <b/>\n", append(start, "<a/>", "<c/>"), 6, "element <c"},
		{"nothing", "juliet opens a stream\njuliet receives:\n  <b/>\n", append(start, "never", ""), 4, "nothing came"},
		{"no features", "juliet opens a stream\n", []string{"streams'>", header + "<a/>"}, 3, "no stream features"},
		{"features differ", "juliet opens a stream\njuliet sees features:\n  <stream:features><y xmlns='urn:x'/></stream:features>\n", start, 4, "lacks the child <y"},
		{"bad XML", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet receives:\n  <b/>\n", append(start, "<a/>", "<b></c>"), 6, "bad XML"},
		{"text", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet receives:\n  <b/>\n", append(start, "<a/>", "hello<b/>"), 6, "between stanzas"},
		{"end without closing", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet's stream ends\n", append(start, "<a/>", ""), 6, "(end of the connection)"},
		{"too much", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet's stream ends\n", append(start, "<a/>", "<b/></stream:stream>"), 6, "<b/>"},
		{"alternative", "juliet opens a stream\njuliet sends:\n  <a/>\njuliet receives:\n  <b/>\nor:\n  <c/>\n", append(start, "<a/>", "<c/>"), 0, ""},
		{"any order", "juliet opens a stream\njuliet sends:\n  <a/>\nany order:\n  juliet receives:\n    <b/>\n  juliet receives:\n    <c/>\n", append(start, "<a/>", "<c/><b/>"), 0, ""},
		{"any order, one twice", "juliet opens a stream\njuliet sends:\n  <a/>\nany order:\n  juliet receives:\n    <b/>\n  juliet receives:\n    <c/>\n", append(start, "<a/>", "<c/><c/>"), 6, "expected"},
		{"passed over", "juliet opens a stream\njuliet may receive:\n  <c/>\njuliet sends:\n  <a/>\njuliet receives:\n  <b/>\n", append(start, "<a/>", "<c/><c/><b/>"), 0, ""},
		{"unknown value", "juliet opens a stream\njuliet sends:\n  <a b='{never}'/>\n", start, 4, "{never} has no value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse("# RFC 6120\njuliet is juliet/x\n" + c.play)
			if err != nil {
				t.Fatal(err)
			}
			show := New(p)
			show.Patience = 300 * time.Millisecond
			err = show.Perform(t.Context(), Stage{Domain: "d", STARTTLS: script(t, c.server...)})
			var failure *Failure
			switch {
			case c.miss == "" && err != nil:
				t.Error(err)
			case c.miss != "" && (!errors.As(err, &failure) || failure.Step.Line != c.line || !strings.Contains(failure.Err.Error(), c.miss)):
				t.Errorf("%v, want %q in line %d", err, c.miss, c.line)
			}
		})
	}
}

// TestSCRAM is the example of RFC 5802 section 5.
func TestSCRAM(t *testing.T) {
	s := &scram{hash: scramHash("SCRAM-SHA-1"), password: "pencil"}
	if got := s.first("user", "fyko+d2lbbFgONRv9qkxdawL"); got != "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL" {
		t.Error(got)
	}
	got, err := s.final("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
	if err != nil || got != "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=" {
		t.Error(got, err)
	}
	if err := s.verify("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="); err != nil {
		t.Error(err)
	}
	if s.verify("v=AAAA") == nil {
		t.Error("a server that does not know the password is believed")
	}
}
