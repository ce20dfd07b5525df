// Package voice knows Opus in the two containers in which people send what they say: browsers record WebM (a part of Matroska, RFC 9559), everything else plays Ogg (RFC 3533,
// RFC 7845). It puts the packets of the one into the other as they are, and says how long they sound. Everything here is read from strangers.
package voice

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// ErrUnsupported: it is no Opus in a container that is known, or in a way that nobody records voice in.
var ErrUnsupported = errors.New("no voice message that can be read")

const (
	rate        = 48_000 // of everything that counts samples in Opus (RFC 7845 section 4)
	mostPacket  = 61_440 // RFC 6716: 48 frames of 1275 bytes, and what says so
	mostSamples = 5760   // 120 ms, section 3.2.5
	windowBytes = 32 << 10
	headBytes   = 19 // of OpusHead (RFC 7845 section 5.1)
	mostHead    = headBytes + 2 + 255
	headMark    = "OpusHead"
)

// Sound is what is known of one.
type Sound struct {
	Duration time.Duration
	// Waveform is how loud it is in up to WaveParts parts of equal length, the loudest having WaveTop. It is guessed by how many bytes Opus took for each: more where more is to be
	// heard, and the same for all when it was recorded at a constant rate. Nothing is decoded.
	Waveform []byte
}

// The size of a waveform.
const (
	WaveParts = 64
	WaveTop   = 100
)

// Measure reads a sound in WebM or Ogg to its end.
func Measure(r io.Reader) (Sound, error) {
	in := bufio.NewReaderSize(r, windowBytes)
	if begin, err := in.Peek(4); err == nil && string(begin) == "OggS" {
		return measureOgg(in)
	}
	x := NewRemuxer(in)
	_, err := io.Copy(io.Discard, x)
	return x.Sound(), err
}

// head is what OpusHead says (RFC 7845 section 5.1); false: it is none that we know.
func head(b []byte) (skip int64, ok bool) {
	if len(b) < headBytes || len(b) > mostHead || !bytes.HasPrefix(b, []byte(headMark)) || b[8]>>4 != 0 || b[9] == 0 {
		return 0, false
	}
	return int64(b[10]) | int64(b[11])<<8, b[18] != 0 || b[9] <= 2
}

// samples is how long a packet sounds (RFC 6716 section 3.1); false: it is none.
func samples(packet []byte) (int64, bool) {
	if len(packet) == 0 || len(packet) > mostPacket {
		return 0, false
	}
	var frame int64
	switch config := packet[0] >> 3; {
	case config < 12:
		frame = [...]int64{480, 960, 1920, 2880}[config&3]
	case config < 16:
		frame = [...]int64{480, 960}[config&1]
	default:
		frame = [...]int64{120, 240, 480, 960}[config&3]
	}
	n := int64(2)
	switch packet[0] & 3 {
	case 0:
		n = 1
	case 3:
		if len(packet) < 2 {
			return 0, false
		}
		n = int64(packet[1] & 63)
	}
	return frame * n, n > 0 && frame*n <= mostSamples
}

// wave collects how many bytes there are for how long, in as many parts as it has room for: when there are more, two become one.
type wave struct {
	parts  [2 * WaveParts]struct{ bytes, samples int64 }
	n      int   // parts that are begun
	length int64 // of a part, in samples; 0: nothing was collected
}

func (w *wave) add(bytes, samples int64) {
	if w.n == 0 {
		w.n, w.length = 1, samples
	}
	if p := &w.parts[w.n-1]; p.samples >= w.length {
		if w.n == len(w.parts) {
			w.halve()
		}
		w.n++
	}
	p := &w.parts[w.n-1]
	p.bytes, p.samples = p.bytes+bytes, p.samples+samples
}

func (w *wave) halve() {
	for i := range w.n / 2 {
		a, b := w.parts[2*i], w.parts[2*i+1]
		a.bytes, a.samples = a.bytes+b.bytes, a.samples+b.samples
		w.parts[i] = a
	}
	clear(w.parts[w.n/2:])
	w.n, w.length = w.n/2, 2*w.length
}

// form is the waveform.
func (w *wave) form() []byte {
	for w.n > WaveParts {
		if w.n%2 == 1 {
			w.n++ // with one that is empty
		}
		w.halve()
	}
	top := 0.0
	each := make([]float64, w.n)
	for i := range each {
		each[i] = float64(w.parts[i].bytes) / float64(max(w.parts[i].samples, 1))
		top = max(top, each[i])
	}
	out := make([]byte, w.n)
	for i, v := range each {
		if top > 0 {
			out[i] = byte(v/top*WaveTop + 0.5)
		}
	}
	return out
}

// lasting is how long so many samples sound.
func lasting(samples int64) time.Duration {
	return time.Duration(max(samples, 0)*1000/rate) * time.Millisecond
}
