package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/alecthomas/kong"
)

func parseChat(t *testing.T, args ...string) (*chatCmd, error) {
	t.Helper()
	var c struct {
		Chat chatCmd `cmd:""`
	}
	p, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Parse(append([]string{"chat"}, args...))
	return &c.Chat, err
}

func TestChatArguments(t *testing.T) {
	for _, test := range []struct {
		args          []string
		account, text string
		bad           bool
	}{
		{args: nil},
		{args: []string{"a@x"}, account: "a@x"},
		{args: []string{"--as", "a@x"}, account: "a@x"},
		{args: []string{"--as", "a@x", "--send", "b@x", "text"}, account: "a@x", text: "text"},
		{args: []string{"--send", "b@x", "text"}, text: "text"},
		{args: []string{"a@x", "--send", "b@x", "two words"}, account: "a@x", text: "two words"},
		{args: []string{"--listen", "--count", "3", "a@x"}, account: "a@x"},
		{args: []string{"--send", "b@x"}, bad: true},
		{args: []string{"--as", "a@x", "--send", "b@x", "two", "words"}, bad: true},
		{args: []string{"a@x", "text"}, bad: true},
		{args: []string{"--as", "a@x", "b@x"}, bad: true},
		{args: []string{"--count", "3", "a@x"}, bad: true},
		{args: []string{"--history", "b@x", "--max", "0"}, bad: true},
		{args: []string{"--history", "b@x", "--listen"}, bad: true},
	} {
		c, err := parseChat(t, test.args...)
		var account, text string
		if err == nil {
			account, text, err = c.arguments()
		}
		if (err != nil) != test.bad || !test.bad && (account != test.account || text != test.text) {
			t.Errorf("%q: account %q, text %q, %v", test.args, account, text, err)
		}
	}
}

// The nearer source of an option wins, and a password never comes from the command line.
func TestChatAccount(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("from-file", "file secret\nignored\n")
	flagFile := write("from-flag", "flag secret\r\n")
	cfg := write("chat.toml", "jid = 'file@x.org'\nserver = 'h:1'\npassword_file = 'from-file'\n")
	for _, test := range []struct {
		env, envPassword string
		args             []string
		jid, password    string
		bad              bool
	}{
		{jid: "file@x.org", password: "file secret"},
		{env: "env@x.org", envPassword: "env secret", jid: "env@x.org", password: "env secret"},
		{env: "env@x.org", envPassword: "env secret", args: []string{"--password-file", flagFile, "arg@x.org"}, jid: "arg@x.org", password: "flag secret"},
		{args: []string{"x.org"}, bad: true},
		{args: []string{"--config", write("typo.toml", "jdi = 'a@x'\n")}, bad: true},
		{args: []string{"--config", filepath.Join(dir, "missing")}, bad: true},
		{args: []string{"--password-file", write("empty", "\n")}, bad: true},
		{args: []string{"--certificate", flagFile}, bad: true},
	} {
		t.Setenv("STONECHAT_JID", test.env)
		t.Setenv("STONECHAT_PASSWORD", test.envPassword)
		c, err := parseChat(t, append([]string{"--config", cfg}, test.args...)...)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.account(c.Account)
		if (err != nil) != test.bad {
			t.Errorf("%+v: %v", test, err)
		}
		if !test.bad && (a.JID.String() != test.jid || a.Password != test.password || a.Server != "h:1") {
			t.Errorf("%+v: %s, %q, %s", test, a.JID, a.Password, a.Server)
		}
	}
}
