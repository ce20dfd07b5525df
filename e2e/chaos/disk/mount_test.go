//go:build linux

package disk

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver of the stand-in database
)

// standIn names the program that a copy of this test binary plays; see TestMain.
const standIn = "CHAOS_DISK_STAND_IN"

// TestMain lets the test binary be the program under the power cut: it keeps
// numbered records in the folder of its first argument, its own promise being
// that a number is printed only once its record is kept.
func TestMain(m *testing.M) {
	play, ok := map[string]func(folder string) error{
		"append-synced":   func(f string) error { return appendRecords(f, true) },
		"append-unsynced": func(f string) error { return appendRecords(f, false) },
		"replace-synced":  func(f string) error { return replaceRecord(f, true) },
		"replace-no-dir":  func(f string) error { return replaceRecord(f, false) },
		"sqlite-full":     func(f string) error { return insertRecords(f, "FULL") },
		"sqlite-off":      func(f string) error { return insertRecords(f, "OFF") },
	}[os.Getenv(standIn)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := play(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func appendRecords(folder string, sync bool) error {
	f, err := os.Create(filepath.Join(folder, "records"))
	if err != nil {
		return err
	}
	if err := syncFolder(folder); err != nil {
		return err
	}
	for i := 1; ; i++ {
		if _, err := fmt.Fprintf(f, "%08d\n", i); err != nil {
			return err
		}
		if sync {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		fmt.Println(i)
	}
}

// replaceRecord writes each record as a file of its own that is renamed into
// place.
func replaceRecord(folder string, sync bool) error {
	for i := 1; ; i++ {
		tmp := filepath.Join(folder, "record.tmp")
		f, err := os.Create(tmp)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "%08d\n", i)
		if err := errors.Join(err, f.Sync(), f.Close(), os.Rename(tmp, filepath.Join(folder, "records"))); err != nil {
			return err
		}
		if sync {
			if err := syncFolder(folder); err != nil {
				return err
			}
		}
		fmt.Println(i)
	}
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func openRecords(folder, synchronous string) (*sql.DB, error) {
	return sql.Open("sqlite", filepath.Join(folder, "records.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")&_pragma=wal_autocheckpoint(20)")
}

func insertRecords(folder, synchronous string) error {
	db, err := openRecords(folder, synchronous)
	if err != nil {
		return err
	}
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS records (n INTEGER PRIMARY KEY, filler BLOB)"); err != nil {
		return err
	}
	for i := 1; ; i++ {
		if _, err := db.Exec("INSERT INTO records VALUES (?, randomblob(700))", i); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// keptRecord returns the newest record that a folder holds after a cut.
func keptRecord(folder string) (int, error) {
	if _, err := os.Stat(filepath.Join(folder, "records.db")); err == nil {
		db, err := openRecords(folder, "FULL")
		if err != nil {
			return 0, err
		}
		defer db.Close()
		var verdict string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
			return 0, fmt.Errorf("integrity check: %q %w", verdict, err)
		}
		var n, count int
		if err := db.QueryRow("SELECT coalesce(max(n), 0), count(*) FROM records").Scan(&n, &count); err != nil {
			return 0, err
		}
		if n != count {
			return 0, fmt.Errorf("%d records, the newest is %d", count, n)
		}
		return n, nil
	}
	data, err := os.ReadFile(filepath.Join(folder, "records"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	kept := 0
	for line := range strings.Lines(string(data)) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil || n <= kept {
			break
		}
		kept = n
	}
	return kept, err
}

func needMount(t *testing.T) {
	t.Helper()
	if err := Lacking(); err != nil {
		t.Skipf("THIS MACHINE LACKS: %v", err)
	}
}

// cutDuring runs a stand-in on a mounted disk, cuts the power once it has
// promised some records, and returns the last promise and the records kept
// in each of many drawn states; a state that cannot be read counts as -1.
func cutDuring(t *testing.T, play string, draws uint64) (promised int, kept []int) {
	t.Helper()
	d := New()
	folder := t.TempDir()
	m, err := Mount(d, folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], folder)
	cmd.Env = append(os.Environ(), standIn+"="+play)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for stop := 60 + rand.IntN(60); promised < stop && lines.Scan(); {
		promised, _ = strconv.Atoi(lines.Text())
	}
	d.CutPower()
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	d.Release()
	for lines.Scan() { // promises that were on their way when the power went
		promised, _ = strconv.Atoi(lines.Text())
	}
	_ = cmd.Wait() // killed: its exit status says nothing
	if err := m.Unmount(); err != nil {
		t.Error(err)
	}
	if promised < 60 {
		t.Fatalf("%s promised only %d records", play, promised)
	}
	for seed := range draws {
		after, _ := d.AfterCut(rand.New(rand.NewPCG(seed, 3)))
		image := filepath.Join(t.TempDir(), "image")
		if err := after.CopyTo(image); err != nil {
			t.Fatal(err)
		}
		n, err := keptRecord(image)
		if err != nil {
			n = -1
		}
		kept = append(kept, n)
	}
	return promised, kept
}

// TestHarnessTellsHonestFromCareless is the proof of the layer: programs that
// sync before they promise lose nothing in any state, and the same programs
// without their sync are caught.
func TestHarnessTellsHonestFromCareless(t *testing.T) {
	needMount(t)
	for _, c := range []struct {
		play  string
		loses bool
	}{
		{"append-synced", false},
		{"append-unsynced", true},
		{"replace-synced", false},
		{"replace-no-dir", true},
		{"sqlite-full", false},
		{"sqlite-off", true},
	} {
		t.Run(c.play, func(t *testing.T) {
			promised, kept := cutDuring(t, c.play, 20)
			lost, broken := 0, 0
			for _, n := range kept {
				if n < promised {
					lost++
				}
				if n < 0 {
					broken++
				}
			}
			t.Logf("%-16s promised %4d; of %d states %d lost something, %d of them unreadable", c.play, promised, len(kept), lost, broken)
			if (lost > 0) != c.loses {
				t.Errorf("promised %d, kept %v; loses = %v, want %v", promised, kept, lost > 0, c.loses)
			}
		})
	}
}

// TestMountedDiskIsAFileSystem walks through what programs expect of a folder.
func TestMountedDiskIsAFileSystem(t *testing.T) {
	needMount(t)
	d := New()
	folder := t.TempDir()
	m, err := Mount(d, folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Unmount(); err != nil {
			t.Error(err)
		}
	}()
	sub := filepath.Join(folder, "sub")
	steps := errors.Join(
		os.Mkdir(sub, 0o700),
		os.WriteFile(filepath.Join(sub, "a"), bytes.Repeat([]byte("x"), 3*PageSize+5), 0o600),
		os.Rename(filepath.Join(sub, "a"), filepath.Join(folder, "b")),
		os.Link(filepath.Join(folder, "b"), filepath.Join(folder, "c")),
		os.Symlink("b", filepath.Join(folder, "d")),
		os.Truncate(filepath.Join(folder, "b"), PageSize),
		os.Remove(sub),
		syscall.Mknod(filepath.Join(folder, "socket"), syscall.S_IFSOCK|0o600, 0),
	)
	if steps != nil {
		t.Fatal(steps)
	}
	for _, name := range []string{"b", "c", "d"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || len(data) != PageSize {
			t.Errorf("%s holds %d bytes (%v), want %d", name, len(data), err, PageSize)
		}
	}
	list, err := os.ReadDir(folder)
	if err != nil || len(list) != 4 {
		t.Errorf("the folder lists %v (%v), want b, c, d and socket", list, err)
	}
	d.SetCapacity(d.Used())
	err = os.WriteFile(filepath.Join(folder, "b"), make([]byte, 5*PageSize), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to the full disk = %v, want ENOSPC", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Bavail > 4 {
		t.Errorf("%d blocks free on the full disk", fs.Bavail)
	}
}

func TestHeldSyncStopsOnlySyncs(t *testing.T) {
	needMount(t)
	d := New()
	folder := t.TempDir()
	m, err := Mount(d, folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Unmount(); err != nil {
			t.Error(err)
		}
	}()
	f, err := os.Create(filepath.Join(folder, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d.HoldSync()
	synced := make(chan error, 1)
	go func() { synced <- f.Sync() }()
	for d.Stats().FileSyncs == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(filepath.Join(folder, "g"), []byte("meanwhile"), 0o600); err != nil {
		t.Errorf("writing while syncs are held: %v", err)
	}
	select {
	case err := <-synced:
		t.Errorf("the held sync returned %v", err)
	default:
	}
	d.ReleaseSync()
	if err := <-synced; err != nil {
		t.Errorf("the released sync returned %v", err)
	}
}
