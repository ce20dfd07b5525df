package disk

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
)

// draws is how many of the possible states after a cut a test looks at. With
// three characters per file and a coin per name each outcome has a chance of
// at least one in six, so a missing one is a fault and not bad luck.
const draws = 300

func newFile(t *testing.T, d *Disk, dir uint64, name string) *node {
	t.Helper()
	n, err := d.create(dir, name, syscall.S_IFREG|0o600, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func put(t *testing.T, d *Disk, n *node, off int64, data []byte) {
	t.Helper()
	if _, err := d.write(n.id, data, off); err != nil {
		t.Fatal(err)
	}
}

func syncFile(t *testing.T, d *Disk, n *node) {
	t.Helper()
	if err := d.syncFile(n.id); err != nil {
		t.Fatal(err)
	}
}

func syncNames(t *testing.T, d *Disk, dir uint64) {
	t.Helper()
	if err := d.syncNames(dir); err != nil {
		t.Fatal(err)
	}
}

// outcomes counts what a file of the root folder holds in many states after
// a cut; a missing file counts as "<none>".
func outcomes(d *Disk, name string) map[string]int {
	seen := make(map[string]int)
	for seed := range uint64(draws) {
		after, _ := d.AfterCut(rand.New(rand.NewPCG(seed, 1)))
		id, there := after.nodes[rootID].names[name]
		if !there {
			seen["<none>"]++
			continue
		}
		seen[string(after.nodes[id].data)]++
	}
	return seen
}

func TestCutKeepsWhatWasSynced(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, []byte("safe"))
	syncFile(t, d, f)
	syncNames(t, d, rootID)
	if got := outcomes(d, "f"); got["safe"] != draws {
		t.Errorf("states after a cut = %v, want only %q", got, "safe")
	}
}

func TestCutLosesUnsyncedContents(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	syncNames(t, d, rootID)
	put(t, d, f, 0, []byte("risk"))
	got := outcomes(d, "f")
	if got[""] == 0 || got["risk"] == 0 || got["<none>"] > 0 {
		t.Errorf("states after a cut = %v, want some lost, some kept, none without the name", got)
	}
	if got["\x00\x00\x00\x00"] == 0 {
		t.Errorf("states after a cut = %v, want some with the size but without the bytes", got)
	}
}

func TestCutUndoesUnsyncedOverwrite(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, []byte("old!"))
	syncFile(t, d, f)
	syncNames(t, d, rootID)
	put(t, d, f, 0, []byte("mid!"))
	put(t, d, f, 0, []byte("new!"))
	got := outcomes(d, "f")
	if got["old!"] == 0 || got["mid!"] == 0 || got["new!"] == 0 {
		t.Errorf("states after a cut = %v, want each version at times", got)
	}
	if got["old!"]+got["mid!"]+got["new!"] != draws {
		t.Errorf("states after a cut = %v: a sector was torn inside", got)
	}
}

func TestCutTearsPagesAtSectors(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	syncNames(t, d, rootID)
	put(t, d, f, 0, make([]byte, PageSize))
	syncFile(t, d, f)
	put(t, d, f, 0, bytes.Repeat([]byte{7}, PageSize))
	torn := 0
	for state := range outcomes(d, "f") {
		sevens := bytes.Count([]byte(state), []byte{7})
		if sevens%SectorSize != 0 {
			t.Fatalf("%d bytes of a page are new: not a number of whole sectors", sevens)
		}
		if sevens != 0 && sevens != PageSize {
			torn++
		}
	}
	if torn == 0 {
		t.Error("no page was ever torn")
	}
}

func TestCutLosesNewNameWithoutFolderSync(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, []byte("data"))
	syncFile(t, d, f)
	got := outcomes(d, "f")
	if got["<none>"] == 0 || got["data"] == 0 || got["<none>"]+got["data"] != draws {
		t.Errorf("states after a cut = %v, want the name lost at times and never a part", got)
	}
}

func TestCutUndoesRenameWithoutFolderSync(t *testing.T) {
	d := New()
	old := newFile(t, d, rootID, "f")
	put(t, d, old, 0, []byte("old"))
	syncFile(t, d, old)
	syncNames(t, d, rootID)
	fresh := newFile(t, d, rootID, "f.new")
	put(t, d, fresh, 0, []byte("new"))
	syncFile(t, d, fresh)
	if err := d.rename(rootID, "f.new", rootID, "f", 0); err != nil {
		t.Fatal(err)
	}
	got := outcomes(d, "f")
	if got["old"] == 0 || got["new"] == 0 || got["old"]+got["new"] != draws {
		t.Errorf("before the folder sync: %v, want old or new", got)
	}
	syncNames(t, d, rootID)
	if got := outcomes(d, "f"); got["new"] != draws {
		t.Errorf("after the folder sync: %v, want only new", got)
	}
}

