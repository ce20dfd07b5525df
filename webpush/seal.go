package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

const (
	// MaxText is how many bytes of text fit into one message: a service must take 4096 bytes, of which 86 are the header, 16 the authentication and 1 ends the
	// text (RFC 8291 section 4).
	MaxText = recordSize - headerBytes - tagBytes - 1

	recordSize  = 4096
	saltBytes   = 16
	tagBytes    = 16
	headerBytes = saltBytes + 4 + 1 + keyBytes // RFC 8188 section 2.1
	step        = 512                          // lengths of texts are seen in steps of this

	lastRecord = 2 // RFC 8188 section 2: what stands between text and padding
)

// ErrText: the text is longer than MaxText.
var ErrText = errors.New("text too long for a push message")

// Seal closes a text for the device of a subscription. Its length is seen in steps of 512 bytes.
func Seal(text []byte, to Subscription) ([]byte, error) {
	if len(text) > MaxText {
		return nil, ErrText
	}
	// RFC 8291 section 3.1: a new key pair for each message.
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	size := min((len(text)+step)/step*step, MaxText)
	return seal(text, size-len(text), to, own, salt)
}

// seal is Seal with all that it would have chosen.
func seal(text []byte, padding int, to Subscription, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	shared, err := own.ECDH(to.key)
	if err != nil {
		return nil, err
	}
	sealer, nonce, err := keysOf(shared, to.auth, salt, to.key.Bytes(), own.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	// RFC 8188 section 2.1: salt, size of records, length of the key's id, and the id, which is our public key (RFC 8291 section 4).
	out := make([]byte, 0, headerBytes+len(text)+1+padding+tagBytes)
	out = append(out, salt...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, keyBytes)
	out = append(out, own.PublicKey().Bytes()...)
	plain := make([]byte, len(text)+1+padding)
	plain[copy(plain, text)] = lastRecord
	return sealer.Seal(out, nonce, plain, nil), nil
}

// keysOf derives key and nonce of the only record (RFC 8291 section 3.4, RFC 8188 sections 2.2 and 2.3).
func keysOf(shared, auth, salt, receiver, sender []byte) (cipher.AEAD, []byte, error) {
	info := "WebPush: info\x00" + string(receiver) + string(sender)
	input, err := hkdf.Key(sha256.New, shared, auth, info, sha256.Size)
	if err != nil {
		return nil, nil, err
	}
	pseudorandom, err := hkdf.Extract(sha256.New, input, salt)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Expand(sha256.New, pseudorandom, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	nonce, err := hkdf.Expand(sha256.New, pseudorandom, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, nonce, err
}
