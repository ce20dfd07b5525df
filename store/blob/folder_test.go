package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"stonechat/store"
)

func openFolder(t *testing.T) *Folder {
	t.Helper()
	f, err := OpenFolder(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, f *Folder, text string) Hash {
	t.Helper()
	h, err := f.Put(t.Context(), strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// partsLeft are contents that are not whole and lie about.
func partsLeft(t *testing.T, f *Folder) int {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(f.path, incoming))
	if err != nil {
		t.Fatal(err)
	}
	return len(left)
}

func TestPutAndOpen(t *testing.T) {
	f := openFolder(t)
	for _, text := range []string{"", "x", strings.Repeat("long ", 100_000)} {
		h := put(t, f, text)
		if want := sha256.Sum256([]byte(text)); h != want {
			t.Errorf("hash %s, want %x", h, want)
		}
		c, err := f.Open(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err := errors.Join(err, c.Close()); err != nil || string(got) != text {
			t.Errorf("%d bytes, want %d: %v", len(got), len(text), err)
		}
	}
	if _, err := f.Open(t.Context(), Hash{1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if n := partsLeft(t, f); n != 0 {
		t.Errorf("%d parts lie about", n)
	}
}

// broken fails behind some bytes.
type broken struct {
	r   io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func TestPutRefuses(t *testing.T) {
	f := openFolder(t)
	lost := errors.New("the line is lost")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, x := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		size int64
		want error
	}{
		"short":  {t.Context(), strings.NewReader("abc"), 4, ErrLength},
		"long":   {t.Context(), strings.NewReader("abcde"), 4, ErrLength},
		"nobody": {ended, strings.NewReader("abcd"), 4, context.Canceled},
		"broken": {t.Context(), &broken{strings.NewReader("abc"), lost}, 4, lost},
	} {
		if _, err := f.Put(x.ctx, x.r, x.size); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
	if err := f.Each(t.Context(), func(h Hash, _ time.Time) error {
		t.Errorf("%s was kept", h)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if n := partsLeft(t, f); n != 0 {
		t.Errorf("%d parts lie about", n)
	}
}

// What was put anew is young, whatever it was before; what is read while it is deleted is read to its end.
func TestDelete(t *testing.T) {
	f := openFolder(t)
	h := put(t, f, "hello")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(f.place(h), old, old); err != nil {
		t.Fatal(err)
	}
	limit := time.Now().Add(-time.Minute)
	put(t, f, "hello")
	if gone, err := f.Delete(t.Context(), h, limit); gone || err != nil {
		t.Errorf("deleted although it was put anew: %v, %v", gone, err)
	}
	if err := os.Chtimes(f.place(h), old, old); err != nil {
		t.Fatal(err)
	}
	c, err := f.Open(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing
		if gone, err := f.Delete(t.Context(), h, limit); !gone || err != nil {
			t.Errorf("not deleted: %v", err)
		}
	}
	got, err := io.ReadAll(c)
	if err := errors.Join(err, c.Close()); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := f.Open(t.Context(), h); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
}

// After a start nothing lies about that was not whole; what was whole is there, and strange files are nobody's business.
func TestOpenFolderAgain(t *testing.T) {
	f := openFolder(t)
	h := put(t, f, "kept")
	for _, name := range []string{incoming + "/part-1", h.String()[:2] + "/stranger"} {
		if err := os.WriteFile(filepath.Join(f.path, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := OpenFolder(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if n := partsLeft(t, again); n != 0 {
		t.Errorf("%d parts lie about", n)
	}
	var all []Hash
	if err := again.Each(t.Context(), func(h Hash, put time.Time) error {
		if time.Since(put) > time.Hour {
			t.Errorf("put at %v", put)
		}
		all = append(all, h)
		return nil
	}); err != nil || len(all) != 1 || all[0] != h {
		t.Errorf("%v, %v", all, err)
	}
	if err := again.Each(t.Context(), func(Hash, time.Time) error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("Each goes on: %v", err)
	}
}

// That there is no room is told from every other mistake.
func TestNoRoom(t *testing.T) {
	for err, want := range map[error]bool{
		&fs.PathError{Op: "write", Err: syscall.ENOSPC}: true, &fs.PathError{Op: "write", Err: syscall.EIO}: false, io.ErrUnexpectedEOF: false,
	} {
		if got := full(err); errors.Is(got, store.ErrFull) != want || !errors.Is(got, err) {
			t.Errorf("%v is %v", err, got)
		}
	}
}

func TestArriving(t *testing.T) {
	for name, want := range map[string]bool{"files/incoming/part-1": true, "files/ab/abcd": false, "files/incoming": false, "x/files/incoming/y": false, "incoming/x": false} {
		if Arriving(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// zeros is an endless content.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A content takes the same memory whatever its size, to put and to read.
func TestConstantMemory(t *testing.T) {
	const size = 1 << 30
	f := openFolder(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h, err := f.Put(t.Context(), io.LimitReader(zeros{}, size), size)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Open(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, copyBytes))
	if err := errors.Join(err, c.Close()); err != nil || n != size {
		t.Errorf("read %d bytes: %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("a gigabyte took %d bytes of memory", took)
	}
}
