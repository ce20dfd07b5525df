package blob

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"stonechat/store"
	"stonechat/store/blob/s3test"
)

// Objects are named like the files of a folder, so that either can be copied to the other; what others have in the bucket is nobody's business.
func TestS3Keys(t *testing.T) {
	s := s3test.Serve(t)
	mine, others := openS3(t, s, "chat/"), openS3(t, s, "")
	h := put(t, mine, "hello")
	theirs := put(t, others, "hello")
	if want := []string{theirs.key(), "chat/" + h.key()}; !slices.Equal(s.Keys(), want) {
		t.Errorf("keys %v, want %v", s.Keys(), want)
	}
	for _, b := range []*S3{mine, others} {
		if got := all(t, b); len(got) != 1 || got[0] != h {
			t.Errorf("%v", got)
		}
	}
	if err := mine.Check(t.Context()); err != nil {
		t.Error(err)
	}
	mine.bucket = "elsewhere"
	if err := mine.Check(t.Context()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a bucket that is not there: %v", err)
	}
}

// What the storage refuses was not kept, and is told from a lack of room; of what was sent in parts nothing stays.
func TestS3Refuses(t *testing.T) {
	s := s3test.Serve(t)
	b := openS3(t, s, "")
	large := strings.Repeat("x", s3Part+1)
	keep := func() error {
		_, err := Put(t.Context(), b, strings.NewReader(large), int64(len(large)), nil)
		return err
	}
	for code, x := range map[string]struct {
		status int
		full   bool
	}{
		"AccessDenied": {http.StatusForbidden, false}, "QuotaExceeded": {http.StatusForbidden, true}, "XMinioStorageFull": {http.StatusInsufficientStorage, true},
	} {
		s.Refuse(func(r *http.Request) (int, string) {
			if r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "2" {
				return x.status, code
			}
			return 0, ""
		})
		if err := keep(); err == nil || errors.Is(err, store.ErrFull) != x.full || strings.Contains(err.Error(), s3test.Secret) {
			t.Errorf("%s: %v", code, err)
		}
		if s.Open() != 0 || len(s.Keys()) != 0 || partsLeft(t, b.Incoming) != 0 {
			t.Errorf("%s: %d uploads, %v, %d parts are left", code, s.Open(), s.Keys(), partsLeft(t, b.Incoming))
		}
	}
	s.Refuse(nil)
	if err := keep(); err != nil {
		t.Error(err)
	}
}

// What the end of a process has left in parts goes, unless it is ours and under way.
func TestS3Tidy(t *testing.T) {
	s := s3test.Serve(t)
	b := openS3(t, s, "chat/")
	begin := func(key string) {
		t.Helper()
		if _, err := b.core.NewMultipartUpload(t.Context(), s3test.Bucket, key, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	begin(b.place(Hash{1}))
	begin(b.place(Hash{2}))
	begin("chat/somebody's")
	done, ok := b.turns.try(Hash{2})
	if !ok {
		t.Fatal("somebody has the turn")
	}
	for want := 2; want > 0; want-- {
		if err := b.Tidy(t.Context(), nil); err != nil || s.Open() != want {
			t.Errorf("%d are left, want %d: %v", s.Open(), want, err)
		}
		if want == 2 {
			done()
		}
	}
}

// Who keeps a content and who deletes it do so one after the other.
func TestTurns(t *testing.T) {
	var x turns
	h := Hash{1}
	done, err := x.take(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := x.try(h); ok {
		t.Error("two have one turn")
	}
	if other, ok := x.try(Hash{2}); !ok {
		t.Error("another content waits")
	} else {
		other()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := x.take(ctx, h); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waits for ever: %v", err)
	}
	got := make(chan func())
	go func() {
		done, err := x.take(t.Context(), h)
		if err != nil {
			t.Error(err)
		}
		got <- done
	}()
	done()
	(<-got)()
	if len(x.busy) != 0 {
		t.Error("a turn is left")
	}
}

// What is being kept anew is not deleted for the age that it had.
func TestS3KeepsWhileDeleted(t *testing.T) {
	s := s3test.Serve(t)
	b := openS3(t, s, "")
	h := put(t, b, "hello")
	s.Age(time.Hour)
	arrived, on := make(chan struct{}), make(chan struct{})
	s.Refuse(func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			close(arrived)
			<-on
		}
		return 0, ""
	})
	kept := make(chan error)
	go func() {
		_, err := Put(t.Context(), b, strings.NewReader("hello"), 5, nil)
		kept <- err
	}()
	<-arrived
	if gone, err := b.Delete(t.Context(), h, time.Now()); gone || err != nil {
		t.Errorf("deleted while it is put: %v, %v", gone, err)
	}
	close(on)
	if err := <-kept; err != nil {
		t.Error(err)
	}
	if got := all(t, b); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
