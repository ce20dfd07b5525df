package sasl

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	exporter := []Binding{{Type: TLSExporter, Data: []byte("exported")}}
	other := []Binding{{Type: TLSExporter, Data: []byte("somebody else's")}}
	have := []Token{{Secret: "new"}, {Secret: "old"}}
	for _, tc := range []struct {
		name, mechanism, token string
		client                 []Binding
		tokens                 []Token
		user                   string
		want                   Condition
		used                   int
	}{
		{"new", HTNone, "new", nil, have, "juliet", "", 0},
		{"current", HTNone, "old", nil, have, "juliet", "", 1},
		{"spelled otherwise", HTNone, "new", nil, have, "Juliet", "", 0},
		{"bound", HTExporter, "new", exporter, have, "juliet", "", 0},
		{"another channel", HTExporter, "new", other, have, "juliet", NotAuthorized, -1},
		{"unknown", HTNone, "third", nil, have, "juliet", NotAuthorized, -1},
		{"no token", HTNone, "new", nil, nil, "juliet", NotAuthorized, -1},
		{"somebody else's", HTNone, "new", nil, have, "romeo", NotAuthorized, -1},
		{"expired", HTNone, "new", nil, []Token{{Secret: "new", Expired: true}}, "juliet", CredentialsExpired, 0},
		{"not offered", HTEndPoint, "new", []Binding{{Type: TLSServerEndPoint, Data: []byte("x")}}, have, "juliet", InvalidMechanism, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var slowed []string
			c, err := NewTokenClient(tc.mechanism, tc.token, Login{Username: tc.user, Bindings: tc.client})
			if err != nil {
				t.Fatal(err)
			}
			s, err := NewServer(tc.mechanism, nil, Options{
				Secret: []byte("0123456789abcdef"), Bindings: exporter,
				Authorize: func(user, authzid string) bool { return user != "" && authzid == "" },
				Deciding: func(user string, right bool) error {
					if !right {
						slowed = append(slowed, user)
					}
					return nil
				},
				Tokens: func(user, mechanism string) ([]Token, error) {
					if user != "juliet" || mechanism != tc.mechanism {
						return nil, nil
					}
					return tc.tokens, nil
				},
			})
			if err == nil {
				var data []byte
				var done bool
				data, done, err = s.Next(c.Start())
				if err == nil && (!done || c.Finish(data) != nil) {
					t.Fatalf("the answer %x is not the server's", data)
				}
				if s.Token() != tc.used {
					t.Errorf("token %d", s.Token())
				}
			}
			if condition(err) != tc.want {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if (len(slowed) > 0) != (tc.want == NotAuthorized) {
				t.Errorf("slowed: %q", slowed)
			}
		})
	}
}

