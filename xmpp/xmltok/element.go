package xmltok

// Span is a range of bytes: offsets from the first byte of the scanned buffer.
type Span struct{ Start, End uint32 }

// Len returns the number of bytes in the range.
func (p Span) Len() int { return int(p.End - p.Start) }

// Bytes returns the range of buf.
func (p Span) Bytes(buf []byte) []byte { return buf[p.Start:p.End] }

// In returns the range of raw, the same bytes as a string.
func (p Span) In(raw string) string { return raw[p.Start:p.End] }

// Binding is one namespace declaration; Prefix is empty for the default one.
type Binding struct{ Prefix, URI string }

// Value is an attribute value as written, between its quotes.
type Value struct {
	Span
	// Escaped says that Unescape would change the value.
	Escaped bool
}

// In returns the value after references and white space are resolved. It
// allocates only if Escaped.
func (v Value) In(raw string) string {
	s := v.Span.In(raw)
	if v.Escaped {
		return Unescape(s)
	}
	return s
}

// Namespace is that of an element: either the value of a declaration inside the
// scanned bytes, or one inherited from the stream header.
type Namespace struct {
	Span
	// Inherited is the namespace name when Span is empty.
	Inherited string
}

// In returns the namespace name, empty for none.
func (s Namespace) In(raw string) string {
	if s.Len() == 0 {
		return s.Inherited
	}
	return s.Span.In(raw)
}

// Attr is one attribute of the top-level element.
type Attr struct {
	// Name is the name as written, with its prefix.
	Name Span
	// Local is the part behind the prefix.
	Local Span
	// Value is the value as written.
	Value Value
}

// Prefixed says that the name has a prefix (xml:lang, xmlns:a, …).
func (a Attr) Prefixed() bool { return a.Name.Start != a.Local.Start }

// Child is one direct child element of the top-level element.
type Child struct {
	// Space is the namespace.
	Space Namespace
	// Name is the name as written, with its prefix.
	Name Span
	// Local is the part behind the prefix.
	Local Span
	// Outer runs from the first byte of the start tag behind the end tag.
	Outer Span
	// Content lies between the tags; it is empty for an empty element.
	Content Span
}

// Outline describes the element (or header) that a Scanner has just found. Its
// slices belong to the scanner and are valid until the next call to it.
type Outline struct {
	// Space is the namespace.
	Space Namespace
	// Name is the name as written, with its prefix.
	Name Span
	// Local is the part behind the prefix.
	Local Span
	// Outer is the whole element: the first byte of the start tag to the last byte of the end tag.
	Outer Span
	// Content lies between the tags.
	Content Span
	// Attrs are all attributes in order, namespace declarations included.
	Attrs []Attr
	// Children are the direct children in order.
	Children []Child
	// Inherited are the prefixes of the stream header (never the default
	// namespace, never xml) that are used somewhere in the element: they must
	// be declared again where the element is to stand alone.
	Inherited []Binding
}
