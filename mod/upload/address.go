package upload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	randomBytes  = 16
	codeBytes    = 8  // of an id: it saves a read and is no secret's only guard
	putBytes     = 16 // of the right to upload
	maxNameBytes = 200
	putParameter = "put"
)

// encoding of ids and codes; strict, so that each has one form only.
var encoding = base64.RawURLEncoding.Strict()

// address is what is behind Path: the file, and its name, by which people and programs know what it is.
type address struct{ id, name string }

// escaped is the address as URLs have it (RFC 3986; XEP-0363 section 4).
func (a address) escaped() string { return a.id + "/" + url.PathEscape(a.name) }

// parseAddress reads the escaped path of a request. What is not exactly what escaped could have written, give or take what is escaped, is none:
// no further folders, no dots, no names with slashes in them.
func parseAddress(path string) (a address, ok bool) {
	rest, ok := strings.CutPrefix(path, Path)
	if !ok {
		return a, false
	}
	id, name, _ := strings.Cut(rest, "/")
	b, err := encoding.DecodeString(id)
	if err != nil || len(b) != randomBytes+codeBytes || encoding.EncodeToString(b) != id || strings.Contains(name, "/") {
		return a, false
	}
	if name, err = url.PathUnescape(name); err != nil || !goodName(name) {
		return a, false
	}
	return address{id, name}, true
}

// goodName tells whether a file may be called like that.
func goodName(s string) bool {
	return s != "" && len(s) <= maxNameBytes && s != "." && s != ".." && utf8.ValidString(s) && !strings.ContainsFunc(s, badLetter)
}

// badLetter: separators of folders, and what is not seen. Marks of direction let a name end otherwise than it seems to.
func badLetter(r rune) bool {
	return r == '/' || r == '\\' || r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// cleanName is the name that a file gets whose client calls it s: the ending stays, since clients tell by it what they have (XEP-0363 section 4).
// false: there is none.
func cleanName(s string) (string, bool) {
	if s == "" || !utf8.ValidString(s) {
		return "", false
	}
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.Map(func(r rune) rune {
		if badLetter(r) {
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if strings.Trim(s, ".") == "" {
		return "file", true
	}
	if len(s) > maxNameBytes {
		end := s[strings.LastIndexByte(s, '.')+1:]
		if len(end) > 20 {
			end = ""
		} else {
			end = "." + end
		}
		cut := maxNameBytes - len(end)
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + end
	}
	return s, true
}

// codes makes and knows what is in addresses that only this server can have written.
type codes struct{ key []byte }

// code of some parts, for one use.
func (c codes) code(n int, parts ...string) []byte {
	mac := hmac.New(sha256.New, c.key)
	for _, p := range parts {
		_, _ = mac.Write([]byte(p + "\x00")) // a hash takes everything
	}
	return mac.Sum(nil)[:n]
}

// id is a new one.
func (c codes) id() string {
	b := fresh(randomBytes)
	return encoding.EncodeToString(append(b, c.code(codeBytes, "id", string(b))...))
}

// genuine tells whether we made the id.
func (c codes) genuine(id string) bool {
	b, err := encoding.DecodeString(id)
	return err == nil && len(b) == randomBytes+codeBytes && hmac.Equal(b[randomBytes:], c.code(codeBytes, "id", string(b[:randomBytes])))
}

// query is the right to upload to an address until a time, of which the seconds count.
func (c codes) query(id string, end time.Time) string {
	seconds := strconv.FormatInt(end.Unix(), 36)
	return putParameter + "=" + seconds + "." + encoding.EncodeToString(c.code(putBytes, "put", id, seconds))
}

// end is until when a query gives the right to upload to an address; false: it gives none.
func (c codes) end(id, query string) (time.Time, bool) {
	value, ok := strings.CutPrefix(query, putParameter+"=")
	seconds, code, both := strings.Cut(value, ".")
	got, err := encoding.DecodeString(code)
	if !ok || !both || err != nil || !hmac.Equal(got, c.code(putBytes, "put", id, seconds)) {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(seconds, 36, 64)
	return time.Unix(n, 0), err == nil
}
