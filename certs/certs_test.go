package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/obs/obstest"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stream"
)

// pair is what a certificate authority would give, as PEM.
type pair struct{ chain, key []byte }

func newPair(t *testing.T, validity time.Duration, names ...string) pair {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: serial, DNSNames: names, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity)}
	if validity < 0 {
		template.NotBefore = template.NotAfter.Add(-time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})}
}

func (p pair) serial(t *testing.T) string {
	t.Helper()
	block, _ := pem.Decode(p.chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.String()
}

const year = 365 * 24 * time.Hour

// shop is a Book on files of a folder.
type shop struct {
	*Book
	t   *testing.T
	dir string
	log *obstest.Buffer
}

func (s *shop) path(name string) string { return filepath.Join(s.dir, name) }

// put writes a file as a new one, which is how programs that renew certificates do it.
func (s *shop) put(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name+".new"), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path(name+".new"), s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) putPair(p pair) {
	s.put("a.crt", p.chain)
	s.put("a.key", p.key)
}

func (s *shop) config(domains ...string) config.Config {
	c := config.Default()
	c.Domains, c.Data = domains, s.dir
	return c
}

func (s *shop) open(c config.Config) *shop {
	s.t.Helper()
	o := obs.Discard()
	o.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if s.Book, err = New(&c, o); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func newShop(t *testing.T) *shop {
	return &shop{t: t, dir: t.TempDir(), log: &obstest.Buffer{}}
}

// simple is a shop of chat.example with one pair that is good for a year.
func simple(t *testing.T) (*shop, pair) {
	t.Helper()
	s, p := newShop(t), newPair(t, year, "chat.example")
	s.putPair(p)
	c := s.config("chat.example")
	c.TLS.Certificate, c.TLS.Key = s.path("a.crt"), s.path("a.key")
	return s.open(c), p
}

func (s *shop) shows(name string, p pair) {
	s.t.Helper()
	if got := s.choose(name).Leaf.SerialNumber.String(); got != p.serial(s.t) {
		s.t.Errorf("%q is shown %s, want %s\n%s", name, got, p.serial(s.t), s.log)
	}
}

func TestChoiceByName(t *testing.T) {
	s := newShop(t)
	pairs := map[string]pair{
		"a": newPair(t, year, "a.example", "www.a.example"), "b": newPair(t, year, "b.example", "other.example"),
		"wild": newPair(t, year, "*.w.example"), "rest": newPair(t, year, "rest.example"),
	}
	c := s.config("a.example", "b.example", "x.w.example", "bücher.example", "none.example")
	for name, p := range pairs {
		s.put(name+".crt", p.chain)
		s.put(name+".key", p.key)
		f := config.CertificateFiles{Certificate: s.path(name + ".crt"), Key: s.path(name + ".key")}
		switch name {
		case "rest":
			c.TLS.Certificate, c.TLS.Key = f.Certificate, f.Key
			continue
		case "b":
			f.Domains = []string{"b.example"}
		case "wild":
			f.Domains = []string{"*.w.example"}
		}
		c.TLS.Files = append(c.TLS.Files, f)
	}
	s.open(c)
	for name, want := range map[string]string{
		"": "a", "a.example": "a", "A.Example.": "a", "www.a.example": "a", "b.example": "b",
		"other.example": "a", // its pair lists b.example only, so it is unknown: the main domain
		"x.w.example":   "wild", "y.x.w.example": "a",
		"none.example": "rest", "xn--bcher-kva.example": "rest", "rest.example": "rest", "evil.example": "a",
	} {
		s.shows(name, pairs[want])
	}
	if !strings.Contains(s.log.String(), "not for every served name") || !strings.Contains(s.log.String(), "xn--bcher-kva.example") {
		t.Errorf("nobody was told what is not certified: %s", s.log)
	}
	list := s.List()
	if len(list) != 5 || list[0].Source != FromFile || list[4].Problem == "" || list[0].Problem != "" || len(list[0].Fingerprint) != 64 {
		t.Errorf("list: %+v", list)
	}
}

func TestOwnCertificate(t *testing.T) {
	s := newShop(t)
	s.open(s.config("bücher.example", "b.example"))
	first := s.choose("b.example").Leaf
	if first.VerifyHostname("xn--bcher-kva.example") != nil || first.VerifyHostname("b.example") != nil {
		t.Errorf("it is for %v", first.DNSNames)
	}
	if got := s.List()[1]; got.Source != OwnMade {
		t.Errorf("list: %+v", got)
	}
	s.open(s.config("bücher.example", "b.example"))
	if !s.choose("").Leaf.Equal(first) {
		t.Error("another one after a restart")
	}
	s.open(s.config("new.example"))
	if s.choose("").Leaf.VerifyHostname("new.example") != nil {
		t.Error("not made anew for other domains")
	}
	info, err := os.Stat(s.path("self-signed.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v %v", info, err)
	}
}

func TestReloadTakesWhatIsGood(t *testing.T) {
	s, first := simple(t)
	s.reload(false)
	s.shows("chat.example", first)
	second := newPair(t, year, "chat.example", "more.example")
	s.putPair(second)
	s.reload(false)
	s.shows("chat.example", second)
	s.shows("more.example", second)

	// An expired one gives way to any that is valid.
	s, _ = simple(t)
	s.now = func() time.Time { return time.Now().Add(2 * year) }
	third := newPair(t, 3*year, "chat.example")
	s.putPair(third)
	s.reload(false)
	s.shows("chat.example", third)
}

func TestReloadRefusesWhatIsNot(t *testing.T) {
	good := newPair(t, year, "chat.example")
	for name, c := range map[string]struct {
		bad  pair
		says string
	}{
		"another key":  {pair{good.chain, newPair(t, year, "chat.example").key}, "private key does not match"},
		"another name": {newPair(t, year, "other.example"), "not for chat.example"},
		"expired":      {newPair(t, -time.Hour, "chat.example"), "expired"},
		"half a file":  {pair{good.chain[:len(good.chain)/2], good.key}, "PEM"},
		"empty":        {pair{nil, nil}, "PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			s, first := simple(t)
			s.putPair(c.bad)
			for range 3 {
				s.reload(false)
			}
			s.shows("chat.example", first)
			if n := strings.Count(s.log.String(), "not taken"); n != 1 || !strings.Contains(s.log.String(), c.says) {
				t.Errorf("said %d times:\n%s", n, s.log)
			}
			if l := s.List(); !strings.Contains(l[0].Problem, c.says) {
				t.Errorf("list: %+v", l)
			}
			if r := s.Reload(); r[0].State != "refused" || !strings.Contains(r[0].Error, c.says) {
				t.Errorf("reload: %+v", r)
			}
			if strings.Contains(s.log.String(), "PRIVATE KEY") {
				t.Error("the log has a key")
			}
			s.putPair(good)
			s.reload(false)
			s.shows("chat.example", good)
			if l := s.List(); l[0].Problem != "" {
				t.Errorf("list: %+v", l)
			}
		})
	}
}

