// Package s3test is a small storage that speaks as much of the S3 protocol as package blob needs, for tests. It believes signatures, as long as they
// name its key.
package s3test

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a test's client must say.
const (
	Bucket = "files"
	Key    = "key-of-tests"
	Secret = "secret-of-tests"
)

// pageOf is how many keys a page of a listing has: few, so that pages follow each other.
const pageOf = 2

// Storage is a running one. Bodies stand in files, so that large ones take no memory.
type Storage struct {
	*httptest.Server
	t      testing.TB
	folder string

	mu      sync.Mutex
	objects map[string]object            // by key
	uploads map[string]map[string]object // of parts, by id and number
	keys    map[string]string            // of uploads
	files   int
	refuse  func(*http.Request) (status int, code string)
	// Asked are the methods and queries of requests, without their keys, in order.
	asked []string
}

type object struct {
	file string
	size int64
	at   time.Time
}

// Serve runs a storage until the test ends.
func Serve(t testing.TB) *Storage {
	s := &Storage{t: t, folder: t.TempDir(), objects: map[string]object{}, uploads: map[string]map[string]object{}, keys: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Refuse has requests answered with a status and a code of S3; a status of zero lets one through.
func (s *Storage) Refuse(f func(*http.Request) (status int, code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// Age makes objects as old as is said.
func (s *Storage) Age(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, o := range s.objects {
		o.at = o.at.Add(-by)
		s.objects[k] = o
	}
}

// Keys are those of all objects, in order.
func (s *Storage) Keys() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.objects {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Open is how many uploads in parts have begun and not ended.
func (s *Storage) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// Asked are the requests so far: method, and the names in the query.
func (s *Storage) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeHTTP answers requests.
func (s *Storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var names []string
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+strings.Join(names, ","))
	refuse := s.refuse
	s.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if refuse != nil {
		if status, code := refuse(r); status != 0 {
			fail(w, status, code)
			return
		}
	}
	switch {
	case !strings.Contains(r.Header.Get("Authorization"), "Credential="+Key+"/"):
		fail(w, http.StatusForbidden, "InvalidAccessKeyId")
	case bucket != Bucket:
		fail(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.Method == http.MethodHead:
	case key == "" && q.Has("uploads"):
		s.listUploads(w, q.Get("prefix"))
	case key == "":
		s.list(w, q.Get("prefix"), q.Get("continuation-token"))
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get(w, r, key)
	case r.Method == http.MethodPut:
		s.put(w, r, key)
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.begin(w, key)
	case r.Method == http.MethodPost:
		s.complete(w, r, key)
	case r.Method == http.MethodDelete:
		s.remove(w, key, q.Get("uploadId"))
	default:
		fail(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>refused</Message></Error>", code)
}

func answer(w http.ResponseWriter, v any) {
	b, err := xml.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "InternalError")
		return
	}
	_, _ = w.Write(b) // who has gone needs no answer
}

func (s *Storage) get(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	o, ok := s.objects[key]
	var f *os.File
	var err error
	if ok {
		f, err = os.Open(o.file)
	}
	s.mu.Unlock()
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "NoSuchKey")
		return
	case err != nil:
		s.t.Error(err)
		return
	}
	defer f.Close()
	w.Header().Set("ETag", tag(o))
	http.ServeContent(w, r, "", o.at, f)
}

func tag(o object) string { return `"` + filepath.Base(o.file) + `"` }

func (s *Storage) put(w http.ResponseWriter, r *http.Request, key string) {
	var body io.Reader = r.Body
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body = &chunks{r: bufio.NewReader(r.Body)}
	}
	s.mu.Lock()
	s.files++
	name := filepath.Join(s.folder, strconv.Itoa(s.files))
	s.mu.Unlock()
	f, err := os.Create(name)
	if err != nil {
		s.t.Error(err)
		return
	}
	n, err := io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err != nil {
		fail(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	o := object{name, n, time.Now().UTC()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := r.URL.Query().Get("uploadId"); id == "" {
		s.objects[key] = o
	} else if s.keys[id] == key {
		s.uploads[id][r.URL.Query().Get("partNumber")] = o
	} else {
		fail(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	w.Header().Set("ETag", tag(o))
}

// chunks reads a body that is sent in signed pieces.
type chunks struct {
	r    *bufio.Reader
	left int64
	end  bool
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.end {
			return 0, io.EOF
		}
		line, err := c.r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		if size == "" {
			continue // behind a piece
		}
		if c.left, err = strconv.ParseInt(size, 16, 64); err != nil {
			return 0, err
		}
		c.end = c.left == 0
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

func (s *Storage) begin(w http.ResponseWriter, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files++
	id := "upload-" + strconv.Itoa(s.files)
	s.uploads[id], s.keys[id] = map[string]object{}, key
	answer(w, struct {
		XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket, Key, UploadId string
	}{Bucket: Bucket, Key: key, UploadId: id})
}

func (s *Storage) complete(w http.ResponseWriter, r *http.Request, key string) {
	var want struct{ Part []struct{ PartNumber string } }
	if err := xml.NewDecoder(r.Body).Decode(&want); err != nil {
		fail(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.URL.Query().Get("uploadId")
	if s.keys[id] != key {
		fail(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	s.files++
	o := object{file: filepath.Join(s.folder, strconv.Itoa(s.files)), at: time.Now().UTC()}
	to, err := os.Create(o.file)
	for _, p := range want.Part {
		from, err2 := os.Open(s.uploads[id][p.PartNumber].file)
		if err = errors.Join(err, err2); err != nil {
			break
		}
		n, err2 := io.Copy(to, from)
		o.size += n
		err = errors.Join(err, err2, from.Close())
	}
	if err = errors.Join(err, to.Close()); err != nil {
		fail(w, http.StatusBadRequest, "InvalidPart")
		return
	}
	s.objects[key] = o
	delete(s.uploads, id)
	delete(s.keys, id)
	answer(w, struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: Bucket, Key: key, ETag: tag(o)})
}

func (s *Storage) remove(w http.ResponseWriter, key, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		delete(s.objects, key)
	} else {
		delete(s.uploads, id)
		delete(s.keys, id)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Storage) list(w http.ResponseWriter, prefix, after string) {
	type entry struct {
		Key, ETag    string
		LastModified time.Time
		Size         int64
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []entry
	}
	for _, k := range s.Keys() {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if len(out.Contents) == pageOf {
			out.IsTruncated, out.NextContinuationToken = true, out.Contents[pageOf-1].Key
			break
		}
		s.mu.Lock()
		o := s.objects[k]
		s.mu.Unlock()
		out.Contents = append(out.Contents, entry{k, tag(o), o.at, o.size})
	}
	answer(w, out)
}

func (s *Storage) listUploads(w http.ResponseWriter, prefix string) {
	type entry struct{ Key, UploadId string }
	var out struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []entry
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, key := range s.keys {
		if strings.HasPrefix(key, prefix) {
			out.Upload = append(out.Upload, entry{key, id})
		}
	}
	answer(w, out)
}
