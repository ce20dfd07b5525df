package xmltok

import "stonechat/xmpp/ns"

// Event is what a Scanner found at the start of its buffer.
type Event uint8

const (
	// More: the buffer ends before the next event is complete; call again with more bytes.
	More Event = iota
	// Header: the start tag of the stream, with an XML declaration if there is one.
	Header
	// Element: one complete top-level element.
	Element
	// End: the end tag of the stream.
	End
	// Space: white space between top-level elements (RFC 6120 section 4.6.1).
	Space
)

// phase is where a stream stands.
type phase uint8

const (
	beforeHeader phase = iota
	inStream
	afterEnd
	// inDocument: one element stands for everything, there is no header.
	inDocument
)

// Scanner finds headers and elements in a stream of bytes. It copies nothing,
// allocates nothing once it has working memory, and remembers how far it has
// looked, so that the cost is linear in the bytes however they arrive. It is
// for one goroutine.
type Scanner struct {
	limits   Limits
	scratch  *Scratch
	prefixes []Binding // of the header, without the default one
	space    string    // default namespace of the header
	name     string    // of the header, as written
	phase    phase
}

// NewScanner returns a Scanner that waits for a stream header.
func NewScanner(l Limits) *Scanner {
	s := &Scanner{}
	s.SetLimits(l)
	return s
}

// SetLimits changes the limits, from the next element on.
func (s *Scanner) SetLimits(l Limits) { s.limits = l.complete() }

// Attach gives the scanner working memory, for example from a pool. Without it
// the scanner makes its own when the first byte comes in.
func (s *Scanner) Attach(m *Scratch) { s.scratch = m }

// Detach takes the working memory back, so that an idle connection holds next
// to none; the Outline of the last element must not be used afterwards. It
// returns nil in the middle of an element and when nothing is attached.
func (s *Scanner) Detach() *Scratch {
	m := s.scratch
	if m == nil || m.state != idle {
		return nil
	}
	s.scratch = nil
	return m
}

// Reset makes the scanner wait for a new header, as after TLS or SASL, and
// forgets what it knows of an unfinished element. Limits and memory stay.
func (s *Scanner) Reset() {
	s.prefixes, s.space, s.name, s.phase = nil, "", "", beforeHeader
	if s.scratch != nil {
		s.scratch.state = idle
	}
}

// Inherit declares what surrounds the documents that follow: the default
// namespace and bound prefixes, at most 64. The slice is kept and must not change.
func (s *Scanner) Inherit(space string, prefixes []Binding) {
	s.space, s.prefixes = space, prefixes[:min(len(prefixes), maxInherited)]
}

// ContentSpace returns the default namespace of the stream header, or that
// given to Inherit.
func (s *Scanner) ContentSpace() string { return s.space }

// Streaming says whether a stream header has been found.
func (s *Scanner) Streaming() bool { return s.phase == inStream || s.phase == afterEnd }

// Next looks at the start of buf, the first byte that is not consumed yet, and
// returns the event and its length n. After More nothing is consumed: buf must
// begin with the same bytes again, wherever they lie in memory then. The error
// is an *Error, and the stream must end with it.
func (s *Scanner) Next(buf []byte) (n int, ev Event, err error) {
	m := s.scratch
	if m == nil || m.state == idle {
		if n = skipSpace(buf, 0); n > 0 {
			return n, Space, nil
		}
		if len(buf) == 0 {
			return 0, More, nil
		}
		m = s.memory()
		m.begin(s, s.phase)
	}
	limit := s.limits.Bytes
	if s.phase == beforeHeader {
		limit = s.limits.HeaderBytes
	}
	return s.event(m, buf, limit)
}

// event runs the scan and says what came of it.
func (s *Scanner) event(m *Scratch, buf []byte, limit int) (int, Event, error) {
	m.run(s, buf[:min(len(buf), limit)])
	switch {
	case m.err != nil:
		err := m.err
		m.state, m.err = broken, nil
		return 0, More, err
	case m.state != finished:
		if len(buf) >= limit {
			m.state = broken
			return 0, More, &Error{PolicyViolation, "element too big", limit}
		}
		return 0, More, nil
	}
	m.state = idle
	n := int(m.out.Outer.End)
	switch {
	case s.phase == beforeHeader:
		if err := s.open(m, buf); err != nil {
			m.state = broken
			return 0, More, err
		}
		return n, Header, nil
	case m.ended:
		s.phase = afterEnd
		return n, End, nil
	}
	return n, Element, nil
}

