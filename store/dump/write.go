package dump

import (
	"archive/tar"
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
	"time"
)

// Writer writes a backup: the rows of every table of its head, then files, then Close.
type Writer struct {
	zip   *gzip.Writer
	tar   *tar.Writer
	now   time.Time
	sums  map[string]*Sum
	parts map[string]int
	found Manifest
	part  []byte
	one   []byte
}

// NewWriter begins a backup. The head's format is set here.
func NewWriter(to io.Writer, h *Head) (*Writer, error) {
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	w := &Writer{zip: zip, tar: tar.NewWriter(zip), now: time.Now().Truncate(time.Second), sums: map[string]*Sum{}, parts: map[string]int{}}
	for i := range h.Tables {
		w.sums[h.Tables[i].Name] = new(Sum)
	}
	h.Format = format
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(b) > maxHead || len(h.Tables) > maxTables {
		return nil, fmt.Errorf("%d tables are too many", len(h.Tables))
	}
	w.found.Head = hexOf(sha256.Sum256(b))
	return w, w.entry(headName, b)
}

func (w *Writer) header(name string, mode fs.FileMode, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: size, ModTime: w.now})
}

func (w *Writer) entry(name string, b []byte) error {
	if err := w.header(name, 0o600, int64(len(b))); err != nil {
		return err
	}
	_, err := w.tar.Write(b)
	return err
}

// Rows adds some rows of a table, each behind its length. A megabyte or so at a time is good.
func (w *Writer) Rows(table string, rows [][]driver.Value) error {
	sum := w.sums[table]
	if sum == nil {
		return fmt.Errorf("table %s is not in the head", table)
	}
	w.part = w.part[:0]
	for _, row := range rows {
		var err error
		if w.one, err = appendRow(w.one[:0], row); err != nil {
			return err
		}
		if len(w.one) > MaxRow {
			return fmt.Errorf("a row of %d MB is too large", len(w.one)>>20)
		}
		sum.addBytes(w.one)
		w.part = append(binary.AppendUvarint(w.part, uint64(len(w.one))), w.one...)
		if len(w.part) > maxPart/4 {
			if err := w.flush(table); err != nil {
				return err
			}
		}
	}
	return w.flush(table)
}

// flush writes the part.
func (w *Writer) flush(table string) error {
	if len(w.part) == 0 {
		return nil
	}
	name := fmt.Sprintf(partName, tablesFolder, table, w.parts[table])
	w.parts[table]++
	err := w.entry(name, w.part)
	w.part = w.part[:0]
	return err
}

// File adds a file of so many bytes.
func (w *Writer) File(name string, mode fs.FileMode, size int64, from io.Reader) error {
	if !fits(name) {
		return fmt.Errorf("%q cannot be the name of a file in a backup", name)
	}
	if err := w.header(filesFolder+name, mode, size); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(w.tar, h), from, size); err != nil {
		return err
	}
	w.found.Files = append(w.found.Files, FileText{name, size, hex.EncodeToString(h.Sum(nil))})
	return nil
}

// Close writes the manifest and returns it. It does not close what is written to.
func (w *Writer) Close(counters map[string]int64) (Manifest, error) {
	m := w.found
	m.Counters, m.Tables = counters, map[string]SumText{}
	for name, sum := range w.sums {
		m.Tables[name] = SumText{sum.Rows, sum.Hash()}
	}
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxManifest {
		err = errors.New("the manifest is too large")
	}
	if err == nil {
		err = w.entry(manifestName, b)
	}
	if err == nil {
		err = w.tar.Close()
	}
	if err == nil {
		err = w.zip.Close()
	}
	return m, err
}

func hexOf(h [sha256.Size]byte) string { return hex.EncodeToString(h[:]) }
