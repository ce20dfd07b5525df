package gauge

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParsePSS(t *testing.T) {
	text := "55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss:   9000 kB\nPss:   1234 kB\nPss_Anon: 1000 kB\n"
	got, err := parsePSS([]byte(text))
	if err != nil || got != 1234<<10 {
		t.Fatalf("parsePSS = %d, %v; want %d", got, err, 1234<<10)
	}
	if _, err := parsePSS([]byte("Rss: 1 kB\n")); err == nil {
		t.Fatal("parsePSS took a text without a Pss line")
	}
}

// A child's work counts for the tree, and the parent's own does not stand in
// for it.
func TestTreeCountsChildren(t *testing.T) {
	command := exec.Command("sh", "-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 60' & wait")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	tree := NewTree(command.Process.Pid)
	t.Cleanup(func() {
		for _, pid := range tree.pids() {
			process, err := os.FindProcess(pid)
			if err == nil {
				_ = process.Kill()
			}
		}
		_ = command.Wait()
	})
	for {
		used, err := tree.CPU()
		if err != nil {
			t.Fatal(err)
		}
		own, err := processClock(command.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if used > own+20*time.Millisecond && len(tree.pids()) > 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOwnMemoryAndTimeGrow(t *testing.T) {
	tree := NewTree(os.Getpid())
	before, err := tree.PSS()
	if err != nil {
		t.Fatal(err)
	}
	start := Own()
	block := make([]byte, 64<<20)
	for i := range block {
		block[i] = byte(i)
	}
	after, err := tree.PSS()
	if err != nil {
		t.Fatal(err)
	}
	if grown := after - before; grown < 60<<20 {
		t.Errorf("PSS grew by %d bytes after touching %d", grown, len(block))
	}
	if Own() <= start {
		t.Error("own processor time did not grow")
	}
	if block[len(block)-1] != 255 {
		t.Error("block lost")
	}
}
