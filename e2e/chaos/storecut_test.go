package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/chaos/disk"
	"stonechat/e2e/load/wire"
	"stonechat/store"
	"stonechat/store/sqlstore"
)

// storeWriter is the environment variable that makes this test binary the
// program under the power cut: full or off, as sqlstore.Sync.
const storeWriter = "CHAOS_STORE_WRITER"

const (
	storeOwners = 6
	storeWindow = 32 // rows of one owner that wait for the disk at once
	// storeTail is small, so that cuts also hit the moving of rows into the
	// orders and the checkpoints behind it.
	storeTail = 150
)

// writeStore appends numbered messages for ever and prints each when its
// ticket is done. Arguments: the folder, and the first number.
func writeStore(sync sqlstore.Sync, args []string) error {
	first, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	db, err := sqlstore.Open(context.Background(), args[0], sqlstore.Options{Sync: sync, Tail: storeTail})
	if err != nil {
		return err
	}
	fmt.Println("open")
	failed := make(chan error)
	for from := range storeOwners {
		go func() { failed <- appendMessages(db, from, (from+1)%storeOwners, first) }()
	}
	return <-failed
}

// appendMessages is one sender: each message goes into two archives, as a
// message between two users of one server does.
func appendMessages(db *sqlstore.DB, from, to, first int) error {
	type waiting struct {
		message Message
		tickets [2]store.Ticket
	}
	var window []waiting
	for seq := first; ; seq++ {
		m := Message{from, to, seq}
		stanza := []byte("<message xmlns='jabber:client'><body>" + m.String() + " " + strings.Repeat("x", seq%1500) + "</body></message>")
		_, sent := db.Archive.Append(store.Entry{Owner: storeOwner(from), Peer: User(to) + "@example.org", Direction: store.Outgoing, Stanza: stanza})
		_, received := db.Archive.Append(store.Entry{Owner: storeOwner(to), Peer: User(from) + "@example.org", Direction: store.Incoming, Stanza: stanza})
		window = append(window, waiting{m, [2]store.Ticket{sent, received}})
		if len(window) < storeWindow {
			continue
		}
		for _, ticket := range window[0].tickets {
			if err := ticket.Wait(context.Background()); err != nil {
				return err
			}
		}
		if _, err := fmt.Println(window[0].message); err != nil {
			return err
		}
		window = window[1:]
	}
}

func storeOwner(i int) store.Owner { return store.Owner(i + 1) }

// readStore returns all archives of a store that is not in use.
func readStore(ctx context.Context, folder string) (archives map[int][]Message, err error) {
	db, err := sqlstore.Open(ctx, folder, sqlstore.Options{Tail: storeTail})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	archives = make(map[int][]Message)
	for user := range storeOwners {
		for after := ""; ; {
			page, err := db.Archive.Page(ctx, storeOwner(user), store.Query{Max: store.MaxPage, After: after})
			if err != nil {
				return nil, err
			}
			for _, row := range page.Rows {
				m, ok := ParseMessage(string(wire.Between(row.Stanza, "<body>", "</body>")))
				if !ok {
					return nil, fmt.Errorf("archive of %s: a row that nobody wrote: %.80q", User(user), row.Stanza)
				}
				archives[user] = append(archives[user], m)
				after = row.ID
			}
			if page.Complete {
				break
			}
		}
	}
	return archives, nil
}

// storeRun is a store under repeated power cuts.
type storeRun struct {
	mode   string
	folder string
	disk   *disk.Disk
	ledger *Ledger
	rows   *table
}

// cycle runs a writer until the power goes and returns what was found in the
// worst of some drawn states; the run goes on with one of them.
func (r *storeRun) cycle(t *testing.T, number, draws int, rng *rand.Rand) *Findings {
	t.Helper()
	mount, err := disk.Mount(r.disk, r.folder)
	if err != nil {
		t.Fatal(err)
	}
	// Some cuts come while the store is still opening.
	promises := rng.IntN(1500) - 100
	began := time.Now()
	sent := r.writeUntil(t, number, promises)
	lasted := time.Since(began)
	if err := mount.Unmount(); err != nil {
		t.Fatal(err)
	}
	worst := &Findings{}
	for range draws {
		after, _ := r.disk.AfterCut(rng)
		worst = worse(worst, r.look(t, after))
	}
	after, loss := r.disk.AfterCut(rng)
	r.disk = after
	r.rows.row(r.mode, number, lasted, sent, draws, loss.String(), worst.Lost(), worst.Double, worst.Disordered)
	return worst
}

