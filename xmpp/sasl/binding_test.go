package sasl

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
)

func TestBindingsOfOneConnection(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.net"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a, b := net.Pipe()
		server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version})
		client := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		done := make(chan error, 1)
		go func() { done <- server.Handshake() }()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		// The server's session tickets wait for a reader of the pipe.
		go client.Read(make([]byte, 1))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		cs, ss := client.ConnectionState(), server.ConnectionState()
		mine, ok1 := ExporterBinding(&cs)
		theirs, ok2 := ExporterBinding(&ss)
		want := version == tls.VersionTLS13
		if ok1 != want || ok2 != want || !bytes.Equal(mine.Data, theirs.Data) || want && len(mine.Data) != 32 {
			t.Errorf("version %x: %v %v", version, mine, theirs)
		}
		sum := sha256.Sum256(der)
		if e, ok := EndPointBinding(cs.PeerCertificates[0]); !ok || !bytes.Equal(e.Data, sum[:]) {
			t.Errorf("version %x: end point %v", version, e)
		}
		a.Close()
		b.Close()
	}
	if _, ok := EndPointBinding(&x509.Certificate{SignatureAlgorithm: x509.PureEd25519}); ok {
		t.Error("Ed25519 names no hash")
	}
}
