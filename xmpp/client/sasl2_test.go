package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stream"
)

// TestForeignTokens logs in to Prosody by XEP-0388, 0386 and 0484, where PROSODY_MODULES names a folder with modules for them that fit the
// Prosody of this machine. Those that Debian 12 has do not fit its Prosody 0.12.
func TestForeignTokens(t *testing.T) {
	binary, err := exec.LookPath("prosody")
	if err != nil {
		t.Skip("NOT RUN: this machine has no prosody")
	}
	folder := os.Getenv("PROSODY_MODULES")
	if _, err := os.Stat(filepath.Join(folder, "mod_sasl2_fast")); err != nil {
		t.Skip("NOT RUN: PROSODY_MODULES names no folder with mod_sasl2_fast, so XEP-0484 was only tried against our own server")
	}
	address, roots := startProsody(t, binary, fmt.Sprintf("plugin_paths = { %q }\n"+
		`modules_enabled = { "roster", "saslauth", "tls", "disco", "smacks", "mam", "carbons", "ping", "sasl2", "sasl2_bind2", "sasl2_fast" }`, folder))
	var token stream.Token
	kept := 0
	config := Config{
		JID: jid.MustParse("juliet@localhost"), Password: password, Address: address, TLS: &tls.Config{RootCAs: roots}, StreamManagement: true,
		Agent: stream.UserAgent{ID: "d4565fa7-4d72-4749-b3d3-740edbf87770", Software: "test"}, Tag: "test",
		KeepFast: func(k stream.Token) { token = k; kept++ },
	}
	c, err := Dial(deadline(t), config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.JID().Resource(), "test") || token.Secret == "" || kept != 1 {
		t.Fatalf("logged in as %s with token %v", c.JID(), token.Mechanism)
	}
	if err := c.Ping(deadline(t), jid.JID{}); err != nil {
		t.Error(err)
	}
	// Back with the token alone: the password would be refused.
	c.cfg.Password = "wrong"
	c.Cut()
	resumed := false
	for err = ErrOnline; err == ErrOnline; {
		resumed, err = c.Resume(deadline(t))
	}
	if err != nil || !resumed {
		t.Fatalf("resumed %v, %v", resumed, err)
	}
	if err := c.Ping(deadline(t), jid.JID{}); err != nil {
		t.Error(err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
	config.Password, config.Fast = "wrong", token
	if c, err = Dial(deadline(t), config); err != nil {
		t.Fatal(err)
	}
	c.Close(context.Background())
	config.Fast.Secret = "worthless"
	if _, err = Dial(deadline(t), config); err == nil {
		t.Error("logged in with a worthless token")
	}
	config.Password = password
	if c, err = Dial(deadline(t), config); err != nil {
		t.Fatal(err)
	}
	c.Close(context.Background())
	if token.Secret == "worthless" || token.Secret == "" {
		t.Error("no new token in place of the worthless one")
	}
}
