package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrSubscription: what a client has sent is no subscription.
var ErrSubscription = errors.New("no subscription")

const (
	authBytes   = 16   // RFC 8291 section 3.2
	keyBytes    = 65   // a point of P-256, uncompressed (RFC 8291 section 3.1)
	maxEndpoint = 2048 // bytes; the services' own are below 400
)

// Subscription is where messages for one device go, and for whose eyes.
type Subscription struct {
	Endpoint string
	key      *ecdh.PublicKey
	auth     []byte
}

// ParseSubscription reads what a browser gives its page (p256dh and auth of the W3C's Push API), in base64url with or without padding. It says nothing of whether the
// endpoint may be connected to.
func ParseSubscription(endpoint, p256dh, auth string) (Subscription, error) {
	if err := checkEndpoint(endpoint); err != nil {
		return Subscription{}, err
	}
	point, err := decode(p256dh, keyBytes)
	if err != nil {
		return Subscription{}, fmt.Errorf("p256dh: %w", ErrSubscription)
	}
	// A point that is not on the curve would give bits of our key away; this refuses it.
	key, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return Subscription{}, fmt.Errorf("p256dh: %w", ErrSubscription)
	}
	secret, err := decode(auth, authBytes)
	if err != nil {
		return Subscription{}, fmt.Errorf("auth: %w", ErrSubscription)
	}
	return Subscription{endpoint, key, secret}, nil
}

// checkEndpoint: RFC 8030 section 8.1: requests use https. The address goes into a header, too, so nothing but what is seen stands in it.
func checkEndpoint(s string) error {
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if len(s) > maxEndpoint || strings.ContainsFunc(s, bad) {
		return fmt.Errorf("endpoint: %w", ErrSubscription)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return fmt.Errorf("endpoint: %w", ErrSubscription)
	}
	return nil
}

// decode reads base64url (and the alphabet that some clients use instead) of exactly n bytes.
func decode(s string, n int) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if len(s) != base64.RawURLEncoding.EncodedLen(n) {
		return nil, ErrSubscription
	}
	return base64.RawURLEncoding.Strict().DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(s))
}