func TestCutBringsBackRemovedName(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, []byte("back"))
	syncFile(t, d, f)
	syncNames(t, d, rootID)
	if err := d.remove(rootID, "f", false); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(d, "f"); got["back"] == 0 || got["<none>"] == 0 {
		t.Errorf("states after a cut = %v, want the file back at times", got)
	}
	syncNames(t, d, rootID)
	if got := outcomes(d, "f"); got["<none>"] != draws {
		t.Errorf("after the folder sync: %v, want the file gone", got)
	}
}

func TestRenameAcrossFoldersIsKeptWhole(t *testing.T) {
	d := New()
	sub, err := d.create(rootID, "sub", syscall.S_IFDIR|0o700, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	syncNames(t, d, rootID)
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, []byte("x"))
	syncFile(t, d, f)
	if err := d.rename(rootID, "f", sub.id, "g", 0); err != nil {
		t.Fatal(err)
	}
	// The sync of the new folder must take the creation in the old one along.
	syncNames(t, d, sub.id)
	for seed := range uint64(draws) {
		after, _ := d.AfterCut(rand.New(rand.NewPCG(seed, 2)))
		s := after.nodes[after.nodes[rootID].names["sub"]]
		if _, there := after.nodes[rootID].names["f"]; there {
			t.Fatal("the old name came back after the rename was kept")
		}
		if g, there := s.names["g"]; !there || string(after.nodes[g].data) != "x" {
			t.Fatal("the new name or its contents are missing")
		}
	}
}

func TestTruncateIsAtRiskUntilSync(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, []byte("abcdef"))
	syncFile(t, d, f)
	syncNames(t, d, rootID)
	if err := d.truncate(f, 2); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(d, "f"); got["abcdef"] == 0 || got["ab"] == 0 {
		t.Errorf("states after a cut = %v, want old and new size", got)
	}
	syncFile(t, d, f)
	if got := outcomes(d, "f"); got["ab"] != draws {
		t.Errorf("after the sync: %v, want only the short file", got)
	}
	put(t, d, f, 4, []byte("z"))
	syncFile(t, d, f)
	if got := outcomes(d, "f"); got["ab\x00\x00z"] != draws {
		t.Errorf("after growing again: %v, want zeros in the gap", got)
	}
}

func TestSameSeedSameState(t *testing.T) {
	d := New()
	for _, name := range []string{"a", "b", "c"} {
		put(t, d, newFile(t, d, rootID, name), 0, bytes.Repeat([]byte(name), 3*PageSize))
	}
	first, lossA := d.AfterCut(rand.New(rand.NewPCG(9, 9)))
	second, lossB := d.AfterCut(rand.New(rand.NewPCG(9, 9)))
	if lossA != lossB || len(first.nodes) != len(second.nodes) {
		t.Fatalf("losses %v and %v of the same seed differ", lossA, lossB)
	}
	for id, n := range first.nodes {
		if !bytes.Equal(n.data, second.nodes[id].data) {
			t.Errorf("node %d differs between two draws of the same seed", id)
		}
	}
}

func TestCapacityRefusesGrowthOnly(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	put(t, d, f, 0, make([]byte, PageSize))
	d.SetCapacity(d.Used())
	put(t, d, f, 0, []byte("overwriting needs no space"))
	if _, err := d.write(f.id, []byte("x"), PageSize); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("growing on a full disk = %v, want ENOSPC", err)
	}
	if _, err := d.create(rootID, "g", syscall.S_IFREG|0o600, 0, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("creating on a full disk = %v, want ENOSPC", err)
	}
	before := d.Used()
	if err := d.remove(rootID, "f", false); err != nil {
		t.Fatal(err)
	}
	if got := before - d.Used(); got != 2*PageSize {
		t.Errorf("removing freed %d bytes, want %d", got, 2*PageSize)
	}
}

func TestAfterPowerCutNothingIsAnswered(t *testing.T) {
	d := New()
	f := newFile(t, d, rootID, "f")
	d.HoldSync()
	waiting := make(chan error, 2)
	go func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		waiting <- d.syncFile(f.id)
	}()
	d.CutPower()
	go func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		_, err := d.write(f.id, []byte("late"), 0)
		waiting <- err
	}()
	d.ReleaseSync()
	select {
	case err := <-waiting:
		t.Fatalf("a call was answered with %v although the power is off", err)
	default:
	}
	d.Release()
	for range 2 {
		if err := <-waiting; !errors.Is(err, ErrPowerLost) {
			t.Errorf("after Release a waiting call got %v, want ErrPowerLost", err)
		}
	}
	if s := d.Stats(); s.Writes != 0 {
		t.Errorf("%d writes took effect after the cut", s.Writes)
	}
}
