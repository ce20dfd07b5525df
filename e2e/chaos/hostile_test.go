package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// stage is how far a connection has come when it turns hostile.
type stage int

const (
	connected stage = iota // TCP, nothing said
	opened                 // stream features seen, before TLS
	secured                // inside TLS, stream features seen, not logged in
	bound                  // logged in and bound, 0198 enabled
)

func (s stage) String() string {
	return [...]string{"before the header", "before TLS", "before log-in", "bound"}[s]
}

// Answers of a server to a trick, as classify names them. A stream error is
// "stream:" and its condition, a stanza error "stanza:" and its condition, a
// SASL failure "sasl:" and its condition.
const (
	closed  = "closed without a word"
	ignored = "ignored"         // the session goes on and nothing was said
	silent  = "silent"          // neither answer nor end within the time
	result  = "accepted"        // an ordinary result
	failed  = "failed:"         // <failed/> of XEP-0198 and its condition
	passed  = "stream features" // the stream was opened as if nothing were wrong
)

// trick is one thing that a peer should not do.
type trick struct {
	name  string
	bytes string
	right []string // answers that the standards allow
}

// lateAnswer is how long an answer may come behind that of a later ping.
const lateAnswer = 300 * time.Millisecond

// answerLimit is how long a trick may stay without an answer.
const answerLimit = 4 * time.Second

var (
	conditionOf = regexp.MustCompile(`<([a-z-]+)[^<>]*urn:ietf:params:xml:ns:(?:xmpp-streams|xmpp-stanzas|xmpp-sasl)`)
	firstChild  = regexp.MustCompile(`^<failure[^>]*><([a-z-]+)`)
)

// named returns the condition that an error element carries.
func named(element []byte) string {
	for _, m := range conditionOf.FindAllSubmatch(element, -1) {
		if name := string(m[1]); name != "text" && name != "failure" {
			return name
		}
	}
	if m := firstChild.FindSubmatch(element); m != nil {
		return string(m[1])
	}
	return "no condition"
}

// classify names an answer; ok is false for what is not one.
func classify(element []byte) (answer string, ok bool) {
	switch {
	case wire.Named(element, "stream:error"):
		return "stream:" + named(element), true
	case wire.Named(element, "failure"):
		return "sasl:" + named(element), true
	case wire.Named(element, "failed"):
		return failed + named(element), true
	case wire.Named(element, "stream:features"):
		return passed, true
	case string(wire.Attr(element, "type")) == "error":
		return "stanza:" + named(element), true
	case string(wire.Attr(element, "id")) == "after":
		return ignored, true
	case string(wire.Attr(element, "id")) == "trick":
		return result, true
	}
	return "", false
}

// rawStream is a connection before log-in.
type rawStream struct {
	conn     net.Conn
	scan     *wire.Scanner
	features string // before the log-in
}

// openStream climbs to a stage before log-in.
func openStream(ctx context.Context, s *peers.Server, to stage) (*rawStream, error) {
	return openStreamFrom(ctx, s, to, "")
}

