package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The URL of the database comes from the file or from a file that it names, and only from one of them.
func TestPostgresURL(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"url": " postgres://u@/db \nmore\n", "empty": "\n", "plain.toml": "[store]\npostgres = 'postgres://u@/a'\n",
		"file.toml": "[store]\npostgres_file = 'url'\n", "lost.toml": "[store]\npostgres_file = 'nowhere'\n", "empty.toml": "[store]\npostgres_file = 'empty'\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"plain.toml": "postgres://u@/a", "file.toml": "postgres://u@/db", "lost.toml": "", "empty.toml": ""} {
		c, err := Load(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Store.PostgresURL(); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	c := Default()
	c.Domains, c.Store.Postgres, c.Store.PostgresFile = []string{"example.org"}, "postgres://u:hunter2@/a", "f"
	if err := c.Check(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("both: %v", err)
	}
}
