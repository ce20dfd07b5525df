package xmltok

import (
	"bytes"
	"strings"
)

// xmlDecl handles "<?": nothing but an XML declaration in front of everything
// is allowed (RFC 6120 section 11.5).
func (m *Scratch) xmlDecl(buf []byte, i int) (int, bool) {
	const open = "<?xml"
	rest := buf[i:]
	n := min(len(rest), len(open))
	if m.phase == inStream || i > 0 || string(rest[:n]) != open[:n] || len(rest) > n && !isSpace(rest[n]) && rest[n] != '?' {
		// RFC 6120 section 11.1: no processing instructions.
		return m.fail(RestrictedXML, "processing instruction", i)
	}
	end := bytes.IndexByte(rest[:min(len(rest), maxDecl)], '>')
	switch {
	case end < 0 && len(rest) >= maxDecl:
		return m.fail(PolicyViolation, "XML declaration too long", i)
	case end < 0:
		return m.wait(atMarkup, i)
	}
	if condition := checkDecl(string(rest[len(open) : end+1])); condition != "" {
		return m.fail(condition, "XML declaration", i)
	}
	m.state = inProlog
	return i + end + 1, true
}

// checkDecl checks what follows "<?xml" (XML 1.0 production 23) and returns a
// condition, empty if it is in order.
func checkDecl(s string) (condition string) {
	version, s, ok := declPart(s, "version")
	if !ok || version != "1.0" {
		return NotWellFormed
	}
	if encoding, rest, ok := declPart(s, "encoding"); ok {
		// RFC 6120 section 11.6: UTF-8 and nothing else.
		if !strings.EqualFold(encoding, "UTF-8") {
			return UnsupportedEncoding
		}
		s = rest
	}
	if standalone, rest, ok := declPart(s, "standalone"); ok {
		if standalone != "yes" && standalone != "no" {
			return NotWellFormed
		}
		s = rest
	}
	if strings.TrimLeft(s, white) != "?>" {
		return NotWellFormed
	}
	return ""
}

const white = " \t\r\n"

// declPart cuts white space, name, equals sign and a quoted value off s.
func declPart(s, name string) (value, rest string, ok bool) {
	t := strings.TrimLeft(s, white)
	if len(t) == len(s) || !strings.HasPrefix(t, name) {
		return "", s, false
	}
	t, ok = strings.CutPrefix(strings.TrimLeft(t[len(name):], white), "=")
	t = strings.TrimLeft(t, white)
	if !ok || t == "" || t[0] != '\'' && t[0] != '"' {
		return "", s, false
	}
	value, rest, ok = strings.Cut(t[1:], t[:1])
	return value, rest, ok
}
