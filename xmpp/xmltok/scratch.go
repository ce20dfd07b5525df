package xmltok

// state is where a Scratch goes on when more bytes have come.
type state uint8

const (
	idle      state = iota // between elements
	inProlog               // behind an XML declaration
	inText                 // character data
	atMarkup               // at '<'
	inName                 // name of a start tag
	inGap                  // between attributes
	inAttr                 // name of an attribute
	atEquals               // behind it
	atQuote                // behind '='
	inValue                // inside quotes
	inEndName              // name of an end tag
	inEndGap               // behind it
	inCDATA                // CDATA section
	finished               // the event is complete
	broken                 // an error was reported
)

// frame is one open element.
type frame struct {
	name  Span
	binds uint32 // declarations that were in scope outside of it
}

// Scratch is the working memory of a Scanner; the zero value is ready. It can
// serve one scanner after another, but only one at a time.
type Scratch struct {
	err    error
	frames []frame
	binds  []bind
	attrs  []Attr // of the tag being read
	spaces []expanded
	tree   *builder
	out    Outline

	pos     int // where the scan goes on
	mark    int // '<' of the tag being read
	from    int // first byte of the name or value being read
	colon   int // position of the colon of that name, 0 for none
	decls   int // declarations of the tag being read
	used    uint64
	seen    uint64 // filter for duplicate attributes
	attr    Attr
	name    Span
	prefix  int // colon of the element's name, 0 for none
	state   state
	phase   phase
	quote   byte
	escaped bool // the value being read needs Unescape
	special bool // it has a character that is usually escaped
	spaced  bool // white space precedes
	foreign bool // the tag has an attribute with a prefix
	closed  bool // the top-level element is an empty-element tag
	ended   bool // the end tag of the stream was read
}

// NewScratch returns working memory that holds what usual elements need, in
// one piece.
func NewScratch() *Scratch {
	r := &struct {
		Scratch
		frames   [8]frame
		binds    [8]bind
		attrs    [8]Attr
		root     [8]Attr
		children [8]Child
	}{}
	m := &r.Scratch
	m.frames, m.binds, m.attrs = r.frames[:0], r.binds[:0], r.attrs[:0]
	m.out.Attrs, m.out.Children = r.root[:0], r.children[:0]
	return m
}

// keep is the greatest number of entries that a Scratch holds on to.
const keep = 1024

func (m *Scratch) begin(s *Scanner, p phase) {
	m.err, m.state, m.phase, m.pos = nil, atMarkup, p, 0
	m.frames, m.binds, m.attrs = m.frames[:0], m.binds[:0], m.attrs[:0]
	children, attrs, inherited := m.out.Children[:0], m.out.Attrs[:0], m.out.Inherited[:0]
	if cap(children) > keep {
		children = nil
	}
	if cap(m.binds) > keep {
		m.binds = nil
	}
	m.out = Outline{Children: children, Attrs: attrs, Inherited: inherited}
	m.used, m.closed, m.ended = 0, false, false
}

// run scans until the event is complete, an error is found, or buf ends.
func (m *Scratch) run(s *Scanner, buf []byte) {
	i, ok := m.pos, true
	for ok {
		switch m.state {
		case inText:
			i, ok = m.text(buf, i)
		case atMarkup:
			i, ok = m.markup(s, buf, i)
		case inName, inGap, inAttr, atEquals, atQuote, inValue:
			i, ok = m.startTag(s, buf, i)
		case inEndName, inEndGap:
			i, ok = m.endTag(s, buf, i)
		case inCDATA:
			i, ok = m.cdata(buf, i)
		case inProlog:
			if i = skipSpace(buf, i); i < len(buf) {
				m.state = atMarkup
			} else {
				ok = false
			}
		case broken:
			i, ok = m.fail(BadFormat, "bytes after an error", i)
		default:
			ok = false
		}
	}
	m.pos = i
}

// wait stops the scan at i until more bytes come.
func (m *Scratch) wait(st state, i int) (int, bool) {
	m.state = st
	return i, false
}

// fail stops the scan with an error.
func (m *Scratch) fail(condition, text string, i int) (int, bool) {
	m.err = &Error{condition, text, i}
	return i, false
}

// text scans character data.
func (m *Scratch) text(buf []byte, i int) (int, bool) {
	if i < len(buf) && buf[i] == '<' {
		m.state = atMarkup
		return i, true
	}
	for {
		i = skipText(buf, i)
		if i >= len(buf) {
			return m.wait(inText, i)
		}
		switch c := buf[i]; {
		case c == '<':
			m.state = atMarkup
			return i, true
		case c == '>':
			// XML 1.0 section 2.4: "]]>" must not stand in character data.
			// Two brackets right before can only be character data themselves.
			if i >= 2 && buf[i-1] == ']' && buf[i-2] == ']' {
				return m.fail(NotWellFormed, "]]> in text", i-2)
			}
			i++
		case c == '&' || c >= 0x80 || c < ' ':
			n, ok := m.odd(buf, i)
			if !ok {
				return m.stop(inText, i)
			}
			i = n
		default:
			i++
		}
	}
}

// stop ends a scan after odd: with its error, or waiting.
func (m *Scratch) stop(st state, i int) (int, bool) {
	if m.err != nil {
		return i, false
	}
	return m.wait(st, i)
}

// odd steps over a reference, a character that is not ASCII, or a control
// character, in text or in a value. It fails with m.err, or without it when
// the buffer ends too early.
func (m *Scratch) odd(buf []byte, i int) (int, bool) {
	c := buf[i]
	if c == '&' {
		m.escaped = true
		n, condition := reference(buf, i)
		if condition != "" {
			return m.fail(condition, "bad reference", i)
		}
		return n, n > i
	}
	if c < ' ' {
		if !isSpace(c) {
			return m.fail(NotWellFormed, "control character", i)
		}
		m.escaped = true
		return i + 1, true
	}
	switch n := wideChar(buf, i); n {
	case wideBad:
		// RFC 6120 section 4.9.3.22: violating the rules of UTF-8.
		return m.fail(UnsupportedEncoding, "not UTF-8", i)
	case wideForbidden:
		return m.fail(NotWellFormed, "forbidden character", i)
	default:
		return i + n, n > 0
	}
}

// cdata scans the inside of a CDATA section and its end.
func (m *Scratch) cdata(buf []byte, i int) (int, bool) {
	for i < len(buf) {
		c := buf[i]
		switch {
		case c == ']':
			if i+2 >= len(buf) && (i+1 == len(buf) || buf[i+1] == ']') {
				return m.wait(inCDATA, i)
			}
			if buf[i+1] == ']' && buf[i+2] == '>' {
				m.state = inText
				return i + 3, true
			}
			i++
		case c >= 0x80 || c < ' ':
			n, ok := m.odd(buf, i)
			if !ok {
				return m.stop(inCDATA, i)
			}
			i = n
		default:
			i++
		}
	}
	return m.wait(inCDATA, i)
}
