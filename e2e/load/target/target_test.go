package target

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stonechat/e2e/load/wire"
)

// Every contact is mutual and is an account, nobody appears twice, and each
// family has the contacts it is there for.
func TestPopulation(t *testing.T) {
	p := Population{Idle: 30, Grouped: 50, Stars: []int{5, 10}, Sparse: 100, Others: 3}
	contacts := make(map[string][]string)
	for account := range p.Accounts() {
		if _, twice := contacts[account.Name]; twice {
			t.Errorf("%s appears twice", account.Name)
		}
		contacts[account.Name] = account.Contacts
	}
	for name, list := range contacts {
		for _, other := range list {
			if other == name || !slices.Contains(contacts[other], name) {
				t.Errorf("%s has %s, not the other way round", name, other)
			}
		}
	}
	known := func(name string) int { return len(contacts[name]) }
	if known("u0") != 0 || known("star5") != 5 || known("star10") != 10 {
		t.Errorf("contacts: u0 %d, star5 %d, star10 %d", known("u0"), known("star5"), known("star10"))
	}
	// One of 100 online, and as many of the 99 others as there are accounts r.
	if p.SparseOnline() != 1 || known("sparse") != 1+50 {
		t.Errorf("sparse: %d online, %d contacts", p.SparseOnline(), known("sparse"))
	}
	if got := known("r0"); got != 20+1 {
		t.Errorf("r0 has %d contacts, want 20 and the sparse account", got)
	}
}

func TestPopulationStopsEarly(t *testing.T) {
	for account := range (Population{Idle: 3, Stars: []int{2}}).Accounts() {
		if account.Name != "u0" {
			t.Fatalf("first account is %s", account.Name)
		}
		break
	}
}

// The lines are the contract with `stonechat ctl user import`.
func TestWriteImport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.jsonl")
	if err := WriteImport(path, "i", 3); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var names []string
	for scan := bufio.NewScanner(file); scan.Scan(); {
		var line map[string]string
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line["password"] != Password || len(line) != 2 {
			t.Errorf("line %s", scan.Text())
		}
		names = append(names, line["name"])
	}
	if want := []string{"i0", "i1", "i2"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
}

// Prosody reads what seed writes only in exactly this form.
func TestProsodySeed(t *testing.T) {
	if _, err := os.Stat("/usr/bin/prosody"); err != nil {
		t.Skipf("LOUD: no Prosody on this machine: %v", err)
	}
	s := &Server{dir: t.TempDir()}
	p := Population{Idle: 1, Stars: []int{2}, Others: 0, Sparse: 100}
	if err := (prosody{}).seed(context.Background(), s, p); err != nil {
		t.Fatal(err)
	}
	roster, err := os.ReadFile(filepath.Join(s.dir, "data", "bench%2elocal", "roster", "star2.dat"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`["c0@bench.local"] = { ["subscription"] = "both"`, `["c1@bench.local"]`} {
		if !strings.Contains(string(roster), want) {
			t.Errorf("no %s in\n%s", want, roster)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "data", "bench%2elocal", "roster", "u0.dat")); err == nil {
		t.Error("u0 has a roster file")
	}
}

// Rooms are archived when everything is, and only then.
func TestRoomArchives(t *testing.T) {
	s := &Server{dir: t.TempDir()}
	var err error
	if s.cert, err = writeCertificate(s.dir); err != nil {
		t.Fatal(err)
	}
	for _, archive := range []bool{false, true} {
		if _, err := (prosody{}).command(s, archive); err != nil {
			t.Fatal(err)
		}
		if _, err := (ejabberd{}).command(s, archive); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{"prosody.cfg.lua": `modules_enabled = { "muc_mam" }`, "ejabberd.yml": "mam: true"} {
			text, err := os.ReadFile(filepath.Join(s.dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(text), want); got != archive || strings.Contains(string(text), "%!") {
				t.Errorf("archive %v: %s in %s is %v\n%s", archive, want, file, got, text)
			}
		}
	}
}

func TestCloneArchive(t *testing.T) {
	s := &Server{dir: t.TempDir(), kind: prosody{}}
	database := filepath.Join(s.dir, "archive.sqlite")
	err := execSQL(t.Context(), database, `CREATE TABLE prosodyarchive (sort_id INTEGER PRIMARY KEY, host TEXT, user TEXT,
		store TEXT, key TEXT UNIQUE, "when" INTEGER, with TEXT, type TEXT, value TEXT);
		INSERT INTO prosodyarchive (host, user, store, key, "when", with, type, value) VALUES
		('h', 'a', 'archive', 'k1', 10, 'b', 'xml', 'one'), ('h', 'a', 'archive', 'k2', 11, 'b', 'xml', 'two'), ('h', 'z', 'archive', 'k3', 12, 'b', 'xml', 'other')`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CloneArchive(t.Context(), "a", 3); err != nil {
		t.Fatal(err)
	}
	// A violated check makes the script fail.
	err = execSQL(t.Context(), database, `CREATE TABLE want (rows INTEGER CHECK (rows = 6), times INTEGER CHECK (times = 6), foreigners INTEGER CHECK (foreigners = 1));
		INSERT INTO want SELECT (SELECT count(*) FROM prosodyarchive WHERE user = 'a'), (SELECT count(DISTINCT "when") FROM prosodyarchive WHERE user = 'a'),
		(SELECT count(*) FROM prosodyarchive WHERE user = 'z')`)
	if err != nil {
		t.Error(err)
	}
	if (&Server{kind: floor{}}).Clones() {
		t.Error("the floor has an archive to clone")
	}
}

func TestNewRefusesUnknown(t *testing.T) {
	if _, err := New(t.Context(), "nobody", Options{Dir: t.TempDir()}, Population{}); err == nil {
		t.Error("a server called nobody was made")
	}
	s := &Server{kind: stonechat{}}
	if s.Offers(wire.Plain) || !s.Offers(wire.DirectTLS) {
		t.Error("Stonechat is asked for unprotected log-ins")
	}
}
