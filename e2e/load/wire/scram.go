package wire

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// ErrAuth reports a refused or inconsistent SCRAM exchange.
var ErrAuth = errors.New("wire: authentication failed")

// Keys remembers salted passwords, so that the generator pays the key
// derivation once per salt and not once per login (RFC 5802 section 5.1
// allows a client to keep it).
type Keys struct {
	mu     sync.Mutex
	salted map[string][]byte
}

// NewKeys returns an empty memory of salted passwords.
func NewKeys() *Keys { return &Keys{salted: make(map[string][]byte)} }

func (k *Keys) salt(password, salt string, rounds int) ([]byte, error) {
	name := password + "\x00" + salt + "\x00" + strconv.Itoa(rounds)
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.salted[name]; ok {
		return key, nil
	}
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), rounds, sha1.Size)
	if err != nil {
		return nil, err
	}
	k.salted[name] = key
	return key, nil
}

// scram is one exchange, without channel binding.
type scram struct {
	keys      *Keys
	password  string
	bare      string // client-first-message-bare
	nonce     string
	signature []byte // what the server must prove
}

func newScram(keys *Keys, user, password string) *scram {
	nonce := rand.Text()
	return &scram{keys: keys, password: password, nonce: nonce, bare: "n=" + user + ",r=" + nonce}
}

func (s *scram) first() string { return encode("n,," + s.bare) }

// final answers the server's challenge (RFC 5802 section 5).
func (s *scram) final(challenge string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return "", fmt.Errorf("%w: challenge: %w", ErrAuth, err)
	}
	server := string(raw)
	var nonce, salt string
	var rounds int
	for _, field := range strings.Split(server, ",") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "r":
			nonce = value
		case "s":
			b, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return "", fmt.Errorf("%w: salt: %w", ErrAuth, err)
			}
			salt = string(b)
		case "i":
			rounds, _ = strconv.Atoi(value)
		}
	}
	if !strings.HasPrefix(nonce, s.nonce) || rounds < 1 || rounds > 1_000_000 {
		return "", fmt.Errorf("%w: challenge of another exchange", ErrAuth)
	}
	salted, err := s.keys.salt(s.password, salt, rounds)
	if err != nil {
		return "", err
	}
	without := "c=biws,r=" + nonce
	message := s.bare + "," + server + "," + without
	proof := sign(salted, "Client Key")
	stored := sha1.Sum(proof)
	for i, b := range sign(stored[:], message) {
		proof[i] ^= b
	}
	s.signature = sign(sign(salted, "Server Key"), message)
	return encode(without + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// verify checks the server's proof.
func (s *scram) verify(success string) error {
	raw, err := base64.StdEncoding.DecodeString(success)
	if err != nil {
		return fmt.Errorf("%w: success: %w", ErrAuth, err)
	}
	want := "v=" + base64.StdEncoding.EncodeToString(s.signature)
	if !hmac.Equal(raw, []byte(want)) {
		return fmt.Errorf("%w: the server did not prove that it knows the key", ErrAuth)
	}
	return nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// StoredKeys are the server's side of one SCRAM-SHA-1 secret, for filling a
// server's store without asking it to derive every key.
type StoredKeys struct {
	Salt      []byte // random bytes, not encoded
	Rounds    int    // PBKDF2 iterations
	StoredKey []byte // SHA-1 of the client key
	ServerKey []byte
}

// DeriveKeys computes what a server stores for password.
func DeriveKeys(password string, salt []byte, rounds int) (StoredKeys, error) {
	salted, err := pbkdf2.Key(sha1.New, password, salt, rounds, sha1.Size)
	if err != nil {
		return StoredKeys{}, err
	}
	stored := sha1.Sum(sign(salted, "Client Key"))
	return StoredKeys{Salt: salt, Rounds: rounds, StoredKey: stored[:], ServerKey: sign(salted, "Server Key")}, nil
}
