// Package uri reads and writes XMPP URIs: RFC 5122, with query components as XEP-0147 has them, and the links of invites (XEP-0379, XEP-0401,
// XEP-0445).
package uri

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"stonechat/xmpp/jid"
)

// MaxLength is the length of the longest URI that is read, bytes.
const MaxLength = 4096

// The query types of invites.
const (
	Register = "register" // XEP-0077 section 13.3, with preauth: XEP-0401, XEP-0445
	Roster   = "roster"   // XEP-0147, with preauth: XEP-0379
)

// Reasons for refusing a URI.
var (
	ErrScheme  = errors.New("uri: not an xmpp: URI")
	ErrForm    = errors.New("uri: malformed")
	ErrTooLong = errors.New("uri: too long")
)

// Pair is one key of the query with its value.
type Pair struct{ Key, Value string }

// URI is one XMPP URI.
type URI struct {
	// JID is whom it is about.
	JID jid.JID
	// Action is the query type, such as Roster; empty: there is none, but perhaps pairs, such as the name of a node (RFC 5122 section 2.2).
	Action string
	// Pairs are the keys of the query, in order.
	Pairs []Pair
}

// Get returns the first value of a key, or "".
func (u URI) Get(key string) string {
	for _, p := range u.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// Parse reads a URI. An authority (RFC 5122 section 2.3: the account to act as) is passed over, as is a fragment.
func Parse(s string) (URI, error) {
	if len(s) > MaxLength {
		return URI{}, ErrTooLong
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !strings.EqualFold(scheme, "xmpp") {
		return URI{}, ErrScheme
	}
	rest, _, _ = strings.Cut(rest, "#")
	if after, has := strings.CutPrefix(rest, "//"); has {
		if _, rest, ok = strings.Cut(after, "/"); !ok {
			return URI{}, ErrForm
		}
	}
	path, query, _ := strings.Cut(rest, "?")
	address, err := url.PathUnescape(path)
	if err != nil {
		return URI{}, ErrForm
	}
	var u URI
	if u.JID, err = jid.Parse(address); err != nil {
		return URI{}, err
	}
	parts := strings.Split(query, ";")
	if u.Action, err = url.PathUnescape(parts[0]); err != nil {
		return URI{}, ErrForm
	}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		key, err1 := url.PathUnescape(key)
		value, err2 := url.PathUnescape(value)
		if err1 != nil || err2 != nil || key == "" {
			return URI{}, ErrForm
		}
		u.Pairs = append(u.Pairs, Pair{key, value})
	}
	return u, nil
}

// With returns u with one more pair.
func (u URI) With(key, value string) URI {
	u.Pairs = append(slices.Clip(u.Pairs), Pair{key, value})
	return u
}

// String writes the URI; Parse reads it back.
func (u URI) String() string {
	b := []byte("xmpp:")
	for i, part := range []string{u.JID.Local(), u.JID.Domain(), u.JID.Resource()} {
		if part == "" {
			continue
		}
		if i == 2 {
			b = append(b, '/')
		}
		b = escape(b, part, i == 1)
		if i == 0 {
			b = append(b, '@')
		}
	}
	if u.Action == "" && len(u.Pairs) == 0 {
		return string(b)
	}
	b = escape(append(b, '?'), u.Action, false)
	for _, p := range u.Pairs {
		b = escape(append(b, ';'), p.Key, false)
		b = escape(append(b, '='), p.Value, false)
	}
	return string(b)
}

// escape writes what is not unreserved (RFC 3986 section 2.3) by its bytes. The brackets and colons of an IP literal stay in a host.
func escape(dst []byte, s string, host bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0, host && strings.IndexByte("[]:", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
