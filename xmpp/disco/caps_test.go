package disco

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	// XEP-0115 section 5.2.
	simple = `<identity category='client' type='pc' name='Exodus 0.9.1'/>
	<feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/disco#items'/>
	<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>`
	simpleText = "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<"
	simpleVer  = "QgayPKawpkPSDYmwT/WM94uAlu0="
	// The same text hashed with other algorithms by openssl.
	simpleVer256 = "Wr6IGEKhx6b9627gBmi/cCmpxXBc/GYq5zWuYfWGWoc="
	simpleVer512 = "fRSVSbrOODMrPDQyHoSWoR+RemysUcEeGGhMh+kl/hGp9UrJxyDnrh9BymsL57Am/eToRZ/T4s6QBqeC6LVmoQ=="

	// XEP-0115 section 5.3.
	complexExample = `<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
	<identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
	<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>
	<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>` + softwareForm
	softwareForm = `<x xmlns='jabber:x:data' type='result'>
	<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
	<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>
	<field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>
	<field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x>`
	complexText = "client/pc/el/Ψ 0.11<client/pc/en/Psi 0.11<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<" +
		"http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<urn:xmpp:dataforms:softwareinfo<" +
		"ip_version<ipv4<ipv6<os<Mac<os_version<10.5.1<software<Psi<software_version<0.11<"
	complexVer = "q07IKJEyjvHSyhy//CH0CxmKi8w="
)

func TestVerVectors(t *testing.T) {
	for _, tc := range []struct{ content, text, hash, ver string }{
		{simple, simpleText, "sha-1", simpleVer},
		{complexExample, complexText, "sha-1", complexVer},
		{simple, simpleText, "sha-256", simpleVer256},
		{simple, simpleText, "sha-512", simpleVer512},
	} {
		i := info(t, tc.content)
		covered, err := i.covered()
		if err != nil {
			t.Fatal(err)
		}
		if got := covered.canonical(); got != tc.text {
			t.Errorf("hashed text\n%s\nwant\n%s", got, tc.text)
		}
		if got, err := i.Ver(tc.hash); err != nil || got != tc.ver {
			t.Errorf("%s: %s, %v; want %s", tc.hash, got, err, tc.ver)
		}
		if _, err := Verify(Caps{tc.hash, "n", tc.ver}, i); err != nil {
			t.Errorf("%s: %v", tc.hash, err)
		}
	}
}

