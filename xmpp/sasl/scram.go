package sasl

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

var errSyntax = errors.New("sasl: syntax")

// clientFirst is client-first-message of RFC 5802 section 7.
type clientFirst struct {
	header  string // gs2-header, to the byte
	flag    byte   // 'n', 'y' or 'p'
	binding string // cb-name when flag is 'p'
	authzID string
	user    string
	nonce   string
	bare    string // client-first-message-bare
}

func parseClientFirst(s string) (m clientFirst, err error) {
	flag, rest, ok := strings.Cut(s, ",")
	if !ok {
		return m, errSyntax
	}
	authz, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return m, errSyntax
	}
	switch name, isName := strings.CutPrefix(flag, "p="); {
	case flag == "n" || flag == "y":
		m.flag = flag[0]
	case isName && validBindingName(name):
		m.flag, m.binding = 'p', name
	default:
		return m, errSyntax
	}
	if authz != "" {
		name, ok := strings.CutPrefix(authz, "a=")
		if m.authzID, err = unescapeName(name); !ok || err != nil || m.authzID == "" {
			return m, errSyntax
		}
	}
	m.header, m.bare = s[:len(s)-len(bare)], bare
	// A reserved-mext in front ("m=…") fails here, as section 5.1 asks.
	user, rest, ok := strings.Cut(bare, ",")
	name, isUser := strings.CutPrefix(user, "n=")
	if m.user, err = unescapeName(name); !ok || !isUser || err != nil || m.user == "" {
		return m, errSyntax
	}
	nonce, ext, more := strings.Cut(rest, ",")
	m.nonce, ok = strings.CutPrefix(nonce, "r=")
	if !ok || !validNonce(m.nonce) || more && !validExtensions(ext) {
		return m, errSyntax
	}
	return m, nil
}

// clientFinal is client-final-message.
type clientFinal struct {
	binding string // value of c=, still base64
	nonce   string
	without string // client-final-message-without-proof
	proof   []byte
}

func parseClientFinal(s string) (m clientFinal, err error) {
	// The proof is the last attribute; base64 holds no comma.
	i := strings.LastIndex(s, ",p=")
	if i < 0 {
		return m, errSyntax
	}
	m.without = s[:i]
	if m.proof, err = decodeBase64(s[i+len(",p="):]); err != nil {
		return m, errSyntax
	}
	c, rest, ok := strings.Cut(m.without, ",")
	var isBinding, isNonce bool
	m.binding, isBinding = strings.CutPrefix(c, "c=")
	nonce, ext, more := strings.Cut(rest, ",")
	m.nonce, isNonce = strings.CutPrefix(nonce, "r=")
	if !ok || !isBinding || !isNonce || !validNonce(m.nonce) || more && !validExtensions(ext) {
		return m, errSyntax
	}
	return m, nil
}

// serverFirst is server-first-message.
type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
	ext        string // further attributes
}

func parseServerFirst(s string) (m serverFirst, err error) {
	nonce, rest, ok1 := strings.Cut(s, ",")
	salt, rest, ok2 := strings.Cut(rest, ",")
	count, ext, more := strings.Cut(rest, ",")
	m.ext = ext
	var is [3]bool
	m.nonce, is[0] = strings.CutPrefix(nonce, "r=")
	salt, is[1] = strings.CutPrefix(salt, "s=")
	count, is[2] = strings.CutPrefix(count, "i=")
	if !ok1 || !ok2 || is != [3]bool{true, true, true} || !validNonce(m.nonce) || more && !validExtensions(ext) {
		return m, errSyntax
	}
	if m.salt, err = decodeBase64(salt); err != nil || len(m.salt) == 0 || len(m.salt) > maxSalt {
		return m, errSyntax
	}
	// posit-number: no sign, no leading zero.
	if count == "" || count[0] < '1' || count[0] > '9' {
		return m, errSyntax
	}
	if m.iterations, err = strconv.Atoi(count); err != nil {
		return m, errSyntax
	}
	return m, nil
}

// parseServerFinal returns the signature, or the server's error word.
func parseServerFinal(s string) (signature []byte, problem string, err error) {
	first, ext, more := strings.Cut(s, ",")
	if more && !validExtensions(ext) {
		return nil, "", errSyntax
	}
	if word, ok := strings.CutPrefix(first, "e="); ok && word != "" {
		return nil, word, nil
	}
	v, ok := strings.CutPrefix(first, "v=")
	if !ok {
		return nil, "", errSyntax
	}
	signature, err = decodeBase64(v)
	if err != nil || len(signature) == 0 {
		return nil, "", errSyntax
	}
	return signature, "", nil
}

// decodeBase64 takes canonical base64 only: no line breaks, padding, and no
// stray bits behind the end.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errSyntax
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

func encodeBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// validNonce: printable ASCII without comma (RFC 5802 section 7).
func validNonce(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

// validBindingName: letters, digits, '.' and '-' (RFC 5802 section 7, cb-name).
func validBindingName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isAlpha(c) && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return s != ""
}

// validExtensions: attr-val pairs, whose meaning may be ignored (RFC 5802
// section 5.1), except "m", which must not be.
func validExtensions(s string) bool {
	for pair := range strings.SplitSeq(s, ",") {
		if len(pair) < 3 || !isAlpha(pair[0]) || pair[0] == 'm' || pair[1] != '=' {
			return false
		}
		if !validText(pair[2:]) {
			return false
		}
	}
	return true
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func validText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// unescapeName reads saslname: "=2C" is a comma, "=3D" an equals sign, and no
// other '=' may stand there (RFC 5802 section 5.1).
func unescapeName(s string) (string, error) {
	if !validText(s) {
		return "", errSyntax
	}
	if strings.IndexByte(s, '=') < 0 {
		return s, nil
	}
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '=')
		if i < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		out.WriteString(s[:i])
		switch {
		case strings.HasPrefix(s[i:], "=2C"):
			out.WriteByte(',')
		case strings.HasPrefix(s[i:], "=3D"):
			out.WriteByte('=')
		default:
			return "", errSyntax
		}
		s = s[i+3:]
	}
}

func escapeName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

// newNonce returns 144 random bits in printable form.
func newNonce() string {
	var b [18]byte
	rand.Read(b[:])
	return encodeBase64(b[:])
}
