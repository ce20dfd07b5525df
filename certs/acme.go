package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"stonechat/config"
	"stonechat/obs"
)

// authority has an ACME authority (RFC 8555) certify names, one certificate each, and renews them when the authority says so (RFC 9773) or a
// third of their time is left. What it gets is kept in the data folder.
type authority struct {
	names  []string
	obs    obs.Obs
	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer

	stop   sync.Once
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc // of the attempts that are under way
	failed map[string]string  // name to the last error, until it is certified
}

// newAuthority reads what the configuration names. It does not talk to the authority yet.
func newAuthority(c *config.Config, names []string, b *Book) (*authority, error) {
	a := &authority{names: names, obs: b.obs, failed: make(map[string]string)}
	log := bridge(b.obs.Log)
	template, err := a.template(c)
	if err != nil {
		return nil, err
	}
	template.Logger = log
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		RenewCheckInterval: c.TLS.ACME.Check.D(),
		Logger:             log,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{
		Storage:   &certmagic.FileStorage{Path: filepath.Join(c.Data, "acme")}, // folders 0700, files 0600
		KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		// The certificate would be refused when its authority answers no OCSP, and staples are fetched from addresses that stand in it; the
		// largest authority has ended OCSP.
		OCSP:    certmagic.OCSPConfig{DisableStapling: true},
		Logger:  log,
		OnEvent: func(_ context.Context, event string, data map[string]any) error { a.note(event, data, b); return nil },
		ShouldEmitFunc: func(event string) bool {
			return event == "cert_obtained" || event == "cert_failed" || event == "cached_managed_cert"
		},
	})
	a.issuer = certmagic.NewACMEIssuer(a.config, template)
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	a.load()
	return a, nil
}

// load takes what is kept from before, so that nobody is shown another certificate after a restart. It does not use the network.
func (a *authority) load() {
	for _, name := range a.names {
		if _, err := a.config.CacheManagedCertificate(context.Background(), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.obs.Log.Error("certificate that was kept is not usable", "name", name, obs.Err, err)
		}
	}
}

// template is the issuer as the configuration has it.
func (a *authority) template(c *config.Config) (certmagic.ACMEIssuer, error) {
	o := &c.TLS.ACME
	methods := c.ACMEChallenges()
	t := certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: o.Agree,
		DisableHTTPChallenge:    !slices.Contains(methods, config.HTTP01),
		DisableTLSALPNChallenge: !slices.Contains(methods, config.TLSALPN01),
	}
	if slices.Contains(methods, config.DNS01) {
		if _, err := exec.LookPath(o.DNSHook); err != nil {
			return t, fmt.Errorf("dns_hook: %w", err)
		}
		t.DNS01Solver = hook{program: o.DNSHook, patience: o.DNSHookTimeout.D()}
	}
	if o.Roots != "" {
		pem, err := os.ReadFile(o.Roots)
		if err != nil {
			return t, err
		}
		if t.TrustedRoots = x509.NewCertPool(); !t.TrustedRoots.AppendCertsFromPEM(pem) {
			return t, fmt.Errorf("%s has no certificate", o.Roots)
		}
	}
	if o.EABKeyID != "" {
		key, err := os.ReadFile(o.EABKeyFile)
		if err != nil {
			return t, err
		}
		mac := strings.TrimRight(strings.TrimSpace(string(key)), "=")
		if _, err := base64.RawURLEncoding.DecodeString(mac); err != nil {
			return t, fmt.Errorf("%s is not a key in base64url", o.EABKeyFile) // the error of decoding would quote it
		}
		t.ExternalAccount = &acme.EAB{KeyID: o.EABKeyID, MACKey: mac}
	}
	return t, nil
}

// listening tells where our own listeners are, so that nobody else is made for the challenges.
func (a *authority) listening(httpAddr, tlsAddr net.Addr) {
	if t, ok := tlsAddr.(*net.TCPAddr); ok {
		a.issuer.AltTLSALPNPort, a.issuer.ListenHost = t.Port, host(t)
	}
	if t, ok := httpAddr.(*net.TCPAddr); ok {
		a.issuer.AltHTTPPort, a.issuer.ListenHost = t.Port, host(t)
	}
}

