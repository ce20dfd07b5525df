package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/obs/obstest"
	"stonechat/server"
)

// house is a running server.
type house struct {
	*server.Server
	t    *testing.T
	log  *obstest.Buffer
	stop func()
}

// settings are for an authority: clients come to its port for TLS-ALPN-01, the challenges in the clear to that for HTTP-01.
func (a *authority) settings() config.Config {
	c := config.Default()
	c.Domains, c.Data = []string{a.domain}, filepath.Join(a.dir, "data")
	c.Log.Level = "debug"
	c.Listen = config.Listen{
		C2S: []string{"127.0.0.1:0"}, C2STLS: []string{fmt.Sprintf("127.0.0.1:%d", a.tlsPort)}, HTTP: []string{"127.0.0.1:0"},
		ACME: []string{fmt.Sprintf("127.0.0.1:%d", a.httpPort)},
	}
	c.TLS.ACME.Agree, c.TLS.ACME.Directory, c.TLS.ACME.Roots = true, a.directory, a.roots
	return c
}

// open starts a server.
func (a *authority) open(c config.Config) *house {
	a.t.Helper()
	h := &house{t: a.t, log: &obstest.Buffer{}}
	o, err := obs.New(h.log, c.Log.Level, "text")
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if h.Server, err = server.New(ctx, c, o); err != nil {
		cancel()
		a.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := <-done; err != nil {
			a.t.Errorf("server: %v", err)
		}
		h.stop = func() {}
	}
	a.t.Cleanup(func() {
		h.stop()
		if a.t.Failed() {
			a.t.Log(h.log.String())
		}
	})
	select {
	case <-h.Ready:
	case err := <-done:
		a.t.Fatalf("server: %v", err)
	}
	return h
}

// shown is the certificate for a name, on the listener for clients.
func (h *house) shown(name string) *x509.Certificate {
	h.t.Helper()
	conn := h.dial(name)
	defer conn.Close() // many that say nothing are refused
	return conn.ConnectionState().PeerCertificates[0]
}

