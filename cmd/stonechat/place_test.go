package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// parseKeeping parses a command line of the commands that work beside the server.
func parseKeeping(t *testing.T, args ...string) (*commands, error) {
	t.Helper()
	var c commands
	p, err := kong.New(&c, kong.Vars{"version": "test"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Parse(args)
	return &c, err
}

// Where the data is: the flag over the file, the environment over the file; where it goes: --to, --to-file, or what the server uses.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("f.toml", "data = 'from-file'\n[store]\npostgres = 'postgres://file@/a'\n")
	toFile := write("to", "postgres://to-file@/a\n")
	for _, test := range []struct {
		env         string
		args        []string
		folder, url string
		bad         bool
	}{
		{args: []string{"migrate", "--data", dir}, folder: dir},
		{args: []string{"migrate", "--config", file}, folder: filepath.Join(dir, "from-file"), url: "postgres://file@/a"},
		{args: []string{"migrate", "--config", file, "--data", dir}, folder: dir, url: "postgres://file@/a"},
		{env: "postgres://env@/a", args: []string{"migrate", "--config", file, "--data", dir}, folder: dir, url: "postgres://env@/a"},
		{env: "postgres://env@/a", args: []string{"migrate", "--data", dir, "--to", "postgres://to@/a"}, folder: dir, url: "postgres://to@/a"},
		{env: "postgres://env@/a", args: []string{"migrate", "--data", dir, "--to-file", toFile}, folder: dir, url: "postgres://to-file@/a"},
		{args: []string{"migrate", "--data", dir, "--to-file", toFile, "--to", "postgres://to@/a"}, bad: true},
		{args: []string{"migrate", "--data", dir, "--to-file", write("none", "\n")}, bad: true},
		{args: []string{"migrate", "--data", dir, "--to", "postgres://u:hunter2@db.example.org/a"}, bad: true},
	} {
		t.Setenv(postgresEnv, test.env)
		c, err := parseKeeping(t, test.args...)
		if err != nil {
			t.Fatal(err)
		}
		folder, url, err := c.Migrate.find()
		if err == nil {
			url, err = c.Migrate.choose(url)
		}
		if (err != nil) != test.bad || err == nil && (folder != test.folder || url != test.url) {
			t.Errorf("%q: %s, %s, %v", test.args, folder, url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a password is shown: %v", err)
		}
	}
}

// A restore says where to: the default folder is easily the wrong one.
func TestRestoreNamesItsFolder(t *testing.T) {
	t.Setenv(postgresEnv, "")
	backup := filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(backup, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseKeeping(t, "restore", backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restore.Run(); err == nil || !strings.Contains(err.Error(), "where to") {
		t.Error(err)
	}
}
