// Package webpushtest is the other side of Web Push for tests: a push service, and devices that open what it brings. It is written from RFC 8188 and RFC 8291
// and shares nothing with what it judges.
package webpushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Device is what a browser has.
type Device struct {
	private *ecdh.PrivateKey
	auth    []byte
}

// NewDevice makes its keys.
func NewDevice(t testing.TB) *Device {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{k, make([]byte, 16)}
	rand.Read(d.auth)
	return d
}

// Key is p256dh.
func (d *Device) Key() string {
	return base64.RawURLEncoding.EncodeToString(d.private.PublicKey().Bytes())
}

// Auth is auth.
func (d *Device) Auth() string { return base64.RawURLEncoding.EncodeToString(d.auth) }

// Open reads a message.
func (d *Device) Open(body []byte) ([]byte, error) {
	const head = 16 + 4 + 1 + 65
	if len(body) < head || body[20] != 65 || int(binary.BigEndian.Uint32(body[16:])) < len(body)-head {
		return nil, errors.New("no header, or more than one record")
	}
	sender, err := ecdh.P256().NewPublicKey(body[21:head])
	if err != nil {
		return nil, err
	}
	shared, err := d.private.ECDH(sender)
	if err != nil {
		return nil, err
	}
	info := append(append([]byte("WebPush: info\x00"), d.private.PublicKey().Bytes()...), body[21:head]...)
	ikm, err := hkdf.Key(sha256.New, shared, d.auth, string(info), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, ikm, body[:16], "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, body[:16], "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, body[head:], nil)
	if err != nil {
		return nil, err
	}
	for n := len(plain); n > 0; n-- {
		switch plain[n-1] {
		case 0:
		case 2:
			return plain[:n-1], nil
		default:
			return nil, errors.New("no end")
		}
	}
	return nil, errors.New("nothing but padding")
}

// Brought is a message that the service got.
type Brought struct {
	Path   string
	Header http.Header
	Text   string // opened; a test fails where it cannot be
}

// Service is a push service with one device. It answers 201, or what Answer says.
type Service struct {
	*httptest.Server
	Device *Device

	t      testing.TB
	mu     sync.Mutex
	got    []Brought
	answer func(http.ResponseWriter, Brought) // nil: 201
}

// NewService starts one on this machine.
func NewService(t testing.TB) *Service {
	t.Helper()
	s := &Service{t: t, Device: NewDevice(t)}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who sent it was killed
	}
	text, err := s.Device.Open(body)
	if err != nil || len(body) > 4096 || r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm" {
		s.t.Errorf("%s %s of %d bytes: %v", r.Method, r.URL, len(body), err)
	}
	b := Brought{r.URL.Path, r.Header, string(text)}
	s.mu.Lock()
	s.got = append(s.got, b)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, b)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// Answer sets how it answers from now on; nil: with 201.
func (s *Service) Answer(f func(http.ResponseWriter, Brought)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Got is all that it got.
func (s *Service) Got() []Brought {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Brought(nil), s.got...)
}

// Wait returns all that it got when that are n messages, or fails.
func (s *Service) Wait(n int) []Brought {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got := s.Got()
		if len(got) >= n {
			return got
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d messages came, want %d: %v", len(got), n, got)
		}
	}
}

// Roots writes a PEM file with the authority of its certificate.
func (s *Service) Roots() string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}
