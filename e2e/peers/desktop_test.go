package peers_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the clients' own databases
)

// desktop is a screen with one client on it, and a message bus of its own, so that the client meets nothing of the machine's session. Nobody moves a pointer: the client
// finds its account in a profile written beforehand, is told what to do over the bus, and what it has understood is read from the database that it keeps its history in.
type desktop struct {
	t    *testing.T
	name string
	home string
	as   []string // what a command begins with
	env  []string

	database string // the client's history
	bodies   string // the query for the texts in it

	program []string // the client's command
	client  *process
}

// process is a running program with its descendants.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// newDesktop makes a desktop whose home folder holds the client's profile already.
func newDesktop(t *testing.T, name, home string, env ...string) *desktop {
	t.Helper()
	for _, dir := range []string{"config", "data", "cache", "run"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d := &desktop{t: t, name: name, home: home}
	d.write("bus.conf", fmt.Sprintf(busConfig, filepath.Join(home, "bus")))
	d.as = unprivileged(t, home)
	bus := "unix:path=" + filepath.Join(home, "bus")
	d.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_DATA_HOME=" + filepath.Join(home, "data"),
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "XDG_RUNTIME_DIR=" + filepath.Join(home, "run"),
		"DBUS_SESSION_BUS_ADDRESS=" + bus, "DBUS_SYSTEM_BUS_ADDRESS=" + bus,
		// No settings daemon, no watch on the machine's network, no accessibility bus, no graphics card.
		"GSETTINGS_BACKEND=memory", "GIO_USE_NETWORK_MONITOR=base", "NO_AT_BRIDGE=1", "GTK_A11Y=none", "GDK_BACKEND=x11", "GSK_RENDERER=cairo",
	}, env...)
	d.start("bus", "dbus-daemon", "--config-file="+filepath.Join(home, "bus.conf"), "--nofork", "--nopidfile")
	d.until("has no message bus", func() (string, bool) {
		_, err := os.Stat(filepath.Join(home, "bus"))
		return fmt.Sprint(err), err == nil
	})
	d.screen()
	return d
}

// screen starts the display server, which chooses a free number and tells it.
func (d *desktop) screen() {
	d.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	cmd := d.command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{writer}
	d.launch("screen", cmd)
	if err := reader.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	number, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		d.t.Fatalf("%s: no screen: %v\n%s", d.name, err, d.log("screen"))
	}
	d.env = append(d.env, "DISPLAY=:"+strings.TrimSpace(number))
}

// open starts the client. What it says goes into a log of its own.
func (d *desktop) open(command ...string) {
	d.t.Helper()
	d.program = command
	d.again()
}

// again starts the client once more, after it has ended.
func (d *desktop) again() {
	d.t.Helper()
	d.client = d.start("client", d.program...)
}

func (d *desktop) start(log string, command ...string) *process {
	d.t.Helper()
	return d.launch(log, d.command(command...))
}

func (d *desktop) command(command ...string) *exec.Cmd {
	command = append(slices.Clone(d.as), command...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = d.home, d.env
	return cmd
}

// launch starts a program in a group of its own, which ends with the test, whoever is in it by then.
func (d *desktop) launch(log string, cmd *exec.Cmd) *process {
	d.t.Helper()
	out, err := os.OpenFile(filepath.Join(d.home, log+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	d.t.Cleanup(p.end)
	return p
}

// end ends a program, which may put away what it has outside its folder, and then whoever is left in its group.
func (p *process) end() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
}

func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// try runs a command on the desktop to its end.
func (d *desktop) try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	command = append(slices.Clone(d.as), command...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = d.home, d.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(out), err
}

// do is try for what cannot fail.
func (d *desktop) do(command ...string) string {
	d.t.Helper()
	out, err := d.try(command...)
	if err != nil {
		d.t.Fatalf("%s: %v: %v", d.name, command, err)
	}
	return out
}

// screenshot keeps what is on the screen for people to look at, if they say where.
func (d *desktop) screenshot(name string) {
	d.t.Helper()
	if *screensFlag == "" {
		return
	}
	if err := os.MkdirAll(*screensFlag, 0o755); err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command("import", "-window", "root", filepath.Join(*screensFlag, strings.ReplaceAll(name, "/", " ")+".png"))
	cmd.Env = d.env
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Errorf("%s: no screenshot: %v: %s", d.name, err, out)
	}
}

// write puts a file into the home folder.
func (d *desktop) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.home, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// log returns the end of what one of the programs has said.
func (d *desktop) log(name string) string {
	text, err := os.ReadFile(filepath.Join(d.home, name+".log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// has waits until the client has these texts in its history.
func (d *desktop) has(texts ...string) {
	d.t.Helper()
	d.until("does not get everything", func() (string, bool) {
		got, err := d.read(d.bodies)
		lacks := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return slices.Contains(got, text) })
		return fmt.Sprintf("lacks %q: %v", lacks, err), len(lacks) == 0
	})
}

// hasEachOnce says that the history consists of these texts, in whatever order.
func (d *desktop) hasEachOnce(texts []string) {
	d.t.Helper()
	got, err := d.read(d.bodies)
	if err != nil {
		d.t.Fatal(err)
	}
	want := slices.Clone(texts)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		d.t.Errorf("the history of %s is\n%q\nnot\n%q", d.name, got, want)
	}
}

// read returns the first column of what a query finds in the client's history. While the client has not opened that there is only an error: who opens it first owns the
// files beside it, and could lock the client out.
func (d *desktop) read(query string) ([]string, error) {
	if _, err := os.Stat(d.database + "-shm"); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+d.database+"?mode=ro&_pragma=busy_timeout(2000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(d.t.Context(), query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var column []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return column, err
		}
		column = append(column, text)
	}
	return column, rows.Err()
}

// logs waits until the client's log holds a text.
func (d *desktop) logs(text string) {
	d.t.Helper()
	d.until(fmt.Sprintf("never logs %q", text), func() (string, bool) { return "", strings.Contains(d.log("client"), text) })
}

// patience is how long a program with a screen may take for one thing on a machine that is busy.
const patience = 60 * time.Second

// until waits for something that look finds; otherwise it complains, with what look saw last.
func (d *desktop) until(complaint string, look func() (string, bool)) {
	d.t.Helper()
	saw := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		found := false
		if saw, found = look(); found {
			return
		}
	}
	d.screenshot("failed " + d.name)
	log := d.log("client")
	d.t.Fatalf("%s %s but %s\n%s", d.name, complaint, saw, log[max(0, len(log)-4000):])
}

// profile makes a database of a client before its first start.
func profile(t *testing.T, path string, statements ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		_, failed := db.Exec(statement)
		err = errors.Join(err, failed)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// busConfig is a bus that starts no services.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`