// openStreamFrom does it from an address of this machine; empty: any.
func openStreamFrom(ctx context.Context, s *peers.Server, to stage, from string) (*rawStream, error) {
	dialer := dialFrom(from)
	address := s.C2S
	if to == secured {
		address = s.C2STLS
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if to == secured {
		// The certificate is a throw-away one.
		secure := tls.Client(conn, &tls.Config{ServerName: s.Domain, InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secure
	}
	r := &rawStream{conn: conn, scan: wire.NewScanner(conn, 4096)}
	if err := conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return nil, err
	}
	if to == connected {
		return r, nil
	}
	if _, err := io.WriteString(conn, streamHeader); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for {
		element, err := r.scan.Next()
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if wire.Named(element, "stream:features") {
			r.features = string(element)
			return r, nil
		}
	}
}

// play sends a trick and returns the server's answer.
func (r *rawStream) play(bytes string) string {
	defer r.conn.Close()
	sent := make(chan struct{})
	go func() { // a server may answer, and close, before all is sent
		defer close(sent)
		_, _ = io.WriteString(r.conn, bytes)
	}()
	defer func() { _ = r.conn.Close(); <-sent }()
	for {
		element, err := r.scan.Next()
		if err != nil {
			return ending(err)
		}
		if answer, ok := classify(element); ok {
			return answer
		}
	}
}

// ending names the end of a connection without an answer.
func ending(err error) string {
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return silent
	}
	return closed
}

const afterPing = "<iq type='get' id='after'><ping xmlns='urn:xmpp:ping'/></iq>"

// streamErrorText finds the element in the error that wire makes of a stream
// error.
var streamErrorText = regexp.MustCompile(`(?s)<stream:error.*`)

// playBound plays a trick in a bound session with 0198, followed by a ping
// that shows whether the session goes on.
func playBound(t *testing.T, s *peers.Server, keys *wire.Keys, user int, text string) string {
	t.Helper()
	session, err := Login(t.Context(), s, keys, user, "hostile", true)
	if err != nil {
		t.Fatalf("before the trick: %v", err)
	}
	if err := session.SetReadDeadline(time.Now().Add(answerLimit)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = session.Send([]byte(text + afterPing)) // a server may close before all is sent
	}()
	defer func() { _ = session.Drop(); <-sent }()
	alive := false
	for {
		element, err := session.Next()
		if err != nil {
			if alive && ending(err) == silent {
				return ignored
			}
			if found := streamErrorText.FindString(err.Error()); found != "" {
				return "stream:" + named([]byte(found))
			}
			return ending(err)
		}
		answer, ok := classify(element)
		if !ok {
			continue
		}
		if answer != ignored {
			return answer
		}
		// An answer that somebody else's owner gives may come behind the ping's.
		alive = true
		if err := session.SetReadDeadline(time.Now().Add(lateAnswer)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHostileInput plays every trick in its stage and wants the right answer,
// and an ordinary pair that does not notice.
func TestHostileInput(t *testing.T) {
	random(t)
	s := newServer(t, 4, "")
	keys := wire.NewKeys()
	pair, err := NewPair(t.Context(), s, keys, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	pid := s.Pid()
	before, err := gauge.NewTree(pid).PSS()
	if err != nil {
		t.Fatal(err)
	}
	rows := newTable("stage", "tricks", "right", "wrong", "slowest message of the pair")
	for _, group := range []struct {
		stage  stage
		tricks []trick
	}{{connected, headerTricks()}, {opened, plainTricks()}, {secured, loginTricks()}, {bound, append(xmlTricks(), stanzaTricks()...)}} {
		right := 0
		var slowest time.Duration
		for _, trick := range group.tricks {
			answer := ""
			if group.stage == bound {
				answer = playBound(t, s, keys, 2, trick.bytes)
			} else {
				r, err := openStream(t.Context(), s, group.stage)
				if err != nil {
					t.Fatalf("%v: %s: %v", group.stage, trick.name, err)
				}
				answer = r.play(trick.bytes)
			}
			if slices.Contains(trick.right, answer) {
				right++
			} else {
				t.Errorf("%v: %s: %s, want %s", group.stage, trick.name, answer, strings.Join(trick.right, " or "))
			}
			slowest = max(slowest, undisturbed(t, s, pid, pair, trick.name))
		}
		rows.row(group.stage, len(group.tricks), right, len(group.tricks)-right, slowest)
	}
	if forged := pair.Forged(); len(forged) > 0 {
		t.Errorf("messages arrived in another's name: %q", forged)
	}
	after, err := gauge.NewTree(pid).PSS()
	if err != nil {
		t.Fatal(err)
	}
	rows.print(t, fmt.Sprintf("hostile input; memory %s before, %s after", megabytesText(before), megabytesText(after)))
}

// undisturbed wants the same process and a pair whose messages pass.
func undisturbed(t *testing.T, s *peers.Server, pid int, pair *Pair, name string) time.Duration {
	t.Helper()
	if s.Pid() != pid {
		t.Fatalf("%s: the server has ended", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), answerTime)
	defer cancel()
	took, err := pair.Message(ctx)
	if err != nil {
		t.Fatalf("%s: the ordinary pair: %v", name, err)
	}
	return took
}

// deep returns n nested elements.
func deep(n int) string { return strings.Repeat("<x>", n) + strings.Repeat("</x>", n) }

// many returns n pieces of text made from a pattern with %d.
func many(n int, pattern string) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, pattern, i)
	}
	return b.String()
}
