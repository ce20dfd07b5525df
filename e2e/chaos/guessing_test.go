package chaos

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
	"stonechat/xmpp/sasl"
)

// What the features offer to those who log in by RFC 6120; of XEP-0388 the list comes later.
var (
	offeredMechanism = regexp.MustCompile(`<mechanism>([^<]*)</mechanism>`)
	offeredBinding   = regexp.MustCompile(`<channel-binding type='([^']*)'`)
)

// texts are what a pattern finds, of mechanisms those before the end of the first list.
func texts(pattern *regexp.Regexp, features string) (out []string) {
	if pattern == offeredMechanism {
		features, _, _ = strings.Cut(features, "</mechanisms>")
	}
	for _, m := range pattern.FindAllStringSubmatch(features, -1) {
		out = append(out, m[1])
	}
	return out
}

// guess tries a password on a stream and returns the condition of the failure, "" for success.
func (r *rawStream) guess(user, password string) (string, error) {
	c, err := sasl.NewClient(texts(offeredMechanism, r.features), sasl.Login{Username: user, Password: password, ServerBindings: texts(offeredBinding, r.features)})
	if err != nil {
		return "", err
	}
	if err := r.conn.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return "", err
	}
	say := func(format string, message []byte) ([]byte, error) {
		if _, err := fmt.Fprintf(r.conn, format, base64.StdEncoding.EncodeToString(message)); err != nil {
			return nil, err
		}
		return r.scan.Next()
	}
	answer, err := say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='"+c.Mechanism()+"'>%s</auth>", c.Start())
	if err != nil {
		return "", err
	}
	if wire.Named(answer, "challenge") {
		challenge, err := base64.StdEncoding.DecodeString(string(wire.Between(answer, ">", "<")))
		if err != nil {
			return "", err
		}
		proof, err := c.Next(challenge)
		if err != nil {
			return "", err
		}
		if answer, err = say("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", proof); err != nil {
			return "", err
		}
	}
	switch {
	case wire.Named(answer, "success"):
		return "", nil
	case wire.Named(answer, "failure"):
		return named(answer), nil
	}
	return "", fmt.Errorf("neither yes nor no: %.200s", answer)
}

// guessed is what became of many wrong passwords.
type guessed struct {
	mu      sync.Mutex
	answers map[string]int // by condition
	cut     int            // streams that ended before the guesser had enough
}

func (g *guessed) note(condition string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[condition]++
}

// guesser makes n guesses over one stream from an address, or as many as the server lets it.
func (g *guessed) guesser(ctx context.Context, s *peers.Server, from, user string, n int) (made int, err error) {
	r, err := openStreamFrom(ctx, s, secured, from)
	if err != nil {
		return 0, err
	}
	defer r.conn.Close()
	for made < n {
		condition, err := r.guess(user, fmt.Sprint("wrong", made))
		if err != nil {
			g.mu.Lock()
			g.cut++
			g.mu.Unlock()
			return made, nil // the stream is over
		}
		made++
		g.note(condition)
	}
	return made, nil
}

