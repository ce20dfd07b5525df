package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	good := usualFiles()
	good.Endpoint, good.Bucket, good.Key = "https://s3.example.org", "chat-files", "key"
	for name, x := range map[string]struct {
		change func(*Files)
		good   bool
	}{
		"usual":             {func(f *Files) { *f = usualFiles() }, true},
		"storage":           {func(*Files) {}, true},
		"in the clear":      {func(f *Files) { f.Endpoint = "http://127.0.0.1:9000/" }, true},
		"prefix":            {func(f *Files) { f.Prefix = "chat/example.org/" }, true},
		"no scheme":         {func(f *Files) { f.Endpoint = "s3.example.org" }, false},
		"with a path":       {func(f *Files) { f.Endpoint = "https://s3.example.org/chat" }, false},
		"with a secret":     {func(f *Files) { f.Endpoint = "https://key:hunter2@s3.example.org" }, false},
		"no bucket":         {func(f *Files) { f.Bucket = "" }, false},
		"bucket with slash": {func(f *Files) { f.Bucket = "a/b/c" }, false},
		"no region":         {func(f *Files) { f.Region = "" }, false},
		"no key":            {func(f *Files) { f.Key = "" }, false},
		"prefix of a name":  {func(f *Files) { f.Prefix = "chat" }, false},
		"prefix that climbs": {func(f *Files) {
			f.Prefix = "chat/../"
		}, false},
		"scanner":           {func(f *Files) { f.Scanner = "unix:/run/clamav/clamd.ctl" }, true},
		"scanner elsewhere": {func(f *Files) { f.Scanner = "tcp:[::1]:3310" }, true},
		"scanner nowhere":   {func(f *Files) { f.Scanner = "unix:" }, false},
		"scanner at a host": {func(f *Files) { f.Scanner = "tcp:localhost" }, false},
		"scanner of a kind": {func(f *Files) { f.Scanner = "/run/clamav/clamd.ctl" }, false},
		"scans nothing":     {func(f *Files) { f.Scanner, f.ScanBytes = "unix:/s", 0 }, false},
		"bucket of nothing": {func(f *Files) { f.Endpoint = "" }, false},
	} {
		f := good
		x.change(&f)
		errs := f.check()
		if (len(errs) == 0) != x.good {
			t.Errorf("%s: %v", name, errs)
		}
		for _, err := range errs {
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The secret comes from the environment or from the first line of a file.
func TestFilesSecret(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"secret": " hunter2 \nmore\n", "empty": "\n", "a.toml": "[files]\nsecret_file = 'secret'\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "a.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ env, file, want string }{
		{"", c.Files.SecretFile, "hunter2"}, {"env", c.Files.SecretFile, "env"}, {"", "", ""}, {"", filepath.Join(dir, "empty"), ""}, {"", filepath.Join(dir, "nowhere"), ""},
	} {
		t.Setenv(S3Secret, x.env)
		if got, err := (&Files{SecretFile: x.file}).Secret(); got != x.want || (err != nil) != (x.want == "") {
			t.Errorf("%+v: %q, %v", x, got, err)
		}
	}
}
