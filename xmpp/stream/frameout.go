package stream

import (
	"bytes"
	"errors"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// errUnbalanced says that bytes to be sent are no whole elements: a mistake of
// the caller, after which nothing can be framed.
var errUnbalanced = errors.New("stream: bytes to send are not whole elements")

// elementEnd returns the length of the first element of p, which is well-formed
// since it comes from our own encoder or has passed our scanner; 0 when it is
// not there as a whole. inTag is the length of its start tag without the bracket
// that ends it.
func elementEnd(p []byte) (end, inTag int) {
	depth, i := 0, 0
	for {
		next := bytes.IndexByte(p[i:], '<')
		if next < 0 || i+next+1 >= len(p) {
			return 0, 0
		}
		i += next + 1
		switch p[i] {
		case '!': // CDATA; there is nothing else of this kind in a stream
			close := bytes.Index(p[i:], []byte("]]>"))
			if close < 0 {
				return 0, 0
			}
			i += close
			continue
		case '/':
			depth--
			close := bytes.IndexByte(p[i:], '>')
			if close < 0 {
				return 0, 0
			}
			i += close + 1
		default:
			at := tagEnd(p, i)
			if at < 0 {
				return 0, 0
			}
			i = at + 1
			if p[at-1] == '/' {
				at--
			} else {
				depth++
			}
			if inTag == 0 {
				inTag = at
			}
		}
		if depth <= 0 {
			return i, inTag
		}
	}
}

// tagEnd returns where the bracket is that ends the start tag, -1 if nowhere.
func tagEnd(p []byte, i int) int {
	for ; i < len(p); i++ {
		switch c := p[i]; c {
		case '>':
			return i
		case '\'', '"':
			close := bytes.IndexByte(p[i+1:], c)
			if close < 0 {
				return -1
			}
			i += close + 1
		}
	}
	return -1
}

// appendMessages appends each element of p as a message of its own (RFC 7395
// section 3.3.3), with the declarations that a header would have made for it:
// space as default namespace, and the prefix stream.
func appendMessages(dst, p []byte, space string, masked bool) ([]byte, error) {
	for len(p) > 0 {
		if p[0] == ' ' || p[0] == '\n' {
			p = p[1:]
			continue
		}
		end, inTag := elementEnd(p)
		if end == 0 || p[0] != '<' {
			return dst, errUnbalanced
		}
		dst = appendMessage(dst, p[:end], inTag, space, masked)
		p = p[end:]
	}
	return dst, nil
}

const streamPrefix = "stream:"

// appendMessage appends one of them.
func appendMessage(dst, element []byte, inTag int, space string, masked bool) []byte {
	name := 1 + bytes.IndexAny(element[1:], " />\t\r\n")
	tag := element[name:inTag]
	var room [128]byte
	add := room[:0]
	switch {
	case bytes.HasPrefix(element[1:], []byte(streamPrefix)):
		if !bytes.HasPrefix(tag, []byte(" xmlns:stream=")) {
			add = xmltok.AppendAttr(add, "xmlns:stream", ns.Streams)
		}
	case !bytes.HasPrefix(tag, []byte(" xmlns=")): // ours come first; behind a value it could be a value's text
		add = xmltok.AppendAttr(add, "xmlns", space)
	}
	dst, mask := appendFrameHead(dst, opText, len(element)+len(add), masked)
	at := len(dst)
	dst = append(dst, element[:name]...)
	dst = append(dst, add...)
	dst = append(dst, element[name:]...)
	if masked {
		unmask(dst[at:], mask)
	}
	return dst
}
