package sasl

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestChoice(t *testing.T) {
	bound := []Binding{{Type: TLSExporter, Data: []byte("x")}}
	all := []string{"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "X-OTHER", "SCRAM-SHA-512", "SCRAM-SHA-1-PLUS"}
	for _, tc := range []struct {
		name    string
		offered []string
		login   Login
		want    string
		header  string
	}{
		{"no binding", all, Login{}, ScramSHA512, "n,,"},
		{"binding", all, Login{Bindings: bound}, ScramSHA256Plus, "p=tls-exporter,,"},
		{"binding not known to the server", all, Login{Bindings: bound, ServerBindings: []string{TLSServerEndPoint}}, ScramSHA512, "n,,"},
		{"no plus offered", []string{"SCRAM-SHA-1", "PLAIN"}, Login{Bindings: bound, AuthzID: "a,b="}, ScramSHA1, "y,a=a=2Cb=3D,"},
		{"plain allowed", []string{"PLAIN"}, Login{AllowPlain: true}, Plain, "n,,"},
		{"plain not allowed", []string{"PLAIN"}, Login{}, "", ""},
		{"nothing", nil, Login{AllowPlain: true}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.login.Username, tc.login.Password = "u", "p"
			c, err := NewClient(tc.offered, tc.login)
			if tc.want == "" {
				if !errors.Is(err, ErrNoMechanism) {
					t.Fatal(err)
				}
				return
			}
			if err != nil || c.Mechanism() != tc.want || c.header != tc.header {
				t.Fatalf("%v, %v", c, err)
			}
		})
	}
}

func TestClientRefuses(t *testing.T) {
	for _, tc := range []struct{ name, first, final string }{
		{"empty", "", ""},
		{"other nonce", "r=xyzserver,s=AAAA,i=4096", ""},
		{"nonce not longer", "r=abc,s=AAAA,i=4096", ""},
		{"few iterations", "r=abcserver,s=AAAA,i=4095", ""},
		{"endless iterations", "r=abcserver,s=AAAA,i=10000001", ""},
		{"negative", "r=abcserver,s=AAAA,i=-4096", ""},
		{"leading zero", "r=abcserver,s=AAAA,i=04096", ""},
		{"overflow", "r=abcserver,s=AAAA,i=99999999999999999999", ""},
		{"no salt", "r=abcserver,s=,i=4096", ""},
		{"bad salt", "r=abcserver,s=A,i=4096", ""},
		{"long salt", "r=abcserver,s=" + strings.Repeat("AAAA", 100) + ",i=4096", ""},
		{"mandatory extension", "r=abcserver,s=AAAA,i=4096,m=x", ""},
		{"m first", "m=x,r=abcserver,s=AAAA,i=4096", ""},
		{"too long", strings.Repeat("x", MaxMessage+1), ""},
		{"wrong signature", "r=abcserver,s=AAAA,i=4096", "v=AAAA"},
		{"error word", "r=abcserver,s=AAAA,i=4096", "e=other-error"},
		{"no signature", "r=abcserver,s=AAAA,i=4096", "-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := NewClient([]string{ScramSHA256}, Login{Username: "u", Password: "p"})
			if err != nil {
				t.Fatal(err)
			}
			c.nonce = "abc"
			c.Start()
			_, err = c.Next([]byte(tc.first))
			if tc.final == "" {
				if !errors.Is(err, ErrChallenge) {
					t.Fatal(err)
				}
				if c.Finish(nil) == nil {
					t.Fatal("success without proof is taken")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tc.final == "-" {
				err = c.Finish(nil)
			} else {
				err = c.Finish([]byte(tc.final))
			}
			if !errors.Is(err, ErrServerSignature) {
				t.Fatal(err)
			}
		})
	}
	t.Run("early success", func(t *testing.T) {
		c, err := NewClient([]string{ScramSHA256}, Login{Username: "u", Password: "p"})
		if err != nil {
			t.Fatal(err)
		}
		c.Start()
		if c.Finish(nil) == nil {
			t.Fatal("success without any challenge is taken")
		}
	})
}

func TestPasswords(t *testing.T) {
	salt := NewSalt()
	c := func(p string) (string, error) {
		c, err := NewCredential(SHA256, p, salt, MinIterations)
		return string(c.StoredKey), err
	}
	for _, bad := range []string{"", "a\x00b", "tab\there", strings.Repeat("x", maxPassword+1), "\xff"} {
		if _, err := c(bad); !errors.Is(err, ErrPassword) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	composed, err1 := c("caf\u00e9")
	decomposed, err2 := c("cafe\u0301")
	if err1 != nil || err2 != nil || composed != decomposed {
		t.Errorf("normal forms differ: %v %v", err1, err2)
	}
	wide, _ := c("a\u3000b")
	if space, _ := c("a b"); wide != space {
		t.Error("other spaces are not mapped")
	}
}

func TestOffer(t *testing.T) {
	got := Offer([]Hash{SHA1, SHA512}, true, true)
	want := []string{ScramSHA512Plus, ScramSHA1Plus, ScramSHA512, ScramSHA1, Plain}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, name := range want {
		if m, ok := ParseMechanism(name); !ok || m.Name != name {
			t.Errorf("%s: %v", name, m)
		}
	}
}

func TestCredentialText(t *testing.T) {
	c := credential(t, SHA512, "pencil")
	text, err := c.MarshalText()
	if err != nil || !strings.HasPrefix(string(text), "SCRAM-SHA-512$4096:") {
		t.Fatalf("%s, %v", text, err)
	}
	var d Credential
	if err := d.UnmarshalText(text); err != nil || !d.Verify("pencil") || d.Verify("pencils") {
		t.Fatal(err)
	}
	if _, err := (Credential{}).MarshalText(); !errors.Is(err, ErrCredential) {
		t.Error(err)
	}
	for _, bad := range []string{"", "$$", "PLAIN$4096:AA==$AA==:AA==", "SCRAM-SHA-1$1:AA==$AA==:AA==", strings.Replace(string(text), "4096", "-1", 1)} {
		if err := d.UnmarshalText([]byte(bad)); !errors.Is(err, ErrCredential) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
