package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
)

// Bounds of what a credential may hold.
const (
	// MinIterations is the least iteration count of RFC 7677 section 4.
	MinIterations = 4096
	// MaxIterations bounds the work that a server may ask of a client.
	MaxIterations = 10_000_000
	// SaltSize is the length in bytes of the salts that NewSalt makes.
	SaltSize = 16

	maxSalt = 256
)

// ErrCredential says that a stored credential, or what one should be made of,
// is out of bounds.
var ErrCredential = errors.New("sasl: unusable credential")

// Credential is what a server keeps of a password (RFC 5802 section 2.1).
type Credential struct {
	// Hash is the hash function; the credential serves that mechanism only.
	Hash Hash
	// Salt is sent to everybody who tries to log in.
	Salt []byte
	// Iterations is the count of PBKDF2.
	Iterations int
	// StoredKey is H(ClientKey).
	StoredKey []byte
	// ServerKey proves to the client that the server knows the credential.
	ServerKey []byte
	// Refusal is why whoever proves to have the password does not come in all
	// the same, for people to read: nobody else is told. Empty: they come in.
	Refusal string
}

// NewSalt returns SaltSize random bytes.
func NewSalt() []byte {
	salt := make([]byte, SaltSize)
	rand.Read(salt)
	return salt
}

// NewCredential derives a credential from a password. The errors are
// ErrPassword and ErrCredential, the latter for an unknown hash, an empty salt
// or an iteration count outside MinIterations to MaxIterations.
func NewCredential(h Hash, password string, salt []byte, iterations int) (Credential, error) {
	p, err := preparePassword(password)
	if err != nil {
		return Credential{}, err
	}
	if !h.valid() || len(salt) == 0 || len(salt) > maxSalt || iterations < MinIterations || iterations > MaxIterations {
		return Credential{}, ErrCredential
	}
	salted, err := saltPassword(h, p, salt, iterations)
	if err != nil {
		return Credential{}, ErrCredential
	}
	return credentialOf(h, salted, salt, iterations), nil
}

func credentialOf(h Hash, salted, salt []byte, iterations int) Credential {
	return Credential{
		Hash: h, Salt: salt, Iterations: iterations,
		StoredKey: h.sum(h.mac(salted, []byte("Client Key"))),
		ServerKey: h.mac(salted, []byte("Server Key")),
	}
}

// SaltedCredential makes a credential of the SaltedPassword that a client has
// computed (XEP-0480 section 3). The error is ErrCredential: the length is not
// that of the hash, or salt and count are out of bounds.
func SaltedCredential(h Hash, salted, salt []byte, iterations int) (Credential, error) {
	c := credentialOf(h, salted, salt, iterations)
	if !h.valid() || len(salted) != h.Size() || iterations < MinIterations || !c.valid() {
		return Credential{}, ErrCredential
	}
	return c, nil
}

// SaltPassword computes the SaltedPassword of RFC 5802 section 3, for a server
// that asks for it (XEP-0480 section 3). The errors are ErrPassword and
// ErrCredential.
func SaltPassword(h Hash, password string, salt []byte, iterations int) ([]byte, error) {
	p, err := preparePassword(password)
	if err != nil {
		return nil, err
	}
	if !h.valid() || len(salt) == 0 || len(salt) > maxSalt || iterations < MinIterations || iterations > MaxIterations {
		return nil, ErrCredential
	}
	return saltPassword(h, p, salt, iterations)
}

// Verify reports whether password belongs to the credential. It costs the full
// derivation whether it does or not, also for old credentials with fewer than
// MinIterations.
func (c Credential) Verify(password string) bool {
	p, err := preparePassword(password)
	if err != nil || !c.valid() {
		return false
	}
	salted, err := saltPassword(c.Hash, p, c.Salt, c.Iterations)
	return err == nil && hmac.Equal(c.Hash.sum(c.Hash.mac(salted, []byte("Client Key"))), c.StoredKey)
}

func (c Credential) valid() bool {
	return c.Hash.valid() && len(c.Salt) > 0 && len(c.Salt) <= maxSalt && c.Iterations > 0 &&
		c.Iterations <= MaxIterations && len(c.StoredKey) == c.Hash.Size() && len(c.ServerKey) == c.Hash.Size()
}

// saltPassword is Hi() of RFC 5802 section 2.2.
func saltPassword(h Hash, prepared string, salt []byte, iterations int) ([]byte, error) {
	return pbkdf2.Key(func() hash.Hash { return h.new() }, prepared, salt, iterations, h.Size())
}

// MarshalText writes the credential in the form of RFC 5803 section 2:
// SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
func (c Credential) MarshalText() ([]byte, error) {
	if !c.valid() {
		return nil, ErrCredential
	}
	b64 := base64.StdEncoding
	out := append([]byte("SCRAM-"), c.Hash.String()...)
	out = append(out, '$')
	out = strconv.AppendInt(out, int64(c.Iterations), 10)
	out = append(out, ':')
	out = b64.AppendEncode(out, c.Salt)
	out = append(out, '$')
	out = b64.AppendEncode(out, c.StoredKey)
	out = append(out, ':')
	return b64.AppendEncode(out, c.ServerKey), nil
}

// UnmarshalText reads what MarshalText writes. The error is ErrCredential.
func (c *Credential) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "$")
	if len(parts) != 3 {
		return ErrCredential
	}
	m, ok := ParseMechanism(parts[0])
	if !ok || m.Hash == 0 || m.Plus {
		return ErrCredential
	}
	count, salt, ok1 := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	n, err := strconv.Atoi(count)
	if !ok1 || !ok2 || err != nil {
		return ErrCredential
	}
	d := Credential{Hash: m.Hash, Iterations: n}
	for _, f := range []struct {
		to *[]byte
		s  string
	}{{&d.Salt, salt}, {&d.StoredKey, stored}, {&d.ServerKey, server}} {
		if *f.to, err = base64.StdEncoding.Strict().DecodeString(f.s); err != nil {
			return ErrCredential
		}
	}
	if !d.valid() {
		return ErrCredential
	}
	*c = d
	return nil
}
