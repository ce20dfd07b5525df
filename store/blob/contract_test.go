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
	"stonechat/store/blob/s3test"
)

// kept is where contents are kept in a test.
type kept struct {
	Blobs
	in  *Incoming
	age func(Hash) // makes a content an hour older
}

func openFolder(t *testing.T) *Folder {
	t.Helper()
	f, err := OpenFolder(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openS3(t *testing.T, s *s3test.Storage, prefix string) *S3 {
	t.Helper()
	b, err := OpenS3(filepath.Join(t.TempDir(), "files"), S3Options{
		Endpoint: s.URL, Bucket: s3test.Bucket, Region: "us-east-1", Prefix: prefix, Key: s3test.Key, Secret: s3test.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everywhere runs a test for every kind of Blobs: what is tested here is their contract.
func everywhere(t *testing.T, test func(t *testing.T, b kept)) {
	t.Run("folder", func(t *testing.T) {
		f := openFolder(t)
		test(t, kept{f, f.Incoming, func(h Hash) {
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(f.place(h), old, old); err != nil {
				t.Fatal(err)
			}
		}})
	})
	t.Run("s3", func(t *testing.T) {
		s := s3test.Serve(t)
		b := openS3(t, s, "chat/")
		test(t, kept{b, b.Incoming, func(Hash) { s.Age(time.Hour) }})
	})
}

func put(t *testing.T, b Blobs, text string) Hash {
	t.Helper()
	h, err := Put(t.Context(), b, strings.NewReader(text), int64(len(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// partsLeft are contents that are not whole and lie about.
func partsLeft(t *testing.T, in *Incoming) int {
	t.Helper()
	left, err := os.ReadDir(in.path)
	if err != nil {
		t.Fatal(err)
	}
	return len(left)
}

func all(t *testing.T, b Blobs) (out []Hash) {
	t.Helper()
	if err := b.Each(t.Context(), func(h Hash, put time.Time) error {
		if age := time.Since(put); age > time.Hour || age < -time.Hour {
			t.Errorf("put at %v", put)
		}
		out = append(out, h)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPutAndOpen(t *testing.T) {
	everywhere(t, func(t *testing.T, b kept) {
		texts := []string{"", "x", strings.Repeat("long ", 100_000), strings.Repeat("in several parts", s3Part/8+1)}
		for _, text := range texts {
			h := put(t, b, text)
			if want := sha256.Sum256([]byte(text)); h != want {
				t.Errorf("hash %s, want %x", h, want)
			}
			c, err := b.Open(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || string(got) != text {
				t.Errorf("%d bytes, want %d: %v", len(got), len(text), err)
			}
			if n, err := c.Seek(-int64(len(text)/2), io.SeekEnd); n != int64(len(text)-len(text)/2) || err != nil {
				t.Errorf("at %d: %v", n, err)
			}
			got, err = io.ReadAll(c)
			if err := errors.Join(err, c.Close()); err != nil || string(got) != text[len(text)-len(text)/2:] {
				t.Errorf("%d bytes of the second half of %d: %v", len(got), len(text), err)
			}
		}
		if _, err := b.Open(t.Context(), Hash{1}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		if n := partsLeft(t, b.in); n != 0 {
			t.Errorf("%d parts lie about", n)
		}
		if got := all(t, b); len(got) != len(texts) {
			t.Errorf("there are %d", len(got))
		}
		stop := errors.New("enough")
		if err := b.Each(t.Context(), func(Hash, time.Time) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("Each goes on: %v", err)
		}
		if _, known, err := b.Free(t.Context()); err != nil || !known && runtime.GOOS == "linux" {
			t.Errorf("free space known %v: %v", known, err)
		}
	})
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
	lost, bad := errors.New("the line is lost"), errors.New("it is bad")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	everywhere(t, func(t *testing.T, b kept) {
		for name, x := range map[string]struct {
			ctx  context.Context
			r    io.Reader
			look func(io.Reader) error
			want error
		}{
			"short":  {t.Context(), strings.NewReader("abc"), nil, ErrLength},
			"long":   {t.Context(), strings.NewReader("abcde"), nil, ErrLength},
			"nobody": {ended, strings.NewReader("abcd"), nil, context.Canceled},
			"broken": {t.Context(), &broken{strings.NewReader("abc"), lost}, nil, lost},
			"bad": {t.Context(), strings.NewReader("abcd"), func(r io.Reader) error {
				if got, err := io.ReadAll(r); err != nil || string(got) != "abcd" {
					t.Errorf("looks at %q, %v", got, err)
				}
				return bad
			}, bad},
		} {
			if _, err := Put(x.ctx, b, x.r, 4, x.look); !errors.Is(err, x.want) {
				t.Errorf("%s: %v, want %v", name, err, x.want)
			}
		}
		if got := all(t, b); len(got) != 0 {
			t.Errorf("%v was kept", got)
		}
		if n := partsLeft(t, b.in); n != 0 {
			t.Errorf("%d parts lie about", n)
		}
	})
}

// What was put anew is young, whatever it was before; what is read while it is deleted is read to its end.
func TestDelete(t *testing.T) {
	everywhere(t, func(t *testing.T, b kept) {
		text := strings.Repeat("hello", 1<<20)
		h := put(t, b, text)
		b.age(h)
		limit := time.Now().Add(-time.Minute)
		put(t, b, text)
		if gone, err := b.Delete(t.Context(), h, limit); gone || err != nil {
			t.Errorf("deleted although it was put anew: %v, %v", gone, err)
		}
		b.age(h)
		c, err := b.Open(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing
			if gone, err := b.Delete(t.Context(), h, limit); !gone || err != nil {
				t.Errorf("not deleted: %v", err)
			}
		}
		rest, err := io.ReadAll(c)
		if err := errors.Join(err, c.Close()); err != nil || string(first)+string(rest) != text {
			t.Errorf("%d bytes, %v", len(rest), err)
		}
		if _, err := b.Open(t.Context(), h); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
	})
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
	if n := partsLeft(t, again.Incoming); n != 0 {
		t.Errorf("%d parts lie about", n)
	}
	if got := all(t, again); len(got) != 1 || got[0] != h {
		t.Errorf("%v", got)
	}
}

// What has arrived under a name is gone on with, behind a start as well, until it is whole, given up, or wanted no more.
func TestResume(t *testing.T) {
	everywhere(t, func(t *testing.T, b kept) {
		lost := errors.New("the line is lost")
		step := func(name string, r io.Reader, want int64) (*Part, error) {
			t.Helper()
			p, err := b.Resume(name, 11)
			if err != nil {
				t.Fatal(err)
			}
			if p.Have() != want {
				t.Errorf("%d bytes are there, want %d", p.Have(), want)
			}
			return p, errors.Join(p.Append(t.Context(), r))
		}
		closed := func(p *Part, err error) error { return errors.Join(err, p.Close()) }
		if err := closed(step("a", &broken{strings.NewReader("hello"), lost}, 0)); !errors.Is(err, lost) {
			t.Errorf("broken off: %v", err)
		}
		if err := closed(step("a", strings.NewReader(" "), 5)); err != nil {
			t.Error(err)
		}
		if err := closed(step("b", strings.NewReader("other"), 0)); err != nil {
			t.Error(err)
		}
		if err := closed(step("long", strings.NewReader("twelve bytes"), 0)); !errors.Is(err, ErrLength) {
			t.Errorf("too long: %v", err)
		}
		again, err := openIncoming(filepath.Dir(b.in.path))
		if err != nil || again.path != b.in.path {
			t.Fatal(err)
		}
		if n := partsLeft(t, b.in); n != 2 {
			t.Errorf("%d are left behind a start", n)
		}
		p, err := step("a", strings.NewReader("world"), 6)
		if err != nil {
			t.Fatal(err)
		}
		h, err := b.Keep(t.Context(), p)
		p.Drop()
		if err := errors.Join(err, p.Close()); err != nil || h != sha256.Sum256([]byte("hello world")) {
			t.Errorf("%s, %v", h, err)
		}
		c, err := b.Open(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err := errors.Join(err, c.Close()); err != nil || string(got) != "hello world" {
			t.Errorf("%q, %v", got, err)
		}
		var asked []string
		if err := b.Tidy(t.Context(), func(name string) (bool, error) {
			asked = append(asked, name)
			return false, nil
		}); err != nil || strings.Join(asked, " ") != "b" || partsLeft(t, b.in) != 0 {
			t.Errorf("asked for %v, %d are left: %v", asked, partsLeft(t, b.in), err)
		}
	})
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
	everywhere(t, func(t *testing.T, b kept) {
		const size = 256 << 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h, err := Put(t.Context(), b, io.LimitReader(zeros{}, size), size, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := b.Open(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, copyBytes))
		if err := errors.Join(err, c.Close()); err != nil || n != size {
			t.Errorf("read %d bytes: %v", n, err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > size/8 {
			t.Errorf("%d bytes took %d of memory", size, took)
		}
	})
}
