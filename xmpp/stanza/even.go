package stanza

import (
	"strings"

	"stonechat/xmpp/xmltok"
)

// evener writes children with all declarations that they may depend on.
type evener struct {
	wire, ours string // the content namespace on the wire, and as we write it
	outside    []xmltok.Binding
}

// around collects the declarations in scope inside the element: its own ones
// and those of the stream header that are used.
func (e *evener) around(d *decoder) {
	space := d.content
	var own []xmltok.Binding
	for i := range d.out.Attrs {
		a := &d.out.Attrs[i]
		name, value := a.Name.In(d.raw), a.Value.In(d.raw)
		if name == "xmlns" {
			space = value
		} else if prefix, ok := declared(name); ok {
			own = append(own, xmltok.Binding{Prefix: prefix, URI: value})
		}
	}
	e.outside = append(e.outside, xmltok.Binding{URI: space})
	e.outside = append(e.outside, own...)
	for _, b := range d.out.Inherited {
		if !bound(own, b.Prefix) {
			e.outside = append(e.outside, b)
		}
	}
}

func bound(list []xmltok.Binding, prefix string) bool {
	for _, b := range list {
		if b.Prefix == prefix {
			return true
		}
	}
	return false
}

// child writes one child with its declarations.
func (e *evener) child(dst []byte, c Child) []byte {
	dst = append(dst, c.raw[:strings.IndexAny(c.raw, " \t\r\n/>")]...)
	var own []xmltok.Binding
	for name, value := range xmltok.Attrs(c.raw) {
		if prefix, ok := declared(name); ok {
			value = e.ourName(value)
			own = append(own, xmltok.Binding{Prefix: prefix, URI: value})
		}
		dst = xmltok.AppendAttr(dst, name, value)
	}
	for _, b := range e.outside {
		uri := e.ourName(b.URI)
		switch {
		case bound(own, b.Prefix):
		case b.Prefix == "" && uri != e.ours:
			dst = xmltok.AppendAttr(dst, "xmlns", uri)
		case b.Prefix != "" && e.mentioned(c.raw, b.Prefix):
			dst = xmltok.AppendAttr(dst, "xmlns:"+b.Prefix, uri)
		}
	}
	if int(c.inner.Start) == len(c.raw) {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	return append(dst, c.raw[c.inner.Start:]...)
}

// mentioned says whether an element may use a prefix: in a name, or in text
// that holds names. Declarations count too, so that it makes no difference
// whether they have moved already.
func (e *evener) mentioned(raw, prefix string) bool {
	for i := range e.outside {
		if mentions(e.outside[i].URI, prefix) {
			return true
		}
	}
	return mentions(raw, prefix)
}

// mentions says whether prefix stands in s with a colon behind it, not as the
// end of a longer word.
func mentions(s, prefix string) bool {
	for at := 0; ; {
		i := strings.Index(s[at:], prefix)
		if i < 0 {
			return false
		}
		i += at
		at = i + len(prefix)
		if at < len(s) && s[at] == ':' && (i == 0 || !inWord(s[i-1])) {
			return true
		}
	}
}

func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 || strings.IndexByte("-._:", c) >= 0
}

// declared returns the prefix that an attribute of that name declares.
func declared(name string) (prefix string, ok bool) {
	if name == "xmlns" {
		return "", true
	}
	return strings.CutPrefix(name, "xmlns:")
}

// ourName returns the namespace as we write it: RFC 6120 section 4.8.2 gives
// one and the same stanza another namespace on every kind of stream.
func (e *evener) ourName(uri string) string {
	if uri == e.wire {
		return e.ours
	}
	return uri
}

// keep adds to the kept attributes the declarations of the stream header that
// they use.
func (e *evener) keep(kept []byte, d *decoder) []byte {
	for _, b := range d.out.Inherited {
		for i := range d.out.Attrs {
			if strings.HasPrefix(d.out.Attrs[i].Name.In(d.raw), b.Prefix+":") {
				kept = xmltok.AppendAttr(kept, "xmlns:"+b.Prefix, b.URI)
				break
			}
		}
	}
	return kept
}
