package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"stonechat/store"
	"stonechat/store/words"
)

// searchCacheKiB are the pages that whoever notes words keeps in memory: new ones are gathered anyway, and old ones seldom read.
const searchCacheKiB = 2048

// searchName is the file of the words within the data folder.
const searchName = "search.db"

// index is where words are found: a file of its own beside SQLite's, two tables of their own in PostgreSQL. Everything in it can be made anew.
type index struct {
	indexForm
	open func() (*writer, error) // a session that changes it
	pool func() (*reads, error)  // what it is read by
	wipe func() error            // removes what is damaged; nil: that is the administrator's
}

// indexForm are the statements, which differ. What is found is found by a condition ($1), between two keys that are excluded ($2, $3).
type indexForm struct {
	create, drop string // scripts
	insert       string // key, and what document says
	remove       string // key
	removeBy     string // condition, number of rows
	removeOld    string // lowest key that stays, number of rows
	oldest       string // the end from which keys are found; $4 is a number of rows
	newest       string
	count        string
	document     func(e *entry) []any
	condition    func(t *terms) string
}

// entry is what is noted of a row: marks, by which it is chosen, and its words.
type entry struct {
	key   store.Key
	marks []string
	words []string
}

const (
	createSearchState = "CREATE TABLE IF NOT EXISTS search_state (id BIGINT NOT NULL PRIMARY KEY, mark BIGINT NOT NULL, noted BIGINT NOT NULL);"
	selectSearchState = "SELECT mark, noted FROM search_state WHERE id = 1"
	insertSearchState = "INSERT INTO search_state (id, mark, noted) VALUES (1, $1, 0)"
	updateSearchState = "UPDATE search_state SET noted = $1 WHERE id = 1"
)

// fts is the form of SQLite. The table has words and their places alone, without the texts. Words come as they are to be found, so the
// simplest tokenizer will do, which takes every byte that is not ASCII as part of a word.
var fts = indexForm{
	create:    createSearchState + `CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5(marks, body, content='', contentless_delete=1, tokenize='ascii');`,
	drop:      "DROP TABLE IF EXISTS search_words; DROP TABLE IF EXISTS search_state;",
	insert:    "INSERT INTO search_words (rowid, marks, body) VALUES ($1, $2, $3)",
	remove:    "DELETE FROM search_words WHERE rowid = $1",
	removeBy:  "DELETE FROM search_words WHERE rowid IN (SELECT rowid FROM search_words WHERE search_words MATCH $1 LIMIT $2 + 0)",
	removeOld: "DELETE FROM search_words WHERE rowid IN (SELECT rowid FROM search_words WHERE rowid < $1 LIMIT $2 + 0)",
	oldest:    "SELECT rowid FROM search_words WHERE search_words MATCH $1 AND rowid > $2 AND rowid < $3 ORDER BY rowid LIMIT $4 + 0",
	newest:    "SELECT rowid FROM search_words WHERE search_words MATCH $1 AND rowid > $2 AND rowid < $3 ORDER BY rowid DESC LIMIT $4 + 0",
	count:     "SELECT COUNT(*) FROM (SELECT 1 FROM search_words WHERE search_words MATCH $1 AND rowid > $2 AND rowid < $3 LIMIT $4 + 0) AS n",
	document: func(e *entry) []any {
		return []any{int64(e.key), strings.Join(e.marks, " "), strings.Join(e.words, " ")}
	},
	condition: ftsCondition,
}

// vectors is the form of PostgreSQL: marks are words without a place, told from others by a capital letter. Keys are compared after an
// addition, or a planner that thinks that a condition is frequent would read the table by them until it has enough.
var vectors = indexForm{
	create: createSearchState + `CREATE TABLE IF NOT EXISTS search_words (key BIGINT PRIMARY KEY, words TSVECTOR NOT NULL);
		CREATE INDEX IF NOT EXISTS search_words_words ON search_words USING GIN (words) WITH (gin_pending_list_limit = 256);`,
	drop:      "DROP TABLE IF EXISTS search_words; DROP TABLE IF EXISTS search_state;",
	insert:    "INSERT INTO search_words (key, words) VALUES ($1, $2::text::tsvector) ON CONFLICT (key) DO UPDATE SET words = excluded.words",
	remove:    "DELETE FROM search_words WHERE key = $1",
	removeBy:  "DELETE FROM search_words WHERE key = ANY (ARRAY(SELECT key FROM search_words WHERE words @@ $1::text::tsquery LIMIT $2))",
	removeOld: "DELETE FROM search_words WHERE key = ANY (ARRAY(SELECT key FROM search_words WHERE key < $1 ORDER BY key LIMIT $2))",
	oldest:    vectorHits + "SELECT key FROM hits ORDER BY key LIMIT $4",
	newest:    vectorHits + "SELECT key FROM hits ORDER BY key DESC LIMIT $4",
	count:     "SELECT COUNT(*) FROM (SELECT 1 FROM search_words WHERE words @@ $1::text::tsquery AND key + 0 > $2 AND key + 0 < $3 LIMIT $4) AS n",
	document: func(e *entry) []any {
		var b strings.Builder
		for _, m := range e.marks {
			b.WriteString("'" + m + "' ")
		}
		for i, w := range e.words {
			b.WriteString("'" + w + "':" + strconv.Itoa(i+1) + " ")
		}
		return []any{int64(e.key), b.String()}
	},
	condition: vectorCondition,
}

const vectorHits = "WITH hits AS MATERIALIZED (SELECT key FROM search_words WHERE words @@ $1::text::tsquery AND key + 0 > $2 AND key + 0 < $3) "

