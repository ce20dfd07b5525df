package voice

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// opusHead is one of mono, of which 312 samples are not to be heard.
var opusHead = []byte("OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00")

// element is one of EBML.
func element(id uint32, body ...[]byte) []byte {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if x := byte(id >> shift); x != 0 || b != nil {
			b = append(b, x)
		}
	}
	all := slices.Concat(body...)
	b = binary.BigEndian.AppendUint64(b, 1<<56|uint64(len(all)))
	return append(b, all...)
}

// endless is one whose length was not known when it was begun.
func endless(id uint32, body ...[]byte) []byte {
	b := element(id)
	return slices.Concat(b[:len(b)-8], []byte("\x01\xff\xff\xff\xff\xff\xff\xff"), slices.Concat(body...))
}

func opusTrack(more ...[]byte) []byte {
	return element(idTracks, element(idTrack, element(idNumber, []byte{1}), element(idKind, []byte{kindAudio}), element(idCodec, []byte(opusCodec)),
		element(idPrivate, opusHead), element(0xe1, []byte("sampling")), slices.Concat(more...)))
}

func block(data string) []byte { return element(idSimple, []byte("\x81\x00\x00\x80"+data)) }

// twenty is a packet of 20 ms with so many bytes.
func twenty(bytes int) string { return "\x08" + strings.Repeat("x", bytes-1) }

// recording is such as browsers make: n packets, the middle ones louder.
func recording(n int) []byte {
	ebml := element(idEBML, element(0x4282, []byte("webm")))
	var clusters []byte
	for from := 0; from < n; from += 50 {
		var blocks []byte
		for i := from; i < min(from+50, n); i++ {
			size := 10
			if i > n/3 && i < 2*n/3 {
				size = 600
			}
			blocks = append(blocks, block(twenty(size))...)
		}
		clusters = append(clusters, endless(idCluster, element(0xe7, []byte{0}), blocks)...)
	}
	return slices.Concat(ebml, endless(idSegment, element(0x1549a966, []byte("info")), opusTrack(), clusters))
}

func remux(t testing.TB, webm []byte) ([]byte, Sound) {
	t.Helper()
	x := NewRemuxer(iotest.HalfReader(bytes.NewReader(webm)))
	b, err := io.ReadAll(x)
	if err != nil {
		t.Fatal(err)
	}
	return b, x.Sound()
}

// oggPackets reads an Ogg with an eye that the program does not have: codes, order, flags and granules.
func oggPackets(t testing.TB, b []byte) (packets [][]byte, end int64) {
	t.Helper()
	var open []byte
	for n := uint32(0); len(b) > 0; n++ {
		if len(b) < pageHead || string(b[:5]) != pageMark || binary.LittleEndian.Uint32(b[18:]) != n {
			t.Fatalf("page %d begins with %.27q", n, b)
		}
		segments := b[pageHead:][:b[26]]
		size := pageHead + len(segments)
		body := b[size:]
		for _, s := range segments {
			size += int(s)
			open = append(open, body[:s]...)
			if body = body[s:]; s < 255 {
				packets, open = append(packets, open), nil
			}
		}
		one := slices.Clone(b[:size])
		want := binary.LittleEndian.Uint32(one[22:])
		clear(one[22:26])
		sum := uint32(0)
		for _, x := range one { // bit by bit, as RFC 3533 says
			for bit := 7; bit >= 0; bit-- {
				top := sum>>31 ^ uint32(x>>bit&1)
				sum = sum<<1 ^ 0x04c11db7*top
			}
		}
		granule := int64(binary.LittleEndian.Uint64(one[6:]))
		if sum != want || (one[5]&oggFirst != 0) != (n == 0) || (one[5]&oggLast != 0) != (size == len(b)) || one[5]&1 != 0 || granule < end || n < 2 && granule != 0 {
			t.Fatalf("page %d: flags %x, granule %d, code %x, want %x", n, one[5], granule, want, sum)
		}
		b, end = b[size:], granule
	}
	if open != nil {
		t.Fatal("a packet does not end")
	}
	return packets, end
}

// sounds is how long so many samples do, in whole milliseconds.
func sounds(samples int) time.Duration { return time.Duration(samples/48) * time.Millisecond }

func TestRemux(t *testing.T) {
	const n = 500
	webm := recording(n)
	b, s := remux(t, webm)
	packets, end := oggPackets(t, b)
	if len(packets) != n+2 || !bytes.Equal(packets[0], opusHead) || !bytes.HasPrefix(packets[1], []byte(tagsMark)) || end != n*960 || len(b) > len(webm) {
		t.Fatalf("%d packets, to %d, %d bytes of %d", len(packets), end, len(b), len(webm))
	}
	for i, p := range packets[2:] {
		if want := twenty(len(p)); string(p) != want || (len(p) == 600) != (i > n/3 && i < 2*n/3) {
			t.Fatalf("packet %d has %d bytes", i, len(p))
		}
	}
	if s.Duration != sounds(n*960-312) || len(s.Waveform) < WaveParts/2 || len(s.Waveform) > WaveParts {
		t.Errorf("%v, %v", s.Duration, s.Waveform)
	}
	middle := len(s.Waveform) / 2
	if s.Waveform[0] != 2 || s.Waveform[middle] != WaveTop || s.Waveform[len(s.Waveform)-1] != 2 {
		t.Errorf("waveform %v", s.Waveform)
	}
	for name, b := range map[string][]byte{"webm": webm, "ogg": b} {
		if again, err := Measure(bytes.NewReader(b)); err != nil || again.Duration != s.Duration || !bytes.Equal(again.Waveform, s.Waveform) {
			t.Errorf("%s is measured as %+v, %v", name, again, err)
		}
	}
}

// What a browser has recorded: a tone between two silences, in packets of 60 ms.
func TestRecordedByBrowser(t *testing.T) {
	webm, err := os.ReadFile("testdata/chromium.webm")
	if err != nil {
		t.Fatal(err)
	}
	b, s := remux(t, webm)
	packets, end := oggPackets(t, b)
	if len(packets) != 32 || end != 30*2880 || s.Duration != 1800*time.Millisecond || len(s.Waveform) != 30 || s.Waveform[0] > 10 || s.Waveform[15] < 50 {
		t.Errorf("%d packets to %d, %+v", len(packets), end, s)
	}
}

