package pie

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Bounds of a file. A whole account, without its archive, must fit into memory and into one request.
const (
	maxTag     = 64 << 10
	maxElement = 8 << 20
	readStep   = 64 << 10
)

// limits of one element that is read as a whole.
func limits() xmltok.Limits {
	return xmltok.Limits{Bytes: maxElement, HeaderBytes: maxTag, Depth: 100, Attrs: 256, Namespaces: 64}
}

// source is a file that is read from front to back: elements are entered, or taken as a whole.
type source struct {
	in  io.Reader
	buf []byte // not consumed yet
	at  int64  // bytes consumed, for messages
	end error  // of in
}

// tag is a start tag, or an end tag.
type tag struct {
	node    *xmltok.Node // without content; nil of an end tag
	empty   bool         // there is no content
	closing bool         // it is an end tag
	size    int          // bytes
	within  scope        // of what it holds
}

// scope is what surrounds the next element.
type scope struct {
	space    string
	prefixes []xmltok.Binding
}

// more reads on; false at the end.
func (s *source) more() bool {
	if s.end != nil {
		return false
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = slices.Grow(s.buf, max(readStep, len(s.buf)))
	}
	had, n := len(s.buf), 0
	for n == 0 && s.end == nil {
		n, s.end = s.in.Read(s.buf[had:cap(s.buf)])
	}
	s.buf = s.buf[:had+n]
	return n > 0
}

func (s *source) consume(n int) {
	s.buf = s.buf[n:]
	s.at += int64(n)
}

// failed is an error with its place.
func (s *source) failed(err error) error { return fmt.Errorf("byte %d: %w", s.at, err) }

// has tells whether the file goes on like that, as far as there is any of it.
func (s *source) has(prefix string) bool {
	for len(s.buf) < len(prefix) && s.more() {
	}
	return bytes.HasPrefix(s.buf, []byte(prefix))
}

// past skips everything up to and with a text.
func (s *source) past(text string) error {
	for {
		if i := bytes.Index(s.buf, []byte(text)); i >= 0 {
			s.consume(i + len(text))
			return nil
		}
		if keep := len(text) - 1; len(s.buf) > keep {
			s.consume(len(s.buf) - keep)
		}
		if !s.more() {
			return s.cut()
		}
	}
}

// cut is the error of a file that ends too early, or cannot be read.
func (s *source) cut() error {
	if errors.Is(s.end, io.EOF) {
		return s.failed(io.ErrUnexpectedEOF)
	}
	return s.failed(s.end)
}

// gap skips what may stand between elements: white space, comments, and declarations of the file. false: the file ends here.
func (s *source) gap() (bool, error) {
	for {
		i := 0
		for i < len(s.buf) && strings.IndexByte(" \t\r\n", s.buf[i]) >= 0 {
			i++
		}
		s.consume(i)
		switch {
		case len(s.buf) == 0 && !s.more():
			if errors.Is(s.end, io.EOF) {
				return false, nil
			}
			return false, s.cut()
		case s.has("<!--"):
			if err := s.past("-->"); err != nil {
				return false, err
			}
		case s.has("<?"):
			if err := s.past("?>"); err != nil {
				return false, err
			}
		case s.buf[0] == '<':
			return true, nil
		case strings.IndexByte(" \t\r\n", s.buf[0]) < 0:
			return false, s.failed(errors.New("text where an element should be"))
		}
	}
}

// tag looks at the next tag, which stays.
func (s *source) tag(in scope) (tag, error) {
	if ok, err := s.gap(); !ok || err != nil {
		return tag{}, errors.Join(err, s.orCut(ok))
	}
	n, err := s.tagEnd()
	if err != nil {
		return tag{}, err
	}
	text := string(s.buf[:n])
	if strings.HasPrefix(text, "</") {
		return tag{closing: true, size: n}, nil
	}
	t := tag{size: n, empty: strings.HasSuffix(text, "/>")}
	if !t.empty {
		text = text[:n-1] + "/>" // alone it is a document
	}
	sc := xmltok.NewScanner(limits())
	sc.Inherit(in.space, in.prefixes)
	if err := sc.Document(xmltok.View(text)); err != nil {
		return t, s.failed(err)
	}
	t.within = in
	for _, a := range sc.Outline().Attrs {
		switch prefix, declares := strings.CutPrefix(a.Name.In(text), "xmlns:"); {
		case declares:
			t.within.prefixes = append(slices.Clip(t.within.prefixes), xmltok.Binding{Prefix: prefix, URI: a.Value.In(text)})
		case prefix == "xmlns":
			t.within.space = a.Value.In(text)
		}
	}
	st, err := stanza.Decode(sc, []byte(text))
	if err != nil {
		return t, s.failed(err)
	}
	if t.node, err = st.Tree(); err != nil {
		return t, s.failed(err)
	}
	return t, nil
}

func (s *source) orCut(ok bool) error {
	if ok {
		return nil
	}
	return s.cut()
}

// tagEnd is how long the tag is with which the buffer begins.
func (s *source) tagEnd() (int, error) {
	quote := byte(0)
	for i := 0; i < maxTag; i++ {
		if i == len(s.buf) && !s.more() {
			return 0, s.cut()
		}
		switch c := s.buf[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '>':
			return i + 1, nil
		}
	}
	return 0, s.failed(errors.New("a tag is too long"))
}

// element takes the next element as a whole; it stands alone.
func (s *source) element(in scope) (*stanza.Stanza, error) {
	sc := xmltok.NewScanner(limits())
	header := "<stream:stream xmlns:stream='" + ns.Streams + "'>"
	if _, ev, err := sc.Next([]byte(header)); err != nil || ev != xmltok.Header {
		return nil, errors.Join(errors.New("no scanner"), err)
	}
	sc.Inherit(in.space, in.prefixes)
	for {
		n, ev, err := sc.Next(s.buf)
		if err != nil {
			return nil, s.failed(err)
		}
		switch ev {
		case xmltok.Element:
			st, err := stanza.Decode(sc, s.buf)
			if err != nil {
				return nil, s.failed(err)
			}
			s.consume(n)
			return st, nil
		case xmltok.More:
			if !s.more() {
				return nil, s.cut()
			}
		default:
			return nil, s.failed(errors.New("an element should be here"))
		}
	}
}
