package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inOwnNetwork is set for the process that owns its network.
const inOwnNetwork = "STONECHAT_CHAOS_OWN_NETWORK"

// serverIP is where clients behind a line find the server: an address for
// documentation (RFC 5737), which exists in the judge's own network only.
const serverIP = "192.0.2.1"

// ownNetwork makes a command run in a network namespace of its own, and in a
// user namespace if that takes rights that this process lacks.
func ownNetwork(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// lackingLines returns nil when this machine can make lines, and otherwise says
// what it lacks.
func lackingLines(ctx context.Context) error {
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("no lines of our own: the program ip (Debian: iproute2) is missing: %w", err)
	}
	out, err := ownNetwork(exec.CommandContext(ctx, "ip", "link", "add", "name", "near0", "type", "veth", "peer", "name", "far0")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("no lines of our own: network namespaces with veth pairs need root, or user namespaces for everybody: %w %s", err, out)
	}
	return nil
}

// performInOwnNetwork runs the test once more in a process with a network of
// its own, and reports how it went. It returns false in that process.
func performInOwnNetwork(t *testing.T, server string) (done bool) {
	t.Helper()
	if os.Getenv(inOwnNetwork) != "" {
		err := orders(t.Context(), "link set lo up", "address add "+serverIP+"/32 dev lo")
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	if err := lackingLines(t.Context()); err != nil {
		t.Skipf("THIS MACHINE LACKS: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v", "-server=" + server, "-stall=" + stallLimit.String()}
	if end, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(end).Round(time.Second).String())
	}
	cmd := ownNetwork(exec.CommandContext(t.Context(), self, args...))
	cmd.Env = append(os.Environ(), inOwnNetwork+"=1")
	// Pdeathsig is about the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	t.Logf("in a network of its own:\n%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a network of its own: %v", err)
	}
	return true
}

// orders gives ip some orders in the network of this thread.
func orders(ctx context.Context, list ...string) error {
	for _, order := range list {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(order)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", order, err, out)
		}
	}
	return nil
}

// line is a cable from this network to another one.
type line struct {
	t      *testing.T
	number int
	jobs   chan func() // for the thread at the far end
}

// newLine lays a cable.
func newLine(t *testing.T, number int) *line {
	t.Helper()
	l := &line{t: t, number: number, jobs: make(chan func())}
	go func() {
		// The thread is never given back: it ends with this goroutine.
		runtime.LockOSThread()
		for job := range l.jobs {
			job()
		}
	}()
	t.Cleanup(func() { close(l.jobs) })
	var thread int
	err := l.there(func() error {
		thread = unix.Gettid()
		return unix.Unshare(unix.CLONE_NEWNET)
	})
	near, far := fmt.Sprint("near", number), fmt.Sprint("far", number)
	if err == nil {
		err = orders(t.Context(), fmt.Sprintf("link add name %s type veth peer name %s netns %d", near, far, thread),
			"address add "+l.address(1)+"/30 dev "+near, "link set "+near+" up")
	}
	if err == nil {
		err = l.there(func() error {
			return orders(t.Context(), "address add "+l.address(2)+"/30 dev "+far, "link set "+far+" up", "route add "+serverIP+" via "+l.address(1))
		})
	}
	if err != nil {
		t.Fatalf("no line: %v", err)
	}
	return l
}

// address is that of the near (1) or the far (2) end.
func (l *line) address(end int) string { return fmt.Sprintf("192.0.2.%d", 4*l.number+end) }

// there has f called at the far end and waits for it. What f opens stays there.
func (l *line) there(f func() error) error {
	done := make(chan error)
	l.jobs <- func() { done <- f() }
	return <-done
}

// dial connects from the far end.
func (l *line) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = l.there(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// fallSilent drops every packet from now on, in both directions and without a
// word to anybody.
func (l *line) fallSilent() {
	l.t.Helper()
	if err := l.there(func() error { return orders(l.t.Context(), fmt.Sprintf("link set far%d down", l.number)) }); err != nil {
		l.t.Fatal(err)
	}
}
