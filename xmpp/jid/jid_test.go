package jid

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unsafe"
)

// parts is what a test expects of an address.
type parts struct{ local, domain, resource string }

func partsOf(j JID) parts { return parts{j.Local(), j.Domain(), j.Resource()} }

func TestParseValid(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want parts
	}{
		// RFC 7622 section 3.5, table 1, in its order.
		{"juliet@example.com", parts{"juliet", "example.com", ""}},
		{"juliet@example.com/foo", parts{"juliet", "example.com", "foo"}},
		{"juliet@example.com/foo bar", parts{"juliet", "example.com", "foo bar"}},
		{"juliet@example.com/foo@bar", parts{"juliet", "example.com", "foo@bar"}},
		{`foo\20bar@example.com`, parts{`foo\20bar`, "example.com", ""}},
		{"fussball@example.com", parts{"fussball", "example.com", ""}},
		{"fu\u00dfball@example.com", parts{"fu\u00dfball", "example.com", ""}},
		{"\u03c0@example.com", parts{"\u03c0", "example.com", ""}},
		{"\u03a3@example.com/foo", parts{"\u03c3", "example.com", "foo"}},
		{"\u03c3@example.com/foo", parts{"\u03c3", "example.com", "foo"}},
		{"\u03c2@example.com/foo", parts{"\u03c2", "example.com", "foo"}},
		{"king@example.com/\u265a", parts{"king", "example.com", "\u265a"}},
		{"example.com", parts{"", "example.com", ""}},
		{"example.com/foobar", parts{"", "example.com", "foobar"}},
		{"a.example.com/b@example.net", parts{"", "a.example.com", "b@example.net"}},

		// Mapping.
		{"Juliet@Example.COM/Balcony", parts{"juliet", "example.com", "Balcony"}},
		{"\uff2auliet@example.com", parts{"juliet", "example.com", ""}},
		{"a@\uff25xample.com", parts{"a", "example.com", ""}},
		{"a@B\u00dcCHER.example", parts{"a", "b\u00fccher.example", ""}},
		{"a@xn--bcher-kva.example", parts{"a", "b\u00fccher.example", ""}},
		{"a@XN--BCHER-KVA.example", parts{"a", "b\u00fccher.example", ""}},
		{"a@fa\u00df.example", parts{"a", "fa\u00df.example", ""}},
		{"e\u0301@example.com/e\u0301", parts{"\u00e9", "example.com", "\u00e9"}},
		{"a@example.com/\u00a0x\u3000y", parts{"a", "example.com", " x y"}},
		{"a@example.com/\u2163", parts{"a", "example.com", "\u2163"}},

		// Domains.
		{"example.com.", parts{"", "example.com", ""}},
		{"a@example.com./r", parts{"a", "example.com", "r"}},
		{"a@example\u3002com\u3002", parts{"a", "example.com", ""}},
		{"localhost", parts{"", "localhost", ""}},
		{"a@chat_room.internal", parts{"a", "chat_room.internal", ""}},
		{"a@r3---sn.example", parts{"a", "r3---sn.example", ""}},
		{"a@b\u00fc--x.example", parts{"a", "b\u00fc--x.example", ""}},
		{"127.0.0.1", parts{"", "127.0.0.1", ""}},
		{"a@[::1]/r", parts{"a", "[::1]", "r"}},
		{"[2001:DB8:0:0::1]", parts{"", "[2001:db8::1]", ""}},
		{"[::ffff:192.0.2.1]", parts{"", "[::ffff:192.0.2.1]", ""}},

		// Separators inside the resourcepart.
		{"a@b/c/d@e", parts{"a", "b", "c/d@e"}},
		{"b/@", parts{"", "b", "@"}},
		{"a@b//", parts{"a", "b", "/"}},
		// RFC 7622 section 3.5, example 18, is called invalid there, but no
		// rule says so and peers send it; only ParseStrict refuses it.
		{"juliet@example.com/ foo", parts{"juliet", "example.com", " foo"}},
	} {
		j, err := Parse(tc.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.in, err)
			continue
		}
		if got := partsOf(j); got != tc.want {
			t.Errorf("Parse(%q) = %q, want %q", tc.in, got, tc.want)
		}
		made, err := New(tc.want.local, tc.want.domain, tc.want.resource)
		if err != nil || made != j {
			t.Errorf("New(%q) = %v, %v; differs from Parse", tc.want, made, err)
		}
	}
}

