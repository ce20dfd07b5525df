package sasl

import (
	"bytes"
	"testing"
)

func FuzzServer(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.messages[0], v.messages[2])
	}
	f.Add("p=tls-exporter,a=x,n==2C=3D,r=r,x=y", "c=cD10bHMtZXhwb3J0ZXIsYT14LA==,r=rs,p=AAAA")
	f.Add("\x00user\x00pencil", "")
	f.Add("user\x00"+string(SHA256.mac([]byte("t"), []byte("Initiator"))), "")
	f.Add("user\x00"+string(SHA256.mac([]byte("old"), []byte("Initiator"))), "")
	tokens := func(user, mechanism string) ([]Token, error) {
		return []Token{{Secret: "t"}, {Secret: "old", Expired: true}}, nil
	}
	u := users{"user": credential(f, SHA256, "x")}
	f.Fuzz(func(t *testing.T, first, final string) {
		for _, mechanism := range []string{ScramSHA256, ScramSHA256Plus, Plain, HTNone, HTExporter} {
			s := newServer(t, mechanism, u, Options{
				AllowPlain: true, Bindings: []Binding{{TLSExporter, []byte("b")}}, Offered: []string{mechanism}, Tokens: tokens,
			})
			s.draw = func() string { return "s" }
			_, done, err := s.Next([]byte(first))
			if err == nil && !done {
				_, done, err = s.Next([]byte(final))
			}
			if done && err == nil && mechanism != Plain && s.Token() != 0 {
				t.Fatalf("logged in by %q, %q", first, final)
			}
			if err != nil && condition(err) == "" {
				t.Fatalf("not a condition: %v", err)
			}
		}
	})
}

func FuzzClient(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.messages[1], v.messages[3])
	}
	f.Add("r=abcd,s=AAAA,i=4096,x=y", "e=unknown-user")
	f.Fuzz(func(t *testing.T, first, final string) {
		c, err := NewClient([]string{ScramSHA1}, Login{Username: "user", Password: "pencil"})
		if err != nil {
			t.Fatal(err)
		}
		c.nonce = "abc"
		c.Start()
		if m, err := parseServerFirst(first); err == nil && m.iterations > 2*MinIterations {
			return
		}
		if _, err := c.Next([]byte(first)); err != nil {
			return
		}
		if c.Finish([]byte(final)) == nil {
			t.Fatalf("took %q for a proof", final)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("a=2Cb=3D")
	f.Add("a,b=")
	f.Fuzz(func(t *testing.T, s string) {
		if !validText(s) {
			return
		}
		if got, err := unescapeName(escapeName(s)); got != s || err != nil {
			t.Fatalf("%q became %q, %v", s, got, err)
		}
		if raw, err := unescapeName(s); err == nil && bytes.IndexByte([]byte(s), ',') < 0 && escapeName(raw) != s {
			t.Fatalf("%q is not canonical", s)
		}
	})
}

func FuzzCredential(f *testing.F) {
	text, err := credential(f, SHA1, "pencil").MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Credential
		if c.UnmarshalText(text) != nil {
			return
		}
		again, err := c.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var d Credential
		if err := d.UnmarshalText(again); err != nil || !bytes.Equal(d.StoredKey, c.StoredKey) {
			t.Fatal(err)
		}
	})
}
