package sasl

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Hash is a hash function of the SCRAM family. Greater values are preferred.
type Hash uint8

// Hash functions.
const (
	// SHA1 is for old clients only (RFC 5802).
	SHA1 Hash = iota + 1
	// SHA256 is the function of RFC 7677.
	SHA256
	// SHA512 is the widest.
	SHA512
)

// ParseHash reads the name that String writes.
func ParseHash(name string) (Hash, bool) {
	for h := SHA1; h <= SHA512; h++ {
		if h.String() == name {
			return h, true
		}
	}
	return 0, false
}

// String returns the name as it stands in mechanism names, such as "SHA-256".
func (h Hash) String() string {
	switch h {
	case SHA1:
		return "SHA-1"
	case SHA256:
		return "SHA-256"
	case SHA512:
		return "SHA-512"
	}
	return "none"
}

// Size returns the length of a digest in bytes, 0 for an unknown function.
func (h Hash) Size() int {
	switch h {
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

func (h Hash) valid() bool { return h >= SHA1 && h <= SHA512 }

// new returns a running digest; h is valid.
func (h Hash) new() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New()
	case SHA512:
		return sha512.New()
	}
	return sha256.New()
}

func (h Hash) sum(data []byte) []byte {
	d := h.new()
	d.Write(data)
	return d.Sum(nil)
}

func (h Hash) mac(key, data []byte) []byte {
	m := hmac.New(h.new, key)
	m.Write(data)
	return m.Sum(nil)
}