func TestParseInvalid(t *testing.T) {
	for _, tc := range []struct {
		in   string
		part Part
		err  error
	}{
		// RFC 7622 section 3.5, table 2.
		{`"juliet"@example.com`, LocalPart, ErrForbidden},
		{"foo bar@example.com", LocalPart, ErrForbidden},
		{"@example.com/", ResourcePart, ErrEmpty},
		{"henry\u2163@example.com", LocalPart, ErrForbidden},
		{"\u265a@example.com", LocalPart, ErrForbidden},
		{"juliet@", DomainPart, ErrEmpty},
		{"/foobar", DomainPart, ErrEmpty},

		{"", DomainPart, ErrEmpty},
		{"@", LocalPart, ErrEmpty},
		{"/", ResourcePart, ErrEmpty},
		{"@example.com", LocalPart, ErrEmpty},
		{"a@example.com/", ResourcePart, ErrEmpty},
		{"a&b@example.com", LocalPart, ErrForbidden},
		{"a'b@example.com", LocalPart, ErrForbidden},
		{"a:b@example.com", LocalPart, ErrForbidden},
		{"a<b@example.com", LocalPart, ErrForbidden},
		{"a>b@example.com", LocalPart, ErrForbidden},
		{"a\x00b@example.com", LocalPart, ErrForbidden},
		{"a\u200bb@example.com", LocalPart, ErrForbidden},
		{"a\u00a0b@example.com", LocalPart, ErrForbidden},
		{"a\u05d0@example.com", LocalPart, ErrForbidden}, // bidi rule of RFC 5893
		{"a@example.com/\x7f", ResourcePart, ErrForbidden},
		{"a@example.com/x\ny", ResourcePart, ErrForbidden},
		{"a@example.com/\u200b", ResourcePart, ErrForbidden},
		{"\xff@example.com", LocalPart, ErrEncoding},
		{"a@\xff.com", DomainPart, ErrEncoding},
		{"a@example.com/\xff", ResourcePart, ErrEncoding},

		{"a@b@c", DomainPart, ErrForbidden},
		{"a@example..com", DomainPart, ErrForbidden},
		{"a@.example.com", DomainPart, ErrForbidden},
		{"a@example.com..", DomainPart, ErrForbidden},
		{"a@.", DomainPart, ErrEmpty},
		{"a@-example.com", DomainPart, ErrForbidden},
		{"a@example-.com", DomainPart, ErrForbidden},
		{"a@exa mple.com", DomainPart, ErrForbidden},
		{"a@exa%mple.com", DomainPart, ErrForbidden},
		{"a@xn--a.com", DomainPart, ErrForbidden},
		{"a@xn--\u00fc.com", DomainPart, ErrForbidden},
		{"a@\u00ad", DomainPart, ErrEmpty},                                                // a soft hyphen maps to nothing
		{"a@\u05d0a.example", DomainPart, ErrForbidden},                                   // bidi rule
		{"a@a\u200db.example", DomainPart, ErrForbidden},                                  // joiner without a script that joins
		{"a@a\u2135.example", DomainPart, ErrForbidden},                                   // alef symbol, breaks the bidi rule once mapped
		{"a@xn--xn---epa.example", DomainPart, ErrForbidden},                              // an A-label inside an A-label
		{"a@a" + strings.Repeat("\u00ad", maxRaw/2) + ".example", DomainPart, ErrTooLong}, // would map to a short name
		{"a@\u2603.example", DomainPart, ErrForbidden},                                    // a symbol, RFC 5892
		{"a@[::1", DomainPart, ErrForbidden},
		{"a@[::1%eth0]", DomainPart, ErrForbidden},
		{"a@[127.0.0.1]", DomainPart, ErrForbidden},
		{"a@::1", DomainPart, ErrForbidden},
		{"a@[example.com]", DomainPart, ErrForbidden},
	} {
		j, err := Parse(tc.in)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q) = %q, %v; want an *Error", tc.in, j, err)
			continue
		}
		if e.Part != tc.part || !errors.Is(err, tc.err) {
			t.Errorf("Parse(%q): %v; want %v %v", tc.in, err, tc.part, tc.err)
		}
		if !j.IsZero() || j.String() != "" {
			t.Errorf("Parse(%q) returned %q along with its error", tc.in, j)
		}
	}
}

