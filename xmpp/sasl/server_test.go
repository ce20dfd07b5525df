package sasl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

type users map[string]Credential

func (u users) lookup(name string, h Hash) (Credential, bool, error) {
	c, ok := u[name]
	return c, ok && c.Hash == h, nil
}

func newServer(t testing.TB, mechanism string, u users, o Options) *Server {
	t.Helper()
	if o.Secret == nil {
		o.Secret = []byte("0123456789abcdef")
	}
	s, err := NewServer(mechanism, u.lookup, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func credential(t testing.TB, h Hash, password string) Credential {
	t.Helper()
	c, err := NewCredential(h, password, []byte("sixteen byte slt"), MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange runs both roles against each other.
func exchange(s *Server, c *Client) error {
	msg := c.Start()
	for {
		out, done, err := s.Next(msg)
		if err != nil {
			return err
		}
		if done {
			return c.Finish(out)
		}
		if msg, err = c.Next(out); err != nil {
			return err
		}
	}
}

func condition(err error) Condition {
	var e *Error
	if errors.As(err, &e) {
		return e.Condition
	}
	return ""
}

func TestBothRoles(t *testing.T) {
	binding := []Binding{{Type: TLSExporter, Data: []byte("exported")}, {Type: TLSServerEndPoint, Data: []byte("certificate")}}
	other := []Binding{{Type: TLSExporter, Data: []byte("somebody else's")}}
	for _, tc := range []struct {
		name, mechanism string
		server          []Binding
		client          Login
		want            Condition
	}{
		{"sha1", ScramSHA1, nil, Login{Username: "juliet", Password: "s3cret"}, ""},
		{"sha256", ScramSHA256, nil, Login{Username: "juliet", Password: "s3cret"}, ""},
		{"sha512", ScramSHA512, nil, Login{Username: "juliet", Password: "s3cret"}, ""},
		{"upper case", ScramSHA256, nil, Login{Username: "JULIET", Password: "s3cret"}, ""},
		{"exporter", ScramSHA256Plus, binding, Login{Username: "juliet", Password: "s3cret", Bindings: binding[:1]}, ""},
		{"end point", ScramSHA512Plus, binding, Login{Username: "juliet", Password: "s3cret", Bindings: binding, ServerBindings: []string{TLSServerEndPoint}}, ""},
		{"another channel", ScramSHA256Plus, binding, Login{Username: "juliet", Password: "s3cret", Bindings: other}, NotAuthorized},
		{"cut offer", ScramSHA256, binding, Login{Username: "juliet", Password: "s3cret", Bindings: binding}, NotAuthorized},
		{"cannot bind", ScramSHA256, binding, Login{Username: "juliet", Password: "s3cret"}, ""},
		{"wrong password", ScramSHA256, nil, Login{Username: "juliet", Password: "secret"}, NotAuthorized},
		{"unknown user", ScramSHA256, nil, Login{Username: "romeo", Password: "s3cret"}, NotAuthorized},
		{"authzid refused", ScramSHA256, nil, Login{Username: "juliet", Password: "s3cret", AuthzID: "romeo@example.net"}, InvalidAuthzID},
		{"authzid own", ScramSHA256, nil, Login{Username: "juliet", Password: "s3cret", AuthzID: "juliet@example.net"}, ""},
		{"plain", Plain, nil, Login{Username: "juliet", Password: "s3cret", AllowPlain: true}, ""},
		{"plain authzid", Plain, nil, Login{Username: "juliet", Password: "s3cret", AllowPlain: true, AuthzID: "romeo@example.net"}, InvalidAuthzID},
		{"plain wrong", Plain, nil, Login{Username: "juliet", Password: "wrong", AllowPlain: true}, NotAuthorized},
		{"plain unknown", Plain, nil, Login{Username: "romeo", Password: "s3cret", AllowPlain: true}, NotAuthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, _ := ParseMechanism(tc.mechanism)
			h := m.Hash
			if h == 0 {
				h = SHA256
			}
			s := newServer(t, tc.mechanism, users{"juliet": credential(t, h, "s3cret")}, Options{
				Bindings: tc.server, AllowPlain: true,
				Authorize: func(user, authzid string) bool { return authzid == "" || authzid == user+"@example.net" },
			})
			c, err := NewClient([]string{tc.mechanism}, tc.client)
			if err != nil {
				t.Fatal(err)
			}
			err = exchange(s, c)
			if (err == nil) != (tc.want == "") || condition(err) != tc.want {
				t.Fatalf("got %v, want condition %q", err, tc.want)
			}
			if tc.want == "" && (s.Username() != "juliet" || s.AuthzID() != tc.client.AuthzID) {
				t.Errorf("user %q, authzid %q", s.Username(), s.AuthzID())
			}
		})
	}
}

func TestUnknownUserLooksKnown(t *testing.T) {
	u := users{"juliet": credential(t, SHA256, "s3cret")}
	first := func(name, secret string) string {
		s := newServer(t, ScramSHA256, u, Options{Secret: []byte(secret), Iterations: MinIterations})
		s.draw = func() string { return "server" }
		out, _, err := s.Next([]byte("n,,n=" + name + ",r=client"))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	const key = "0123456789abcdef"
	if again := first("romeo", key); first("romeo", key) != again || again != first("ROMEO", key) {
		t.Error("the salt of an unknown user changes")
	}
	if first("romeo", key) == first("tybalt", key) || first("romeo", key) == first("romeo", key+"x") {
		t.Error("the salt of an unknown user can be computed")
	}
	if len(first("romeo", key)) != len(first("juliet", key)) {
		t.Errorf("%q and %q can be told apart", first("romeo", key), first("juliet", key))
	}
	texts := map[string]bool{}
	for _, l := range []Login{{Username: "romeo", Password: "x"}, {Username: "juliet", Password: "x"}} {
		c, err := NewClient([]string{ScramSHA256}, l)
		if err != nil {
			t.Fatal(err)
		}
		texts[exchange(newServer(t, ScramSHA256, u, Options{}), c).Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("errors tell who exists: %v", texts)
	}
}

func TestServerRefuses(t *testing.T) {
	const start = "n,,n=user,r=abc"
	bound := []Binding{{Type: TLSExporter, Data: []byte("x")}}
	for _, tc := range []struct {
		name, first, final string
		plus               bool
		want               Condition
	}{
		{name: "empty", first: "", want: MalformedRequest},
		{name: "no flag", first: "n=user,r=abc", want: MalformedRequest},
		{name: "unknown flag", first: "z,,n=user,r=abc", want: MalformedRequest},
		{name: "binding without plus", first: "p=tls-exporter,,n=user,r=abc", want: MalformedRequest},
		{name: "plus without binding", first: start, plus: true, want: MalformedRequest},
		{name: "unknown binding", first: "p=tls-unique,,n=user,r=abc", plus: true, want: MalformedRequest},
		{name: "mandatory extension", first: "n,,m=x,n=user,r=abc", want: MalformedRequest},
		{name: "no user", first: "n,,n=,r=abc", want: MalformedRequest},
		{name: "bad escape", first: "n,,n=a=2Db,r=abc", want: MalformedRequest},
		{name: "no nonce", first: "n,,n=user,r=", want: MalformedRequest},
		{name: "control in nonce", first: "n,,n=user,r=a\x01", want: MalformedRequest},
		{name: "not UTF-8", first: "n,,n=\xff,r=abc", want: MalformedRequest},
		{name: "too long", first: start + strings.Repeat("x", MaxMessage), want: MalformedRequest},
		{name: "authzid", first: "n,a=other,n=user,r=abc", want: InvalidAuthzID},
		{name: "empty authzid", first: "n,a=,n=user,r=abc", want: MalformedRequest},
		{name: "header not repeated", first: start, final: "c=eSws,r=abcserver,p=AAAA", want: NotAuthorized},
		{name: "loose base64", first: start, final: "c=biwt,r=abcserver,p=AAAA", want: NotAuthorized},
		{name: "other nonce", first: start, final: "c=biws,r=abcserveR,p=AAAA", want: NotAuthorized},
		{name: "shorter nonce", first: start, final: "c=biws,r=abc,p=AAAA", want: NotAuthorized},
		{name: "short proof", first: start, final: "c=biws,r=abcserver,p=AAAA", want: MalformedRequest},
		{name: "no proof", first: start, final: "c=biws,r=abcserver", want: MalformedRequest},
		{name: "empty final", first: start, final: "\n", want: MalformedRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, mechanism := Options{}, ScramSHA256
			if tc.plus {
				o.Bindings, mechanism = bound, ScramSHA256Plus
			}
			s := newServer(t, mechanism, users{"user": credential(t, SHA256, "x")}, o)
			s.draw = func() string { return "server" }
			_, _, err := s.Next([]byte(tc.first))
			if tc.final != "" && err == nil {
				_, _, err = s.Next([]byte(tc.final))
			}
			if condition(err) != tc.want {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if _, done, err := s.Next([]byte(start)); done || err == nil {
				t.Error("goes on after a failure")
			}
		})
	}
}

func TestServerWithoutInitialResponse(t *testing.T) {
	s := newServer(t, ScramSHA256, nil, Options{})
	out, done, err := s.Next(nil)
	if out == nil || len(out) != 0 || done || err != nil {
		t.Fatalf("%q, %v, %v", out, done, err)
	}
	if out, _, err = s.Next([]byte("n,,n=user,r=abc")); err != nil || !strings.HasPrefix(string(out), "r=abc") {
		t.Fatalf("%q, %v", out, err)
	}
}

func TestNewServerRefuses(t *testing.T) {
	key := []byte("0123456789abcdef")
	for name, o := range map[string]Options{
		"MD5": {Secret: key}, Plain: {Secret: key}, ScramSHA256Plus: {Secret: key}, "scram-sha-256": {Secret: key},
	} {
		if _, err := NewServer(name, users{}.lookup, o); condition(err) != InvalidMechanism {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewServer(ScramSHA256, users{}.lookup, Options{Secret: key[:15]}); !errors.Is(err, ErrOptions) {
		t.Errorf("short secret: %v", err)
	}
}

func TestStoreFails(t *testing.T) {
	broken := errors.New("disk")
	lookup := func(string, Hash) (Credential, bool, error) { return Credential{}, false, broken }
	s, err := NewServer(ScramSHA256, lookup, Options{Secret: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Next([]byte("n,,n=user,r=abc"))
	if condition(err) != TemporaryAuthFailure || !errors.Is(err, broken) || strings.Contains(err.Error(), "disk") {
		t.Fatal(err)
	}
}

// TestNonceIsCompared sends a right proof over a message with another nonce.
func TestNonceIsCompared(t *testing.T) {
	for nonce, want := range map[string]bool{"abcserver": true, "abcserveR": false, "abc": false, "abcserver2": false} {
		c := credential(t, SHA256, "pencil")
		s := newServer(t, ScramSHA256, users{"user": c}, Options{})
		s.draw = func() string { return "server" }
		first, _, err := s.Next([]byte("n,,n=user,r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		salted, err := saltPassword(SHA256, "pencil", c.Salt, c.Iterations)
		if err != nil {
			t.Fatal(err)
		}
		key := SHA256.mac(salted, []byte("Client Key"))
		without := "c=biws,r=" + nonce
		proof := SHA256.mac(c.StoredKey, []byte("n=user,r=abc,"+string(first)+","+without))
		for i := range proof {
			proof[i] ^= key[i]
		}
		_, done, err := s.Next([]byte(without + ",p=" + encodeBase64(proof)))
		if done != want || (err == nil) != want {
			t.Errorf("nonce %s: %v, %v", nonce, done, err)
		}
	}
}

// TestDeciding: every word on a password can be slowed and withheld, right or wrong, whether or not there is such a user.
func TestDeciding(t *testing.T) {
	withheld := errors.New("not now")
	for _, tc := range []struct {
		mechanism, user, password, want string
		verdict                         error
		condition                       Condition
	}{
		{ScramSHA256, "juliet", "s3cret", "juliet true", nil, ""},
		{ScramSHA256, "juliet", "wrong", "juliet false", nil, NotAuthorized},
		{ScramSHA256, "Romeo", "s3cret", "romeo false", nil, NotAuthorized},
		{Plain, "juliet", "s3cret", "juliet true", nil, ""},
		{Plain, "juliet", "wrong", "juliet false", nil, NotAuthorized},
		{Plain, "romeo", "wrong", "romeo false", nil, NotAuthorized},
		{ScramSHA256, "juliet", "s3cret", "juliet true", withheld, TemporaryAuthFailure},
		{Plain, "juliet", "s3cret", "juliet true", withheld, TemporaryAuthFailure},
		{Plain, "juliet", "wrong", "juliet false", withheld, TemporaryAuthFailure},
	} {
		got := ""
		s := newServer(t, tc.mechanism, users{"juliet": credential(t, SHA256, "s3cret")}, Options{
			AllowPlain: true, Deciding: func(user string, right bool) error {
				got += fmt.Sprint(user, " ", right)
				return tc.verdict
			},
		})
		c, err := NewClient([]string{tc.mechanism}, Login{Username: tc.user, Password: tc.password, AllowPlain: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := exchange(s, c); condition(err) != tc.condition || (err == nil) != (tc.condition == "") || got != tc.want {
			t.Errorf("%s of %s: %v after %q, want %q", tc.mechanism, tc.user, err, got, tc.want)
		}
	}
}

// PLAIN costs the same work for whoever there is and for nobody: one derivation, of as many rounds as the other mechanisms show.
func TestPlainWork(t *testing.T) {
	const rounds = 2 * MinIterations
	known, err := NewCredential(SHA256, "s3cret", []byte("salt"), rounds)
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string, h Hash) (Credential, bool, error) {
		switch name {
		case "juliet":
			return known, true, nil
		case "disabled":
			return known, false, nil
		}
		return Credential{Salt: []byte("tlas"), Iterations: rounds}, false, nil
	}
	for name, right := range map[string]bool{"juliet": true, "disabled": false, "nobody": false} {
		s, err := NewServer(Plain, lookup, Options{Secret: []byte("0123456789abcdef"), AllowPlain: true})
		if err != nil {
			t.Fatal(err)
		}
		var work []string
		s.verify = func(c Credential, password string) bool {
			work = append(work, fmt.Sprint(c.Hash, len(c.Salt), c.Iterations))
			return c.Verify(password)
		}
		_, done, err := s.Next([]byte("\x00" + name + "\x00s3cret"))
		if done != right || (err == nil) != right {
			t.Errorf("%s: done %v, %v", name, done, err)
		}
		if want := fmt.Sprint(SHA256, 4, rounds); len(work) != 1 || work[0] != want {
			t.Errorf("%s cost %v, want %s", name, work, want)
		}
	}
}

// What a look-up says is to be shown is shown, and lets nobody in.
func TestShown(t *testing.T) {
	known := credential(t, SHA256, "s3cret")
	for _, shown := range []Credential{known, {Salt: []byte("0123"), Iterations: 5000}} {
		s, err := NewServer(ScramSHA256, func(string, Hash) (Credential, bool, error) { return shown, false, nil },
			Options{Secret: []byte("0123456789abcdef"), Iterations: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewClient([]string{ScramSHA256}, Login{Username: "juliet", Password: "s3cret"})
		if err != nil {
			t.Fatal(err)
		}
		first, _, err := s.Next(c.Start())
		if want := ",s=" + encodeBase64(shown.Salt) + ",i=" + strconv.Itoa(shown.Iterations); err != nil || !strings.HasSuffix(string(first), want) {
			t.Errorf("shown %s, %v; want %s", first, err, want)
		}
		proof, err := c.Next(first)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Next(proof); condition(err) != NotAuthorized {
			t.Errorf("the right password of an account that may not log in: %v", err)
		}
	}
}

// RFC 4505 section 2, XEP-0175: a guest may say something of itself, or nothing.
func TestAnonymous(t *testing.T) {
	admit := func() (string, error) { return "guest", nil }
	for _, tc := range []struct {
		trace []byte
		want  Condition
	}{
		{nil, ""},
		{[]byte{}, ""},
		{[]byte("sirhc"), ""},
		{[]byte("who@example.org"), ""},
		{[]byte(strings.Repeat("\u00e4", 255)), ""},
		{[]byte(strings.Repeat("\u00e4", 256)), MalformedRequest},
		{[]byte{0xff}, MalformedRequest},
		{[]byte("a\x00b"), MalformedRequest},
	} {
		s := newServer(t, Anonymous, nil, Options{Guest: admit})
		out, done, err := s.Next(tc.trace)
		if condition(err) != tc.want || done != (tc.want == "") || out != nil || done && s.Username() != "guest" {
			t.Errorf("%q: %q, %v, %v", tc.trace, out, done, err)
		}
		if _, _, err := s.Next(tc.trace); err == nil {
			t.Error("the exchange goes on")
		}
	}
	if _, err := NewServer(Anonymous, nil, Options{Secret: []byte("0123456789abcdef"), AllowPlain: true}); condition(err) != InvalidMechanism {
		t.Errorf("guests where there are none: %v", err)
	}
	full := newServer(t, Anonymous, nil, Options{Guest: func() (string, error) { return "", errors.New("full") }})
	if _, done, err := full.Next(nil); done || condition(err) != TemporaryAuthFailure {
		t.Errorf("no room: %v, %v", done, err)
	}
}
