package c2s

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/obs/obstest"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// keyed lets juliet in, and nobody else.
type keyed struct{ juliet map[sasl.Hash]sasl.Credential }

func newKeyed(t *testing.T) keyed {
	t.Helper()
	k := keyed{make(map[sasl.Hash]sasl.Credential)}
	for _, h := range []sasl.Hash{sasl.SHA1, sasl.SHA256} {
		c, err := sasl.NewCredential(h, "secret", sasl.NewSalt(), sasl.MinIterations)
		if err != nil {
			t.Fatal(err)
		}
		k.juliet[h] = c
	}
	return k
}

func (k keyed) Secret() []byte { return []byte("0123456789abcdef") }

func (k keyed) Credential(_ context.Context, account jid.JID, h sasl.Hash) (sasl.Credential, bool, error) {
	return k.juliet[h], account == juliet, nil
}

// journal takes the log of a door.
type journal struct{ obstest.Buffer }

func (j *journal) lines() []string {
	return strings.Split(strings.TrimRight(j.String(), "\n"), "\n")
}

// stranger is a client with a stream up to the offer of mechanisms.
func (r *rig) stranger() *tls.Conn {
	r.t.Helper()
	nc, server, c := r.accept()
	go c.serve(arrival{nc: server, how: directTLS})
	client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := fmt.Fprint(client, header); err != nil {
		r.t.Fatal(err)
	}
	readUntil(r.t, client, "</stream:features>")
	return client
}

// gone closes a client's connection and waits until the door has noticed.
func (r *rig) gone(client *tls.Conn) {
	_ = client.Close()
	for r.door.connections.size() > 0 && r.t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// plain tries a password and waits for the end of the answer.
func plain(t *testing.T, client *tls.Conn, mechanism, user, password, until string) {
	t.Helper()
	message := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	if _, err := fmt.Fprintf(client, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>", mechanism, message); err != nil {
		t.Fatal(err)
	}
	readUntil(t, client, until)
}

// Every attempt stands in the log once, in one line, whatever is in the names that are tried: nobody writes a line there but we.
func TestForgedLogLines(t *testing.T) {
	const forged = "level=INFO msg=login jid=owner@example.org outcome=accepted"
	names := []string{
		"juliet\n" + forged, "juliet\r\n" + forged, "juliet\" " + forged, "juliet\u2028" + forged, "juliet\u0085" + forged,
		"\x1b[2Jjuliet", "juliet\u202egro.elpmaxe", "juliet\x7f", "jul\x0biet",
	}
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var log journal
			r := newRig(t, func(r *rig) {
				r.host.Ports.Authenticator = newKeyed(t)
				r.cfg.Login.Plain = true
				r.cfg.Guessing.FirstDelay, r.cfg.Guessing.LongestDelay = config.Duration(time.Microsecond), config.Duration(time.Microsecond)
				var err error
				if r.obs, err = obs.New(&log, "info", format); err != nil {
					t.Fatal(err)
				}
			})
			want := map[string]int{}
			for i, name := range names {
				if i%3 == 0 {
					want["stream cut"]++
				}
				want["login"]++
				client := r.stranger()
				for range i % 2 { // a good line among the others
					plain(t, client, "PLAIN", "juliet", "wrong", "</failure>")
					want["login"]++
				}
				if i%3 == 0 {
					mechanism := strings.ReplaceAll("PLAIN\n"+forged, "\n", "&#10;")
					for range 2 - i%2 {
						plain(t, client, mechanism, "juliet", "wrong", "</failure>")
						want["login"]++
					}
				}
				plain(t, client, "PLAIN", name, "wrong", "</failure>")
				_ = client.Close()
			}
			if err := r.door.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			got := map[string]int{}
			for _, line := range log.lines() {
				for _, message := range []string{"login", "stream cut"} {
					if strings.Contains(line, "msg=\""+message+"\"") || strings.Contains(line, "msg="+message+" ") || strings.Contains(line, `"msg":"`+message+`"`) {
						got[message]++
					}
				}
				head, ok := strings.CutPrefix(line, "time=20")
				if format == "json" {
					head, ok = strings.CutPrefix(line, `{"time":"20`)
				}
				if !ok || strings.Contains(head, "owner") || strings.Contains(head, "accepted") || strings.ContainsAny(head, "\x1b\x7f\u2028\u0085\u202e\r\x0b") {
					t.Errorf("not ours: %q", line)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || len(log.lines()) != want["login"]+want["stream cut"] {
				t.Errorf("the log has %v in %d lines, want %v:\n%s", got, len(log.lines()), want, strings.Join(log.lines(), "\n"))
			}
		})
	}
}

// What is logged of each attempt.
func TestAttempts(t *testing.T) {
	var log journal
	r := newRig(t, func(r *rig) {
		r.host.Ports.Authenticator = newKeyed(t)
		r.cfg.Login.Plain = true
		r.cfg.Guessing.FirstDelay, r.cfg.Guessing.LongestDelay = config.Duration(time.Microsecond), config.Duration(time.Microsecond)
		var err error
		if r.obs, err = obs.New(&log, "info", "text"); err != nil {
			t.Fatal(err)
		}
	})
	client := r.stranger()
	for range 2 {
		plain(t, client, "PLAIN", "juliet", "wrong", "</failure>")
	}
	r.gone(client)
	client = r.stranger()
	for range 2 {
		plain(t, client, "PLAIN", "juliet", "wrong", "</failure>")
	}
	r.gone(client)
	client = r.stranger()
	plain(t, client, "PLAIN", "juliet", "wrong", "</failure>")
	plain(t, client, "SCRAM-SHA-1", "juliet", "wrong", "</failure>")
	plain(t, client, "PLAIN", "juliet", "secret", "</success>")
	_ = client.Close()
	if err := r.door.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	all := strings.Join(log.lines(), "\n")
	var got []string
	for _, m := range regexp.MustCompile(`msg=login conn=(\d) jid=(\S*) peer=\S+ (mechanism=.*) delay=(\S)`).FindAllStringSubmatch(all, -1) {
		got = append(got, strings.Join(m[1:], " "))
	}
	refused := " juliet@example.org mechanism=PLAIN outcome=refused reason=not-authorized "
	want := []string{
		"1" + refused + "0", "1" + refused + "0", "2" + refused + "0", "2" + refused + "0", "3" + refused + "1", // a microsecond
		`3 "" mechanism=SCRAM-SHA-1 outcome=refused reason=malformed-request 0`,
		`3 juliet@example.org mechanism=PLAIN outcome=accepted reason="" 1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q in the log:\n%s", got, want, all)
	}
	if strings.Contains(all, "wrong") || strings.Contains(all, "secret") {
		t.Errorf("passwords in the log:\n%s", all)
	}
}
