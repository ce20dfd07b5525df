package picture

import (
	"bytes"
	"encoding/binary"
)

// The markers of ISO/IEC 10918-1 table B.1 that matter here.
const (
	markTEM, markRST0, markRST7     = 0x01, 0xd0, 0xd7
	markSOI, markEOI, markSOS       = 0xd8, 0xd9, 0xda
	markDQT, markEXP                = 0xdb, 0xdf // and between them, and from SOF0 to SOF15: what the decoder needs
	markSOF0, markSOF2, markSOF15   = 0xc0, 0xc2, 0xcf
	markDHT, markJPG, markDAC       = 0xc4, 0xc8, 0xcc // among them, and no frames
	markAPP0, markAPP1, markAPP2    = 0xe0, 0xe1, 0xe2
	markAPP14, markAPP15, markCOM   = 0xee, 0xef, 0xfe
	jfifBytes, adobeBytes, markHead = 14, 12, 4
)

// jpegFrame is what is known of a JPEG before it is decoded.
type jpegFrame struct {
	progressive, converted bool
	// blocks of all components, for each of mostBlocks of the largest.
	blocks, mostBlocks int
}

// segment is one marker of a JPEG with what belongs to it, or bytes between two: decoders look for the next marker behind those.
func (c *Cleaner) segment() {
	if n := c.before(0xff); n > 0 {
		c.blank = int64(n)
		return
	}
	b := c.peek(2)
	if c.short(b, 2) {
		return
	}
	switch m := b[1]; {
	case m == 0xff:
		c.pass = 1 // fill, section B.1.1.2
	case m == 0, m == markTEM, m == markSOI, m >= markRST0 && m <= markRST7:
		c.pass = 2
	case m == markEOI:
		c.pass, c.next = 2, c.rest
	default:
		c.lengthy(m)
	}
}

// lengthy is a segment that says its length.
func (c *Cleaner) lengthy(m byte) {
	b := c.peek(markHead)
	if c.short(b, markHead) {
		return
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < 2 {
		c.unreadable()
		return
	}
	switch {
	case m >= markAPP0 && m <= markAPP15 || m == markCOM:
		b = c.read(2 + length)
		c.application(m, b[min(markHead, len(b)):], len(b) == 2+length)
		c.ready = b
		return
	case m >= markSOF0 && m <= markSOF15 && m != markDHT && m != markJPG && m != markDAC:
		c.noteFrame(m, length)
	case m == markSOS:
		c.next = c.scan
	case m >= markSOF0 && m <= markSOF15, m >= markDQT && m <= markEXP:
	default:
		c.ready, c.blank = c.read(markHead), int64(length-2)
		return
	}
	c.pass = int64(2 + length)
}

// scan is the part that is nothing but picture, up to the next marker: a byte 0xff in it is followed by zero (section B.1.1.5), and restarts are part of it.
func (c *Cleaner) scan() {
	if n := c.before(0xff); n > 0 {
		c.pass = int64(n)
		return
	}
	b := c.peek(2)
	switch {
	case c.short(b, 2):
	case b[1] == 0, b[1] >= markRST0 && b[1] <= markRST7:
		c.pass = 2
	case b[1] == 0xff:
		c.pass = 1
	default:
		c.next = c.segment
	}
}

// application leaves of a segment of an application, or a comment, what showing needs: that it is JFIF, its colours, and which side is up.
func (c *Cleaner) application(m byte, b []byte, whole bool) {
	switch {
	case !whole:
	case m == markAPP0 && bytes.HasPrefix(b, []byte("JFIF\x00")) && len(b) >= jfifBytes:
		clear(b[jfifBytes-2:]) // a smaller picture, of what may have been cut away
		return
	case m == markAPP1 && bytes.HasPrefix(b, []byte(exifMark)):
		if c.onlyUp(b[len(exifMark):]) {
			return
		}
	case m == markAPP2 && bytes.HasPrefix(b, []byte("ICC_PROFILE\x00")):
		return
	case m == markAPP14 && bytes.HasPrefix(b, []byte("Adobe")) && len(b) >= adobeBytes:
		c.frame.converted = c.frame.converted || b[adobeBytes-1] == 0
		clear(b[adobeBytes:])
		return
	}
	clear(b)
}

// noteFrame reads the head of a frame (section B.2.2).
func (c *Cleaner) noteFrame(m byte, length int) {
	b := c.peek(2 + min(length, 8+3*4))
	if len(b) < 10 {
		return
	}
	f := &c.frame
	f.progressive = f.progressive || m&3 == markSOF2&3
	f.blocks, f.mostBlocks = 0, 1
	h, v := 1, 1
	var ids []byte
	for b = b[10:]; len(b) >= 3; b = b[3:] {
		ids = append(ids, b[0])
		h, v = max(h, int(b[1]>>4)), max(v, int(b[1]&15))
		f.blocks += int(b[1]>>4) * int(b[1]&15)
	}
	f.mostBlocks = h * v
	f.converted = f.converted || string(ids) == "RGB" || len(ids) > 3
}
