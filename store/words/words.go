// Package words says what words a text has, so that one can be found by the other: whatever is done to a text that is kept is done to what
// somebody looks for, too. Capitals, the width of letters and the accents of letters do not count. Scripts that put no spaces between words
// (Chinese, Japanese, Thai and their like; Korean with its endings) have all pairs of neighbouring characters instead. A symbol such as an
// emoji is a word of its own.
//
// words.go is the words of a text, message.go the text of a message.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Version changes when the words of a text do: what is kept of them must be made anew then.
const Version = 1

// Limits of what is looked at.
const (
	MaxLetters = 64   // of a word; those behind do not count
	MaxWords   = 4096 // of a text; those behind cannot be found
)

// Word is a word that is looked for.
type Word struct {
	Text string
	// Begins: words that begin so are meant, too. A lone character of a script without spaces stands at the beginning of its pairs.
	Begins bool
}

// Of returns the words of a text that is kept, in their order. They consist of letters, numbers, marks and symbols alone, none of them a
// capital letter of ASCII.
func Of(text string) []string {
	var out []string
	split(text, func(w piece) bool {
		out = append(out, w.text)
		return len(out) < MaxWords
	})
	return out
}

// Sought returns the words of a text that is looked for, which are to stand beside each other in this order. At most limit+1 are returned.
func Sought(text string, limit int) []Word {
	var out []Word
	alone := false
	var last piece
	split(text, func(w piece) bool {
		last, alone = w, w.ends && !last.pair
		out = append(out, Word{Text: w.text})
		return len(out) <= limit
	})
	// What is kept may go on where this ends: the last character need not be the last of its run there.
	if n := len(out); n > 0 && last.ends {
		if alone {
			out[n-1].Begins = true
		} else {
			out = out[:n-1]
		}
	}
	return out
}

// piece is a word as it is cut out of a text.
type piece struct {
	text string
	pair bool // two neighbours of a script without spaces
	ends bool // the last character of a run of them
}

// kind is what a character does to words.
type kind uint8

const (
	breaks  kind = iota // ends a word
	ignored             // as if it were not there
	joins               // part of a word
	dense               // of a script without spaces
	symbol              // a word of its own
)

// splitter gathers words.
type splitter struct {
	emit    func(piece) bool
	stopped bool
	word    []byte
	letters int
	before  rune // of a run of a script without spaces; zero: none
}

// split cuts a text into words until emit returns false.
func split(text string, emit func(piece) bool) {
	s := splitter{emit: emit}
	for _, r := range plain(text) {
		k := kindOf(r)
		if k == ignored {
			continue
		}
		if k != dense {
			s.endRun()
		}
		if k != joins {
			s.endWord()
		}
		switch k {
		case joins:
			if s.letters++; s.letters <= MaxLetters {
				s.word = utf8.AppendRune(s.word, bare(r))
			}
		case dense:
			if s.before != 0 {
				s.give(piece{text: string([]rune{s.before, r}), pair: true})
			}
			s.before = r
		case symbol:
			s.give(piece{text: string(r)})
		}
		if s.stopped {
			return
		}
	}
	s.endRun()
	s.endWord()
}

func (s *splitter) give(p piece) {
	if !s.stopped {
		s.stopped = !s.emit(p)
	}
}

func (s *splitter) endRun() {
	if s.before != 0 {
		s.give(piece{text: string(s.before), ends: true})
		s.before = 0
	}
}

func (s *splitter) endWord() {
	if len(s.word) > 0 {
		s.give(piece{text: string(s.word)})
	}
	s.word, s.letters = s.word[:0], 0
}

// plain folds capitals and forms of compatibility: full width, ligatures, circled numbers.
func plain(text string) string {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text)))
		}
	}
	return strings.ToLower(text)
}

// spaceless are the scripts without spaces between words.
var spaceless = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Yi, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// longVowel is the mark of Japanese that belongs to two scripts, and so to none.
const longVowel = 'ー'

func kindOf(r rune) kind {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return joins
		}
		return breaks
	case r == longVowel:
		return dense
	case unicode.Is(unicode.Cf, r):
		return ignored // joiners, soft hyphens, directions
	case r >= 0x0E00 && unicode.In(r, spaceless...) && (unicode.IsLetter(r) || unicode.IsMark(r)):
		return dense
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return joins
	case unicode.IsMark(r):
		if unicode.In(r, unicode.Inherited, unicode.Arabic, unicode.Hebrew, unicode.Syriac) {
			return ignored // accents, and vowels that may be left out
		}
		return joins
	case unicode.Is(unicode.So, r):
		return symbol
	}
	return breaks
}

// unmarked are letters that have no accent to take off, and are typed as if they had.
var unmarked = map[rune]rune{'ø': 'o', 'ł': 'l', 'đ': 'd', 'ħ': 'h', 'ı': 'i'}

// bare takes the accents off a letter, where letters are the same without.
func bare(r rune) rune {
	if r < utf8.RuneSelf || !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic) {
		return r
	}
	if b, ok := unmarked[r]; ok {
		return b
	}
	var text [utf8.UTFMax]byte
	if parts := norm.NFD.Properties(text[:utf8.EncodeRune(text[:], r)]).Decomposition(); len(parts) > 0 {
		r, _ = utf8.DecodeRune(parts)
	}
	return r
}
