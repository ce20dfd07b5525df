package jid

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"pgregory.net/rapid"
)

// checkInvariants holds for every address that Parse returns.
func checkInvariants(t testing.TB, in string, j JID) {
	t.Helper()
	s := j.String()
	again, err := Parse(s)
	if err != nil || again != j {
		t.Fatalf("Parse(%q) = %q, but parsed again %q, %v", in, s, again, err)
	}
	made, err := New(j.Local(), j.Domain(), j.Resource())
	if err != nil || made != j {
		t.Fatalf("parts of %q make %q, %v", s, made, err)
	}
	if !utf8.ValidString(s) || len(s) > MaxSize || j.Domain() == "" {
		t.Fatalf("%q from %q is malformed", s, in)
	}
	for _, p := range []string{j.Local(), j.Domain(), j.Resource()} {
		if len(p) > MaxPart {
			t.Fatalf("part of %d bytes", len(p))
		}
	}
	if strings.ContainsAny(j.Local(), "\"&'/:<>@ ") || strings.ContainsAny(j.Domain(), "/@<>&'\" ") {
		t.Fatalf("separator inside a part of %q from %q", s, in)
	}
	want := j.Domain()
	if j.Local() != "" {
		want = j.Local() + "@" + want
	}
	if j.Bare().String() != want {
		t.Fatalf("bare form of %q is %q", s, j.Bare())
	}
	if j.IsFull() != (j.Resource() != "") || j.IsFull() == j.IsBare() {
		t.Fatalf("%q: kind does not fit", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a@b/c", "\u03a3\u03c2@example.com", "A@xn--bcher-kva.Example./\u00a0", "a@[::1]/x", "\uff21@\uff20",
		"\u0130@x", "a@\u1e9e.de", "\u05d0@\u05d0.example", "a@b\u3002", "\u1fb3@\u1fb3", "a@b/\u0344", "\u212b@\u212b/\u212b",
		"\u0345\u0300@x", "a@\u00ad.b", "a@1.\u0661", "a@b\u200dc", "\uff76\uff9e@x", "", "@", "/", "a@b@c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		if err != nil {
			if !j.IsZero() || j != (JID{}) {
				t.Fatalf("error and address %q", j)
			}
			return
		}
		checkInvariants(t, s, j)
		if strict, err := ParseStrict(s); err == nil && strict != j {
			t.Fatalf("strict form %q, lenient form %q", strict, j)
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{`c:\5commas`, `\5c5c20`, "a b", `\\20`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := Escape(s)
		if strings.ContainsAny(e, " \"&'/:<>@") {
			t.Fatalf("%q escaped to %q", s, e)
		}
		if strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
			return
		}
		if got := Unescape(e); got != s {
			t.Fatalf("%q became %q and then %q", s, e, got)
		}
	})
}

// TestRandomAddresses draws addresses from the scripts and oddities that
// preparation treats specially.
func TestRandomAddresses(t *testing.T) {
	odd := rapid.RuneFrom([]rune("aZ09-._@/[]:\u00df\u0130\u03a3\u03c2\u212a\u212b\u1e9e\u00e9\u0301\u0327\u05d0\u0661\u3002\uff0e\uff20\uff21\uff0f\u200d\u00ad\u2163\u265a\u30ab\uff76\uff9e\uac00\u1100\u1161 \u00a0\u1fb3\u0345"))
	mild := rapid.RuneFrom([]rune("aZ09-.\u00df\u0130\u03a3\u03c2\u212a\u212b\u1e9e\u00e9\uff21\u30ab\uac00\u1fb3"))
	gen := rapid.OneOf(rapid.StringOfN(mild, 1, 4, -1), rapid.StringOfN(odd, 1, 4, -1), rapid.StringN(1, 4, -1))
	valid := 0
	rapid.Check(t, func(rt *rapid.T) {
		s := gen.Draw(rt, "local") + "@" + gen.Draw(rt, "domain") + "/" + gen.Draw(rt, "resource")
		if j, err := Parse(s); err == nil {
			valid++
			checkInvariants(t, s, j)
		}
	})
	if valid == 0 {
		t.Error("no address drawn was valid, so nothing was checked")
	}
}

// TestShortWayAgrees compares the table for ASCII with the profiles that it
// stands for.
func TestShortWayAgrees(t *testing.T) {
	for c := range 128 {
		s := "a" + string(rune(c)) + "b"
		local, err := precis.UsernameCaseMapped.String(s)
		allowed := err == nil && !strings.ContainsAny(s, "\"&'/:<>@")
		if got, err := prepareLocal(s); (err == nil) != allowed || allowed && got != local {
			t.Errorf("localpart %q: got %q, %v; profile says %q, %v", s, got, err, local, allowed)
		}
		resource, err := precis.OpaqueString.String(s)
		allowed = err == nil
		if got, err := prepareResource(s); (err == nil) != allowed || allowed && got != resource {
			t.Errorf("resourcepart %q: got %q, %v; profile says %q, %v", s, got, err, resource, allowed)
		}
		if c == '@' || c == '/' {
			continue // these end a part
		}
		user, ok := parsePlain(s + "@x")
		if full, err := New(s, "x", ""); ok && (err != nil || full != user) {
			t.Errorf("%q: short way %q, long way %q, %v", s, user, full, err)
		}
		domain, err := domainProfile.ToUnicode(s)
		if got, gotErr := prepareDomain(s); gotErr == nil && (err != nil || got != domain) {
			t.Errorf("domainpart %q: got %q; profile says %q, %v", s, got, domain, err)
		}
		plain, ok := parsePlain(s)
		if full, err := New("", s, ""); ok && (err != nil || full != plain) {
			t.Errorf("%q: short way %q, long way %q, %v", s, plain, full, err)
		}
	}
}

func TestPlainAllocatesNothing(t *testing.T) {
	in := "juliet.capulet@chat.example.com/balcony-4f2a"
	var j JID
	if n := testing.AllocsPerRun(200, func() { j, _ = Parse(in) }); n != 0 {
		t.Errorf("Parse: %v allocations", n)
	}
	sink := 0
	if n := testing.AllocsPerRun(200, func() {
		sink += len(j.Local()) + len(j.Domain()) + len(j.Resource()) + len(j.String()) + len(j.Bare().String())
		if j.IsFull() && !j.IsBare() && !j.IsZero() && !j.IsDomain() && j.DomainJID() != j.Bare() {
			sink++
		}
	}); n != 0 {
		t.Errorf("accessors: %v allocations", n)
	}
	if sink == 0 {
		t.Error("accessors returned nothing")
	}
}

func BenchmarkParse(b *testing.B) {
	for _, bc := range []struct{ name, in string }{
		{"plain", "juliet@example.com/balcony"},
		{"upper", "Juliet@Example.com/balcony"},
		{"unicode", "\u00e9ric@b\u00fccher.example/b\u00e4r"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(bc.in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
