package sasl

import (
	"errors"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// ErrPassword says that a password is empty or holds characters that RFC 8265
// section 4.2 forbids.
var ErrPassword = errors.New("sasl: password cannot be used")

// maxPassword bounds the work of preparing and hashing a password.
const maxPassword = 4096

// preparePassword applies the OpaqueString profile (RFC 8265 section 4.2),
// which replaces SASLprep.
func preparePassword(password string) (string, error) {
	if password == "" || len(password) > maxPassword || !utf8.ValidString(password) {
		return "", ErrPassword
	}
	if printable(password) {
		return password, nil
	}
	p, err := precis.OpaqueString.String(password)
	if err != nil || p == "" {
		return "", ErrPassword
	}
	return p, nil
}

// prepareUsername applies UsernameCaseMapped (RFC 8265 section 3.3), so that
// all spellings of a name are one user, and one made-up salt if there is none.
// What cannot be prepared stays as it is: it will not be found.
func prepareUsername(name string) string {
	if p, err := precis.UsernameCaseMapped.String(name); err == nil {
		return p
	}
	return name
}

// printable reports whether s is all ASCII without controls, which OpaqueString
// does not change.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
