package sasl

import (
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// Types of channel binding.
const (
	// TLSExporter is the type of RFC 9266, for TLS 1.3.
	TLSExporter = "tls-exporter"
	// TLSServerEndPoint is the type of RFC 5929 section 4: a hash of the
	// server's certificate.
	TLSServerEndPoint = "tls-server-end-point"
)

// Binding is one channel binding of the connection that carries the login.
type Binding struct {
	// Type is the registered name, such as TLSExporter.
	Type string
	// Data is what both sides must see alike.
	Data []byte
}

// ExporterBinding returns the tls-exporter binding of a finished handshake. ok
// is false below TLS 1.3 (RFC 9266 section 3 asks for more than older versions
// surely give).
func ExporterBinding(cs *tls.ConnectionState) (b Binding, ok bool) {
	if cs.Version < tls.VersionTLS13 || !cs.HandshakeComplete {
		return Binding{}, false
	}
	// RFC 9266 section 2: this label, an empty context, 32 bytes.
	data, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return Binding{}, false
	}
	return Binding{Type: TLSExporter, Data: data}, true
}

// EndPointBinding returns the tls-server-end-point binding of the certificate
// that the server showed. ok is false when its signature algorithm names no
// hash function, such as Ed25519.
func EndPointBinding(cert *x509.Certificate) (b Binding, ok bool) {
	h := Hash(0)
	// RFC 5929 section 4.1: the hash of the certificate's signature, SHA-256 in
	// place of MD5 and SHA-1.
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS, x509.DSAWithSHA256:
		h = SHA256
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h = SHA512
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		sum := sha512.Sum384(cert.Raw)
		return Binding{Type: TLSServerEndPoint, Data: sum[:]}, true
	default:
		return Binding{}, false
	}
	return Binding{Type: TLSServerEndPoint, Data: h.sum(cert.Raw)}, true
}

func findBinding(list []Binding, name string) (Binding, bool) {
	for _, b := range list {
		if b.Type == name && len(b.Data) > 0 {
			return b, true
		}
	}
	return Binding{}, false
}