// side runs f for each of n, so many at a time.
func side(n, atOnce int, f func(i int) error) error {
	slots := make(chan struct{}, atOnce)
	errs := make([]error, n)
	var done sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

var loginLine = regexp.MustCompile(`(?m)^.* msg=login .*jid=(\S+) peer=(\S+):\d+ mechanism=SCRAM-SHA-[0-9]+ outcome=(\S+) reason=(\S+) delay=(\S+)$`)

// logged are the records of attempts on an account from addresses with a prefix.
func logged(t *testing.T, s *peers.Server, user int, prefix string) (delays []time.Duration, refused int) {
	t.Helper()
	text, err := os.ReadFile(s.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range loginLine.FindAllStringSubmatch(string(text), -1) {
		if m[1] != Address(s, user) || !strings.HasPrefix(m[2], prefix) {
			continue
		}
		d, err := time.ParseDuration(m[5])
		if err != nil {
			t.Error(err)
		}
		delays = append(delays, d)
		if m[3] == "refused" {
			refused++
		}
	}
	return delays, refused
}

// TestGuessing tries wrong passwords from one address, from many, and on one stream, while the user whose password it is logs in.
func TestGuessing(t *testing.T) {
	random(t)
	setup := setupFor(t, t.TempDir(), 4, "")
	setup.Limited = true
	s := serve(t, setup)
	keys := wire.NewKeys()
	rows := newTable("wrong passwords", "tried", "no", "no word", "streams cut", "in", "log records", "at once", "delayed", "longest delay", "user at home", "user elsewhere")
	n := *guesses
	for user, scene := range []struct {
		name    string
		prefix  string
		streams int
		from    func(i int) string
		each    int
		made    int // guesses that the server hears
	}{
		{"from one address", "127.31.", (n + 2) / 3, func(int) string { return "127.31.0.1" }, 3, (n + 2) / 3 * 3},
		{"from as many addresses", "127.32.", n, func(i int) string { return fmt.Sprintf("127.%d.%d.1", 32+i/200, i%200) }, 1, n},
		{"on one stream", "127.33.", 1, func(int) string { return "127.33.0.1" }, 60, 3},
	} {
		home := func(from string) time.Duration {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), loginTime)
			defer cancel()
			session, err := wire.Dial(ctx, wire.Login{
				Addr: s.C2STLS, From: from, Host: s.Domain, User: User(user), Password: password, Resource: "r", Security: wire.DirectTLS, Keys: keys,
			})
			if err != nil {
				t.Errorf("%s: the user does not get in from %s: %v", scene.name, from, err)
				return 0
			}
			took := time.Since(began)
			if err := session.Drop(); err != nil {
				t.Error(err)
			}
			return took
		}
		home("127.0.0.1")
		pause(t, time.Second) // the place is noted in the background
		g := &guessed{answers: make(map[string]int)}
		began := time.Now()
		over := make(chan error, 1)
		go func() {
			over <- side(scene.streams, 20, func(i int) error {
				_, err := g.guesser(t.Context(), s, scene.from(i), User(user), scene.each)
				return err
			})
		}()
		var atHome time.Duration
		var err error
		for running := true; running; {
			select {
			case err = <-over:
				running = false
			case <-time.After(100 * time.Millisecond):
			}
			atHome = max(atHome, home("127.0.0.1"))
		}
		if err != nil {
			t.Error(err)
		}
		took := time.Since(began)
		elsewhere := home("127.99.0.1")
		delays, refused := logged(t, s, user, scene.prefix)
		free, delayed, longest := 0, 0, time.Duration(0)
		for _, d := range delays {
			if longest = max(longest, d); d > 0 {
				delayed++
			} else {
				free++
			}
		}
		tried := g.answers["not-authorized"] + g.answers["temporary-auth-failure"]
		if tried != scene.made || refused != scene.made || g.answers[""] > 0 {
			t.Errorf("%s: %d answers, %d in the log, want %d: %v", scene.name, tried, refused, scene.made, g.answers)
		}
		// What others try elsewhere does not slow the user at home.
		if own, _ := logged(t, s, user, "127.0.0.1"); len(own) < 2 || slices.Max(own) > 0 {
			t.Errorf("%s: %d log-ins at home, delayed by %v", scene.name, len(own), slices.Max(append(own, 0)))
		}
		if scene.streams > 1 && (delayed < scene.made-4 || longest > 2*time.Second) {
			t.Errorf("%s: %d of %d were delayed, by at most %v", scene.name, delayed, scene.made, longest)
		}
		if scene.each > 3 && g.cut != 1 {
			t.Errorf("%s: the stream lives on after %d wrong passwords", scene.name, tried)
		}
		rows.row(scene.name, tried, g.answers["not-authorized"], g.answers["temporary-auth-failure"], g.cut, took, refused, free, delayed, longest, atHome, elsewhere)
	}
	rows.print(t, "guessing")
}

// TestPlainTimes compares how long a wrong password takes by PLAIN for a user and for nobody. What is measured is reported; many tries judge.
func TestPlainTimes(t *testing.T) {
	random(t)
	s := newServer(t, 1, "[login]\nplain = true\n")
	times := map[string][]time.Duration{}
	names := []string{User(0), "nobody"}
	for i := range *tries {
		for j := range names {
			name := names[(i+j)%2]
			r, err := openStream(t.Context(), s, secured)
			if err != nil {
				t.Fatal(err)
			}
			message := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00wrong"))
			began := time.Now()
			answer := r.play("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + message + "</auth>")
			times[name] = append(times[name], time.Since(began))
			if answer != "sasl:not-authorized" {
				t.Fatalf("%s: %s", name, answer)
			}
		}
	}
	rows := newTable("name", "tries", "median", "p10", "p90")
	median := map[string]time.Duration{}
	for _, name := range names {
		list := sorted(times[name])
		median[name] = percentile(list, 50)
		rows.row(name, len(list), median[name], percentile(list, 10), percentile(list, 90))
	}
	rows.print(t, "a wrong password by PLAIN")
	if a, b := median[names[0]], median[names[1]]; *tries >= 200 && max(a, b)-min(a, b) > max(2*time.Millisecond, max(a, b)/5) {
		t.Errorf("a user takes %v and nobody %v", a, b)
	}
}
