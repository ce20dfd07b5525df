package dump

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// entry of a backup made by hand.
type entry struct {
	name string
	body []byte
	kind byte
}

// small are the entries of a right backup of one table with two rows, and one file.
func small(t testing.TB) []entry {
	t.Helper()
	head, err := json.Marshal(Head{Format: format, Program: "test", Schema: 1, Tables: []Table{
		{Name: "a", Columns: []Column{{Name: "x", Kind: Int}, {Name: "y", Kind: Text}, {Name: "z", Kind: Blob}}},
	}})
	must(t, err)
	sum := new(Sum)
	var part []byte
	for _, row := range [][]driver.Value{{int64(1), "one", []byte{1}}, {int64(-2), nil, []byte{}}} {
		one, err := appendRow(nil, row)
		must(t, err)
		sum.addBytes(one)
		part = append(binary.AppendUvarint(part, uint64(len(one))), one...)
	}
	file := []byte("certificate")
	manifest, err := json.Marshal(Manifest{
		Head: hexOf(sha256.Sum256(head)), Tables: map[string]SumText{"a": {sum.Rows, sum.Hash()}}, Counters: map[string]int64{"a": 9},
		Files: []FileText{{"x/cert.pem", int64(len(file)), hexOf(sha256.Sum256(file))}},
	})
	must(t, err)
	return []entry{
		{name: headName, body: head},
		{name: "tables/a/00000000", body: part},
		{name: "files/x/cert.pem", body: file},
		{name: manifestName, body: manifest},
	}
}

func tarOf(t testing.TB, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o600, Size: int64(len(e.body))}
		if e.kind != 0 {
			h.Typeflag, h.Linkname, h.Size = e.kind, "/etc/passwd", 0
			e.body = nil
		}
		must(t, w.WriteHeader(h))
		_, err := w.Write(e.body)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// keeper notes what it gets.
type keeper struct {
	rowsGot int
	files   []string
}

