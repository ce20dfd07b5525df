package webpush

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/mail"
	"net/url"
	"strings"
	"time"
)

const (
	// tokenLife is how long a token is good: 24 hours at most (RFC 8292 section 2), less for clocks that go wrong.
	tokenLife  = 12 * time.Hour
	topicBytes = 24 // RFC 8030 section 5.4: 32 characters of base64url
	scalar     = 32 // bytes of a number of P-256
)

var encoding = base64.RawURLEncoding

// Sender is who sends, as push services know it (VAPID). Its subscriptions are bound to its key, so the key must stay.
type Sender struct {
	key      *ecdsa.PrivateKey
	public   string // as headers and browsers have it
	topicKey []byte
	subject  string
}

// NewKey makes what NewSender takes. It is a secret.
func NewKey() ([]byte, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return k.Bytes(), nil
}

// Secrets is where the key is kept: what Ensure returns is the same for all, for ever.
type Secrets interface {
	Ensure(ctx context.Context, name string, fresh []byte) ([]byte, error)
}

// secretName of the key.
const secretName = "push key"

// OpenSender returns the sender whose key is kept, and makes one at the first time. Subject: see NewSender.
func OpenSender(ctx context.Context, secrets Secrets, subject string) (*Sender, error) {
	fresh, err := NewKey()
	if err != nil {
		return nil, err
	}
	key, err := secrets.Ensure(ctx, secretName, fresh)
	if err != nil {
		return nil, err
	}
	return NewSender(key, subject)
}

// NewSender takes a key and where whoever runs a push service can reach whoever runs this server: a mailto: or https: address (RFC 8292 section 2.1).
func NewSender(key []byte, subject string) (*Sender, error) {
	if err := checkSubject(subject); err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), key)
	if err != nil {
		return nil, errors.New("the key of push is damaged") // never what it is
	}
	public, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	topicKey, err := hkdf.Key(sha256.New, key, nil, "stonechat push topics", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &Sender{private, encoding.EncodeToString(public), topicKey, subject}, nil
}

// checkSubject: some services refuse a message whose subject is no address that leads somewhere.
func checkSubject(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
	case u.Scheme == "https" && u.Hostname() != "" && u.User == nil:
		return nil
	case u.Scheme == "mailto":
		if a, err := mail.ParseAddress(u.Opaque); err == nil && a.Address == u.Opaque {
			return nil
		}
	}
	return fmt.Errorf("%q is not like mailto:admin@example.org or https://example.org", s)
}

// PublicKey is what a browser needs for a subscription (applicationServerKey), in base64url.
func (s *Sender) PublicKey() string { return s.public }

// Topic names what notifications collapse by (RFC 8030 section 5.4). It tells those who bring them nothing of the parts.
func (s *Sender) Topic(parts ...string) string {
	mac := hmac.New(sha256.New, s.topicKey)
	for _, p := range parts {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(p), p) // a hash takes everything
	}
	return encoding.EncodeToString(mac.Sum(nil)[:topicBytes])
}

// claims of a token (RFC 8292 section 2).
type claims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub"`
}

// authorization is the header field that says who sends (RFC 8292 section 3).
func (s *Sender) authorization(endpoint *url.URL, now time.Time) (string, error) {
	body, err := json.Marshal(claims{originOf(endpoint), now.Add(tokenLife).Unix(), s.subject})
	if err != nil {
		return "", err
	}
	text := encoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + encoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	der, err := s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	// RFC 7518 section 3.4: both numbers, one behind the other.
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return "", err
	}
	both := make([]byte, 2*scalar)
	sig.R.FillBytes(both[:scalar])
	sig.S.FillBytes(both[scalar:])
	return "vapid t=" + text + "." + encoding.EncodeToString(both) + ", k=" + s.public, nil
}

// originOf an address as RFC 6454 section 6.1 writes it: in small letters, without the port that is meant anyway.
func originOf(u *url.URL) string {
	return "https://" + strings.TrimSuffix(strings.ToLower(u.Host), ":443")
}
