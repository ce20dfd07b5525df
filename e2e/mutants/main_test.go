package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every fault fits the sources as they are: the place exists once. Whether it is noticed is a longer run's matter.
func TestFaultsFit(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range faults {
		source, err := os.ReadFile(filepath.Join("..", "..", f.file))
		if err != nil {
			t.Error(err)
			continue
		}
		if n := strings.Count(string(source), f.old); n != 1 {
			t.Errorf("%s: %s holds %d places like %q", f.name, f.file, n, f.old)
		}
		if f.old == f.new || f.judge == "" || seen[f.name] {
			t.Errorf("%s: no fault, no judge, or twice", f.name)
		}
		seen[f.name] = true
	}
}