// look opens the store as it came out of a cut and compares it with what was
// promised. It does so on an ordinary folder: a process must not map files of
// a disk into memory that it serves itself, see disk.Mount.
func (r *storeRun) look(t *testing.T, after *disk.Disk) *Findings {
	t.Helper()
	image, err := os.MkdirTemp(t.TempDir(), "image")
	if err != nil {
		t.Fatal(err)
	}
	if err := after.CopyTo(image); err != nil {
		t.Fatal(err)
	}
	archives, err := readStore(t.Context(), image)
	if err := os.RemoveAll(image); err != nil {
		t.Error(err)
	}
	if err != nil {
		return &Findings{Unusable: 1, Examples: []string{err.Error()}}
	}
	return r.ledger.Compare(archives)
}

// writeUntil starts the writer, cuts the power after some promises and kills
// it. It returns the number of promises.
func (r *storeRun) writeUntil(t *testing.T, number, promises int) int {
	t.Helper()
	// Numbers go on behind whatever an earlier writer may have stored.
	first := 1 + number*storeSpan
	r.ledger.reserve(storeOwners, first+storeSpan-1)
	cmd := exec.Command(os.Args[0], r.folder, strconv.Itoa(first))
	cmd.Env = append(os.Environ(), storeWriter+"="+r.mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var cut sync.Once
	strike := func() {
		cut.Do(func() {
			r.disk.CutPower()
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
			r.disk.Release()
		})
	}
	// A writer that says nothing must not hold the judge up; one that is to be
	// struck before its first promise has a moment to open the store.
	patience := 30 * time.Second
	if promises <= 0 {
		patience = time.Duration(-promises) * time.Millisecond
	}
	timer := time.AfterFunc(patience, strike)
	defer timer.Stop()
	sent := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m, ok := ParseMessage(lines.Text()); ok {
			r.ledger.Acked(m)
			if sent++; sent == promises {
				strike()
			}
		}
	}
	strike()
	_ = cmd.Wait() // killed: its exit status says nothing
	return sent
}

// storeSpan is how many numbers each writer has for itself.
const storeSpan = 1 << 12

// storeLife is how many cuts one store lives through, which bounds the memory
// of the judge.
const storeLife = 8

// TestStorePowerCut cuts the power under the store alone. Of each cut many
// states are looked at, so it sees more than the judge of the whole server in
// the same time.
func TestStorePowerCut(t *testing.T) {
	rng := random(t)
	run := newStoreRun(t, "full")
	defer func() { run.rows.print(t, "the store under power cuts") }()
	for number := range *cycles {
		if number%storeLife == 0 {
			run.disk, run.ledger = disk.New(), NewLedger()
		}
		if found := run.cycle(t, number, 8, rng); found.Bad() {
			report(t, found)
			return
		}
	}
	if sum := run.ledger.Totals(); sum.Acked == 0 {
		t.Error("no row was ever promised")
	}
}

// TestStorePowerCutFindsLosses proves that the judge of the store can fail.
func TestStorePowerCutFindsLosses(t *testing.T) {
	rng := random(t)
	run := newStoreRun(t, "off")
	defer func() { run.rows.print(t, "a store that does not sync, under power cuts") }()
	for number := range 15 {
		if found := run.cycle(t, number, 8, rng); found.Lost() > 0 {
			t.Logf("found, as it must be: %q", found.Examples[:1])
			return
		}
	}
	t.Error("15 power cuts without a single sync lost nothing: the judge is blind")
}

func newStoreRun(t *testing.T, mode string) *storeRun {
	t.Helper()
	if err := disk.Lacking(); err != nil {
		t.Skipf("THIS MACHINE LACKS: %v", err)
	}
	return &storeRun{
		mode: mode, folder: t.TempDir(), disk: disk.New(), ledger: NewLedger(),
		rows: newTable("sync", "cut", "after", "promised", "states", "undone in the last", "lost", "double", "disorder"),
	}
}

// reserve makes room for messages that a writer numbers by itself: up to
// number last of each user to the next one.
func (l *Ledger) reserve(users, last int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for from := range users {
		t := talk{from, (from + 1) % users}
		if n := last - len(l.talks[t]); n > 0 {
			l.talks[t] = append(l.talks[t], make([]record, n)...)
		}
	}
}