// certbot and Kubernetes turn a link: to files, or to a whole folder.
func TestReloadFollowsLinks(t *testing.T) {
	s := newShop(t)
	first, second := newPair(t, year, "chat.example"), newPair(t, year, "chat.example")
	for name, p := range map[string]pair{"one": first, "two": second} {
		if err := os.Mkdir(s.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
		s.put(name+"/tls.crt", p.chain)
		s.put(name+"/tls.key", p.key)
	}
	turn := func(to string) {
		if err := os.Symlink(to, s.path("data.new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(s.path("data.new"), s.path("data")); err != nil {
			t.Fatal(err)
		}
	}
	turn("one")
	c := s.config("chat.example")
	c.TLS.Certificate, c.TLS.Key = s.path("data/tls.crt"), s.path("data/tls.key")
	s.open(c)
	s.shows("", first)
	turn("two")
	s.reload(false)
	s.shows("", second)
}

func TestRunWatchesAndWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		// The bubble's clock began long ago, so validity is counted from there.
		first, second := newPair(t, 20*24*time.Hour, "chat.example"), newPair(t, year, "chat.example")
		s.putPair(first)
		c := s.config("chat.example")
		c.TLS.Certificate, c.TLS.Key = s.path("a.crt"), s.path("a.key")
		s.open(c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(5 * 24 * time.Hour)
		synctest.Wait()
		if strings.Contains(s.log.String(), "expires soon") {
			t.Errorf("warned with 15 days left:\n%s", s.log)
		}
		time.Sleep(3*24*time.Hour + time.Hour)
		synctest.Wait()
		if n := strings.Count(s.log.String(), "expires soon"); n != 3 {
			t.Errorf("warned %d times in two days and an hour:\n%s", n, s.log)
		}
		s.putPair(second)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		s.shows("", second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// met is what both sides know of one connection.
type met struct {
	client, server []sasl.Binding
	resumed        bool
	serial         string
}

// meet connects once; the client keeps its tickets in cache.
func (s *shop) meet(cfg, client *tls.Config) met {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	var m met
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		tc, err := stream.ServerTLS(context.Background(), stream.NewTransport(nc), cfg)
		if err == nil {
			m.server = stream.NewConn(tc, stream.Options{}).Bindings(nil)
			_, err = tc.Write([]byte("x")) // behind the ticket
		}
		done <- err
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		s.t.Fatal(err)
	}
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
	cs := conn.ConnectionState()
	m.resumed, m.serial = cs.DidResume, cs.PeerCertificates[0].SerialNumber.String()
	if b, ok := sasl.ExporterBinding(&cs); ok {
		m.client = append(m.client, b)
	}
	if b, ok := sasl.EndPointBinding(cs.PeerCertificates[0]); ok {
		m.client = append(m.client, b)
	}
	return m
}

// Client and server agree on what the log-in is bound to: with each version, when a session is resumed, on every listener, before and after
// the certificate was changed. A ticket is good on all listeners, and no longer than the certificate that it was got with.
func TestChannelBindingsAndTickets(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s, first := simple(t)
		later := time.Now()
		s.now = func() time.Time { return later }
		two := s.TLS()
		two.NextProtos = []string{"xmpp-client"}
		client := &tls.Config{ServerName: "chat.example", InsecureSkipVerify: true, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4), NextProtos: []string{"xmpp-client"}}
		check := func(what string, cfg *tls.Config, resumed bool, p pair) {
			t.Helper()
			m := s.meet(cfg, client)
			if m.resumed != resumed || m.serial != p.serial(t) {
				t.Errorf("%x, %s: resumed %v, serial %s", version, what, m.resumed, m.serial)
			}
			if len(m.client) == 0 || !slices.EqualFunc(m.client, m.server, func(a, b sasl.Binding) bool { return a.Type == b.Type && bytes.Equal(a.Data, b.Data) }) {
				t.Errorf("%x, %s: client %v, server %v", version, what, m.client, m.server)
			}
		}
		check("first", two, false, first)
		check("again", two, true, first)
		check("on another listener", two.Clone(), true, first)
		check("made anew", func() *tls.Config { c := s.TLS(); c.NextProtos = two.NextProtos; return c }(), true, first)
		second := newPair(t, year, "chat.example")
		s.putPair(second)
		s.reload(false)
		check("after a change", two, false, second)
		check("right after a change", two, false, second)
		later = later.Add(2 * longestHandshake)
		check("later", two, false, second)
		check("and again", two, true, second)
	}
}

func TestLogBridge(t *testing.T) {
	var b bytes.Buffer
	log := bridge(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))).With(zap.String("mac", "s3cret"), zap.String("identifier", "a.example"))
	log.Error("failed", zap.String("key", "s3cret"), zap.Any("account", map[string]string{"private_key": "s3cret"}), zap.Error(io.ErrUnexpectedEOF))
	log.Debug("request", zap.String("identifier", "s3cret"))
	if got := b.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, "failed") || !strings.Contains(got, "a.example") || !strings.Contains(got, "unexpected EOF") {
		t.Errorf("log: %s", got)
	}
}

