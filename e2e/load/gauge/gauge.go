// Package gauge reads what a server process costs from the outside: processor
// time, memory, and the state of the machine that they were read on. Linux
// only.
package gauge

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is a process and everything it has started.
type Tree struct{ root int }

// NewTree returns the tree below process pid.
func NewTree(pid int) Tree { return Tree{root: pid} }

// CPU returns the processor time that the living processes of the tree have
// used, user and system, all threads, ended threads included. It is the sum of
// utime and stime of /proc/PID/stat, read from the process clock because that
// counts nanoseconds and stat counts hundredths of a second.
func (t Tree) CPU() (time.Duration, error) {
	var sum time.Duration
	for i, pid := range t.pids() {
		used, err := processClock(pid)
		if err != nil && i == 0 {
			return 0, fmt.Errorf("gauge: processor time of process %d: %w", pid, err)
		}
		sum += used
	}
	return sum, nil
}

// processClock reads the clock that clock_getcpuclockid(3) names: the inverted
// process id above three bits, 2 for scheduler time.
func processClock(pid int) (time.Duration, error) {
	const schedulerTime = 2
	var at unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|schedulerTime), &at)
	return time.Duration(at.Nano()), err
}

// PSS returns the proportional set size of the tree in bytes: private pages
// plus each shared page divided by its users (proc_pid_smaps_rollup(5)).
func (t Tree) PSS() (int64, error) {
	var sum int64
	for i, pid := range t.pids() {
		size, err := processPSS(pid)
		if err != nil && i == 0 {
			return 0, fmt.Errorf("gauge: memory of process %d: %w", pid, err)
		}
		sum += size
	}
	return sum, nil
}

func processPSS(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	return parsePSS(text)
}

func parsePSS(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "Pss:" {
			kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("gauge: no Pss line")
}

// pids lists the tree, the root first.
func (t Tree) pids() []int {
	pids := []int{t.root}
	for i := 0; i < len(pids); i++ {
		lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		if err != nil {
			continue
		}
		for _, list := range lists {
			// A process that has just ended has no children any more.
			text, _ := os.ReadFile(list)
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

// Own returns the processor time of the calling process.
func Own() time.Duration {
	used, err := processClock(os.Getpid())
	if err != nil {
		return 0
	}
	return used
}

// Load returns the load average of the last minute.
func Load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// Machine describes the machine in one line: cores, processor, memory, kernel
// and Go version.
func Machine() string {
	var name unix.Utsname
	kernel := ""
	if unix.Uname(&name) == nil {
		kernel = unix.ByteSliceToString(name.Release[:])
	}
	return fmt.Sprintf("%d cores, %s, %s memory, Linux %s, %s", runtime.NumCPU(),
		field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"), kernel, runtime.Version())
}

func field(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for scan := bufio.NewScanner(file); scan.Scan(); {
		if left, right, ok := strings.Cut(scan.Text(), ":"); ok && strings.TrimSpace(left) == name {
			return strings.TrimSpace(right)
		}
	}
	return "unknown"
}
