package sasl

import (
	"encoding/base64"
	"testing"
)

// vector is one exchange of user "user" with password "pencil".
type vector struct {
	mechanism                string
	hash                     Hash
	salt                     string
	clientNonce, serverNonce string
	messages                 [4]string
}

var vectors = []vector{
	{ // RFC 5802 section 5
		ScramSHA1, SHA1, "QSXCR+Q6sek8bf92", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j",
		[4]string{
			"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
	},
	{ // RFC 7677 section 3
		ScramSHA256, SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		[4]string{
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	},
}

func (v vector) credential(t *testing.T) Credential {
	t.Helper()
	salt, err := base64.StdEncoding.DecodeString(v.salt)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCredential(v.hash, "pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVectorsServer(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.mechanism, func(t *testing.T) {
			s := newServer(t, v.mechanism, users{"user": v.credential(t)}, Options{})
			s.draw = func() string { return v.serverNonce }
			first, done, err := s.Next([]byte(v.messages[0]))
			if string(first) != v.messages[1] || done || err != nil {
				t.Fatalf("server-first: %q, %v, %v", first, done, err)
			}
			final, done, err := s.Next([]byte(v.messages[2]))
			if string(final) != v.messages[3] || !done || err != nil {
				t.Fatalf("server-final: %q, %v, %v", final, done, err)
			}
			if s.Username() != "user" || s.AuthzID() != "" {
				t.Errorf("user %q, authzid %q", s.Username(), s.AuthzID())
			}
		})
	}
}

func TestVectorsClient(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.mechanism, func(t *testing.T) {
			c, err := NewClient([]string{v.mechanism}, Login{Username: "user", Password: "pencil"})
			if err != nil {
				t.Fatal(err)
			}
			c.nonce = v.clientNonce
			if got := string(c.Start()); got != v.messages[0] {
				t.Fatalf("client-first: %q", got)
			}
			got, err := c.Next([]byte(v.messages[1]))
			if string(got) != v.messages[2] || err != nil {
				t.Fatalf("client-final: %q, %v", got, err)
			}
			if err := c.Finish([]byte(v.messages[3])); err != nil {
				t.Fatal(err)
			}
		})
	}
}
