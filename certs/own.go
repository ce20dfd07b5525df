package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// ownValidity is how long a certificate that we sign ourselves is valid.
const ownValidity = 10 * 365 * 24 * time.Hour

// ownCertificate loads the self-signed pair for these names, which it makes if need be.
func ownCertificate(chain, key string, names []string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(chain, key)
	switch {
	case err == nil && lasting(pair.Leaf, names):
		return &pair, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := writeOwn(chain, key, names); err != nil {
		return nil, err
	}
	pair, err = tls.LoadX509KeyPair(chain, key)
	return &pair, err
}

func writeOwn(chain, key string, names []string) error {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(ownValidity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	for _, d := range names {
		if ip := net.ParseIP(d); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, d)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return err
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// lasting tells whether a self-signed certificate covers the names for another day at least.
func lasting(leaf *x509.Certificate, names []string) bool {
	if expired(leaf, time.Now().Add(24*time.Hour)) {
		return false
	}
	for _, name := range names {
		if certifies(leaf, name) != nil {
			return false
		}
	}
	return true
}
