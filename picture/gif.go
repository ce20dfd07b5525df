package picture

import "slices"

const (
	gifHead    = 13
	gifImage   = 10
	colourFlag = 0x80 // a table of colours follows
)

// coloursOf is how long the table of colours is that a byte of flags announces.
func coloursOf(flags byte) int64 {
	if flags&colourFlag == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// shownApplications are extensions that change what is seen: how often it is repeated, and colours.
func shownApplications() []string { return []string{"NETSCAPE2.0", "ANIMEXTS1.0", "ICCRGBG1012"} }

// screen is how a GIF begins (GIF89a section 18).
func (c *Cleaner) screen() {
	c.next = c.gifBlock
	if b := c.peek(gifHead); !c.short(b, gifHead) {
		c.pass = gifHead + coloursOf(b[10])
	}
}

// gifBlock is one block.
func (c *Cleaner) gifBlock() {
	b := c.peek(1)
	if len(b) == 0 {
		return
	}
	switch b[0] {
	case 0:
		c.pass = 1 // one end too many, which decoders forgive
	case ';':
		c.pass, c.next = 1, c.rest
	case ',':
		if b = c.peek(gifImage); !c.short(b, gifImage) {
			c.pass, c.next = gifImage+coloursOf(b[9])+1, c.shownData // with the size of codes
		}
	case '!':
		c.extension()
	default:
		c.unreadable()
	}
}

// extension is one block of section 23 to 26.
func (c *Cleaner) extension() {
	b := c.peek(2)
	if c.short(b, 2) {
		return
	}
	if shown := b[1] == 0xf9 || b[1] == 0x01; shown || b[1] == 0xff && c.shownApplication() {
		c.pass, c.next = 2, c.shownData // how long the next image is shown, a text as an image
		return
	}
	c.read(2)
	c.ready, c.next = []byte{'!', 0xfe}, c.silentData // a comment
}

func (c *Cleaner) shownApplication() bool {
	b := c.peek(14)
	return len(b) == 14 && slices.Contains(shownApplications(), string(b[3:]))
}

// shownData is one block of data that stay.
func (c *Cleaner) shownData() {
	if b := c.peek(1); len(b) == 1 {
		c.pass = 1 + int64(b[0])
		c.lastData(b[0])
	}
}

// silentData is one block of data of no use for showing. XMP is written as if it were such blocks, so their lengths are letters of it: we have lengths of our own.
func (c *Cleaner) silentData() {
	b := c.peek(1)
	if len(b) == 0 {
		return
	}
	n := b[0]
	b = c.read(1 + int(n))
	whole := len(b)
	clear(b)
	for i := 0; n > 0 && i+1 < whole; i += 2 {
		b[i] = 1
		if i+3 == whole {
			b[i] = 2
			break
		}
	}
	c.ready = b
	c.lastData(n)
}

func (c *Cleaner) lastData(n byte) {
	if n == 0 {
		c.next = c.gifBlock
	}
}
