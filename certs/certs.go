// Package certs holds the certificates of a server: those of files, those that ACME gets, and the one that it signs itself until there is a
// better one. A Book chooses by the name that a client asks for, and changes certificates without dropping anybody.
//
// Reading order: certs.go, files.go, own.go, tickets.go, acme.go, hook.go, list.go.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/idna"

	"stonechat/config"
	"stonechat/obs"
)

// Witness is a connection that remembers which certificate its client was shown, for channel binding (RFC 5929 section 4). A tls.Config is
// shared by all connections and its certificates change, so only the connection can know.
type Witness interface {
	// Showed is called during the handshake, perhaps more than once; the last one counts.
	Showed(leaf *x509.Certificate)
}

// Book is every certificate of one server. Its methods may be called from any goroutine.
type Book struct {
	names   []string // what is served, as TLS writes it; first the main domain
	poll    time.Duration
	obs     obs.Obs
	now     func() time.Time
	tickets *tls.Config  // its keys seal the session tickets of every listener
	changed atomic.Int64 // when a certificate changed last, Unix nanoseconds
	acme    *authority   // nil without ACME

	shown atomic.Pointer[shelf]

	mu    sync.Mutex // of reloading
	files []*file
	own   *tls.Certificate // nil when files cover every name
}

// shelf is what is chosen from; it is replaced as a whole.
type shelf struct {
	byName map[string]*tls.Certificate // from files: names and wildcards ("*.example.org")
	rest   *tls.Certificate            // for names without any other: that of tls.certificate, or our own
}

// New loads every file, and signs a certificate of our own if one may be needed. Nothing is fetched before Run.
func New(c *config.Config, o obs.Obs) (*Book, error) {
	b := &Book{poll: c.TLS.Watch.D(), obs: o, now: time.Now, tickets: &tls.Config{}}
	for _, d := range c.ServedNames() {
		name, err := ascii(d)
		if err != nil {
			return nil, fmt.Errorf("certificate: %q: %w", d, err)
		}
		b.names = append(b.names, name)
	}
	if err := b.openFiles(c); err != nil {
		return nil, err
	}
	if missing := b.missing(); len(missing) > 0 && (c.TLS.ACME.Agree || c.TLS.Certificate == "") {
		var err error
		if b.own, err = ownCertificate(filepath.Join(c.Data, "self-signed.crt"), filepath.Join(c.Data, "self-signed.key"), b.names); err != nil {
			return nil, fmt.Errorf("own certificate: %w", err)
		}
		if c.TLS.ACME.Agree {
			if b.acme, err = newAuthority(c, missing, b); err != nil {
				return nil, fmt.Errorf("acme: %w", err)
			}
			missing = slices.DeleteFunc(missing, func(name string) bool { return b.acme.certificate(name) != nil })
		}
		if len(missing) > 0 {
			o.Log.Warn("names are shown a self-signed certificate, which others do not trust", "names", missing, "acme", c.TLS.ACME.Agree)
		}
	}
	if b.own == nil && len(b.missing()) > 0 {
		o.Log.Warn("tls.certificate is not for every served name", "names", b.missing())
	}
	b.arrange()
	if err := o.Metrics.Register(expiry{b}); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// openFiles reads the pairs of the configuration; at start all of them must be good.
func (b *Book) openFiles(c *config.Config) error {
	pairs := slices.Clone(c.TLS.Files)
	if c.TLS.Certificate != "" {
		pairs = append(pairs, config.CertificateFiles{Certificate: c.TLS.Certificate, Key: c.TLS.Key})
	}
	for _, p := range pairs {
		f := &file{chain: p.Certificate, key: p.Key, general: len(p.Domains) == 0}
		for _, d := range p.Domains {
			name, err := ascii(d)
			if err != nil {
				return fmt.Errorf("certificate: %q: %w", d, err)
			}
			f.names = append(f.names, name)
		}
		if _, err := f.read(b.now()); err != nil {
			return fmt.Errorf("certificate %s: %w", f.chain, err)
		}
		b.files = append(b.files, f)
	}
	return nil
}

// missing are the served names that no file covers.
func (b *Book) missing() []string {
	return slices.DeleteFunc(slices.Clone(b.names), func(name string) bool {
		return slices.ContainsFunc(b.files, func(f *file) bool { return f.covers(name) })
	})
}

// arrange makes the shelf from what is loaded. The lock is held, or nobody else is there yet.
func (b *Book) arrange() {
	s := &shelf{byName: make(map[string]*tls.Certificate), rest: b.own}
	for _, f := range slices.Backward(b.files) { // the first file that names a domain has it
		for _, name := range f.answers() {
			s.byName[name] = f.pair
		}
		if f.general && s.rest == nil {
			s.rest = f.pair
		}
	}
	if s.rest == nil {
		s.rest = b.files[0].pair // every served name has a file; this is for clients that ask for something else
	}
	b.shown.Store(s)
}

// swapped notes that a certificate is another one from now on.
func (b *Book) swapped() { b.changed.Store(b.now().UnixNano()) }

// TLS is the configuration for every listener; clones share certificates and ticket keys with it.
func (b *Book) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 7590 section 3
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return b.show(hello), nil },
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if b.acme != nil && isChallenge(hello) {
				return b.acme.challenge(hello)
			}
			b.show(hello) // a resumed session asks for no certificate: it goes on with this one, see tickets.go
			return nil, nil
		},
		WrapSession:   b.wrap,
		UnwrapSession: b.unwrap,
	}
}

