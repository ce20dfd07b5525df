package c2s

import (
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// RFC 6120 section 6.3.8: whoever proves to be one account acts as that account and no other, whatever the mechanism.
func TestAuthorize(t *testing.T) {
	c := &conn{host: &core.Host{Domain: jid.MustParse("example.org")}}
	for _, x := range []struct {
		user, authzid string
		want          bool
	}{
		{"juliet", "", true},
		{"ju@liet", "", true}, // nobody: it is the proof that fails
		{"juliet", "juliet@example.org", true},
		{"Juliet", "juliet@EXAMPLE.org", true},
		{"juliet", "romeo@example.org", false},
		{"juliet", "juliet@example.net", false},
		{"juliet", "juliet@example.org/balcony", false},
		{"juliet", "juliet", false},
		{"juliet", "example.org", false},
		{"", "@example.org", false},
		{"ju@liet", "juliet@example.org", false},
	} {
		if got := c.authorize(x.user, x.authzid); got != x.want {
			t.Errorf("%q as %q: %v", x.user, x.authzid, got)
		}
	}
	// XEP-0388 section 2.3: whom the header of the stream names.
	c.claimed = jid.MustParse("juliet@example.org/balcony")
	for _, x := range []struct {
		user, authzid string
		want          bool
	}{
		{"juliet", "", true}, {"Juliet", "juliet@example.org", true}, {"romeo", "", false}, {"romeo", "romeo@example.org", false}, {"ju@liet", "", false},
	} {
		if got := c.authorize(x.user, x.authzid); got != x.want {
			t.Errorf("%q as %q behind a header of juliet: %v", x.user, x.authzid, got)
		}
	}
}

// RFC 6120 section 8.1.5: what is copied into every stanza is a language tag and nothing else.
func TestLanguage(t *testing.T) {
	for tag, want := range map[string]string{
		"": "", "de": "de", "zh-Hant-TW": "zh-Hant-TW", "de'x": "", "a b": "", "dé": "", strings.Repeat("x", 36): "",
	} {
		if got := language(tag); got != want {
			t.Errorf("%q: %q", tag, got)
		}
	}
}

func TestBucket(t *testing.T) {
	var b bucket
	now := time.Unix(1_000_000, 0)
	if wait := b.take(100, 10, 100, now); wait != 0 {
		t.Errorf("a full bucket of 100 makes 100 wait %v", wait)
	}
	if wait := b.take(5, 10, 100, now); wait != 500*time.Millisecond {
		t.Errorf("5 tokens at 10 per second: %v", wait)
	}
	if wait := b.take(0, 10, 100, now.Add(time.Second)); wait != 0 {
		t.Errorf("after the debt is paid: %v", wait)
	}
	if b.take(0, 10, 100, now.Add(time.Hour)); b.tokens != 100 {
		t.Errorf("%d tokens in a bucket of 100", b.tokens)
	}
}