func (h *house) dial(name string) *tls.Conn {
	h.t.Helper()
	conn, err := tls.Dial("tcp", h.Addresses("c2s_tls")[0].String(), &tls.Config{ServerName: name, NextProtos: []string{"xmpp-client"}, InsecureSkipVerify: true})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// certified waits until the authority's certificate is shown, which clients then believe.
func (h *house) certified(a *authority, names ...string) {
	h.t.Helper()
	for _, name := range names {
		wait(h.t, "certificate for "+name, func() bool { return strings.Contains(h.shown(name).Issuer.CommonName, "Pebble") })
		conn, err := tls.Dial("tcp", h.Addresses("c2s_tls")[0].String(), &tls.Config{ServerName: name, RootCAs: a.trust()})
		if err != nil {
			h.t.Fatalf("%s: %v", name, err)
		}
		_ = conn.Close()
	}
	h.settled(a)
}

// settled checks what must never have happened.
func (h *house) settled(a *authority) {
	h.t.Helper()
	for _, secret := range []string{"PRIVATE KEY", macKey} {
		if strings.Contains(h.log.String(), secret) {
			h.t.Errorf("the log has %q", secret)
		}
	}
	err := filepath.WalkDir(filepath.Join(a.dir, "data", "acme"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			h.t.Errorf("%s has mode %v", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
}

const macKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

func TestHTTP01(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 3600, nil)
	c := a.settings()
	c.TLS.ACME.Services = []string{"upload"}

	// The authority is away: the server serves all the same, says so, and tries again when it is told to.
	h := a.open(c)
	if issuer := h.shown(a.domain).Issuer.CommonName; issuer != a.domain {
		t.Errorf("shown at first: %s", issuer)
	}
	if m := h.metrics(); !strings.Contains(m, `stonechat_certificate_expiry_seconds{name="testhttp01.example",source="self-signed"}`) {
		t.Errorf("metrics do not say that it is self-signed:\n%s", m)
	}
	wait(t, "failure in the log", func() bool {
		return strings.Contains(h.log.String(), "no certificate from the authority") || strings.Contains(h.log.String(), "will retry")
	})
	a.start()
	h.ReloadCertificates()
	h.certified(a, a.domain, "upload."+a.domain)
	if m := h.metrics(); !strings.Contains(m, `stonechat_certificate_expiry_seconds{name="upload.testhttp01.example",source="acme"}`) {
		t.Errorf("metrics do not say that it is certified:\n%s", m)
	}
	h.redirects(a.domain)

	// After a restart what is kept is shown at once, without a new order: the authority is away.
	before := h.shown(a.domain).SerialNumber
	h.stop()
	a.stop()
	again := a.open(c)
	if got := again.shown(a.domain).SerialNumber; got.Cmp(before) != 0 {
		t.Errorf("shown at first after a restart: %v, not %v", got, before)
	}
}

func (h *house) metrics() string {
	h.t.Helper()
	resp, err := http.Get("http://" + h.Addresses("http")[0].String() + "/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// redirects: everything but challenges goes to https of the same name, and only of names that are served.
func (h *house) redirects(domain string) {
	h.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		method, host, path string
		status             int
		to                 string
	}{
		{"GET", domain, "/a?b=c", http.StatusMovedPermanently, "https://" + domain + "/a?b=c"},
		{"GET", domain + ":80", "/", http.StatusMovedPermanently, "https://" + domain + "/"},
		{"GET", "evil.example", "/", http.StatusMisdirectedRequest, ""},
		{"GET", "evil.example", "/.well-known/acme-challenge/x", http.StatusMisdirectedRequest, ""},
		{"POST", domain, "/", http.StatusForbidden, ""},
	} {
		r, err := http.NewRequest(c.method, "http://"+h.Addresses("acme")[0].String()+c.path, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		r.Host = c.host
		resp, err := client.Do(r)
		if err != nil {
			h.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.status || resp.Header.Get("Location") != c.to {
			h.t.Errorf("%s %s%s: %d %q", c.method, c.host, c.path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}

// TLS-ALPN-01 comes to the port where clients come; and the account is one that the authority knew before.
func TestTLSALPN01(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 3600, map[string]string{"kid-1": macKey}).start()
	c := a.settings()
	c.Listen.ACME = nil
	c.TLS.ACME.Challenges = []string{config.TLSALPN01}
	c.TLS.ACME.EABKeyID, c.TLS.ACME.EABKeyFile = "kid-1", filepath.Join(a.dir, "eab")
	if err := os.WriteFile(c.TLS.ACME.EABKeyFile, []byte(macKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := a.open(c)
	h.certified(a, a.domain)
	// Whoever asks for a challenge that is not open gets no connection.
	if conn, err := tls.Dial("tcp", h.Addresses("c2s_tls")[0].String(), &tls.Config{ServerName: a.domain, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true}); err == nil {
		_ = conn.Close()
		t.Error("a challenge without an order was answered")
	}
}

func TestDNS01(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 3600, nil).start()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=%s exec %s \"$@\"\n", hookEnv, a.dnsManagement, self)
	c := a.settings()
	c.Listen.ACME = nil
	c.TLS.ACME.DNSHook = filepath.Join(a.dir, "hook")
	if err := os.WriteFile(c.TLS.ACME.DNSHook, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	a.open(c).certified(a, a.domain)
}

// A certificate that is about to expire is replaced, and who is connected stays so.
func TestRenewal(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 12, nil).start()
	c := a.settings()
	c.TLS.ACME.Check = config.Duration(time.Second)
	h := a.open(c)
	h.certified(a, a.domain)
	conn := h.dial(a.domain)
	first := conn.ConnectionState().PeerCertificates[0].SerialNumber
	wait(t, "renewal", func() bool { return h.shown(a.domain).SerialNumber.Cmp(first) != 0 })
	if _, err := io.WriteString(conn, "<stream:stream to='"+a.domain+"' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 100)); err != nil {
		t.Errorf("a connection from before the renewal: %v", err)
	}
}
