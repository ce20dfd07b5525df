package play

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// scram is the client's side of one SCRAM exchange without channel binding (RFC 5802).
type scram struct {
	hash      func() hash.Hash
	password  string
	bare      string // client-first-message-bare
	nonce     string
	signature []byte // what the server must prove
}

// scramHash returns the hash of a mechanism, nil if the runner does not know it.
func scramHash(mechanism string) func() hash.Hash {
	switch mechanism {
	case "SCRAM-SHA-1":
		return sha1.New
	case "SCRAM-SHA-256":
		return sha256.New
	case "SCRAM-SHA-512":
		return sha512.New
	}
	return nil
}

// first returns the client's first message.
func (s *scram) first(user, nonce string) string {
	s.nonce = nonce
	s.bare = "n=" + user + ",r=" + nonce
	return "n,," + s.bare
}

// final answers the server's first message.
func (s *scram) final(challenge string) (string, error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(challenge, ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil {
		return "", err
	}
	rounds, err := strconv.Atoi(fields["i"])
	if err != nil || !strings.HasPrefix(fields["r"], s.nonce) {
		return "", fmt.Errorf("SCRAM challenge %q does not fit", challenge)
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, rounds, s.hash().Size())
	if err != nil {
		return "", err
	}
	clientKey := s.mac(salted, "Client Key")
	stored := s.hash()
	stored.Write(clientKey)
	without := "c=biws,r=" + fields["r"]
	message := s.bare + "," + challenge + "," + without
	proof := s.mac(stored.Sum(nil), message)
	subtle.XORBytes(proof, proof, clientKey)
	s.signature = s.mac(s.mac(salted, "Server Key"), message)
	return without + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// verify checks the server's last message.
func (s *scram) verify(last string) error {
	value, found := strings.CutPrefix(last, "v=")
	got, err := base64.StdEncoding.DecodeString(value)
	if !found || err != nil || !hmac.Equal(got, s.signature) {
		return errors.New("the server does not prove that it knows the password")
	}
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	h := hmac.New(s.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
