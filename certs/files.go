package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// soon is when a certificate of files should have been renewed.
const soon = 14 * 24 * time.Hour

// file is one pair of files. Its fields belong to whoever holds the lock of the Book.
type file struct {
	chain, key string   // paths
	names      []string // what it is for; empty: whatever it certifies
	general    bool     // also for names that nothing else covers

	pair    *tls.Certificate
	seen    [2]fs.FileInfo // the files as they were when they were read last, good or bad
	refused string         // why they were not taken; empty when they were
	logged  string         // the last complaint
	warned  time.Time
}

// answers are the names that the pair is shown for.
func (f *file) answers() []string {
	if len(f.names) > 0 {
		return f.names
	}
	return certified(f.pair.Leaf)
}

// certified are the names of a certificate, in lower case.
func certified(leaf *x509.Certificate) []string {
	names := make([]string, 0, len(leaf.DNSNames)+len(leaf.IPAddresses))
	for _, n := range leaf.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// covers tells whether the pair is shown for a name.
func (f *file) covers(name string) bool {
	_, parent, _ := strings.Cut(name, ".")
	return slices.Contains(f.answers(), name) || slices.Contains(f.answers(), "*."+parent)
}

// touched tells whether a file is another one than when it was read, or was refused then: what it needed may have come since. Stat follows
// links, so a link that was turned counts (certbot, Kubernetes).
func (f *file) touched() bool {
	if f.refused != "" {
		return true
	}
	now := f.look()
	for i, was := range f.seen {
		if !same(was, now[i]) {
			return true
		}
	}
	return false
}

func (f *file) look() (infos [2]fs.FileInfo) {
	for i, path := range []string{f.chain, f.key} {
		if info, err := os.Stat(path); err == nil {
			infos[i] = info
		}
	}
	return infos
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// read loads the pair completely and takes it only if it is at least as good as the one that is shown.
func (f *file) read(now time.Time) (news bool, err error) {
	f.seen = f.look()
	pair, err := tls.LoadX509KeyPair(f.chain, f.key) // fails when the key is another one's
	if err != nil {
		return false, err
	}
	if f.pair != nil && f.pair.Leaf.Equal(pair.Leaf) {
		f.refused, f.logged = "", ""
		return false, nil
	}
	if err := f.good(pair.Leaf, now); err != nil {
		return false, err
	}
	f.pair, f.refused, f.logged, f.warned = &pair, "", "", time.Time{}
	return true, nil
}

// good says what speaks against showing a certificate.
func (f *file) good(leaf *x509.Certificate, now time.Time) error {
	names := f.names
	if f.pair != nil && len(names) == 0 {
		names = certified(f.pair.Leaf) // whoever has come by these names must find them again
	}
	for _, name := range names {
		if err := certifies(leaf, name); err != nil {
			return err
		}
	}
	if f.pair == nil || expired(f.pair.Leaf, now) {
		return nil // nothing better is there
	}
	switch {
	case expired(leaf, now):
		return fmt.Errorf("it expired on %s", leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s", leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}

func expired(leaf *x509.Certificate, now time.Time) bool { return now.After(leaf.NotAfter) }

// certifies checks that a certificate is for a name, which may be a wildcard.
func certifies(leaf *x509.Certificate, name string) error {
	if slices.Contains(certified(leaf), name) {
		return nil
	}
	if strings.HasPrefix(name, "*.") {
		return fmt.Errorf("it is not for %s", name)
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return errors.Join(fmt.Errorf("it is not for %s", name), err)
	}
	return nil
}

// complain tells whether an error is to be logged: once for each change of the files, and when it becomes another one.
func (f *file) complain(err error) bool {
	text := fmt.Sprint(err, stamp(f.seen[0]), stamp(f.seen[1]))
	news := f.logged != text
	f.refused, f.logged = err.Error(), text
	return news
}

func stamp(info fs.FileInfo) string {
	if info == nil {
		return "none"
	}
	return info.ModTime().String()
}

// warn says once a day which files are about to expire, and what is not certified.
func (b *Book) warn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, f := range b.files {
		left := f.pair.Leaf.NotAfter.Sub(now)
		if left < soon && now.Sub(f.warned) >= 24*time.Hour {
			f.warned = now
			b.obs.Log.Warn("certificate expires soon", "file", f.chain, "names", f.answers(), "expires", f.pair.Leaf.NotAfter, "left", left.Round(time.Hour))
		}
	}
}