// show chooses for a client and lets its connection remember.
func (b *Book) show(hello *tls.ClientHelloInfo) *tls.Certificate {
	c := b.choose(hello.ServerName)
	if s, ok := hello.Conn.(Witness); ok {
		s.Showed(c.Leaf)
	}
	return c
}

// choose finds the certificate for a name: a file's, else one that ACME got, else what there is for the rest. Who names nobody means the
// main domain, and so does who names somebody unknown: XEP-0368 section 3 has clients name the domain of the user.
func (b *Book) choose(name string) *tls.Certificate {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	s := b.shown.Load()
	if c := b.find(s, name); c != nil {
		return c
	}
	if !slices.Contains(b.names, name) {
		if c := b.find(s, b.names[0]); c != nil {
			return c
		}
	}
	return s.rest
}

func (b *Book) find(s *shelf, name string) *tls.Certificate {
	if c := s.byName[name]; c != nil {
		return c
	}
	// RFC 6125 section 6.4.3: a wildcard stands for one label.
	if _, parent, ok := strings.Cut(name, "."); ok {
		if c := s.byName["*."+parent]; c != nil {
			return c
		}
	}
	if b.acme != nil {
		return b.acme.certificate(name)
	}
	return nil
}

// Run watches the files and has ACME get and renew the rest, until ctx ends. The listeners must be open.
func (b *Book) Run(ctx context.Context) error {
	if b.acme != nil {
		b.acme.begin(ctx)
	}
	tick := time.NewTicker(b.poll)
	defer tick.Stop()
	b.warn()
	for {
		select {
		case <-ctx.Done():
			return b.Close()
		case <-tick.C:
			b.reload(false)
			b.warn()
		}
	}
}

// Close ends background work, if there is any. Certificates are chosen as before.
func (b *Book) Close() error {
	if b.acme != nil {
		b.acme.close()
	}
	return nil
}

// Reload looks at every file now, whether it has changed or not, and has ACME try again what it could not get.
func (b *Book) Reload() []Reloaded {
	out := b.reload(true)
	if b.acme != nil {
		b.acme.retry()
	}
	return out
}

// Reloaded is what became of one pair of files.
type Reloaded struct {
	File  string `json:"file"`
	State string `json:"state"` // "loaded", "unchanged" or "refused": the old one is shown on
	Error string `json:"error,omitempty"`
}

// reload swaps in what has changed and is good. force reads files that seem unchanged too.
func (b *Book) reload(force bool) []Reloaded {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Reloaded, len(b.files))
	swapped := false
	for i, f := range b.files {
		out[i] = Reloaded{File: f.chain, State: "unchanged"}
		if !force && !f.touched() {
			continue
		}
		news, err := f.read(b.now())
		switch {
		case err != nil:
			out[i].State, out[i].Error = "refused", err.Error()
			if f.complain(err) {
				b.obs.Log.Error("certificate not taken, the old one is shown on", "file", f.chain, "key", f.key, obs.Err, err)
			}
		case news:
			swapped = true
			out[i].State = "loaded"
			b.obs.Log.Info("certificate loaded", "file", f.chain, "names", f.answers(), "expires", f.pair.Leaf.NotAfter)
		}
	}
	if swapped {
		b.arrange()
		b.swapped()
	}
	return out
}

// ascii is a domain as certificates and TLS write it (RFC 5890 section 2.3.2.1).
func ascii(domain string) (string, error) {
	if ip := net.ParseIP(strings.Trim(domain, "[]")); ip != nil {
		return ip.String(), nil
	}
	rest, wildcard := strings.CutPrefix(strings.TrimSuffix(domain, "."), "*.")
	name, err := idna.Lookup.ToASCII(rest)
	if wildcard {
		name = "*." + name
	}
	return strings.ToLower(name), err
}
