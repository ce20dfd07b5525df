package voice

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

const (
	pageMark     = "OggS\x00"
	pageHead     = 27  // RFC 3533 section 6
	mostSegments = 255 // of a page, each of as many bytes at most
	tagsMark     = "OpusTags"
	vendor       = "Stonechat"
	serial       = 1 // there is one stream

	oggFirst, oggLast = 2, 4
)

// page is one that is being written. It holds whole packets.
type page struct {
	flags    byte
	granule  int64 // samples of the stream up to its end
	samples  int64
	segments []byte
	body     []byte
}

// fits tells whether a packet has room in the page.
func (p *page) fits(packet []byte) bool {
	return len(p.segments)+len(packet)/mostSegments+1 <= mostSegments
}

func (p *page) add(packet []byte) {
	p.segments = append(p.segments, bytes.Repeat([]byte{mostSegments}, len(packet)/mostSegments)...)
	p.segments = append(p.segments, byte(len(packet)%mostSegments))
	p.body = append(p.body, packet...)
}

// append writes the page.
func (p *page) append(b []byte, sequence uint32) []byte {
	from := len(b)
	b = append(append(b, pageMark...), p.flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.granule))
	b = binary.LittleEndian.AppendUint32(b, serial)
	b = binary.LittleEndian.AppendUint32(b, sequence)
	b = append(b, 0, 0, 0, 0, byte(len(p.segments)))
	b = append(append(b, p.segments...), p.body...)
	binary.LittleEndian.PutUint32(b[from+22:], oggSum(b[from:]))
	return b
}

// sums are those of single bytes.
var sums = func() (t [256]uint32) {
	for i := range t {
		t[i] = uint32(i) << 24
		for range 8 {
			top := t[i] >> 31
			t[i] = t[i]<<1 ^ 0x04c11db7*top
		}
	}
	return t
}()

// oggSum is the code of a page in which its own place is zero: a CRC-32 that takes the bits in another order than everybody else's.
func oggSum(b []byte) (sum uint32) {
	for _, x := range b {
		sum = sum<<8 ^ sums[byte(sum>>24)^x]
	}
	return sum
}

// ogg reads the packets of an Ogg that has one stream.
type ogg struct {
	in       *bufio.Reader
	serial   []byte
	segments []byte // of the page, that were not read
	granule  int64  // the largest so far
	packets  int
}

// packet is the next one; io.EOF: there is none. Of the second, which is texts and pictures about the sound, there is the beginning only.
func (o *ogg) packet() (b []byte, err error) {
	for {
		for len(o.segments) == 0 {
			if err := o.page(); errors.Is(err, io.EOF) && len(b) == 0 {
				return nil, io.EOF
			} else if err != nil {
				return nil, broken(err)
			}
		}
		n := int(o.segments[0])
		o.segments = o.segments[1:]
		from := len(b)
		b = append(b, make([]byte, n)...)
		if _, err := io.ReadFull(o.in, b[from:]); err != nil {
			return nil, broken(err)
		}
		if len(b) > mostPacket {
			if o.packets != 1 {
				return nil, ErrUnsupported
			}
			b = b[:mostSegments]
		}
		if n < mostSegments {
			o.packets++
			return b, nil
		}
	}
}

// page reads the head of one; io.EOF: there is none.
func (o *ogg) page() error {
	b := make([]byte, pageHead)
	if _, err := io.ReadFull(o.in, b); errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrUnsupported
	} else if err != nil {
		return err
	}
	if o.serial == nil {
		o.serial = slices.Clone(b[14:18])
	}
	if !bytes.HasPrefix(b, []byte(pageMark)) || !bytes.Equal(o.serial, b[14:18]) {
		return ErrUnsupported
	}
	o.granule = max(o.granule, int64(binary.LittleEndian.Uint64(b[6:])))
	o.segments = make([]byte, b[pageHead-1])
	if _, err := io.ReadFull(o.in, o.segments); err != nil {
		return broken(err)
	}
	return nil
}

// measureOgg reads an Ogg with Opus. Its last granule may say that it ends before its last packet does (RFC 7845 section 4.4).
func measureOgg(in *bufio.Reader) (Sound, error) {
	o := ogg{in: in}
	first, err := o.packet()
	if err != nil {
		return Sound{}, broken(err)
	}
	skip, ok := head(first)
	if !ok {
		return Sound{}, ErrUnsupported
	}
	if second, err := o.packet(); err != nil || !bytes.HasPrefix(second, []byte(tagsMark)) {
		return Sound{}, errors.Join(ErrUnsupported, err)
	}
	var w wave
	total := int64(0)
	for {
		p, err := o.packet()
		if errors.Is(err, io.EOF) && total > 0 {
			return Sound{lasting(min(total, o.granule) - skip), w.form()}, nil
		}
		if err != nil {
			return Sound{}, broken(err)
		}
		n, ok := samples(p)
		if !ok {
			return Sound{}, ErrUnsupported
		}
		total += n
		w.add(int64(len(p)), n)
	}
}
