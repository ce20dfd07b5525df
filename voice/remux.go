package voice

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Remuxer reads a WebM with Opus alone as an Ogg with the same packets. It needs the memory of a page.
type Remuxer struct {
	in       webm
	begun    bool
	err      error
	ready    []byte
	page     page // is not written before it is known whether it is the last
	sequence uint32
	total    int64 // samples of all packets
	skip     int64 // samples at the beginning that are not to be heard
	discard  int64 // and at the end
	wave     wave
}

// NewRemuxer returns one that reads from r. Reading fails with ErrUnsupported where that is no such WebM, or breaks off.
func NewRemuxer(r io.Reader) *Remuxer {
	return &Remuxer{in: webm{in: bufio.NewReaderSize(r, windowBytes)}}
}

// Sound is what is known when all was read.
func (x *Remuxer) Sound() Sound {
	return Sound{lasting(x.total - x.skip - x.discard), x.wave.form()}
}

// Read implements io.Reader.
func (x *Remuxer) Read(p []byte) (int, error) {
	for len(x.ready) == 0 {
		if x.err != nil {
			return 0, x.err
		}
		x.err = x.step()
	}
	n := copy(p, x.ready)
	x.ready = x.ready[n:]
	return n, nil
}

// step takes one packet, and writes what has become whole by that.
func (x *Remuxer) step() error {
	p, err := x.in.packet()
	switch {
	case errors.Is(err, io.EOF) && x.begun:
		// RFC 7845 section 4.4: that less is to be heard than there is, the last granule says.
		x.page.flags, x.page.granule = oggLast, x.total-x.discard
		x.flush()
		return io.EOF
	case errors.Is(err, io.EOF):
		return ErrUnsupported // nothing is to be heard
	case err != nil:
		return err
	case !x.begun:
		if err := x.begin(); err != nil {
			return err
		}
	}
	n, ok := samples(p.data)
	if !ok || x.discard > 0 { // an end in the middle
		return ErrUnsupported
	}
	if x.page.samples > 0 && (!x.page.fits(p.data) || x.page.samples+n > rate) {
		x.flush()
	}
	x.page.add(p.data)
	x.total += n
	x.page.samples, x.page.granule = x.page.samples+n, x.total
	x.discard = min(p.discard, n)
	x.wave.add(int64(len(p.data)), n)
	return nil
}

// begin writes the two pages that say what follows (RFC 7845 section 3).
func (x *Remuxer) begin() error {
	skip, ok := head(x.in.track.head)
	if !ok {
		return ErrUnsupported
	}
	x.begun, x.skip = true, skip
	x.page.flags = oggFirst
	x.page.add(x.in.track.head)
	x.flush()
	tags := binary.LittleEndian.AppendUint32([]byte(tagsMark), uint32(len(vendor)))
	x.page.add(binary.LittleEndian.AppendUint32(append(tags, vendor...), 0))
	x.flush()
	return nil
}

// flush writes the page, and begins another.
func (x *Remuxer) flush() {
	x.ready = x.page.append(x.ready, x.sequence)
	x.sequence++
	x.page = page{segments: x.page.segments[:0], body: x.page.body[:0]}
}