func host(t *net.TCPAddr) string {
	if t.IP.IsUnspecified() {
		return ""
	}
	return t.IP.String()
}

// begin asks for what is not kept. It does not wait; what fails is tried again after a minute, then less and less often.
func (a *authority) begin(ctx context.Context) {
	a.mu.Lock()
	a.ctx = ctx
	a.mu.Unlock()
	a.retry()
}

// retry gives up waiting for another attempt and makes one now. Before begin it does nothing.
func (a *authority) retry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx == nil || a.ctx.Err() != nil {
		return
	}
	if a.cancel != nil {
		a.cancel()
	}
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(a.ctx)
	if err := a.config.ManageAsync(ctx, a.names); err != nil {
		a.obs.Log.Error("acme", obs.Err, err)
	}
}

func (a *authority) close() {
	a.mu.Lock()
	if a.cancel != nil {
		a.cancel()
	}
	a.mu.Unlock()
	a.stop.Do(a.cache.Stop)
}

// note keeps what became of a name.
func (a *authority) note(event string, data map[string]any, b *Book) {
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_failed":
		err, _ := data["error"].(error)
		if errors.Is(err, context.Canceled) {
			return // we have given it up ourselves
		}
		renewal, _ := data["renewal"].(bool)
		a.obs.Log.Error("no certificate from the authority", "name", name, "renewal", renewal, obs.Err, err)
		a.mu.Lock()
		a.failed[name] = fmt.Sprint(err)
		a.mu.Unlock()
		return
	case "cert_obtained":
		a.obs.Log.Info("certificate obtained", "name", name, "renewal", data["renewal"], "issuer", data["issuer"])
		a.mu.Lock()
		delete(a.failed, name)
		a.mu.Unlock()
	}
	b.swapped()
}

// trouble is the last error for a name, or "".
func (a *authority) trouble(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed[name]
}

// certificate for a name, the one that is good for longest, or nil.
func (a *authority) certificate(name string) *tls.Certificate {
	var best *tls.Certificate
	all := a.cache.AllMatchingCertificates(name)
	for i := range all {
		if c := &all[i].Certificate; c.Leaf != nil && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
			best = c
		}
	}
	return best
}

// isChallenge: RFC 8737 section 3: acme-tls/1 is the only protocol that is offered.
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

// errNoChallenge: nobody has asked to be asked.
var errNoChallenge = errors.New("certs: no challenge is open for this name")

// challenge answers TLS-ALPN-01 on whatever listener it comes to. The configuration serves this handshake alone.
func (a *authority) challenge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.Contains(a.names, strings.ToLower(hello.ServerName)) {
		return nil, errNoChallenge
	}
	answer, err := a.config.GetCertificate(hello)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acmez.ACMETLS1Protocol}, Certificates: []tls.Certificate{*answer}, SessionTicketsDisabled: true,
	}, nil
}

// Listening tells where challenges arrive, before Run: the listener in the clear and the first one with TLS; nil for none.
func (b *Book) Listening(httpAddr, tlsAddr net.Addr) {
	if b.acme != nil {
		b.acme.listening(httpAddr, tlsAddr)
	}
}

// ACME tells whether certificates are fetched.
func (b *Book) ACME() bool { return b.acme != nil }

// Challenges answers HTTP-01 (RFC 8555 section 8.3) in the clear, and sends everything else of the served names to https.
func (b *Book) Challenges() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if h, _, err := net.SplitHostPort(name); err == nil {
			name = h
		}
		switch name = strings.ToLower(name); {
		case !slices.Contains(b.names, name): // nobody is sent to a place that is not ours
			http.Error(w, "not served here", http.StatusMisdirectedRequest)
		case b.acme != nil && b.acme.issuer.HandleHTTPChallenge(w, r):
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "use https", http.StatusForbidden) // what is sent in the clear is not for us to repeat
		default:
			http.Redirect(w, r, "https://"+name+r.URL.RequestURI(), http.StatusMovedPermanently)
		}
	})
}
