package xmltok

import (
	"iter"
	"strings"
)

// Attrs returns name as written and unescaped value of each attribute of the
// start tag at the beginning of tag. It does not check anything: tag must be
// text that a Scanner has accepted, from the '<' on; it may go on behind the
// start tag.
func Attrs(tag string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := tagNameEnd(tag); ; {
			name, value, next := nextAttr(tag, i)
			if next == 0 || !yield(name, Unescape(value)) {
				return
			}
			i = next
		}
	}
}

// LookupAttr returns the unescaped value of one attribute by its name as
// written; see Attrs.
func LookupAttr(tag, name string) (string, bool) {
	for i := tagNameEnd(tag); ; {
		found, value, next := nextAttr(tag, i)
		if next == 0 {
			return "", false
		}
		if found == name {
			return Unescape(value), true
		}
		i = next
	}
}

// tagNameEnd returns the position behind the name of a start tag.
func tagNameEnd(tag string) int {
	i := strings.IndexAny(tag, " \t\r\n/>")
	if i < 0 {
		return len(tag)
	}
	return i
}

// nextAttr returns the attribute that follows position i, and the position
// behind it, which is 0 when there is none.
func nextAttr(tag string, i int) (name, value string, next int) {
	for i < len(tag) && isSpace(tag[i]) {
		i++
	}
	start := i
	for i < len(tag) && tag[i] != '=' && tag[i] != '>' {
		i++
	}
	if i >= len(tag) || tag[i] == '>' {
		return "", "", 0
	}
	name = strings.TrimRight(tag[start:i], white)
	for i++; i < len(tag) && isSpace(tag[i]); {
		i++
	}
	if i >= len(tag) {
		return "", "", 0
	}
	end := strings.IndexByte(tag[i+1:], tag[i])
	if end < 0 {
		return "", "", 0
	}
	return name, tag[i+1 : i+1+end], i + end + 2
}
