package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stream"
)

// An installation stays the same, each account has a token of its own, and nobody else can read them.
func TestRemember(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "chat.tokens")
	alice, bob := jid.MustParse("alice@example.org/x"), jid.MustParse("bob@example.org")
	one, err := readState(path)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(one.Agent) {
		t.Errorf("not a UUID of version 4: %s", one.Agent)
	}
	token := stream.Token{Mechanism: "HT-SHA-256-NONE", Secret: "s", Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second), Resumes: true}
	if err := one.remembered(alice).Keep(token); err != nil {
		t.Fatal(err)
	}
	two, err := readState(path)
	if err != nil || two.Agent != one.Agent || two.remembered(alice).Token != token || two.remembered(bob).Token.Secret != "" {
		t.Fatalf("%+v %v", two, err)
	}
	if err := two.remembered(bob).Keep(token); err != nil {
		t.Fatal(err)
	}
	if err := one.remembered(alice).Keep(stream.Token{}); err != nil {
		t.Fatal(err)
	}
	three, err := readState(path)
	if err != nil || len(three.Tokens) != 1 || three.remembered(bob).Token != token {
		t.Fatalf("%+v %v", three, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(path); err == nil {
		t.Error("a broken file is taken for none")
	}
}
