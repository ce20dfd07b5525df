package tui

import (
	"bytes"
	"io"
	"sync"
)

// screen prints whole lines above the line that is being typed. Its methods may be called from any goroutine.
type screen struct {
	mu     sync.Mutex
	w      io.Writer
	raw    bool       // a terminal that interprets nothing by itself
	width  func() int // of the terminal, in columns
	prompt string     // escaped
	line   line
	err    error // of the first write that failed
	failed chan struct{}
}

func newScreen(t Terminal) *screen {
	w := t.Width
	if w == nil {
		w = func() int { return 80 }
	}
	return &screen{w: t.Out, raw: t.Raw, width: w, failed: make(chan struct{})}
}

// write hands over to the terminal; mu is held.
func (s *screen) write(b []byte) {
	if s.err != nil {
		return
	}
	if _, err := s.w.Write(b); err != nil {
		s.err = err
		close(s.failed)
	}
}

// print prints lines, which are escaped already.
func (s *screen) print(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if s.raw {
		b.WriteString(clearLine)
	}
	for _, l := range lines {
		b.WriteString(l)
		if s.raw {
			b.WriteByte('\r')
		}
		b.WriteByte('\n')
	}
	s.draw(&b)
	s.write(b.Bytes())
}

// setPrompt changes what stands before the line that is being typed.
func (s *screen) setPrompt(escaped string) {
	s.edit(func(*line) { s.prompt = escaped })
}

// edit changes the line that is being typed and shows it.
func (s *screen) edit(change func(*line)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.line)
	var b bytes.Buffer
	s.draw(&b)
	s.write(b.Bytes())
}

// What is said to the terminal itself.
const (
	clearLine     = "\r\x1b[K"
	saveCursor    = "\x1b7"
	restoreCursor = "\x1b8"
	pasteOn       = "\x1b[?2004h"
	pasteOff      = "\x1b[?2004l"
)

// draw shows prompt and line in one row of the screen, whatever their length: a part around the cursor, which the terminal finds by itself,
// so that it stands right also where it takes another width for a character than we do. mu is held.
func (s *screen) draw(b *bytes.Buffer) {
	if !s.raw {
		return
	}
	total := max(s.width(), 20)
	prompt := []rune(s.prompt)
	for columns(prompt) > total/2 {
		prompt = prompt[:len(prompt)-1]
	}
	left, right := s.line.window(total - columns(prompt) - 1)
	b.WriteString(clearLine + string(prompt) + left + saveCursor + right + restoreCursor)
}

// begin and end tell the terminal whether pastes shall be marked.
func (s *screen) begin() {
	if s.raw {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.write([]byte(pasteOn))
	}
}

func (s *screen) end() {
	if s.raw {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.write([]byte(clearLine + pasteOff))
	}
}
