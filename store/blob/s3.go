package blob

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"stonechat/store"
)

const (
	s3Retries = 4        // of a request that failed for a reason that may pass
	s3Part    = 16 << 20 // what is larger is sent in parts of so many bytes, s3Threads at a time
	s3Threads = 3
)

// S3Options say where contents are kept.
type S3Options struct {
	Endpoint       string // a URL without a path, of http or https
	Bucket, Region string
	Prefix         string // of keys; with a slash at its end, unless it is empty
	Key, Secret    string
	// Transport is for tests; nil: one of its own.
	Transport http.RoundTripper
}

// S3 keeps contents as objects of a bucket, named like the files of a Folder. One process at a time may use a prefix.
type S3 struct {
	*Incoming
	client         *minio.Client
	core           minio.Core
	bucket, prefix string
	turns          turns
}

// OpenS3 prepares the storage and clears away what an earlier process has left unfinished in the folder, where contents arrive. It asks nobody: see Check.
func OpenS3(folder string, o S3Options) (*S3, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if o.Transport == nil {
		o.Transport = s3Transport()
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(o.Key, o.Secret, ""), Secure: u.Scheme == "https", Region: o.Region, Transport: o.Transport, MaxRetries: s3Retries,
	})
	if err != nil {
		return nil, err
	}
	in, err := openIncoming(folder)
	if err != nil {
		return nil, err
	}
	return &S3{Incoming: in, client: client, core: minio.Core{Client: client}, bucket: o.Bucket, prefix: o.Prefix}, nil
}

// s3Transport cuts off a server that does not answer. Bodies may take as long as they like: whoever waits for them ends that.
func s3Transport() *http.Transport {
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 16, DisableCompression: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// Check tells whether the bucket is there and may be used.
func (s *S3) Check(ctx context.Context) error {
	there, err := s.client.BucketExists(ctx, s.bucket)
	if err == nil && !there {
		err = fmt.Errorf("bucket %s: %w", s.bucket, store.ErrNotFound)
	}
	return err
}

// place of a content.
func (s *S3) place(h Hash) string { return s.prefix + h.key() }

// Keep implements Blobs. An answer of success says that it is durable.
func (s *S3) Keep(ctx context.Context, p *Part) (Hash, error) {
	h := p.hash()
	done, err := s.turns.take(ctx, h)
	if err != nil {
		return h, err
	}
	defer done()
	_, err = s.client.PutObject(ctx, s.bucket, s.place(h), io.NewSectionReader(p.file, 0, p.size), p.size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: s3Part, NumThreads: s3Threads,
	})
	return h, s3Full(err)
}

// Open implements Blobs.
func (s *S3) Open(ctx context.Context, h Hash) (Content, error) {
	o, err := s.client.GetObject(ctx, s.bucket, s.place(h), minio.GetObjectOptions{})
	if err == nil {
		_, err = o.Stat()
	}
	if s3Missing(err) {
		err = fmt.Errorf("content: %w", store.ErrNotFound)
	}
	if err != nil {
		if o != nil {
			err = errors.Join(err, o.Close())
		}
		return nil, err
	}
	return o, nil
}

// Delete implements Blobs. The time is that of the storage, which refuses requests of whoever disagrees with it by a quarter of an hour.
func (s *S3) Delete(ctx context.Context, h Hash, notAfter time.Time) (bool, error) {
	done, ok := s.turns.try(h)
	if !ok {
		return false, nil // it is being kept anew
	}
	defer done()
	info, err := s.client.StatObject(ctx, s.bucket, s.place(h), minio.StatObjectOptions{})
	switch {
	case s3Missing(err):
		return true, nil
	case err != nil:
		return false, err
	case info.LastModified.After(notAfter):
		return false, nil
	}
	err = s.client.RemoveObject(ctx, s.bucket, s.place(h), minio.RemoveObjectOptions{})
	return err == nil, err
}

// Each implements Blobs.
func (s *S3) Each(ctx context.Context, do func(h Hash, kept time.Time) error) error {
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return o.Err
		}
		h, ok := hashNamed(path.Base(o.Key))
		if !ok || o.Key != s.place(h) {
			continue // nothing of ours
		}
		if err := errors.Join(ctx.Err(), do(h, o.LastModified)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Tidy implements Blobs: what was sent in parts, and not to its end, costs room until somebody says that it is given up.
func (s *S3) Tidy(ctx context.Context, wanted func(name string) (bool, error)) error {
	if err := s.Incoming.Tidy(ctx, wanted); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing
	defer cancel()
	for u := range s.client.ListIncompleteUploads(ctx, s.bucket, s.prefix, true) {
		if u.Err != nil {
			return u.Err
		}
		h, ok := hashNamed(path.Base(u.Key))
		if !ok || u.Key != s.place(h) {
			continue
		}
		done, ok := s.turns.try(h)
		if !ok {
			continue // it is being kept
		}
		err := s.core.AbortMultipartUpload(ctx, s.bucket, u.Key, u.UploadID)
		done()
		if err != nil && !s3Missing(err) {
			return err
		}
	}
	return ctx.Err()
}

// s3Missing tells whether the storage said that there is no such thing.
func s3Missing(err error) bool {
	var e minio.ErrorResponse
	return errors.As(err, &e) && (e.Code == minio.NoSuchKey || e.Code == minio.NoSuchUpload)
}

// s3Full marks errors that mean that the storage has no room.
func s3Full(err error) error {
	var e minio.ErrorResponse
	if errors.As(err, &e) && (e.StatusCode == http.StatusInsufficientStorage || strings.Contains(e.Code, "Quota") || strings.Contains(e.Code, "StorageFull")) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

// turns let those who change one content do so one after the other: what is kept anew is not deleted for its age before.
type turns struct {
	mu   sync.Mutex
	busy map[Hash]chan struct{}
}

// take waits for the turn; done ends it.
func (t *turns) take(ctx context.Context, h Hash) (done func(), err error) {
	for {
		done, other := t.begin(h)
		if done != nil {
			return done, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try begins a turn unless somebody else has it.
func (t *turns) try(h Hash) (done func(), ok bool) {
	done, _ = t.begin(h)
	return done, done != nil
}

// begin gives a turn, or what is closed at the end of somebody else's.
func (t *turns) begin(h Hash) (done func(), other <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.busy[h]; other != nil {
		return nil, other
	}
	if t.busy == nil {
		t.busy = make(map[Hash]chan struct{})
	}
	ended := make(chan struct{})
	t.busy[h] = ended
	return func() {
		t.mu.Lock()
		delete(t.busy, h)
		t.mu.Unlock()
		close(ended)
	}, nil
}

var _ Blobs = (*S3)(nil)
