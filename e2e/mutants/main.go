// Mutants proves that the judges can fail: it builds the program with one seeded fault at a time and expects some test to turn red. A fault
// that nobody notices, or that does not compile, makes it fail. Faults are laid over the sources; nothing is changed on disk.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "run only the faults whose name contains this")
	flag.Parse()
	if err := run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(only string) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("| fault | judge | noticed | after |\n|---|---|---|---|")
	tried, missed := 0, 0
	for _, f := range faults {
		if !strings.Contains(f.name, only) {
			continue
		}
		tried++
		start := time.Now()
		seen, why, err := f.try(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if !seen {
			missed++
		}
		fmt.Printf("| %s | %s | %s | %.0f s |\n", f.name, f.judge, why, time.Since(start).Seconds())
	}
	fmt.Printf("\n%d faults, %d not noticed\n", tried, missed)
	if tried == 0 || missed > 0 {
		return fmt.Errorf("%d of %d faults were not noticed", missed, tried)
	}
	return nil
}

// try runs the fault's judge on the faulty sources.
func (f *fault) try(dir string) (seen bool, why string, err error) {
	overlay, err := f.overlay(dir)
	if err != nil {
		return false, "", err
	}
	args := append([]string{"test", "-count=1", "-timeout=90s"}, strings.Fields(f.judge)...)
	cmd := exec.Command("go", args...)
	// The environment reaches the builds that judges start themselves.
	cmd.Env = append(os.Environ(), "GOFLAGS=-overlay="+overlay)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	runErr := cmd.Run()
	text := out.String()
	switch {
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]") || strings.Contains(text, "does not build"):
		return false, "", fmt.Errorf("does not compile:\n%s", text)
	case strings.Contains(text, "no tests to run"):
		return false, "", fmt.Errorf("the judge %q does not exist", f.judge)
	case runErr == nil:
		return false, "**no**", nil
	}
	return true, "yes", nil
}

// overlay writes the faulty file and what lays it over the true one.
func (f *fault) overlay(dir string) (string, error) {
	source, err := os.ReadFile(f.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), f.old); n != 1 {
		return "", fmt.Errorf("%s holds %d places like %q", f.file, n, f.old)
	}
	faulty := filepath.Join(dir, "faulty.go")
	if err := os.WriteFile(faulty, []byte(strings.Replace(string(source), f.old, f.new, 1)), 0o600); err != nil {
		return "", err
	}
	path, err := filepath.Abs(f.file)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{path: faulty}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o600)
}