// newIndex is the index of a store.
func (db *DB) newIndex() *index {
	if p, ok := db.base.(*postgres); ok {
		return &index{
			indexForm: vectors,
			open: func() (*writer, error) {
				ctx, cancel := context.WithTimeout(context.Background(), connectTime)
				defer cancel()
				if err := p.owner.gone(); err != nil {
					return nil, err
				}
				// What is lost with the machine is noted once more.
				return openPlain(ctx, with(p.config, map[string]string{"synchronous_commit": "off", "statement_timeout": "60s"}))
			},
			pool: func() (*reads, error) { return db.reads, nil },
		}
	}
	o := db.options
	o.ReaderCacheKiB *= 4
	f := sqliteFile{filepath.Join(filepath.Dir(db.path), searchName), o}
	return &index{
		indexForm: fts,
		open: func() (*writer, error) {
			if err := createFile(f.path); err != nil {
				return nil, err
			}
			return openSQLite(f.dsn("page_size(4096)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(FAST)", "temp_store(MEMORY)",
				cacheSize(min(o.WriterCacheKiB, searchCacheKiB))))
		},
		pool: func() (*reads, error) {
			pool, err := sql.Open("sqlite", f.readerDSN())
			if err != nil {
				return nil, err
			}
			return newReads(pool, searchReaders, sql.LevelDefault), nil
		},
		wipe: func() error { return removeSearch(f.path) },
	}
}

// unlearn removes the words that an earlier process has noted.
func (db *DB) unlearn(w *writer) error {
	if db.dialect.postgres {
		return w.script(vectors.drop)
	}
	return removeSearch(filepath.Join(filepath.Dir(db.path), searchName))
}

// removeSearch removes the file of the words.
func removeSearch(path string) error {
	var errs []error
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// damaged tells whether an error means that the file cannot be used any more.
func damaged(err error) bool {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return false
	}
	code := se.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// mark is what an index must bear to be one of this store's archives, with the words of this program.
func (db *DB) searchMark() int64 {
	var block [16]byte
	db.ids.Encrypt(block[:], block[:])
	sum := sha256.Sum256(fmt.Appendf(block[:], "search %d", words.Version))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// ready makes the tables, empty ones if those that are there are another store's or another program's, or know rows that this store
// has not. It returns up to which key words are noted.
func (x *index) ready(w *writer, mark int64, newest store.Key) (noted store.Key, err error) {
	return noted, w.within(func() error {
		if err := w.script(x.create); err != nil {
			return err
		}
		found := false
		err := w.query(selectSearchState, func(v []driver.Value) error {
			is, ok1 := v[0].(int64)
			at, ok2 := v[1].(int64)
			found, noted = ok1 && ok2 && is == mark && store.Key(at) <= newest, store.Key(at)
			return nil
		})
		if err != nil || found {
			return err
		}
		noted = 0
		return x.empty(w, mark)
	})
}

// empty begins anew, within the open transaction.
func (x *index) empty(w *writer, mark int64) error {
	if err := w.script(x.drop); err != nil {
		return err
	}
	if err := w.script(x.create); err != nil {
		return err
	}
	_, err := w.exec(insertSearchState, mark)
	return err
}

// terms choose entries: all marks, and all phrases but those that are not wanted.
type terms struct {
	marks       []string
	wanted, not [][]words.Word
}

// ftsCondition is what MATCH understands. Everything stands in quotes, and no mark or word has one in it.
func ftsCondition(t *terms) string {
	phrase := func(p []words.Word) string {
		text := "body : \""
		for i, w := range p {
			if i > 0 {
				text += " "
			}
			text += w.Text
		}
		if p[len(p)-1].Begins {
			return text + "\" *"
		}
		return text + "\""
	}
	var all []string
	for _, m := range t.marks {
		all = append(all, "marks : \""+m+"\"")
	}
	for _, p := range t.wanted {
		all = append(all, phrase(p))
	}
	text := "(" + strings.Join(all, " AND ") + ")"
	for _, p := range t.not {
		text = "(" + text + " NOT " + phrase(p) + ")"
	}
	return text
}

// vectorCondition is a tsquery.
func vectorCondition(t *terms) string {
	phrase := func(p []words.Word) string {
		var all []string
		for _, w := range p {
			one := "'" + w.Text + "'"
			if w.Begins {
				one += ":*"
			}
			all = append(all, one)
		}
		return "(" + strings.Join(all, " <-> ") + ")"
	}
	var all []string
	for _, m := range t.marks {
		all = append(all, "'"+m+"'")
	}
	for _, p := range t.wanted {
		all = append(all, phrase(p))
	}
	for _, p := range t.not {
		all = append(all, "!"+phrase(p))
	}
	return strings.Join(all, " & ")
}

// Marks by which rows are chosen. They have capital letters, which words have not.

func ownerMark(o store.Owner) string { return "O" + strconv.FormatInt(int64(o), 10) }

func directionMark(d store.Direction) string { return "D" + strconv.Itoa(int(d)) }

const linkMark = "L"

func peerMark(peer string) string { return hashed("P", peer) }

func resourceMark(peer, resource string) string { return hashed("R", peer, resource) }

// nameMark is an id by which the one who wrote a message refers to it.
func nameMark(d store.Direction, peer, name string) string {
	return hashed("N", directionMark(d), peer, name)
}

var markEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// hashed is a mark that stands for texts. What others choose goes into it, so nobody may be able to find another text with the same one.
func hashed(letter string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return letter + markEncoding.EncodeToString(h.Sum(nil)[:10])
}