// TestNoSeparatorFromMapping holds the line against addresses that change
// their structure when prepared.
func TestNoSeparatorFromMapping(t *testing.T) {
	for _, in := range []string{
		"evil@victim.example\uff20attacker.example",
		"evil\uff20victim.example@attacker.example",
		"evil\uff0fx@attacker.example",
		"a@victim.example\uff0fattacker.example",
		"a@victim.example\u2100attacker.example",    // a/c
		"a@victim.example\u2488attacker.example/x",  // digit with full stop
		"a@[\uff1a\uff1a1]",                         // full-width colons
		"\ufe6b@example.com",                        // small commercial at
		"a@example.com\ufe6bx",                      //
		"a\uff1cb@example.com",                      // full-width less-than
		"a@xn--a@b-.example",                        //
		"a@example\u2044com",                        // fraction slash
		"a@exa\u037emple.com",                       // Greek question mark
		"\uff02a\uff02@example.com",                 // full-width quotation mark
		"user\u3000name@example.com",                // ideographic space
		"a@victim.example\uff03attacker.example",    // full-width number sign
		"a@victim.example\uff3battacker\uff3d",      // full-width brackets
		"a@\uff3b::1\uff3d",                         //
		"a@victim.example\uff1f",                    // full-width question mark
		"a@victim\u2024example\u2025.attacker.test", // two dot leader
	} {
		if j, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", in, j)
		}
	}
	// In a resourcepart such characters are kept as they are.
	j, err := Parse("a@example.com/x\uff20y\uff0fz")
	if err != nil || j.Resource() != "x\uff20y\uff0fz" {
		t.Errorf("resource %q, %v", j.Resource(), err)
	}
}

func TestSizes(t *testing.T) {
	long, over := strings.Repeat("a", MaxPart), strings.Repeat("a", MaxPart+1)
	j, err := Parse(long + "@" + long + "/" + long)
	if err != nil || len(j.String()) != MaxSize {
		t.Fatalf("largest address: %d bytes, %v", len(j.String()), err)
	}
	for _, tc := range []struct {
		in   string
		part Part
	}{
		{over + "@b/c", LocalPart},
		{"a@" + over + "/c", DomainPart},
		{"a@b/" + over, ResourcePart},
		{strings.Repeat("\u00e9", MaxPart/2+1) + "@b", LocalPart},
		{"a@b/" + strings.Repeat("\u00e9", MaxPart/2+1), ResourcePart},
		{"a@" + strings.Repeat("\u00fc", MaxPart/2+1), DomainPart},
		{strings.Repeat("a", 1<<20) + "\u00e9@b", LocalPart},
	} {
		_, err := Parse(tc.in)
		var e *Error
		if !errors.As(err, &e) || e.Part != tc.part || !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes: %v, want %v %v", len(tc.in), err, tc.part, ErrTooLong)
		}
	}
	// The limit counts prepared bytes: full-width letters shrink to a third.
	if j, err := Parse(strings.Repeat("\uff41", MaxPart) + "@b"); err != nil || j.Local() != long {
		t.Errorf("full-width localpart: %v", err)
	}
	if s := unsafe.Sizeof(JID{}); s > 24 {
		t.Errorf("JID takes %d bytes", s)
	}
}