func TestHook(t *testing.T) {
	dir := t.TempDir()
	c := acme.Challenge{Identifier: acme.Identifier{Type: "dns", Value: "a.example"}, KeyAuthorization: "token.thumb"}
	program := func(text string) hook {
		path := filepath.Join(dir, "hook")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return hook{path, 10 * time.Second}
	}
	out := filepath.Join(dir, "out")
	h := program(`echo "$1 $2 $3 $STONECHAT_DOMAIN" >> ` + out + "\n")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Present(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := h.CleanUp(gone, c); err != nil {
		t.Errorf("not cleaned up after giving up: %v", err)
	}
	got, err := os.ReadFile(out)
	want := "present _acme-challenge.a.example " + c.DNS01KeyAuthorization() + " a.example\ncleanup _acme-challenge.a.example " + c.DNS01KeyAuthorization() + " a.example\n"
	if err != nil || string(got) != want {
		t.Errorf("called with %q, %v", got, err)
	}
	if err := program("echo no such zone >&2; exit 3\n").Present(t.Context(), c); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such zone") {
		t.Errorf("failure: %v", err)
	}
	h = program("exec sleep 60\n")
	h.patience = 50 * time.Millisecond
	if err := h.Present(t.Context(), c); err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("too slow: %v", err)
	}
}
