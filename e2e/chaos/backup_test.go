package chaos

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
	"stonechat/store/dump"
	"stonechat/store/sqlstore"
)

// TestBackups makes backups under traffic and restores them.
func TestBackups(t *testing.T) {
	rng := random(t)
	backupsUnderTraffic(t, rng, setupFor(t, t.TempDir(), *talkers, ""))
}

// TestBackupsOnPostgres does the same with the data in PostgreSQL; they are restored into the embedded database.
func TestBackupsOnPostgres(t *testing.T) {
	rng := random(t)
	setup := setupFor(t, t.TempDir(), *talkers, "")
	setup.Postgres = postgres.Database(t)
	backupsUnderTraffic(t, rng, setup)
}

// What happens during a backup.
const (
	nothing = iota
	backupKilled
	serverKilled
	incidents
)

func backupsUnderTraffic(t *testing.T, rng *rand.Rand, setup peers.Options) {
	t.Helper()
	if *serverFlag == "prosody" {
		t.Skip("the backup is Stonechat's")
	}
	s := serve(t, setup)
	traffic := NewTraffic(s, *talkers, *rate, 300)
	rows := newTable("cycle", "incident", "acked before", "backup took", "rows", "missing")
	defer func() { rows.print(t, "backups under traffic") }()
	finished, last, acked := 0, "", []Message(nil)
	for cycle := range max(*cycles, 3) * 2 {
		if err := traffic.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		traffic.Send(t.Context())
		pause(t, time.Duration(200+rng.IntN(300))*time.Millisecond)
		before := traffic.Ledger.AckedNow()
		name := filepath.Join(t.TempDir(), "backup")
		incident := cycle % incidents
		began := time.Now()
		done := backUp(t, s, setup, name, incident, rng, traffic)
		took := time.Since(began)
		traffic.Drop()
		if incident == serverKilled {
			start(t, s)
		}
		if !done {
			// It may have been killed behind its last step: what has its name is whole.
			if _, err := os.Lstat(name); err == nil {
				if out, err := exec.Command(setup.Binary, "backup", "--verify", name).CombinedOutput(); err != nil {
					t.Errorf("an unfinished backup stands under its name: %v\n%s", err, out)
				}
			} else if !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			rows.row(cycle, incident, len(before), took, "killed", "")
			continue
		}
		finished++
		last, acked = restored(t, setup, name), before
		kept := messagesIn(t, last)
		missing := 0
		for _, m := range before {
			if kept[m] < 2 {
				missing++
				t.Errorf("%v was acknowledged before the backup and is there %d times", m, kept[m])
			}
		}
		rows.row(cycle, incident, len(before), took, len(kept), missing)
	}
	if finished < max(*cycles, 3) {
		t.Errorf("only %d backups were finished", finished)
	}
	servesAgain(t, s, setup, last, acked)
}

// backUp runs the command and the incident; it tells whether the backup was finished.
func backUp(t *testing.T, s *peers.Server, setup peers.Options, name string, incident int, rng *rand.Rand, traffic *Traffic) bool {
	t.Helper()
	cmd := exec.Command(setup.Binary, "backup", name, "--data", filepath.Join(s.Dir, "data"))
	cmd.Env = append(os.Environ(), "STONECHAT_POSTGRES="+setup.Postgres)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	switch incident {
	case backupKilled:
		pause(t, time.Duration(rng.IntN(60_000))*time.Microsecond)
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
	case serverKilled:
		pause(t, time.Duration(rng.IntN(60_000))*time.Microsecond)
		traffic.Expect()
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	err := cmd.Wait()
	if err != nil && incident != backupKilled {
		t.Fatalf("backup: %v\n%s", err, said.String())
	}
	return err == nil
}

// restored restores a backup into the embedded database of a new server folder, which it returns.
func restored(t *testing.T, setup peers.Options, name string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "server")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", "--verify", name}, {"restore", name, "--data", filepath.Join(folder, "data")}} {
		if out, err := exec.Command(setup.Binary, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return folder
}

// messagesIn counts in how many archives of a data folder each message is.
func messagesIn(t *testing.T, folder string) map[Message]int {
	t.Helper()
	s, err := sqlstore.OpenSnapshot(context.Background(), filepath.Join(folder, "data"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	out := map[Message]int{}
	for _, table := range s.List() {
		if table.Name != "archive" {
			continue
		}
		at := slices.IndexFunc(table.Columns, func(c dump.Column) bool { return c.Name == "stanza" })
		err := s.Rows(&table, func(row []driver.Value) error {
			stanza, ok := row[at].([]byte)
			if !ok {
				return fmt.Errorf("a stanza of type %T", row[at])
			}
			if m, ok := ParseMessage(string(wire.Between(stanza, "<body>", "</body>"))); ok {
				out[m]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// servesAgain starts a server on a restored folder and reads all archives there.
func servesAgain(t *testing.T, s *peers.Server, setup peers.Options, folder string, acked []Message) {
	t.Helper()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	setup.Dir, setup.Postgres = folder, ""
	second := serve(t, setup)
	keys := wire.NewKeys()
	there := map[int]map[Message]bool{}
	for user := range *talkers {
		kept, err := ReadKept(t.Context(), second, keys, user, Kept{})
		if err != nil {
			t.Fatal(err)
		}
		there[user] = map[Message]bool{}
		for _, m := range kept.Messages {
			there[user][m] = true
		}
	}
	for _, m := range acked {
		if !there[m.From][m] || !there[m.To][m] {
			t.Errorf("%v is not in the archives of the restored server", m)
		}
	}
}
