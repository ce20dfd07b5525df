// Package picture knows as much of pictures as a server must that keeps them for people: it takes out what they tell of their maker, and makes small ones of them.
// Everything here is read from strangers. JPEG, PNG, GIF and WebP are known; see decision 33.
package picture

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
)

// Kind is the container of a picture.
type Kind uint8

// The kinds. Nothing is said of any other.
const (
	None Kind = iota
	JPEG
	PNG
	GIF
	WebP
)

// ErrUnreadable: it begins like a picture and does not go on like one.
var ErrUnreadable = errors.New("not the picture that it seems")

const (
	magicBytes = 12
	// windowBytes is what is looked at at once.
	windowBytes = 32 << 10
	// maxExif is the largest Exif in which an orientation is looked for; a JPEG's has 64 KB at most.
	maxExif = 1 << 20
)

// KindOf tells a picture by its first twelve bytes.
func KindOf(begin []byte) Kind {
	switch {
	case bytes.HasPrefix(begin, []byte("\xff\xd8\xff")):
		return JPEG
	case bytes.HasPrefix(begin, []byte("\x89PNG\r\n\x1a\n")):
		return PNG
	case bytes.HasPrefix(begin, []byte("GIF87a")), bytes.HasPrefix(begin, []byte("GIF89a")):
		return GIF
	case len(begin) >= magicBytes && string(begin[:4]) == "RIFF" && string(begin[8:magicBytes]) == "WEBP":
		return WebP
	}
	return None
}

// Cleaner reads a picture without what it tells beside what is seen: place and time, camera, author, texts, smaller and further pictures, whatever follows
// the end. Nothing is taken out: it becomes zeros where it stands, in the same containers, so that the length and every other byte stay, and it needs no more memory
// than one such container. What is needed for showing stays: colours, animation, and which side is up. What is no picture is read as it is.
type Cleaner struct {
	in    *bufio.Reader
	next  func() // reads what comes next and says, by ready, pass and blank, what becomes of it
	ready []byte // is given out first
	pass  int64  // then so many bytes as they are
	blank int64  // then zeros in place of so many
	void  int64  // how many of those there were in this container
	err   error  // then this

	kind        Kind
	orientation int // Exif's, 1 to 8; 0: none was found
	riff        int64
	frame       jpegFrame
}

// NewCleaner returns one that reads from r.
func NewCleaner(r io.Reader) *Cleaner {
	c := &Cleaner{in: bufio.NewReaderSize(r, windowBytes)}
	c.next = c.begin
	return c
}

// Kind is what it was, known after the first Read.
func (c *Cleaner) Kind() Kind { return c.kind }

// Read implements io.Reader. Besides the errors of what it reads there is ErrUnreadable. A picture that breaks off is one that ends there.
func (c *Cleaner) Read(p []byte) (int, error) {
	for len(p) > 0 {
		switch {
		case len(c.ready) > 0:
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		case c.pass > 0:
			n, err := c.in.Read(p[:min(int64(len(p)), c.pass)])
			c.pass -= int64(n)
			return n, err
		case c.blank > 0:
			n, err := c.in.Read(p[:min(int64(len(p)), c.blank)])
			clear(p[:n])
			c.blank -= int64(n)
			c.void += int64(n)
			return n, err
		case c.err != nil:
			return 0, c.err
		}
		c.next()
	}
	return 0, nil
}

func (c *Cleaner) begin() {
	b := c.peek(magicBytes)
	if c.err != nil && !errors.Is(c.err, io.EOF) {
		return
	}
	c.err = nil
	switch c.kind = KindOf(b); c.kind {
	case JPEG:
		c.next = c.segment
	case PNG:
		c.pass, c.next = 8, c.chunk
	case GIF:
		c.next = c.screen
	case WebP:
		c.next = c.form
	default:
		c.next = c.asItIs
	}
}

// asItIs passes on all that is left.
func (c *Cleaner) asItIs() { c.pass, c.next = math.MaxInt64, c.end }

// rest blanks what follows the end of the picture.
func (c *Cleaner) rest() { c.blank, c.next = math.MaxInt64, c.end }

func (c *Cleaner) end() { c.err = io.EOF }

func (c *Cleaner) unreadable() { c.err = ErrUnreadable }

// peek shows the next n bytes; fewer when there are no more, and with err set when there are none.
func (c *Cleaner) peek(n int) []byte {
	b, err := c.in.Peek(n)
	if err != nil && (len(b) == 0 || !errors.Is(err, io.EOF)) {
		c.err = err
	}
	return b
}

// read takes the next n bytes; fewer, with err set behind them, when there are no more.
func (c *Cleaner) read(n int) []byte {
	b := make([]byte, n)
	n, err := io.ReadFull(c.in, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if err != nil {
		c.err = err
	}
	return b[:n]
}

// short passes what a picture ends with that breaks off within a head of n bytes; true: that is so.
func (c *Cleaner) short(b []byte, n int) bool {
	if len(b) < n {
		c.pass = int64(len(b))
	}
	return len(b) < n
}

// before is how many bytes at hand stand before the next one with this value; 0: it is the next, or there are none.
func (c *Cleaner) before(value byte) int {
	if len(c.peek(1)) == 0 {
		return 0
	}
	b, _ := c.in.Peek(c.in.Buffered())
	if i := bytes.IndexByte(b, value); i >= 0 {
		return i
	}
	return len(b)
}
