package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/store/blob/s3test"
)

// storedAt has contents kept in a storage.
func storedAt(t *testing.T, s *s3test.Storage) func(*config.Config) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(s3test.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) {
		c.Accounts.Grace = 0
		f := &c.Files
		f.Endpoint, f.Bucket, f.Prefix, f.Key, f.SecretFile = s.URL, s3test.Bucket, "chat/", s3test.Key, secret
	}
}

// What was answered with 201 stands in the storage and nowhere else, is there after a start, and goes with the account.
func TestUploadToStorage(t *testing.T) {
	s := s3test.Serve(t)
	change := storedAt(t, s)
	r := startWith(t, uploadDomain, change)
	address := r.upload(r.dial("alice", nil), "a.txt", "text/plain", "hello world")
	if keys := s.Keys(); len(keys) != 1 || !strings.HasPrefix(keys[0], "chat/") {
		t.Fatalf("the storage has %v", keys)
	}
	if left := contents(t, r.data); len(left) != 0 {
		t.Errorf("the data folder has %v", left)
	}
	r.stop()
	again := openWith(t, uploadDomain, r.data, change)
	if a, body := again.do("GET", address, nil, saying("Range", "bytes=6-")); a.StatusCode != http.StatusPartialContent || body != "world" {
		t.Errorf("after a start: %s %q", a.Status, body)
	}
	if a := again.control("DELETE", "/users/alice"); a.StatusCode != http.StatusOK {
		t.Fatalf("erasing: %s", a.Status)
	}
	eventually(t, "it is erased", func() bool { a, _ := again.do("GET", address, nil, nil); return a.StatusCode == http.StatusNotFound })
	again.stop()
	s.Age(time.Hour)
	openWith(t, uploadDomain, r.data, change)
	eventually(t, "what nobody has goes", func() bool { return len(s.Keys()) == 0 })
}

// A storage that is not there, is full or takes nothing: nothing is acknowledged, the slot is not used up, and messages go on.
func TestUploadWithoutStorage(t *testing.T) {
	s := s3test.Serve(t)
	s.Refuse(func(*http.Request) (int, string) { return http.StatusForbidden, "AccessDenied" })
	r := startWith(t, uploadDomain, storedAt(t, s))
	alice := r.dial("alice", nil)
	slot := mustAsk(t, alice, "a.txt", 5, "")
	for code, want := range map[string]int{"AccessDenied": http.StatusServiceUnavailable, "QuotaExceeded": http.StatusInsufficientStorage} {
		s.Refuse(func(*http.Request) (int, string) { return http.StatusForbidden, code })
		if a, body := r.do("PUT", slot.Put.URL, strings.NewReader("hello"), nil); a.StatusCode != want || strings.Contains(body, "S3") {
			t.Errorf("%s: %s %s", code, a.Status, body)
		}
	}
	s.Refuse(nil)
	if a, _ := r.do("PUT", slot.Put.URL, strings.NewReader("hello"), nil); a.StatusCode != http.StatusCreated {
		t.Errorf("when it is there: %s", a.Status)
	}
	s.Refuse(func(*http.Request) (int, string) { return http.StatusForbidden, "AccessDenied" })
	if a, _ := r.do("GET", slot.Get.URL, nil, nil); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("when it is not: %s", a.Status)
	}
}
