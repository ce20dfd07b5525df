package picture

import (
	"encoding/binary"
	"slices"
)

const (
	riffHead   = 8
	webpHasXMP = 0x04 // of VP8X (RFC 9649 section 2.7)
	// voidFour is what a chunk becomes that told something: readers pass over what they do not know (section 2.7.1.7).
	voidFour = "void"
)

// shownFours are chunks that change what is seen.
func shownFours() []string { return []string{"VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP"} }

// form is how a WebP begins; what the file has beyond the length said there is not part of it.
func (c *Cleaner) form() {
	b := c.peek(magicBytes)
	c.riff = int64(binary.LittleEndian.Uint32(b[4:])) - 4
	c.pass, c.next = magicBytes, c.four
}

// four is one chunk of a WebP.
func (c *Cleaner) four() {
	if c.riff <= 0 {
		c.rest()
		return
	}
	b := c.peek(riffHead)
	if c.short(b, riffHead) {
		return
	}
	length := int64(binary.LittleEndian.Uint32(b[4:]))
	whole := riffHead + length + length&1
	if c.riff -= whole; c.riff < -1 { // some leave the last fill out
		c.unreadable()
		return
	}
	switch kind := string(b[:4]); {
	case slices.Contains(shownFours(), kind):
		c.pass = whole
	case kind == "VP8X" && length == 10:
		if c.ready = c.read(int(whole)); len(c.ready) > riffHead {
			c.ready[riffHead] &^= webpHasXMP
		}
	case kind == "EXIF" && length <= maxExif:
		b = c.read(int(whole))
		if !c.onlyUp(b[min(len(b), riffHead):]) {
			copy(b, voidFour)
		}
		c.ready = b
	default:
		b = c.read(riffHead)
		copy(b, voidFour)
		c.ready, c.blank = b, whole-riffHead
	}
}
