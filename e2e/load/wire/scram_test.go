package wire

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"
)

// The exchange of RFC 5802 section 5.
func TestScramExample(t *testing.T) {
	s := newScram(NewKeys(), "user", "pencil")
	s.nonce = "fyko+d2lbbFgONRv9qkxdawL"
	s.bare = "n=user,r=" + s.nonce
	if got := s.first(); got != encode("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL") {
		t.Errorf("first message %q", got)
	}
	final, err := s.final(encode("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"))
	if err != nil {
		t.Fatal(err)
	}
	want := "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
	if got, _ := base64.StdEncoding.DecodeString(final); string(got) != want {
		t.Errorf("final message %q, want %q", got, want)
	}
	if err := s.verify(encode("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")); err != nil {
		t.Error(err)
	}
	if err := s.verify(encode("v=smF9pqV8S7suAoZWja4dJRkFsKQ=")); !errors.Is(err, ErrAuth) {
		t.Errorf("a false proof gave %v", err)
	}
}

func TestScramRefuses(t *testing.T) {
	for name, challenge := range map[string]string{
		"another nonce": encode("r=zzz,s=QSXCR+Q6sek8bf92,i=4096"),
		"no rounds":     encode("r=abcdef,s=QSXCR+Q6sek8bf92"),
		"many rounds":   encode("r=abcdef,s=QSXCR+Q6sek8bf92,i=2000000000"),
		"no base64":     "***",
		"bad salt":      encode("r=abcdef,s=***,i=4096"),
	} {
		s := newScram(NewKeys(), "user", "pencil")
		s.nonce = "abc"
		if _, err := s.final(challenge); !errors.Is(err, ErrAuth) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is put into a server's store must match what the client proves.
func TestDeriveKeys(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("QSXCR+Q6sek8bf92")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := DeriveKeys("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	// Computed apart with another program from RFC 5802 section 3.
	if got := hex.EncodeToString(keys.StoredKey); got != storedKeyOfPencil {
		t.Errorf("stored key %s", got)
	}
	if got := hex.EncodeToString(keys.ServerKey); got != serverKeyOfPencil {
		t.Errorf("server key %s", got)
	}
}

const (
	storedKeyOfPencil = "e9d94660c39d65c38fbad91c358f14da0eef2bd6"
	serverKeyOfPencil = "0fe09258b3ac852ba502cc62ba903eaacdbf7d31"
)
