package tui

import (
	"slices"
	"strings"
	"unicode"
)

// maxTyped bounds the line that is being typed, in characters.
const maxTyped = MaxText / 4

// maxRemembered is how many lines the arrow keys bring back.
const maxRemembered = 100

// line is the line that is being typed.
type line struct {
	text   []rune
	at     int // the cursor is before this character
	before []string
	back   int // how far the arrow keys have gone
	kept   string
}

// window returns what fits into so many columns, before and behind the cursor, escaped.
func (l *line) window(room int) (left, right string) {
	shown := func(r rune) []rune {
		if r == '\n' {
			return []rune{'⏎'}
		}
		return []rune(strings.Trim(Escape(string(r)), "\u2068\u2069"))
	}
	var a, b []rune
	for i := l.at - 1; i >= 0; i-- {
		c := shown(l.text[i])
		if columns(a)+columns(c) > room*3/4 && columns(a)+columns(c)+columns(b) > room {
			break
		}
		a = append(c, a...)
		if len(a) > room*(maxMarks+1) {
			break
		}
	}
	for i := l.at; i < len(l.text); i++ {
		c := shown(l.text[i])
		if columns(a)+columns(b)+columns(c) > room || len(b) > room*(maxMarks+1) {
			break
		}
		b = append(b, c...)
	}
	for columns(a) > room {
		a = a[1:]
	}
	return string(a), string(b)
}

func (l *line) insert(r rune) {
	if len(l.text) < maxTyped {
		l.text = slices.Insert(l.text, l.at, r)
		l.at++
	}
}

func (l *line) set(s string) { l.text, l.at = []rune(s), len([]rune(s)) }

// take returns the line and begins the next one.
func (l *line) take() string {
	s := string(l.text)
	l.text, l.at, l.back = nil, 0, 0
	if strings.TrimSpace(s) != "" && (len(l.before) == 0 || l.before[len(l.before)-1] != s) {
		l.before = append(l.before, s)
		l.before = l.before[max(0, len(l.before)-maxRemembered):]
	}
	return s
}

// recall goes back (1) or forth (-1) among the earlier lines.
func (l *line) recall(step int) {
	back := l.back + step
	if back < 0 || back > len(l.before) {
		return
	}
	if l.back == 0 {
		l.kept = string(l.text)
	}
	l.back = back
	if back == 0 {
		l.set(l.kept)
		return
	}
	l.set(l.before[len(l.before)-back])
}

// part returns the position one character further, together with the marks that stand on it.
func (l *line) part(step int) int {
	at := l.at + step
	for at > 0 && at < len(l.text) && unicode.In(l.text[at], unicode.Mn, unicode.Me) {
		at += step
	}
	return min(max(at, 0), len(l.text))
}

// word returns where the word before the cursor begins.
func (l *line) word() int {
	at := l.at
	for at > 0 && unicode.IsSpace(l.text[at-1]) {
		at--
	}
	for at > 0 && !unicode.IsSpace(l.text[at-1]) {
		at--
	}
	return at
}

// cut removes from one position to another.
func (l *line) cut(from, to int) {
	l.text, l.at = slices.Delete(l.text, from, to), from
}

// press does what a key says.
func (l *line) press(k key) {
	switch k {
	case keyLeft:
		l.at = l.part(-1)
	case keyRight:
		l.at = l.part(1)
	case keyHome:
		l.at = 0
	case keyEnd:
		l.at = len(l.text)
	case keyBackspace:
		// A character's last mark goes alone, as it was typed.
		l.cut(max(l.at-1, 0), l.at)
	case keyDelete:
		l.cut(l.at, l.part(1))
	case keyWord:
		l.cut(l.word(), l.at)
	case keyCutLeft:
		l.cut(0, l.at)
	case keyCutRight:
		l.cut(l.at, len(l.text))
	case keyUp:
		l.recall(1)
	case keyDown:
		l.recall(-1)
	}
}
