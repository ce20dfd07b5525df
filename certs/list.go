package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The sources of certificates.
const (
	FromFile = "file"
	FromACME = "acme"
	OwnMade  = "self-signed"
)

// Certificate is what is told of the certificate that is shown for one name.
type Certificate struct {
	Name        string    `json:"name"`
	Source      string    `json:"source"` // FromFile, FromACME or OwnMade
	File        string    `json:"file,omitempty"`
	Issuer      string    `json:"issuer"`
	Expires     time.Time `json:"expires"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the certificate, hexadecimal
	// Problem is why the name has no better one, or why it is not for the name.
	Problem string `json:"problem,omitempty"`
}

// List tells of every served name, first the main domain.
func (b *Book) List() []Certificate {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Certificate, len(b.names))
	for i, name := range b.names {
		c := b.choose(name)
		sum := sha256.Sum256(c.Leaf.Raw)
		out[i] = Certificate{Name: name, Issuer: c.Leaf.Issuer.String(), Expires: c.Leaf.NotAfter, Fingerprint: hex.EncodeToString(sum[:])}
		out[i].Source, out[i].File = b.source(c)
		switch err := certifies(c.Leaf, name); {
		case err != nil:
			out[i].Problem = err.Error()
		case b.acme != nil && out[i].Source != FromFile:
			out[i].Problem = b.acme.trouble(name)
		case out[i].Source == FromFile:
			out[i].Problem = b.refusal(out[i].File)
		}
	}
	return out
}

// source says where a certificate comes from. The lock is held.
func (b *Book) source(c *tls.Certificate) (source, file string) {
	if c == b.own {
		return OwnMade, ""
	}
	for _, f := range b.files {
		if f.pair == c {
			return FromFile, f.chain
		}
	}
	return FromACME, ""
}

// refusal is why a newer file is not shown, or "". The lock is held.
func (b *Book) refusal(chain string) string {
	for _, f := range b.files {
		if f.chain == chain && f.refused != "" {
			return "a newer file was refused: " + f.refused
		}
	}
	return ""
}

// expiry is the metric.
type expiry struct{ book *Book }

var expiryDesc = prometheus.NewDesc("stonechat_certificate_expiry_seconds",
	"Time until the certificate that is shown for a name expires, negative when it has; source self-signed means that there is none which others trust.",
	[]string{"name", "source"}, nil)

// Describe names the metric.
func (e expiry) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc }

// Collect looks at every name.
func (e expiry) Collect(ch chan<- prometheus.Metric) {
	now := e.book.now()
	for _, c := range e.book.List() {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, c.Expires.Sub(now).Seconds(), c.Name, c.Source)
	}
}
