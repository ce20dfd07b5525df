package proxy65

import (
	"encoding/hex"
	"errors"
	"io"
	"strings"
)

// What of SOCKS5 (RFC 1928) is spoken here.
const (
	version     = 5
	noAuth      = 0
	noMethod    = 0xff
	connect     = 1
	domainName  = 3
	succeeded   = 0
	notAllowed  = 2
	badCommand  = 7
	badAddress  = 8
	hashLetters = 40 // SHA-1 in hexadecimal (XEP-0065 section 6.3.2)
)

var errSocks = errors.New("proxy65: not SOCKS5 as XEP-0065 has it")

// request is what a party wants.
type request struct {
	address string // the hash, in lower case
	port    [2]byte
}

// answer is RFC 1928 section 6 with the address and port that were asked for (XEP-0065 section 5.3.2).
func (r request) answer(status byte) []byte {
	b := append([]byte{version, status, 0, domainName, byte(len(r.address))}, r.address...)
	return append(b, r.port[:]...)
}

// greet is RFC 1928 section 3: whoever may come does not say who they are, since the hash is all that counts.
func greet(rw io.ReadWriter) error {
	var head [2]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return err
	}
	if head[0] != version {
		return errSocks
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(rw, methods); err != nil {
		return err
	}
	if strings.IndexByte(string(methods), noAuth) < 0 {
		_, err := rw.Write([]byte{version, noMethod})
		return errors.Join(errSocks, err)
	}
	_, err := rw.Write([]byte{version, noAuth})
	return err
}

// ask reads a request (RFC 1928 section 4). What is none of XEP-0065 is refused.
func ask(rw io.ReadWriter) (r request, err error) {
	var head [5]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return r, err
	}
	refuse := func(status byte) (request, error) {
		_, err := rw.Write([]byte{version, status, 0, 1, 0, 0, 0, 0, 0, 0})
		return request{}, errors.Join(errSocks, err)
	}
	switch {
	case head[0] != version:
		return r, errSocks
	case head[1] != connect:
		return refuse(badCommand)
	case head[3] != domainName || head[4] != hashLetters:
		return refuse(badAddress)
	}
	var rest [hashLetters + 2]byte
	if _, err := io.ReadFull(rw, rest[:]); err != nil {
		return r, err
	}
	r.address = strings.ToLower(string(rest[:hashLetters]))
	if _, err := hex.DecodeString(r.address); err != nil {
		return refuse(badAddress)
	}
	copy(r.port[:], rest[hashLetters:])
	return r, nil
}
