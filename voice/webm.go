package voice

import (
	"bufio"
	"errors"
	"io"
	"math"
	"math/bits"
)

// The elements of RFC 8794 and RFC 9559 that matter here.
const (
	idEBML                                      = 0x1a45dfa3
	idSegment, idTracks, idTrack                = 0x18538067, 0x1654ae6b, 0xae
	idNumber, idKind, idCodec, idPrivate        = 0xd7, 0x83, 0x86, 0x63a2
	idEncodings                                 = 0x6d80
	idCluster, idGroup, idBlock, idSimple       = 0x1f43b675, 0xa0, 0xa1, 0xa3
	idDiscard                                   = 0x75a2
	unknownSize                                 = math.MaxInt64
	kindAudio                                   = 2
	mostSmall                                   = 4096 // bytes of an element that is read as a whole and is no block
	opusCodec                                   = "A_OPUS"
	lacing                                      = 0x06 // of a block's flags
	blockHead                                   = 3    // behind the number of its track
	nanosecond                            int64 = 1e9
)

// track is the one that sounds.
type track struct {
	number, kind uint64
	codec        string
	head         []byte
}

// packet is one of the track.
type packet struct {
	data    []byte
	discard int64 // samples at its end that are not to be heard
}

// webm reads the packets of a WebM in order. Elements that hold others are entered and never left: what stands in them has names of its own, so it does not matter where they
// end, which those who record while they send do not know either.
type webm struct {
	in     *bufio.Reader
	begun  bool // the first element was read
	tracks int
	track  track
	next   *packet // read, and not given: what is to be left out of it follows it
	ended  bool
}

// header is one element's.
type header struct {
	id   uint32
	size int64
}

// packet is the next one; io.EOF: there is none.
func (w *webm) packet() (*packet, error) {
	for !w.ended {
		h, err := w.header()
		if errors.Is(err, io.EOF) {
			w.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		before := w.next
		if err := w.element(h); err != nil {
			return nil, err
		}
		if before != nil && w.next != before {
			return before, nil
		}
	}
	p := w.next
	if w.next = nil; p == nil {
		return nil, io.EOF
	}
	return p, nil
}

// element reads one, or enters it.
func (w *webm) element(h header) error {
	if first := !w.begun; first != (h.id == idEBML) {
		return ErrUnsupported // also two files in a row
	}
	w.begun = true
	switch h.id {
	case idSegment, idTracks, idCluster, idGroup:
		return nil
	case idTrack:
		w.tracks++
		return errorIf(w.tracks > 1) // with a film, or in two languages
	case idEncodings:
		return ErrUnsupported // packed or closed
	case idEBML, idNumber, idKind, idCodec, idPrivate, idDiscard:
		return w.small(h)
	case idBlock, idSimple:
		return w.block(h)
	}
	return w.skip(h.size)
}

func errorIf(unsupported bool) error {
	if unsupported {
		return ErrUnsupported
	}
	return nil
}

// header reads the head of an element (RFC 8794 section 4 to 6); io.EOF: there is none.
func (w *webm) header() (h header, err error) {
	first, err := w.in.ReadByte()
	if err != nil {
		return h, err
	}
	more := bits.LeadingZeros8(first)
	if more > 3 {
		return h, ErrUnsupported
	}
	h.id = uint32(first)
	for range more {
		b, err := w.in.ReadByte()
		if err != nil {
			return h, broken(err)
		}
		h.id = h.id<<8 | uint32(b)
	}
	size, width, err := number(w.in)
	if err != nil {
		return h, broken(err)
	}
	h.size = int64(size)
	if size == 1<<(7*width)-1 {
		h.size = unknownSize
	}
	return h, nil
}

// number is a variable-size integer (section 4), without the bit that says how long it is.
func number(r io.ByteReader) (n uint64, width int, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	width = bits.LeadingZeros8(first) + 1
	if width > 8 {
		return 0, 0, ErrUnsupported
	}
	n = uint64(first) &^ (1 << (8 - width))
	for range width - 1 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		n = n<<8 | uint64(b)
	}
	return n, width, nil
}

// broken is the end where there must be more.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrUnsupported
	}
	return err
}

func (w *webm) skip(size int64) error {
	if size == unknownSize {
		return ErrUnsupported
	}
	n, err := io.CopyN(io.Discard, w.in, size)
	if err != nil && n < size {
		return broken(err)
	}
	return nil
}

// small reads an element of which every byte counts.
func (w *webm) small(h header) error {
	if h.size > mostSmall {
		return ErrUnsupported
	}
	b := make([]byte, h.size)
	if _, err := io.ReadFull(w.in, b); err != nil {
		return broken(err)
	}
	switch h.id {
	case idNumber:
		w.track.number = unsigned(b)
	case idKind:
		w.track.kind = unsigned(b)
	case idCodec:
		w.track.codec = string(b)
	case idPrivate:
		w.track.head = b
	case idDiscard:
		if w.next != nil && len(b) <= 8 {
			ns := min(max(signed(b), 0), nanosecond)
			w.next.discard = ns * rate / nanosecond
		}
	}
	return nil
}

func unsigned(b []byte) (n uint64) {
	for _, x := range b[max(0, len(b)-8):] {
		n = n<<8 | uint64(x)
	}
	return n
}

// signed is a number of at most eight bytes (section 7.1).
func signed(b []byte) int64 {
	if len(b) == 0 {
		return 0
	}
	return int64(unsigned(b)<<(64-8*len(b))) >> (64 - 8*len(b))
}

// block reads one with its packet (RFC 9559 section 10).
func (w *webm) block(h header) error {
	t := w.track
	if t.kind != kindAudio || t.codec != opusCodec || t.head == nil || h.size > mostPacket+8+blockHead {
		return ErrUnsupported
	}
	b := make([]byte, h.size)
	if _, err := io.ReadFull(w.in, b); err != nil {
		return broken(err)
	}
	r := &byteReader{b}
	n, _, err := number(r)
	if err != nil {
		return broken(err)
	}
	// Times are those of the packets; several in a block is nothing that voice is recorded in.
	if n != t.number || len(r.left) <= blockHead || r.left[2]&lacing != 0 {
		return ErrUnsupported
	}
	w.next = &packet{data: r.left[blockHead:]}
	return nil
}

// byteReader reads from bytes, and shows those that are left.
type byteReader struct{ left []byte }

// ReadByte implements io.ByteReader.
func (r *byteReader) ReadByte() (byte, error) {
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b, nil
}
