package wire

import (
	"bytes"
	"errors"
	"io"
)

// maxElement bounds one top-level element, in bytes. An archive page is one
// element per message, so nothing legitimate comes near it.
const maxElement = 4 << 20

// ErrStreamEnd reports that the peer closed its stream (RFC 6120 section 4.4).
var ErrStreamEnd = errors.New("wire: peer closed the stream")

// ErrSyntax reports bytes that are not a stream of elements.
var ErrSyntax = errors.New("wire: not a stream of elements")

// Scanner cuts a byte stream into the children of the stream element. It
// counts tags and looks at quotes, nothing more: it trusts the server under
// test, because its own cost is part of every figure.
type Scanner struct {
	r     io.Reader
	buf   []byte
	start int // first byte of the element being cut
	pos   int // first byte not yet looked at; always between tags
	end   int // end of the bytes read
	depth int
}

// NewScanner returns a scanner over r with a read buffer of size bytes.
func NewScanner(r io.Reader, size int) *Scanner {
	return &Scanner{r: r, buf: make([]byte, size)}
}

// Next returns the next child of the stream, or the open tag of the stream
// itself. The slice is valid until the next call. It returns ErrStreamEnd at
// the closing tag, io.EOF at the end of input, ErrSyntax for anything else.
func (s *Scanner) Next() ([]byte, error) {
	s.start, s.depth = s.pos, 0
	for {
		element, err := s.cut()
		if element != nil || err != nil {
			return element, err
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// cut consumes whole tags until an element is complete. It returns nil, nil
// when more bytes are needed; the state then stands before the unfinished tag.
func (s *Scanner) cut() ([]byte, error) {
	for {
		open := bytes.IndexByte(s.buf[s.pos:s.end], '<')
		if open < 0 {
			s.pos = s.end
			if s.depth == 0 {
				s.start = s.pos
			}
			return nil, nil
		}
		open += s.pos
		if s.depth == 0 {
			s.start = open
		}
		s.pos = open
		length := tagLength(s.buf[open:s.end])
		if length == 0 {
			return nil, nil
		}
		tag := s.buf[open : open+length]
		s.pos = open + length
		done, err := s.step(tag)
		if err != nil {
			return nil, err
		}
		if done {
			return s.buf[s.start:s.pos], nil
		}
	}
}

// step accounts for one tag and tells whether it ends a child of the stream.
func (s *Scanner) step(tag []byte) (bool, error) {
	switch {
	case tag[1] == '?':
		return false, nil
	case tag[1] == '!':
		// RFC 6120 section 11.1: no comments and no document types.
		return false, ErrSyntax
	case tag[1] == '/':
		s.depth--
		if s.depth < 0 {
			return false, ErrStreamEnd
		}
		return s.depth == 0, nil
	case tag[len(tag)-2] == '/':
		return s.depth == 0, nil
	case s.depth == 0 && bytes.HasPrefix(tag, []byte("<stream:stream")):
		return true, nil
	}
	s.depth++
	return false, nil
}

// tagLength returns the length of the tag that b starts with, or 0 when it is
// not complete. A '>' inside a quoted value does not end a tag.
func tagLength(b []byte) int {
	for at := 1; at < len(b); at++ {
		switch b[at] {
		case '>':
			if at < 2 {
				return 0
			}
			return at + 1
		case '\'', '"':
			closing := bytes.IndexByte(b[at+1:], b[at])
			if closing < 0 {
				return 0
			}
			at += closing + 1
		}
	}
	return 0
}

// fill reads more bytes, after moving the unfinished element to the front.
func (s *Scanner) fill() error {
	if s.start > 0 {
		copy(s.buf, s.buf[s.start:s.end])
		s.pos -= s.start
		s.end -= s.start
		s.start = 0
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= maxElement {
			return ErrSyntax
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Attr returns the value of an attribute of the first tag of element, or nil.
// The value is as it stands in the bytes, entities included.
func Attr(element []byte, name string) []byte {
	tag := element[:max(tagLength(element), 0)]
	for at := 0; ; {
		i := bytes.Index(tag[at:], []byte(name))
		if i < 0 {
			return nil
		}
		i += at
		at = i + len(name)
		if i == 0 || at+1 >= len(tag) || tag[at] != '=' || !isSpace(tag[i-1]) {
			continue
		}
		quote := tag[at+1]
		closing := bytes.IndexByte(tag[at+2:], quote)
		if closing < 0 {
			return nil
		}
		return tag[at+2 : at+2+closing]
	}
}

// Between returns the bytes after the first occurrence of left and before the
// following occurrence of right, or nil when either is missing.
func Between(b []byte, left, right string) []byte {
	i := bytes.Index(b, []byte(left))
	if i < 0 {
		return nil
	}
	b = b[i+len(left):]
	j := bytes.Index(b, []byte(right))
	if j < 0 {
		return nil
	}
	return b[:j]
}

// Named tells whether element's name is name.
func Named(element []byte, name string) bool {
	if len(element) < len(name)+2 || string(element[1:1+len(name)]) != name {
		return false
	}
	after := element[1+len(name)]
	return isSpace(after) || after == '>' || after == '/'
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }
