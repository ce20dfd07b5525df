package picture

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

const (
	pngHead, pngCode = 8, 4
	// voidChunk is what a chunk becomes that told something: ancillary, private, safe to copy (PNG section 5.4), and of no meaning.
	voidChunk   = "voId"
	maxPNGChunk = 1<<31 - 1 // section 5.3
)

// shownChunks are those that change what is seen.
func shownChunks() []string {
	return []string{
		"IHDR", "PLTE", "IDAT", "tRNS", "cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "mDCv", "cLLI", "cLLi", "bKGD", "hIST", "pHYs", "sPLT",
		"acTL", "fcTL", "fdAT",
	}
}

// chunk is one chunk of a PNG.
func (c *Cleaner) chunk() {
	b := c.peek(pngHead)
	if c.short(b, pngHead) {
		return
	}
	length, kind := int64(binary.BigEndian.Uint32(b)), string(b[4:])
	switch {
	case length > maxPNGChunk || slices.ContainsFunc(b[4:], notLetter):
		c.unreadable()
	case kind == "IEND":
		c.pass, c.next = pngHead+length+pngCode, c.rest
	case slices.Contains(shownChunks(), kind):
		c.pass = pngHead + length + pngCode
	case kind == "eXIf" && length <= maxExif:
		c.pngExif(int(length))
	default:
		c.read(pngHead)
		c.ready = append(binary.BigEndian.AppendUint32(nil, uint32(length)), voidChunk...)
		c.blank, c.void, c.next = length, 0, c.voidCode
	}
}

func notLetter(b byte) bool { return (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') }

// pngExif is a chunk with an Exif (section 11.3.4.5).
func (c *Cleaner) pngExif(length int) {
	b := c.read(pngHead + length + pngCode)
	if len(b) < pngHead+length+pngCode {
		clear(b[min(len(b), pngHead):])
		c.ready = b
		return
	}
	if !c.onlyUp(b[pngHead : pngHead+length]) {
		copy(b[4:], voidChunk)
	}
	c.ready = binary.BigEndian.AppendUint32(b[:pngHead+length], crc32.ChecksumIEEE(b[4:pngHead+length]))
}

// voidCode is the code behind zeros in place of the code behind what was there.
func (c *Cleaner) voidCode() {
	c.next = c.chunk
	n := len(c.read(pngCode))
	sum := crc32.ChecksumIEEE([]byte(voidChunk))
	zeros := make([]byte, min(c.void, windowBytes))
	for left := c.void; left > 0; left -= int64(len(zeros)) {
		sum = crc32.Update(sum, crc32.IEEETable, zeros[:min(left, int64(len(zeros)))])
	}
	c.ready = binary.BigEndian.AppendUint32(nil, sum)[:n]
}
