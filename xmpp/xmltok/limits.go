// Package xmltok reads and writes the subset of XML 1.0 that XMPP allows (RFC
// 6120 section 11): UTF-8, no comments, processing instructions, document types
// or entities of one's own.
//
// Scanner is incremental and enforces limits while it reads; it answers with
// offsets into the caller's buffer and copies nothing. Node is a tree, made
// where one is needed, by the same Scanner: there is only one reader, because
// two of them sooner or later disagree about what a stanza says.
//
// Stricter than XML: a byte order mark is refused (RFC 6120 section 11.6), a
// reference has at most 16 bytes, a name at most 1,024, and a namespace name holds
// no reference, quote, angle bracket or line end.
package xmltok

// Limits bound one top-level element. A field that is zero or less stands for
// the value in DefaultLimits.
type Limits struct {
	// Bytes is the greatest size of an element.
	Bytes int
	// HeaderBytes is the greatest size of a stream header with its XML declaration.
	HeaderBytes int
	// Depth is the greatest nesting; the top-level element itself has depth 1.
	Depth int
	// Attrs is the greatest number of attributes of one element, declarations included.
	Attrs int
	// Namespaces is the greatest number of declarations of one element; four
	// times as many may be in scope.
	Namespaces int
}

// DefaultLimits are those for a peer that has logged in.
var DefaultLimits = Limits{Bytes: 256 << 10, HeaderBytes: 64 << 10, Depth: 100, Attrs: 256, Namespaces: 64}

// maxBytes keeps offsets inside 32 bits.
const maxBytes = 1 << 30

const (
	maxName      = 1024 // bytes of one name
	maxReference = 16   // bytes of one reference, from & to ;
	maxDecl      = 256  // bytes of the XML declaration
	scopes       = 4    // Limits.Namespaces times this may be in scope
	maxInherited = 64   // prefixes of a stream header: the bits of Scratch.used
)

func (l Limits) complete() Limits {
	pick := func(v, standard int) int {
		if v <= 0 {
			return standard
		}
		return min(v, maxBytes)
	}
	return Limits{
		Bytes:       pick(l.Bytes, DefaultLimits.Bytes),
		HeaderBytes: pick(l.HeaderBytes, DefaultLimits.HeaderBytes),
		Depth:       pick(l.Depth, DefaultLimits.Depth),
		Attrs:       pick(l.Attrs, DefaultLimits.Attrs),
		Namespaces:  pick(l.Namespaces, DefaultLimits.Namespaces),
	}
}
