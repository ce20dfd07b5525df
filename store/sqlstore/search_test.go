package sqlstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/store/words"
)

// spoken appends a message with this body to an archive.
func spoken(db *DB, owner store.Owner, id, body string) store.Ticket {
	_, t := db.Archive.Append(store.Entry{
		Owner: owner, Peer: "bob@example.org", Stanza: fmt.Appendf(nil, "<message xmlns='jabber:client' id='%s'><body>%s</body></message>", id, body),
	})
	return t
}

// hits is how many rows of an owner say a word.
func hits(t *testing.T, db *DB, owner store.Owner, word string) int {
	t.Helper()
	for range 100 {
		found, err := db.Search.Search(t.Context(), owner, store.SearchQuery{Phrases: []store.Phrase{{Text: word}}})
		if err != nil {
			t.Fatal(err)
		}
		if !found.Behind {
			return found.Count
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the index stays behind: %+v", db.Search.State())
	return 0
}

// entries counts what is noted of all owners.
func entries(t *testing.T, db *DB) int {
	t.Helper()
	table := "search_words"
	if !db.dialect.postgres {
		table = "search_words_docsize" // one row for each entry; the table itself has no rows to count
	}
	n := 0
	if err := db.searcher.reads.db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSearchPlans: every search goes straight to the entries that the index names, and on SQLite in the order of pages.
func TestSearchPlans(t *testing.T) {
	db := openTest(t, Options{})
	hits(t, db, 1, "x")
	for _, query := range []string{fts.oldest, fts.newest, fts.count, fts.removeBy} {
		rows, err := db.searcher.reads.db.Query("EXPLAIN QUERY PLAN "+query, `marks : "O1"`, 1, 2, 3)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		plan := ""
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan += detail + "; "
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		// M: by a condition of the full text; < and >: between keys.
		bounds := query == fts.removeBy || strings.Contains(plan, "<") && strings.Contains(plan, ">")
		if !strings.Contains(plan, "VIRTUAL TABLE INDEX") || !strings.Contains(plan, "M") || !bounds || strings.Contains(plan, "B-TREE") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
	for query, want := range map[string]string{
		selectSearchRows:    "SEARCH archive USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		selectSearchRow:     "SEARCH archive USING INTEGER PRIMARY KEY (rowid=?)",
		deleteSearchChange:  "SEARCH search_changes USING INTEGER PRIMARY KEY (rowid=?)",
		selectSearchChanges: "SCAN search_changes", // in its order, and never more than some
	} {
		if got := strings.Join(plan(t, db, query), "; "); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}

// TestSearchPlansOnPostgres: as above; hits are sorted, which their number bounds.
func TestSearchPlansOnPostgres(t *testing.T) {
	conn := filled(t)
	ctx := t.Context()
	for _, query := range []string{
		vectors.create,
		`INSERT INTO search_words SELECT n, ('''O' || n % 500 || ''' ''common'':1 ''rare' || n || ''':2')::tsvector FROM generate_series(1, 20000) AS n`,
		"ANALYZE search_words",
	} {
		if _, err := conn.Exec(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{vectors.oldest, vectors.newest, vectors.count, vectors.removeBy} {
		for _, mode := range []string{anyArguments, theseArguments} {
			p := planOn(t, conn, mode, query)
			if !strings.Contains(p, "Bitmap Index Scan on search_words_words") || strings.Contains(p, "Seq Scan on search_words") {
				t.Errorf("%s\n%s", query, p)
			}
		}
	}
	if p := planOn(t, conn, theseArguments, vectors.removeOld); strings.Contains(p, "Seq Scan on search_words ") {
		t.Error(p)
	}
}

// TestSearchWrites: a kept message costs the archive what it cost before, and the index one entry if it says something.
func TestSearchWrites(t *testing.T) {
	for name, open := range map[string]func(testing.TB, Options) *DB{"sqlite": openTest, "postgres": openPostgresTest} {
		t.Run(name, func(t *testing.T) {
			with, without := open(t, Options{Sync: SyncOff}), open(t, Options{Sync: SyncOff, NoSearch: true})
			if without.Search != nil {
				t.Fatal("words are kept")
			}
			for _, db := range []*DB{with, without} {
				for i := range 50 {
					body := "one two"
					if i%5 == 0 {
						body = ""
					}
					if err := spoken(db, store.Owner(1+i%2), fmt.Sprint(i), body).Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n := hits(t, with, 1, "two"); n != 20 {
				t.Errorf("%d found", n)
			}
			if n := entries(t, with); n != 40 {
				t.Errorf("%d entries", n)
			}
			a, b := with.Stats(), without.Stats()
			if a.ArchiveRows != b.ArchiveRows || a.OtherRows != b.OtherRows || a.Ops != b.Ops {
				t.Errorf("with words %+v, without %+v", a, b)
			}
			key, ticket := with.Archive.Append(store.Entry{Owner: 1, Peer: "x@y", Stanza: []byte("<message xmlns='jabber:client'><body>three</body></message>")})
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := with.Archive.Replace(1, key, []byte("<message xmlns='jabber:client'/>")).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := hits(t, with, 1, "three"); n != 0 || count(t, with, "search_changes") != 0 {
				t.Errorf("%d found, %d changes left", n, count(t, with, "search_changes"))
			}
		})
	}
}

// TestSearchAnew: an index that is gone, damaged, another store's or ahead of this one is made anew, and what is found is the same.
func TestSearchAnew(t *testing.T) {
	ctx := context.Background()
	folder := t.TempDir()
	open := func() *DB {
		db, err := Open(ctx, folder, Options{Sync: SyncOff})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	closed := func(db *DB) {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(folder, searchName)
	write := func(query string) {
		w, err := openSQLite("file:" + file)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.script(query); err != nil {
			t.Fatal(err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
	db := open()
	for i := range 700 {
		if err := spoken(db, 1, fmt.Sprint(i), "one two").Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	closed(db) // in the middle of things
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"as it was", func() {}},
		{"gone", func() {
			if err := removeSearch(file); err != nil {
				t.Fatal(err)
			}
		}},
		{"no database", func() {
			if err := os.WriteFile(file, []byte(strings.Repeat("what is this? ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"another store's", func() { write("UPDATE search_state SET mark = mark + 1") }},
		{"ahead", func() { write("UPDATE search_state SET noted = noted + 1000000000000") }},
		{"half", func() { write("DROP TABLE search_words") }},
	} {
		c.do()
		db := open()
		if n, all := hits(t, db, 1, "two"), entries(t, db); c.name != "half" && (n != 700 || all != 700) {
			t.Errorf("%s: %d found, %d entries", c.name, n, all)
		}
		if c.name == "half" {
			if err := db.Search.Rebuild(ctx); err != nil {
				t.Fatal(err)
			}
			if n := hits(t, db, 1, "two"); n != 700 {
				t.Errorf("%s: %d found", c.name, n)
			}
		}
		if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", c.name, i, err)
		}
		closed(db)
	}
	db, err := Open(ctx, folder, Options{Sync: SyncOff, NoSearch: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the words are still there: %v", err)
	}
	closed(db)
}

// TestSettled: no row is overtaken by the cursor while it is on its way.
func TestSettled(t *testing.T) {
	now := store.Key(100)
	k := &keys{now: func() store.Key { return now }}
	q := &queue{limit: 1 << 20, keys: k, wake: make(chan struct{}, 1)}
	if got := q.settled(); got != 0 {
		t.Errorf("at first %d", got)
	}
	q.change(0, func(*writer) error { return nil })
	first, _ := q.put(op{}, true, nil)
	now = 200
	second, _ := q.put(op{}, true, nil)
	if got := q.settled(); got != first-1 {
		t.Errorf("%d, with %d waiting", got, first)
	}
	batch, _ := q.take(nil, 2)
	if got := q.settled(); got != first-1 {
		t.Errorf("%d, with %d being committed", got, first)
	}
	q.release(batch)
	if got := q.settled(); got != second-1 {
		t.Errorf("%d, with %d waiting", got, second)
	}
	batch, _ = q.take(batch, 2)
	q.release(batch)
	now = 300
	k.next() // elsewhere
	if got := q.settled(); got != 300 {
		t.Errorf("at last %d", got)
	}
}

// TestConditions: what is looked for cannot leave its quotation marks.
func TestConditions(t *testing.T) {
	q := store.SearchQuery{Phrases: []store.Phrase{{Text: `a" OR b'`}, {Text: "中"}, {Text: "x y", Not: true}}, Link: true}
	q.With = "bob@example.org"
	terms, err := termsOf(7, &q)
	if err != nil {
		t.Fatal(err)
	}
	peer := peerMark("bob@example.org")
	if got, want := fts.condition(terms), `((marks : "O7" AND marks : "`+peer+`" AND marks : "L" AND body : "a or b" AND body : "中" *) NOT body : "x y")`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := vectors.condition(terms), `'O7' & '`+peer+`' & 'L' & ('a' <-> 'or' <-> 'b') & ('中':*) & !('x' <-> 'y')`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a, b := hashed("N", "a", "bc"), hashed("N", "ab", "c"); a == b {
		t.Errorf("%s for two", a)
	}
}

// FuzzSearch: nothing that somebody looks for is an error, and a text is found by itself.
func FuzzSearch(f *testing.F) {
	db, err := Open(context.Background(), f.TempDir(), Options{Sync: SyncOff})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	for _, s := range []string{`a" OR "b`, "marks : x", "NEAR(a b)", "a*", "中", "👍", "^a - +b", "x'y\\z", "Ⅷ ﷺ"} {
		f.Add(s)
	}
	x := db.searcher
	var key store.Key
	f.Fuzz(func(t *testing.T, s string) {
		q := store.SearchQuery{Query: store.Query{Max: 1, Before: new(string)}, Phrases: []store.Phrase{{Text: s}}}
		terms, err := termsOf(7, &q)
		if err != nil || terms == nil || len(words.Of(s)) == words.MaxWords {
			return
		}
		key++
		found := false
		err = x.ask(t.Context(), func() error {
			return x.within(func(n *noter) error {
				e := entry{key: key, marks: []string{ownerMark(7)}, words: words.Of(s)}
				if _, err := n.w.exec(fts.insert, fts.document(&e)...); err != nil {
					return err
				}
				at, ok, err := n.w.number(fts.newest, fts.condition(terms), int64(0), int64(maxKey), int64(1))
				found = ok && at == int64(key)
				return err
			})
		})
		if err != nil || !found {
			t.Fatalf("%q: %v, %v", s, found, err)
		}
	})
}
