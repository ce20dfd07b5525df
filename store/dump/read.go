package dump

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
)

// Sink takes what a backup holds, in the order in which it stands there. Nothing is proved before Read has returned without an error.
type Sink interface {
	// Head comes first.
	Head(Head) error
	// Rows are some of a table that is in the head, and fit it.
	Rows(table *Table, rows [][]driver.Value) error
	// File is a file kept beside the database; the name is local (path/filepath.IsLocal), with slashes. It must be read to its end.
	File(name string, mode fs.FileMode, r io.Reader) error
}

// errNotWhole: the end is missing.
var errNotWhole = errors.New("the backup is not whole: it has no manifest")

// reader reads one backup.
type reader struct {
	tar    *tar.Reader
	to     Sink
	head   Head
	tables map[string]*Table
	sums   map[string]*Sum
	parts  map[string]int
	found  Manifest // what was really read
}

// Read reads a whole backup into a Sink and compares it with its manifest.
func Read(from io.Reader, to Sink) (Report, error) {
	zip, err := gzip.NewReader(from)
	if err != nil {
		return Report{}, fmt.Errorf("no backup: %w", err)
	}
	zip.Multistream(false)
	r := newReader(zip, to)
	m, err := r.everything()
	if err == nil {
		// The check sum of the compression stands at the very end.
		_, err = io.CopyN(io.Discard, zip, 1<<20)
		if err == io.EOF {
			err = nil
		} else if err == nil {
			err = errors.New("there is more behind the manifest")
		}
	}
	return Report{Head: r.head, Manifest: m}, err
}

func newReader(from io.Reader, to Sink) *reader {
	return &reader{tar: tar.NewReader(from), to: to, tables: map[string]*Table{}, sums: map[string]*Sum{}, parts: map[string]int{}}
}

func (r *reader) everything() (Manifest, error) {
	if err := r.readHead(); err != nil {
		return Manifest{}, err
	}
	for {
		h, err := r.next()
		if err == io.EOF {
			return Manifest{}, errNotWhole
		}
		if err != nil {
			return Manifest{}, err
		}
		if h.Name == manifestName {
			break
		}
		if table, n, ok := partOf(h.Name); ok {
			err = r.part(h, table, n)
		} else if len(h.Name) > len(filesFolder) && h.Name[:len(filesFolder)] == filesFolder {
			err = r.file(h, h.Name[len(filesFolder):])
		} else {
			err = errors.New("not known in a backup")
		}
		if err != nil {
			return Manifest{}, fmt.Errorf("entry %.100q: %w", h.Name, err)
		}
	}
	var m Manifest
	if err := r.manifest(&m); err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	if _, err := r.next(); err != io.EOF {
		return m, errors.Join(errors.New("there is more behind the manifest"), err)
	}
	return m, r.compare(&m)
}

// next is the next entry; only plain files are any.
func (r *reader) next() (*tar.Header, error) {
	h, err := r.tar.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg || h.Size < 0 {
		return nil, fmt.Errorf("entry %.100q is no plain file", h.Name)
	}
	return h, nil
}

func (r *reader) manifest(into *Manifest) error {
	b, err := io.ReadAll(io.LimitReader(r.tar, maxManifest+1))
	if err != nil {
		return err
	}
	if len(b) > maxManifest {
		return errors.New("too large")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (r *reader) readHead() error {
	h, err := r.next()
	if err != nil || h.Name != headName {
		return errors.Join(errors.New("no backup: it does not begin with "+headName), err)
	}
	// A later format may have more to say, so the number comes first.
	var any struct {
		Format int `json:"format"`
	}
	b, err := io.ReadAll(io.LimitReader(r.tar, maxHead))
	if err == nil {
		err = json.Unmarshal(b, &any)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", headName, err)
	}
	if any.Format != format {
		return fmt.Errorf("the backup has format %d, this program reads %d", any.Format, format)
	}
	r.found.Head = hexOf(sha256.Sum256(b))
	if err := json.Unmarshal(b, &r.head); err != nil {
		return fmt.Errorf("%s: %w", headName, err)
	}
	if len(r.head.Tables) > maxTables {
		return fmt.Errorf("%s: %d tables", headName, len(r.head.Tables))
	}
	for i := range r.head.Tables {
		t := &r.head.Tables[i]
		if r.tables[t.Name] != nil || len(t.Columns) == 0 {
			return fmt.Errorf("%s: table %q", headName, t.Name)
		}
		r.tables[t.Name], r.sums[t.Name] = t, new(Sum)
	}
	return r.to.Head(r.head)
}

// part reads some rows of a table.
func (r *reader) part(h *tar.Header, name string, n int) error {
	table := r.tables[name]
	if table == nil || n != r.parts[name] {
		return errors.New("it has no place here")
	}
	if h.Size > maxPart {
		return errors.New("too large")
	}
	r.parts[name]++
	b, err := io.ReadAll(r.tar)
	if err != nil {
		return err
	}
	var rows [][]driver.Value
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) || size > MaxRow {
			return errDamagedRow
		}
		one := b[n : n+int(size)]
		b = b[n+int(size):]
		row, err := readRow(one, len(table.Columns))
		if err != nil {
			return err
		}
		if err := table.Check(row); err != nil {
			return err
		}
		r.sums[name].addBytes(one)
		if rows = append(rows, row); len(rows) < maxRows {
			continue
		}
		if err := r.to.Rows(table, rows); err != nil {
			return err
		}
		rows = rows[:0]
	}
	return r.to.Rows(table, rows)
}

// file reads one file that is kept beside the database.
func (r *reader) file(h *tar.Header, name string) error {
	if !fits(name) {
		return errors.New("a name that no file of a folder has")
	}
	sum := sha256.New()
	counted := &counter{r: io.TeeReader(r.tar, sum)}
	if err := r.to.File(name, fs.FileMode(h.Mode).Perm(), counted); err != nil {
		return err
	}
	if counted.n != h.Size {
		return fmt.Errorf("%d bytes instead of %d", counted.n, h.Size)
	}
	r.found.Files = append(r.found.Files, FileText{name, counted.n, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

// Read reads on.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// compare says whether what was read is what the manifest promises.
func (r *reader) compare(m *Manifest) error {
	if m.Head != r.found.Head {
		return errors.New(headName + " is not the one that the manifest knows")
	}
	if len(m.Tables) != len(r.sums) {
		return fmt.Errorf("the manifest knows %d tables, not %d", len(m.Tables), len(r.sums))
	}
	for _, name := range slices.Sorted(maps.Keys(r.sums)) {
		got := SumText{r.sums[name].Rows, r.sums[name].Hash()}
		if want, ok := m.Tables[name]; !ok || got != want {
			return fmt.Errorf("table %s: %d rows with hash %s, the manifest says %d with %s", name, got.Rows, got.Hash, want.Rows, want.Hash)
		}
	}
	if !slices.Equal(m.Files, r.found.Files) {
		return errors.New("the files are not those of the manifest")
	}
	return nil
}
