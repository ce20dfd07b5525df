package picture

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"
	"time"
)

func maker() *Maker {
	return NewMaker(Limits{Side: 40, Memory: 16 << 20, Time: time.Minute, AtOnce: 2})
}

func near(c color.Color, r, g, b int) bool {
	r2, g2, b2, _ := c.RGBA()
	off := func(a int, b uint32) bool { d := a - int(b>>8); return d < 12 && d > -12 }
	return off(r, r2) && off(g, g2) && off(b, b2)
}

// The red corner is where the stored picture is turned to.
func TestLookIsUpright(t *testing.T) {
	for o := 1; o <= 8; o++ {
		for name, b := range map[string][]byte{"jpeg": dirtyJPEG(t, corner(96, 64), o), "png": dirtyPNG(t, corner(96, 64), o)} {
			cleaned, _ := clean(t, bytes.NewReader(b))
			l, err := maker().Look(t.Context(), bytes.NewReader(cleaned))
			if err != nil {
				t.Fatal(name, o, err)
			}
			w, h := 96, 64
			if o > 4 {
				w, h = 64, 96
			}
			if l.Width != w || l.Height != h || l.ThumbWidth != (w*40+48)/96 || l.ThumbHeight != (h*40+48)/96 || l.Type != "image/jpeg" || len(l.Blurhash) != 28 {
				t.Errorf("%s %d: %+v", name, o, l)
			}
			img, _, err := image.Decode(bytes.NewReader(l.Thumb))
			if err != nil || img.Bounds().Dx() != l.ThumbWidth || img.Bounds().Dy() != l.ThumbHeight {
				t.Fatalf("%s %d: thumbnail %v, %v", name, o, img.Bounds(), err)
			}
			right, below := l.ThumbWidth-3, l.ThumbHeight-3
			red := map[int][2]int{1: {2, 2}, 2: {right, 2}, 3: {right, below}, 4: {2, below}, 5: {2, 2}, 6: {right, 2}, 7: {right, below}, 8: {2, below}}[o]
			for _, at := range [][2]int{{2, 2}, {right, 2}, {right, below}, {2, below}} {
				if at == red != near(img.At(at[0], at[1]), 255, 0, 0) {
					t.Errorf("%s %d: %v is %v", name, o, at, img.At(at[0], at[1]))
				}
			}
		}
	}
}

func TestLooks(t *testing.T) {
	glass := image.NewNRGBA(image.Rect(0, 0, 400, 3))
	var b bytes.Buffer
	if err := png.Encode(&b, glass); err != nil {
		t.Fatal(err)
	}
	tiny, err := base64.StdEncoding.DecodeString(tinyWebP)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		content    []byte
		w, h, tall int
		kind       string
	}{
		"glass": {b.Bytes(), 400, 3, 1, "image/png"},
		"gif":   {dirtyGIF(t, corner(48, 32)), 48, 32, 27, "image/jpeg"},
		"webp":  {tiny, 1, 1, 1, "image/png"},
	} {
		l, err := maker().Look(t.Context(), bytes.NewReader(x.content))
		if err != nil || l.Width != x.w || l.Height != x.h || l.ThumbHeight != x.tall || l.Type != x.kind {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// pngOf is a head without a picture.
func pngOf(w, h uint32, depth, kind, interlaced byte) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(head, depth, kind, 0, 0, interlaced))...)
}

// What would take too much is judged by its head.
func TestBombs(t *testing.T) {
	sof := func(mark byte, w, h uint16) []byte {
		b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{8}, h), w)
		return []byte("\xff\xd8" + jpegSegment(mark, string(b)+"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01") + jpegSegment(0xda, "\x01\x01\x00\x00\x3f\x00") + "\xff\xd9")
	}
	for name, b := range map[string][]byte{
		"png": pngOf(60_000, 60_000, 8, 6, 0), "sixteen bits": pngOf(1400, 1400, 16, 6, 1), "jpeg": sof(0xc0, 60_000, 60_000), "progressive": sof(0xc2, 2000, 1500),
		"gif": []byte("GIF89a\x60\xea\x60\xea\x00\x00\x00"),
	} {
		l, err := maker().Look(t.Context(), bytes.NewReader(b))
		if !errors.Is(err, ErrTooLarge) || l.Width < 1400 || l.Thumb != nil {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	for name, b := range map[string][]byte{
		"not too large": sof(0xc0, 2000, 1500), "nothing": nil, "text": []byte(secret), "head": pngOf(10, 10, 8, 6, 0), "flat": pngOf(0, 10, 8, 6, 0), "wide": pngOf(1<<31-1, 1<<31-1, 8, 6, 0),
	} {
		if l, err := maker().Look(t.Context(), bytes.NewReader(b)); !errors.Is(err, ErrUnreadable) || l.Thumb != nil {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// Who has no time is told so, before and while it is decoded.
func TestLookTakesTime(t *testing.T) {
	m := NewMaker(Limits{Side: 40, Memory: 16 << 20, Time: time.Nanosecond, AtOnce: 1})
	b := dirtyJPEG(t, corner(96, 64), 1)
	if _, err := m.Look(t.Context(), bytes.NewReader(b)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time: %v", err)
	}
	m = maker()
	m.slots <- struct{}{}
	m.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Look(ctx, bytes.NewReader(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("no turn: %v", err)
	}
}

// blurDigit and blurValue read a hash.
func blurValue(s string) (n int) {
	for _, r := range s {
		n = n*83 + strings.IndexRune(blurDigits, r)
	}
	return n
}

func TestBlurhash(t *testing.T) {
	plain := image.NewRGBA(image.Rect(0, 0, 100, 50))
	for i := 0; i < len(plain.Pix); i += 4 {
		copy(plain.Pix[i:], []uint8{0x33, 0x66, 0x99, 0xff})
	}
	h := Blurhash(plain)
	if len(h) != 28 || blurValue(h[:1]) != 3+2*9 || blurValue(h[2:6]) != 0x336699 {
		t.Errorf("plain: %s", h)
	}
	// Black on the left, white on the right: the first wave across is the strongest, and negative; down there is none.
	half := image.NewRGBA(image.Rect(0, 0, 100, 200))
	for y := range 200 {
		for x := range 100 {
			v := uint8(255 * (x / 50))
			half.SetRGBA(x, y, color.RGBA{v, v, v, 255})
		}
	}
	h = Blurhash(half)
	if blurValue(h[:1]) != 2+3*9 {
		t.Fatalf("tall: %s", h)
	}
	if dc := blurValue(h[2:6]) >> 16; math.Abs(float64(dc)-188) > 2 { // half of the light
		t.Errorf("mean is %d", dc)
	}
	if across, down := blurValue(h[6:8]), blurValue(h[10:12]); across != 0 || down/361 < 9 || down/361 > 11 { // nine is none; a sum of cosines is not quite zero
		t.Errorf("across %d, down %d", across, down)
	}
	if glass := Blurhash(image.NewRGBA(image.Rect(0, 0, 1, 1))); blurValue(glass[2:6]) != 0xffffff {
		t.Errorf("glass: %s", glass)
	}
}

func FuzzLook(f *testing.F) {
	for _, b := range dirty(f) {
		f.Add(b)
	}
	m := NewMaker(Limits{Side: 16, Memory: 1 << 20, Time: time.Second, AtOnce: 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := m.Look(t.Context(), bytes.NewReader(b))
		if err == nil && (l.Width <= 0 || l.Height <= 0 || max(l.ThumbWidth, l.ThumbHeight) > 16 || len(l.Thumb) == 0 || len(l.Blurhash) < 28) {
			t.Errorf("%+v", l)
		}
	})
}