func TestForms(t *testing.T) {
	for _, tc := range []struct {
		in                          string
		bare, domain                string
		isBare, isFull, isDomainJID bool
	}{
		{"a@b.c/d", "a@b.c", "b.c", false, true, false},
		{"a@b.c", "a@b.c", "b.c", true, false, false},
		{"b.c/d", "b.c", "b.c", false, true, true},
		{"b.c", "b.c", "b.c", true, false, true},
	} {
		j := MustParse(tc.in)
		if j.Bare() != MustParse(tc.bare) || j.DomainJID() != MustParse(tc.domain) {
			t.Errorf("%s: bare %s, domain %s", tc.in, j.Bare(), j.DomainJID())
		}
		if j.IsBare() != tc.isBare || j.IsFull() != tc.isFull || j.IsDomain() != tc.isDomainJID || j.IsZero() {
			t.Errorf("%s: wrong kind", tc.in)
		}
		if j.String() != tc.in {
			t.Errorf("%s: String gives %s", tc.in, j)
		}
	}
	var zero JID
	if !zero.IsZero() || zero.IsBare() || zero.IsFull() || zero.IsDomain() || zero != zero.Bare() || zero.String() != "" {
		t.Error("zero value claims to be an address")
	}
}

func TestWithResource(t *testing.T) {
	for _, tc := range []struct{ in, resource, want string }{
		{"a@b", "c", "a@b/c"},
		{"a@b/old", "new/x", "a@b/new/x"},
		{"b", "C d", "b/C d"},
	} {
		got, err := MustParse(tc.in).WithResource(tc.resource)
		if err != nil || got != MustParse(tc.want) {
			t.Errorf("%s with %q = %s, %v", tc.in, tc.resource, got, err)
		}
	}
	for _, bad := range []string{"", "\x00", "\xff", strings.Repeat("a", MaxPart+1)} {
		if got, err := MustParse("a@b").WithResource(bad); err == nil {
			t.Errorf("resource %.10q accepted: %s", bad, got)
		}
	}
	if _, err := (JID{}).WithResource("x"); !errors.Is(err, ErrEmpty) {
		t.Errorf("zero JID took a resource: %v", err)
	}
}

func TestMapKey(t *testing.T) {
	seen := map[JID]int{}
	for _, s := range []string{"a@b.c/d", "A@B.c/d", "a@b.c./d", "\uff41@b.c/d"} {
		seen[MustParse(s)]++
	}
	joined, err := MustParse("a@b.c").WithResource("d")
	if err != nil {
		t.Fatal(err)
	}
	seen[joined]++
	if len(seen) != 1 || seen[MustParse("a@b.c/d")] != 5 {
		t.Errorf("equal addresses are different keys: %v", seen)
	}
	if MustParse("a@b/c") == MustParse("a@b/C") {
		t.Error("case of the resource was lost")
	}
}

func TestText(t *testing.T) {
	type record struct{ From, To JID }
	in := record{From: MustParse("a@b/c")}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"From":"a@b/c","To":""}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	out := record{To: MustParse("x@y")}
	if err := json.Unmarshal(data, &out); err != nil || out != in {
		t.Errorf("read back %v, %v", out, err)
	}
	kept := MustParse("a@b")
	if err := kept.UnmarshalText([]byte("@")); err == nil || kept != MustParse("a@b") {
		t.Errorf("bad text: %v, value now %s", err, kept)
	}
}

func TestMustParsePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic for a bad constant")
		}
	}()
	MustParse("@")
}

func TestErrorTextHasNoAddress(t *testing.T) {
	_, err := Parse("secret name@example.com")
	if got, want := err.Error(), "jid: localpart contains a character or sequence that is not allowed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if Part(0).String() != "address" || ResourcePart.String() != "resourcepart" || DomainPart.String() != "domainpart" {
		t.Error("part names")
	}
}