func TestTokenRefusals(t *testing.T) {
	options := Options{Secret: []byte("0123456789abcdef"), Tokens: func(string, string) ([]Token, error) { return []Token{{Secret: ""}, {}}, nil }}
	proof := string(SHA256.mac(nil, []byte("Initiator"))) // of the empty token
	for msg, want := range map[string]Condition{
		"juliet\x00" + proof: NotAuthorized, "juliet": MalformedRequest, "\x00" + proof: MalformedRequest,
		"juliet\x00short": MalformedRequest, "juliet\x00" + proof + "x": MalformedRequest, "\xff\x00" + proof: MalformedRequest,
	} {
		s, err := NewServer(HTNone, nil, options)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Next([]byte(msg)); condition(err) != want {
			t.Errorf("%q: %v", msg, err)
		}
	}
	s, _ := NewServer(HTNone, nil, options)
	if _, _, err := s.Next(nil); condition(err) != MalformedRequest {
		t.Errorf("without initial response: %v", err)
	}
	options.Tokens = func(string, string) ([]Token, error) { return nil, errors.New("disk") }
	s, _ = NewServer(HTNone, nil, options)
	if _, _, err := s.Next([]byte("juliet\x00" + proof)); condition(err) != TemporaryAuthFailure {
		t.Errorf("store that fails: %v", err)
	}
	if _, err := NewServer(HTNone, nil, Options{Secret: []byte("0123456789abcdef")}); condition(err) != InvalidMechanism {
		t.Errorf("without tokens: %v", err)
	}
	for _, bad := range []struct{ mechanism, token string }{{ScramSHA1, "x"}, {HTExporter, "x"}, {HTNone, ""}, {"HT-SHA-256-UNIQ", "x"}} {
		if _, err := NewTokenClient(bad.mechanism, bad.token, Login{}); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	c, err := NewTokenClient(HTNone, "t", Login{Username: "juliet"})
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	if err := c.Finish([]byte("nonsense")); !errors.Is(err, ErrServerSignature) {
		t.Errorf("a server without the token: %v", err)
	}
}

func TestOfferTokens(t *testing.T) {
	both := []Binding{{TLSServerEndPoint, []byte("x")}, {TLSExporter, []byte("y")}}
	if got := OfferTokens(both); !slices.Equal(got, []string{HTExporter, HTEndPoint, HTNone}) {
		t.Errorf("%q", got)
	}
	if got := OfferTokens(nil); !slices.Equal(got, []string{HTNone}) {
		t.Errorf("%q", got)
	}
	if got := PreferredToken([]string{HTNone, HTEndPoint}, both); got != HTEndPoint {
		t.Errorf("%q", got)
	}
	if got := PreferredToken([]string{"HT-SHA3-512-NONE"}, both); got != "" {
		t.Errorf("%q", got)
	}
}

// The figures are those of XEP-0474 section 5.3.
func TestDowngradeHash(t *testing.T) {
	const want = "G6k/rBLDqgOhRRaCuuatSDFkJ08="
	if got := downgradeHash(SHA1, []string{ScramSHA1Plus, ScramSHA1}, []string{TLSServerEndPoint, TLSExporter}); got != want {
		t.Errorf("%s", got)
	}
	if downgradeHash(SHA1, []string{"A", "B"}, nil) == downgradeHash(SHA1, []string{"A"}, []string{"B"}) {
		t.Error("types pass for mechanisms")
	}
}

func TestDowngrade(t *testing.T) {
	bound := []Binding{{Type: TLSExporter, Data: []byte("x")}}
	offered, types := []string{ScramSHA256Plus, ScramSHA256, ScramSHA1}, []string{TLSExporter}
	for _, tc := range []struct {
		name        string
		seen, types []string
		client      []Binding
		silent      bool // the server tells no hash
		want        error
	}{
		{"untouched", offered, types, bound, false, nil},
		{"in another order", []string{ScramSHA1, ScramSHA256, ScramSHA256Plus}, types, bound, false, nil},
		{"mechanism cut", []string{ScramSHA256Plus, ScramSHA256}, types, bound, false, ErrDowngrade},
		{"mechanism cut, no binding", []string{ScramSHA1}, types, nil, false, ErrDowngrade},
		{"types cut", offered, nil, bound, false, ErrDowngrade},
		{"types replaced", offered, []string{"x-none"}, bound, false, ErrDowngrade},
		{"types that we lack, no hash", offered, []string{"x-none"}, bound, true, ErrDowngrade},
		{"an old server", offered, types, bound, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := NewClient(tc.seen, Login{Username: "juliet", Password: "s3cret", Bindings: tc.client, ServerBindings: tc.types})
			if err != nil {
				t.Fatal(err)
			}
			h := c.mech.Hash
			o := Options{Bindings: bound, Offered: offered, OfferedBindings: types}
			if tc.silent {
				o.Offered = nil
			}
			s := newServer(t, c.Mechanism(), users{"juliet": credential(t, h, "s3cret")}, o)
			challenge, _, err := s.Next(c.Start())
			if err != nil {
				t.Fatal(err)
			}
			if _, err = c.Next(challenge); !errors.Is(err, tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whoever changes the hash, too, cannot make the proof fit.
func TestHashIsPartOfTheProof(t *testing.T) {
	s := newServer(t, ScramSHA256, users{"juliet": credential(t, SHA256, "s3cret")}, Options{Offered: []string{ScramSHA256, ScramSHA512}})
	c, err := NewClient([]string{ScramSHA256}, Login{Username: "juliet", Password: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	challenge, _, err := s.Next(c.Start())
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(challenge), downgradeHash(SHA256, []string{ScramSHA256, ScramSHA512}, nil), downgradeHash(SHA256, []string{ScramSHA256}, nil), 1)
	response, err := c.Next([]byte(forged))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Next(response); condition(err) != NotAuthorized {
		t.Errorf("got %v", err)
	}
}

func TestSaltedCredential(t *testing.T) {
	salt := []byte("0123456789abcdef")
	want, err := NewCredential(SHA512, "s3cret", salt, MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := SaltPassword(SHA512, "s3cret", salt, MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	got, err := SaltedCredential(SHA512, salted, salt, MinIterations)
	if err != nil || string(got.StoredKey) != string(want.StoredKey) || string(got.ServerKey) != string(want.ServerKey) {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []func() (Credential, error){
		func() (Credential, error) { return SaltedCredential(SHA512, salted[1:], salt, MinIterations) },
		func() (Credential, error) { return SaltedCredential(SHA256, salted, salt, MinIterations) },
		func() (Credential, error) { return SaltedCredential(SHA512, salted, nil, MinIterations) },
		func() (Credential, error) { return SaltedCredential(SHA512, salted, salt, 1) },
		func() (Credential, error) { return SaltedCredential(0, nil, salt, MinIterations) },
	} {
		if _, err := bad(); !errors.Is(err, ErrCredential) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := SaltPassword(SHA512, "s3cret", salt, MaxIterations+1); !errors.Is(err, ErrCredential) {
		t.Errorf("got %v", err)
	}
}
