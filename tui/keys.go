package tui

import (
	"bufio"
	"io"
	"unicode/utf8"
)

// key is what is not text.
type key uint8

const (
	keyNone key = iota
	keyRune
	keyEnter
	keyInterrupt
	keyEOF
	keyLeft
	keyRight
	keyHome
	keyEnd
	keyUp
	keyDown
	keyBackspace
	keyDelete
	keyWord
	keyCutLeft
	keyCutRight
	keyRedraw
	keyPaste
	keyPasted
)

// controls are the keys of the control characters.
var controls = map[rune]key{
	'\r': keyEnter, '\n': keyEnter, 0x03: keyInterrupt, 0x04: keyEOF, 0x02: keyLeft, 0x06: keyRight, 0x01: keyHome, 0x05: keyEnd,
	0x10: keyUp, 0x0e: keyDown, 0x08: keyBackspace, 0x7f: keyBackspace, 0x17: keyWord, 0x15: keyCutLeft, 0x0b: keyCutRight, 0x0c: keyRedraw,
}

// sequences are the keys that a terminal sends as escape sequences, without their beginning.
var sequences = map[string]key{
	"A": keyUp, "B": keyDown, "C": keyRight, "D": keyLeft, "H": keyHome, "F": keyEnd, "1~": keyHome, "4~": keyEnd, "7~": keyHome, "8~": keyEnd,
	"3~": keyDelete, "200~": keyPaste, "201~": keyPasted,
}

// maxSequence bounds an escape sequence.
const maxSequence = 16

// readKey reads one key; the character is that of keyRune.
func readKey(r *bufio.Reader) (key, rune, error) {
	c, n, err := r.ReadRune()
	switch {
	case err != nil:
		return keyNone, 0, err
	case c == utf8.RuneError && n == 1:
		return keyNone, 0, nil
	case c == 0x1b:
		return readSequence(r)
	case c == '\t':
		return keyRune, ' ', nil
	}
	if k, ok := controls[c]; ok {
		return k, 0, nil
	}
	if c < ' ' || c >= 0x7f && c <= 0x9f {
		return keyNone, 0, nil
	}
	return keyRune, c, nil
}

// readSequence reads what follows an escape character: nothing, if it was pressed alone.
func readSequence(r *bufio.Reader) (key, rune, error) {
	if r.Buffered() == 0 {
		return keyNone, 0, nil
	}
	c, err := r.ReadByte()
	if err != nil || c != '[' && c != 'O' {
		return keyNone, 0, err
	}
	var seq []byte
	for len(seq) < maxSequence {
		c, err := r.ReadByte()
		if err != nil {
			return keyNone, 0, err
		}
		seq = append(seq, c)
		// ECMA-48 section 5.4: a final byte ends the sequence.
		if c >= 0x40 && c <= 0x7e {
			break
		}
	}
	return sequences[string(seq)], 0, nil
}

// typed is one line that a person has entered, or the end.
type typed struct {
	text string
	end  bool
	err  error // of the reader, when it is not the end of input
}

// readTerminal edits lines until the end of input; give returns false when nobody wants more.
func (s *screen) readTerminal(in io.Reader, give func(typed) bool) {
	r := bufio.NewReader(in)
	pasting := false
	for {
		k, c, err := readKey(r)
		if err != nil {
			give(typed{end: true, err: notEOF(err)})
			return
		}
		empty := false
		var done *typed
		s.edit(func(l *line) {
			empty = len(l.text) == 0
			switch {
			case k == keyPaste || k == keyPasted:
				pasting = k == keyPaste
			case k == keyEnter && pasting:
				l.insert('\n')
			case k == keyRune:
				l.insert(c)
			case k == keyEnter:
				done = &typed{text: l.take()}
			case k == keyInterrupt && !empty:
				l.press(keyEnd)
				l.press(keyCutLeft)
			default:
				l.press(k)
			}
		})
		if empty && (k == keyInterrupt || k == keyEOF) {
			done = &typed{end: true}
		}
		if done != nil && (!give(*done) || done.end) {
			return
		}
	}
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// readLines takes lines as they are, from what is no terminal.
func readLines(in io.Reader, give func(typed) bool) {
	r := bufio.NewScanner(in)
	r.Buffer(nil, MaxText+2)
	for r.Scan() {
		if !give(typed{text: r.Text()}) {
			return
		}
	}
	give(typed{end: true, err: r.Err()})
}