func (k *keeper) Head(Head) error { return nil }
func (k *keeper) Rows(table *Table, rows [][]driver.Value) error {
	k.rowsGot += len(rows)
	for _, row := range rows {
		if err := table.Check(row); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) File(name string, _ fs.FileMode, r io.Reader) error {
	k.files = append(k.files, name)
	_, err := io.Copy(io.Discard, r)
	return err
}

// TestDamagedBackups: nothing but what was written is taken.
func TestDamagedBackups(t *testing.T) {
	k := new(keeper)
	if _, err := newReader(bytes.NewReader(tarOf(t, small(t))), k).everything(); err != nil || k.rowsGot != 2 || len(k.files) != 1 {
		t.Fatalf("a right one: %v, %+v", err, k)
	}
	insert := func(at int, e entry) func([]entry) []entry {
		return func(es []entry) []entry { return append(es[:at:at], append([]entry{e}, es[at:]...)...) }
	}
	cases := map[string]func([]entry) []entry{
		"no manifest":             func(es []entry) []entry { return es[:3] },
		"nothing":                 func([]entry) []entry { return nil },
		"no head":                 func(es []entry) []entry { return es[1:] },
		"a part is missing":       func(es []entry) []entry { return append(es[:1:1], es[2:]...) },
		"a file is missing":       func(es []entry) []entry { return append(es[:2:2], es[3]) },
		"a part twice":            insert(2, entry{name: "tables/a/00000000"}),
		"a part too many":         insert(2, entry{name: "tables/a/00000002"}),
		"a table too many":        insert(2, entry{name: "tables/b/00000000"}),
		"a part by other digits":  insert(2, entry{name: "tables/a/1"}),
		"a damaged row":           insert(2, entry{name: "tables/a/00000001", body: []byte{3, isInt, 2, 77}}),
		"a row too many":          insert(2, entry{name: "tables/a/00000001", body: []byte{4, isInt, 2, isNull, isNull}}),
		"a value of another kind": insert(2, entry{name: "tables/a/00000001", body: []byte{6, isText, 1, 'x', isNull, isNull, isNull}}),
		"behind the manifest":     insert(4, entry{name: "files/y"}),
		"something else":          insert(2, entry{name: "y"}),
		"a folder":                insert(2, entry{name: "files/y", kind: tar.TypeDir}),
		"a symbolic link":         insert(2, entry{name: "files/y", kind: tar.TypeSymlink}),
		"a hard link":             insert(2, entry{name: "files/y", kind: tar.TypeLink}),
		"a device":                insert(2, entry{name: "files/y", kind: tar.TypeChar}),
		"a later format": func(es []entry) []entry {
			es[0].body = bytes.Replace(es[0].body, []byte(`"format":1`), []byte(`"format":2`), 1)
			return es
		},
		"another head": func(es []entry) []entry {
			es[0].body = bytes.Replace(es[0].body, []byte(`"test"`), []byte(`"tost"`), 1)
			return es
		},
		"another file": func(es []entry) []entry { es[2].body = []byte("CERTIFICATE"); return es },
		"an unknown promise": func(es []entry) []entry {
			es[3].body = append([]byte(`{"more":1,`), es[3].body[1:]...)
			return es
		},
	}
	for _, name := range []string{
		"", "../x", "/x", "x/../../y", "x/../y", "./x", "x//y", "..", ".", `x\y`, "c:x", "x\x00y",
	} {
		cases["file "+strings.ReplaceAll(name, "/", "|")] = insert(2, entry{name: filesFolder + name})
	}
	for what, change := range cases {
		if strings.Contains(what, "\x00") || what == "file " {
			continue // archive/tar writes no such names; see fits
		}
		if m, err := newReader(bytes.NewReader(tarOf(t, change(small(t)))), new(keeper)).everything(); err == nil {
			t.Errorf("%s: taken, %+v", what, m)
		}
	}
	if fits("x\x00y") || fits("") || fits("../x") || fits("x/") || !fits("acme/x.pem") {
		t.Error("fits")
	}
}

// TestEveryByteCounts: a flipped bit anywhere is found.
func TestEveryByteCounts(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(tarOf(t, small(t)))
	must(t, errors.Join(err, z.Close()))
	right := b.Bytes()
	if _, err := Read(bytes.NewReader(right), new(keeper)); err != nil {
		t.Fatal(err)
	}
	for i := 10; i < len(right); i++ { // the ten bytes before say when and where it was compressed
		wrong := bytes.Clone(right)
		wrong[i] ^= 4
		if _, err := Read(bytes.NewReader(wrong), new(keeper)); err == nil && !sameContent(t, wrong, right) {
			t.Errorf("byte %d of %d may change", i, len(right))
		}
		if _, err := Read(bytes.NewReader(right[:i]), new(keeper)); err == nil {
			t.Errorf("%d of %d bytes are enough", i, len(right))
		}
	}
	if _, err := Read(bytes.NewReader(append(bytes.Clone(right), right...)), new(keeper)); err != nil {
		t.Log("what follows another compressed file is not looked at:", err)
	}
}

// sameContent: some bits of a compressed file mean nothing.
func sameContent(t *testing.T, a, b []byte) bool {
	t.Helper()
	unzip := func(b []byte) []byte {
		z, err := gzip.NewReader(bytes.NewReader(b))
		must(t, err)
		out, err := io.ReadAll(z)
		must(t, err)
		return out
	}
	return bytes.Equal(unzip(a), unzip(b))
}

// TestRows: what is written is read, and has one form only.
func TestRows(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(x int64) driver.Value { return x }),
		rapid.Map(rapid.String(), func(x string) driver.Value { return x }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(x []byte) driver.Value { return append([]byte{}, x...) }),
		rapid.Just[driver.Value](nil),
	)
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SliceOf(value).Draw(t, "row")
		b, err := appendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readRow(b, len(row))
		if err != nil {
			t.Fatal(err)
		}
		again, err := appendRow(nil, got)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}

// TestSumsDoNotDependOnOrder, but on everything else.
func TestSumsDoNotDependOnOrder(t *testing.T) {
	sum := func(rows ...string) string {
		s := new(Sum)
		for _, r := range rows {
			must(t, s.Add([]driver.Value{r}))
		}
		return s.Hash()
	}
	if sum("a", "b", "c") != sum("c", "a", "b") {
		t.Error("the order counts")
	}
	if sum("a", "a") == sum("b", "b") || sum("a", "a") == sum() || sum("ab", "c") == sum("a", "bc") || sum("a") == sum("a", "a") {
		t.Error("different rows have one sum")
	}
}

// FuzzRead: whatever a backup says, files stay in their folder, and rows fit their tables.
func FuzzRead(f *testing.F) {
	f.Add(tarOf(f, small(f)))
	f.Add(tarOf(f, append(small(f)[:3], entry{name: "files/../x"})))
	f.Add(tarOf(f, append(small(f)[:1], entry{name: "files/x", kind: tar.TypeSymlink})))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		k := new(keeper)
		m, err := newReader(bytes.NewReader(b), k).everything()
		for _, name := range k.files {
			if !filepath.IsLocal(name) {
				t.Errorf("file %q", name)
			}
		}
		if err == nil && len(m.Files) != len(k.files) {
			t.Errorf("%d files, %d in the manifest", len(k.files), len(m.Files))
		}
	})
}
