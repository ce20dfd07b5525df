// Package golden compares what a test writes with a file that somebody has read line by line: a table of which every change is to be seen as
// a change of that file, and judged again. `go test ./PACKAGE -update` writes the files of one package anew.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// Compare holds got against testdata/name beside the test, and tells the lines that differ.
func Compare(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	is, was := strings.Split(got, "\n"), strings.Split(string(b), "\n")
	for i := range max(len(is), len(was)) {
		if a, b := line(was, i), line(is, i); a != b {
			t.Errorf("%s:%d\nis      %s\nshould be %s", path, i+1, b, a)
		}
	}
}

// line i, or a note that there is none.
func line(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return "(nothing)"
}