// The end of the last packet may be silence of the encoder.
func TestRemuxDiscards(t *testing.T) {
	webm := slices.Concat(element(idEBML), element(idSegment, opusTrack(), element(idCluster, block(twenty(9)),
		element(idGroup, element(idBlock, []byte("\x81\x00\x00\x00"+twenty(9))), element(idDiscard, []byte{0x00, 0x98, 0x96, 0x80})))))
	b, s := remux(t, webm)
	if _, end := oggPackets(t, b); end != 2*960-480 || s.Duration != sounds(2*960-480-312) {
		t.Errorf("ends at %d, lasts %v", end, s.Duration)
	}
	if again, err := Measure(bytes.NewReader(b)); err != nil || again.Duration != s.Duration {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestUnsupported(t *testing.T) {
	ebml := element(idEBML)
	cluster := element(idCluster, block(twenty(9)))
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("hello, world, this is no sound"), "no sound": slices.Concat(ebml, element(idSegment, opusTrack())),
		"no head":       slices.Concat(ebml, element(idSegment, element(idTracks, element(idTrack, element(idNumber, []byte{1}), element(idKind, []byte{2}), element(idCodec, []byte(opusCodec)))), cluster)),
		"before":        slices.Concat(ebml, element(idSegment, cluster, opusTrack())),
		"two tracks":    slices.Concat(ebml, element(idSegment, opusTrack(), opusTrack(), cluster)),
		"another codec": slices.Concat(ebml, element(idSegment, opusTrack(element(idCodec, []byte("A_VORBIS"))), cluster)),
		"a film":        slices.Concat(ebml, element(idSegment, opusTrack(element(idKind, []byte{1})), cluster)),
		"closed":        slices.Concat(ebml, element(idSegment, opusTrack(element(idEncodings)), cluster)),
		"laced":         slices.Concat(ebml, element(idSegment, opusTrack(), element(idCluster, element(idSimple, []byte("\x81\x00\x00\x82"+twenty(9)))))),
		"of another":    slices.Concat(ebml, element(idSegment, opusTrack(), element(idCluster, element(idSimple, []byte("\x82\x00\x00\x80"+twenty(9)))))),
		"empty":         slices.Concat(ebml, element(idSegment, opusTrack(), element(idCluster, block("")))),
		"too long":      slices.Concat(ebml, element(idSegment, opusTrack(), element(idCluster, block("\x1b\x30xx")))), // 48 frames of 60 ms
		"no frames":     slices.Concat(ebml, element(idSegment, opusTrack(), element(idCluster, block("\x0b\x00xx")))),
		"two files":     append(recording(3), recording(3)...),
		"breaks off":    recording(3)[:len(recording(3))-1],
		"huge":          slices.Concat(ebml, element(idSegment, opusTrack(), []byte{0xa3, 0x01, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe})),
		"strange head":  slices.Concat(ebml, element(idSegment, opusTrack(element(idPrivate, bytes.Replace(opusHead, []byte{1, 1}, []byte{0x10, 1}, 1))), cluster)),
	} {
		if s, err := Measure(bytes.NewReader(b)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	whole, _ := remux(t, recording(200))
	for n := 0; n < len(whole); n += 1 + n/100 {
		// Cut between pages, and nowhere else, it is a shorter one.
		if _, err := Measure(bytes.NewReader(whole[:n])); err != nil && !errors.Is(err, ErrUnsupported) || err == nil && string(whole[n:][:4]) != "OggS" {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	fault := errors.New("disk")
	if _, err := Measure(io.MultiReader(bytes.NewReader(whole[:300]), iotest.ErrReader(fault))); !errors.Is(err, fault) {
		t.Errorf("a fault is %v", err)
	}
}

func TestSamples(t *testing.T) {
	for s, want := range map[string]int64{
		"\x00": 480, "\x18": 2880, "\x19": 5760, "\x60": 480, "\x68": 960, "\x80": 120, "\xf8": 960, "\xf9": 1920, "\xfa": 1920, "\xfb\x06": 5760, "\xfb\x07": 0, "\xfb": 0, "": 0, "\x1a": 5760,
	} {
		if n, ok := samples([]byte(s)); n != want && ok || ok != (want > 0) {
			t.Errorf("%q: %d, %v", s, n, ok)
		}
	}
}

func FuzzMeasure(f *testing.F) {
	webm := recording(120)
	f.Add(webm)
	b, _ := remux(f, recording(3))
	f.Add(b)
	f.Add(slices.Concat(element(idEBML), element(idSegment, opusTrack(), element(idCluster, element(idGroup, element(idBlock, []byte("\x81\x00\x00\x00"+twenty(9))), element(idDiscard, []byte{0x98}))))))
	recorded, err := os.ReadFile("testdata/chromium.webm")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(recorded)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Measure(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if s.Duration < 0 || len(s.Waveform) == 0 || len(s.Waveform) > WaveParts {
			t.Fatalf("%+v", s)
		}
		if x, err := bufio.NewReader(bytes.NewReader(b)).Peek(4); err != nil || string(x) == "OggS" {
			return
		}
		out, same := remux(t, b)
		if _, _ = oggPackets(t, out); same.Duration != s.Duration {
			t.Fatalf("%v and %v", same.Duration, s.Duration)
		}
		if again, err := Measure(bytes.NewReader(out)); err != nil || again.Duration != s.Duration {
			t.Fatalf("%v became %v: %v", s.Duration, again.Duration, err)
		}
	})
}
