package tui_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/tui"
	"stonechat/xmpp/jid"
)

// bodies reads JSON lines.
func bodies(t *testing.T, b []byte) (out []string) {
	t.Helper()
	for line := range strings.Lines(string(b)) {
		var r struct{ Time, From, Type, Body string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, r.Time); err != nil || r.Type != "chat" || !strings.HasPrefix(r.From, "bot@localhost/") {
			t.Errorf("%q", line)
		}
		out = append(out, r.Body)
	}
	return out
}

func TestSendAndListen(t *testing.T) {
	h := start(t, t.TempDir(), "bot", "bob")
	bob := h.account("bob")
	texts := []string{"one", "two\nlines", "\u202e<&>\u009b", "four"}
	for _, text := range texts {
		if err := tui.Send(t.Context(), h.account("bot"), bob.JID, text); err != nil {
			t.Fatal(err)
		}
	}
	// What cannot be printed stays at the server.
	broken := errors.New("pipe broken")
	if err := tui.Listen(t.Context(), bob, failing{broken}, 0, patience); !errors.Is(err, broken) {
		t.Errorf("listened with %v", err)
	}
	var all []string
	for _, n := range []int{1, 3} {
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := tui.Listen(ctx, bob, &out, n, patience); err != nil {
			t.Fatal(err)
		}
		cancel()
		if strings.ContainsAny(out.String(), "\u202e\u009b") {
			t.Errorf("raw: %q", out.String())
		}
		got := bodies(t, out.Bytes())
		if len(got) != n {
			t.Fatalf("%d messages, want %d", len(got), n)
		}
		all = append(all, got...)
	}
	if strings.Join(all, "|") != strings.Join(texts, "|") {
		t.Errorf("heard %q", all)
	}
	var out bytes.Buffer
	if err := tui.History(t.Context(), bob, jid.MustParse("bot@localhost"), 2, &out, true); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, out.Bytes()); strings.Join(got, "|") != strings.Join(texts[2:], "|") {
		t.Errorf("history %q", got)
	}
	out.Reset()
	if err := tui.History(t.Context(), bob, jid.JID{}, 3, &out, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "bot@localhost: two\n         | lines\n") {
		t.Errorf("history as text: %s", out.String())
	}
}

// TestListenEndsItsSession: whoever has heard enough is gone, and does not wait at the server for a resumption.
func TestListenEndsItsSession(t *testing.T) {
	h := start(t, t.TempDir(), "bot", "bob")
	bob := h.account("bob")
	for i := range 9 {
		for range 3 {
			if err := tui.Send(t.Context(), h.account("bot"), bob.JID, "x"); err != nil {
				t.Fatal(err)
			}
		}
		if err := tui.Listen(t.Context(), bob, io.Discard, 1+i%3, patience); err != nil {
			t.Fatal(err)
		}
		until(t, "nobody is there any more", func() bool {
			list := h.sessions(t)
			for _, s := range list {
				if s.State == "detached" {
					t.Fatalf("round %d: the session waits to be resumed: %v", i, list)
				}
			}
			return len(list) == 0
		})
	}
}

func TestListenEndsWhenInterrupted(t *testing.T) {
	h := start(t, t.TempDir(), "bob")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := tui.Listen(ctx, h.account("bob"), &bytes.Buffer{}, 0, patience); err != nil {
		t.Error(err)
	}
}

func TestSendFails(t *testing.T) {
	h := start(t, t.TempDir(), "bot", "bob")
	pem, err := os.ReadFile(filepath.Join(h.data, "self-signed.crt"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := tui.Certificates(pem)
	if err != nil {
		t.Fatal(err)
	}
	otherPEM, err := os.ReadFile(filepath.Join(start(t, t.TempDir()).data, "self-signed.crt"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := tui.Certificates(otherPEM)
	if err != nil {
		t.Fatal(err)
	}
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	for name, test := range map[string]struct {
		change func(*tui.Account)
		to     string
		text   string
		want   string // in the error; empty: none
	}{
		"fine":                {},
		"wrong password":      {change: func(a *tui.Account) { a.Password = "x" }, want: "refuses this name and password"},
		"no such account":     {change: func(a *tui.Account) { a.JID = jid.MustParse("zed@localhost") }, want: "refuses this name and password"},
		"nobody there":        {to: "nobody@localhost", want: "came back: service-unavailable"},
		"control character":   {text: "a\x1b[31m", want: "control character U+001B"},
		"not UTF-8":           {text: "a\xff", want: "not valid UTF-8"},
		"nothing":             {text: " \n", want: "empty"},
		"too much":            {text: strings.Repeat("x", tui.MaxText+1), want: "is the most"},
		"unknown certificate": {change: func(a *tui.Account) { a.Local = false }, want: "does not prove that this is localhost"},
		"pinned":              {change: func(a *tui.Account) { a.Local, a.Pinned = false, own }},
		"other one pinned":    {change: func(a *tui.Account) { a.Pinned = other }, want: "does not prove that this is localhost"},
		"both pinned":         {change: func(a *tui.Account) { a.Local, a.Pinned = false, append([]*x509.Certificate{other[0]}, own...) }},
		"other domain":        {change: func(a *tui.Account) { a.JID = jid.MustParse("bot@example.org") }, want: "host-unknown"},
		"nobody listens":      {change: func(a *tui.Account) { a.Server = "127.0.0.1:1" }, want: "cannot connect"},
		"no answer":           {change: func(a *tui.Account) { a.Server = deaf.Addr().String() }, want: "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			a, to, text := h.account("bot"), "bob@localhost", "text"
			if test.change != nil {
				test.change(&a)
			}
			if test.to != "" {
				to = test.to
			}
			if test.text != "" {
				text = test.text
			}
			limit := patience
			if name == "no answer" {
				limit = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := tui.Send(ctx, a, jid.MustParse(to), text)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// A message whose acknowledgement is cut off is not reported as sent, until it is.
func TestSendThroughCuts(t *testing.T) {
	h := start(t, t.TempDir(), "bot", "bob")
	line := cutters(t, h.address)
	a := h.account("bot")
	a.Server = line.l.Addr().String()
	sent := make(chan error, 1)
	go func() { sent <- tui.Send(t.Context(), a, h.account("bob").JID, "through") }()
	for cut := true; cut; {
		select {
		case err := <-sent:
			// Only the log-in itself may fail by a cut.
			if err != nil && !strings.Contains(err.Error(), "cannot connect") {
				t.Error(err)
			}
			cut = false
			if err != nil {
				return
			}
		case <-time.After(40 * time.Millisecond):
			line.cut(h.address)
		}
	}
	var out bytes.Buffer
	if err := tui.History(t.Context(), h.account("bob"), a.JID, 10, &out, true); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, out.Bytes()); len(got) != 1 {
		t.Errorf("sent once, kept %q", got)
	}
}

func TestCertificates(t *testing.T) {
	for _, bad := range []string{
		"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		if c, err := tui.Certificates([]byte(bad)); err == nil {
			t.Errorf("%q: %d certificates", bad, len(c))
		}
	}
}
