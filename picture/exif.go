package picture

import (
	"bytes"
	"encoding/binary"
)

const (
	upright        = 1
	tagOrientation = 0x0112
	exifMark       = "Exif\x00\x00"
)

// orientation is which side is up, 1 to 8, by the first directory of an Exif, which is a TIFF (CIPA DC-008 section 4.6); 0: it does not say.
func orientation(tiff []byte) int {
	tiff = bytes.TrimPrefix(tiff, []byte(exifMark)) // some write it where it does not belong
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	n, rest := int(order.Uint16(tiff[at:])), tiff[at+2:]
	for ; n > 0 && len(rest) >= 12; n, rest = n-1, rest[12:] {
		// A SHORT, of which there is one, stands in the entry itself.
		if order.Uint16(rest) != tagOrientation || order.Uint16(rest[2:]) != 3 || order.Uint32(rest[4:]) != 1 {
			continue
		}
		if o := int(order.Uint16(rest[8:])); o >= upright && o <= 8 {
			return o
		}
	}
	return 0
}

// leastExif is a TIFF that says which side is up, and nothing else.
func leastExif(orientation int) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00\x01\x00")
	b = binary.LittleEndian.AppendUint16(b, tagOrientation)
	b = append(b, 3, 0, 1, 0, 0, 0, byte(orientation), 0, 0, 0)
	return append(b, 0, 0, 0, 0) // no further directory
}

// onlyUp leaves of an Exif which side is up; false: that fits not, or need not be said. Either way nothing else is left. The first Exif counts.
func (c *Cleaner) onlyUp(tiff []byte) bool {
	o := orientation(tiff)
	if c.orientation == 0 {
		c.orientation = o
	}
	clear(tiff)
	least := leastExif(o)
	if o <= upright || len(tiff) < len(least) {
		return false
	}
	copy(tiff, least)
	return true
}