// TestVerIgnoresOrder shuffles everything that is sorted for the hash.
func TestVerIgnoresOrder(t *testing.T) {
	i := info(t, complexExample+`<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value></field><field var='z'/></x>`)
	want, err := i.Ver("sha-1")
	if err != nil {
		t.Fatal(err)
	}
	shuffle := func(n int, swap func(a, b int)) { rand.Shuffle(n, swap) }
	for range 20 {
		shuffle(len(i.Identities), func(a, b int) { i.Identities[a], i.Identities[b] = i.Identities[b], i.Identities[a] })
		shuffle(len(i.Features), func(a, b int) { i.Features[a], i.Features[b] = i.Features[b], i.Features[a] })
		shuffle(len(i.Forms), func(a, b int) { i.Forms[a], i.Forms[b] = i.Forms[b], i.Forms[a] })
		for _, f := range i.Forms {
			shuffle(len(f.Fields), func(a, b int) { f.Fields[a], f.Fields[b] = f.Fields[b], f.Fields[a] })
			for k := range f.Fields {
				v := f.Fields[k].Values
				shuffle(len(v), func(a, b int) { v[a], v[b] = v[b], v[a] })
			}
		}
		features := slices.Clone(i.Features)
		if got, err := i.Ver("sha-1"); err != nil || got != want {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
		if !slices.Equal(features, i.Features) {
			t.Fatal("Ver changed the response")
		}
	}
}

func TestIllFormed(t *testing.T) {
	hidden := func(kind, rest string) string {
		return "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>" + kind + "</field>" + rest + "</x>"
	}
	for name, content := range map[string]string{
		"identity twice":            simple + "<identity category='client' type='pc' name='Exodus 0.9.1'/>",
		"feature twice":             simple + "<feature var='http://jabber.org/protocol/muc'/>",
		"form twice":                complexExample + softwareForm,
		"FORM_TYPE with two values": simple + hidden("<value>a</value><value>b</value>", ""),
		"slash in category":         simple + "<identity category='client/pc' type='x'/>",
		"slash in type":             simple + "<identity category='client' type='pc/x'/>",
		"slash in language":         simple + "<identity category='client' type='web' xml:lang='en/x'/>",
	} {
		i := info(t, content)
		if ver, err := i.Ver("sha-1"); !errors.Is(err, ErrIllFormed) || ver != "" {
			t.Errorf("%s: %q, %v", name, ver, err)
		}
		if got, err := Verify(Caps{"sha-1", "n", simpleVer}, i); !errors.Is(err, ErrIllFormed) || got != nil {
			t.Errorf("%s: verified %v, %v", name, got, err)
		}
	}
	for name, content := range map[string]string{
		"other language":              simple + "<identity category='client' type='pc' xml:lang='de' name='Exodus 0.9.1'/>",
		"other name":                  simple + "<identity category='client' type='pc' name='Other'/>",
		"other form":                  complexExample + hidden("<value>a</value>", ""),
		"FORM_TYPE with equal values": simple + hidden("<value>a</value><value>a</value>", ""),
	} {
		if _, err := info(t, content).Ver("sha-1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIgnoredForms covers XEP-0115 section 5.4, step 3.6: forms without a
// hidden FORM_TYPE are no part of the hash, and so must not travel with it.
func TestIgnoredForms(t *testing.T) {
	for name, extra := range map[string]string{
		"no FORM_TYPE":  "<x xmlns='jabber:x:data' type='result'><field var='os'><value>evil</value></field></x>",
		"not hidden":    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'><value>a</value></field></x>",
		"other type":    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='text-single'><value>a</value></field></x>",
		"as submission": "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>a</value></field></x>",
	} {
		i := info(t, complexExample+extra)
		covered, err := Verify(Caps{"sha-1", "n", complexVer}, i)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(i.Forms) != 2 || len(covered.Forms) != 1 || covered.Form("urn:xmpp:dataforms:softwareinfo") == nil {
			t.Errorf("%s: kept %d of %d forms", name, len(covered.Forms), len(i.Forms))
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	i := info(t, simple)
	for name, tc := range map[string]struct {
		c    Caps
		want error
	}{
		"legacy format":     {Caps{"", "n", simpleVer}, ErrNoHash},
		"unknown algorithm": {Caps{"md5", "n", simpleVer}, ErrHash},
		"upper case name":   {Caps{"SHA-1", "n", simpleVer}, ErrHash},
		"other algorithm":   {Caps{"sha-256", "n", simpleVer}, ErrMismatch},
		"other response":    {Caps{"sha-1", "n", complexVer}, ErrMismatch},
		"no padding":        {Caps{"sha-1", "n", strings.TrimRight(simpleVer, "=")}, ErrMismatch},
	} {
		if got, err := Verify(tc.c, i); !errors.Is(err, tc.want) || got != nil {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tc.want)
		}
	}
	if _, err := i.Ver("md5"); !errors.Is(err, ErrHash) {
		t.Errorf("md5: %v", err)
	}
}

// TestNoSplitting covers the last note of XEP-0115 section 5.4: one feature
// must not be able to stand for two.
func TestNoSplitting(t *testing.T) {
	split := strings.Replace(simple, "<feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/disco#items'/>",
		"<feature var='http://jabber.org/protocol/disco#items&lt;http://jabber.org/protocol/muc'/>", 1)
	if split == simple {
		t.Fatal("nothing replaced")
	}
	if _, err := Verify(Caps{"sha-1", "n", simpleVer}, info(t, split)); !errors.Is(err, ErrMismatch) {
		t.Errorf("two features in one: %v", err)
	}
	name := "<identity category='client' type='pc' name='Exodus 0.9.1&lt;http://jabber.org/protocol/caps'/>" +
		"<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>"
	if _, err := Verify(Caps{"sha-1", "n", simpleVer}, info(t, name)); !errors.Is(err, ErrMismatch) {
		t.Errorf("a feature hidden in a name: %v", err)
	}
}

func TestCaps(t *testing.T) {
	c := Caps{"sha-1", "http://code.google.com/p/exodus", simpleVer}
	want := "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"
	if got := string(c.AppendXML([]byte("head"))); got != "head"+want {
		t.Errorf("got %s", got)
	}
	if back, err := ParseCaps(tree(t, want)); err != nil || back != c {
		t.Errorf("read %+v, %v", back, err)
	}
	if got := c.QueryNode(); got != "http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0=" {
		t.Errorf("node %s", got)
	}
	for xml, want := range map[string]error{
		"<c xmlns='http://jabber.org/protocol/caps' node='n' ver='1' ext='a b'/>": nil,
		"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' ver='1'/>":       ErrMissing,
		"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n'/>":      ErrMissing,
		"<c xmlns='urn:xmpp:caps' node='n' ver='1'/>":                             ErrNotQuery,
	} {
		if c, err := ParseCaps(tree(t, xml)); !errors.Is(err, want) || c.Hash != "" {
			t.Errorf("%s: %+v, %v", xml, c, err)
		}
	}
}