// Document scans one complete document: exactly one element, and white space
// around it. Outline describes it afterwards. Bytes is its greatest size. The
// error is an *Error. Document and Fragment must not be called between Next
// calls that belong to one element.
func (s *Scanner) Document(buf []byte) error {
	m := s.memory()
	m.begin(s, inDocument)
	m.pos = skipSpace(buf, 0)
	m.run(s, buf[:min(len(buf), s.limits.Bytes)])
	done, err := m.state == finished, m.err
	m.state, m.err = idle, nil
	switch {
	case err != nil:
		return err
	case len(buf) > s.limits.Bytes:
		return &Error{PolicyViolation, "document too big", s.limits.Bytes}
	case !done:
		return &Error{NotWellFormed, "document ends inside an element", len(buf)}
	}
	if end := skipSpace(buf, int(m.out.Outer.End)); end < len(buf) {
		return &Error{NotWellFormed, "more than one element", end}
	}
	return nil
}

// Fragment scans the content of an element: text and any number of elements.
// They are the Children of the Outline afterwards, which has nothing else to
// say. Limits count as if the element were there.
func (s *Scanner) Fragment(buf []byte) error {
	m := s.memory()
	m.begin(s, inDocument)
	m.frames = append(m.frames, frame{})
	m.state = inText
	m.run(s, buf[:min(len(buf), s.limits.Bytes)])
	st, err := m.state, m.err
	m.state, m.err = idle, nil
	switch {
	case err != nil:
		return err
	case len(buf) > s.limits.Bytes:
		return &Error{PolicyViolation, "fragment too big", s.limits.Bytes}
	case st != inText || len(m.frames) != 1 || m.pos != len(buf):
		return &Error{NotWellFormed, "fragment is not balanced", m.pos}
	}
	return nil
}

// memory returns the working memory and makes it if need be.
func (s *Scanner) memory() *Scratch {
	if s.scratch == nil {
		s.scratch = NewScratch()
	}
	return s.scratch
}

// Outline describes what the last Header or Element event, or Document, found.
// It belongs to the scanner and is valid until the next call to it.
func (s *Scanner) Outline() *Outline {
	if s.scratch == nil {
		return &Outline{}
	}
	return &s.scratch.out
}

// usualPrefixes are those of nearly every stream header; sharing them keeps an
// idle connection small.
var usualPrefixes = []Binding{{"stream", ns.Streams}}

// open takes over the namespaces of the stream header.
func (s *Scanner) open(m *Scratch, buf []byte) error {
	out := &m.out
	// RFC 6120 section 4.9.3.10: the stream must be in the streams namespace.
	if out.Space.of(buf) != ns.Streams {
		return &Error{InvalidNamespace, "stream namespace", int(out.Name.Start)}
	}
	if string(out.Local.Bytes(buf)) != "stream" || m.closed {
		return &Error{BadFormat, "not a stream header", int(out.Name.Start)}
	}
	s.name = known(out.Name.Bytes(buf))
	s.space, s.prefixes = "", nil
	for _, b := range m.binds {
		uri := known(b.uri.Bytes(buf))
		if b.prefix.Len() == 0 {
			s.space = uri
			continue
		}
		if len(s.prefixes) == maxInherited {
			return &Error{PolicyViolation, "too many namespaces", int(out.Name.Start)}
		}
		s.prefixes = append(s.prefixes, Binding{known(b.prefix.Bytes(buf)), uri})
	}
	if len(s.prefixes) == 1 && s.prefixes[0] == usualPrefixes[0] {
		s.prefixes = usualPrefixes
	}
	s.phase = inStream
	return nil
}

// known returns b as a string, without allocation for what nearly all headers hold.
func known(b []byte) string {
	switch string(b) {
	case "stream":
		return "stream"
	case "stream:stream":
		return "stream:stream"
	case ns.Streams:
		return ns.Streams
	case ns.Client:
		return ns.Client
	case ns.Server:
		return ns.Server
	case ns.ComponentAccept:
		return ns.ComponentAccept
	}
	return string(b)
}
