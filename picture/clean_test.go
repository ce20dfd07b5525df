package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/image/webp"
)

// secret is what no cleaned picture has.
const secret = "59.3293N 18.0686E"

// tinyWebP is one pixel.
const tinyWebP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

// corner is a picture that is white but for its upper left quarter, in red.
func corner(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{255, 255, 255, 255}
			if x < w/2 && y < h/2 {
				c = color.NRGBA{255, 0, 0, 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// exif says which side is up, and where.
func exif(orientation int, order binary.AppendByteOrder) []byte {
	b := []byte("MM\x00*")
	if order.String() == "LittleEndian" {
		b = []byte("II*\x00")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	for _, e := range [][4]int{{0x010f, 2, len(secret), 38}, {tagOrientation, 3, 1, orientation}} {
		b = order.AppendUint16(b, uint16(e[0]))
		b = order.AppendUint16(b, uint16(e[1]))
		b = order.AppendUint32(b, uint32(e[2]))
		if e[1] == 3 {
			b = order.AppendUint16(order.AppendUint16(b, uint16(e[3])), 0)
		} else {
			b = order.AppendUint32(b, uint32(e[3]))
		}
	}
	return append(append(b, 0, 0, 0, 0), secret...)
}

func jpegSegment(mark byte, payload string) string {
	return string(binary.BigEndian.AppendUint16([]byte{0xff, mark}, uint16(len(payload)+2))) + payload
}

func dirtyJPEG(t testing.TB, img image.Image, orientation int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	const jfif = "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"
	begin := "\xff\xd8" + jpegSegment(0xe0, jfif[:12]+"\x02\x03"+secret+"x") +
		jpegSegment(0xe1, exifMark+string(exif(orientation, binary.BigEndian))) +
		jpegSegment(0xe1, "http://ns.adobe.com/xap/1.0/\x00"+secret) + jpegSegment(0xe2, "ICC_PROFILE\x00kept") + jpegSegment(0xe2, "MPF\x00"+secret) +
		jpegSegment(0xed, "Photoshop 3.0\x00"+secret) + jpegSegment(0xfe, secret) + secret + "\xff"
	return slices.Concat([]byte(begin), b.Bytes()[2:], []byte("trailer "+secret))
}

func pngChunk(kind string, data []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), kind...)
	b = append(b, data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func dirtyPNG(t testing.TB, img image.Image, orientation int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	all, head := b.Bytes(), 8+25
	return slices.Concat(all[:head], pngChunk("eXIf", exif(orientation, binary.LittleEndian)), pngChunk("tEXt", []byte("Comment\x00"+secret)),
		pngChunk("gAMA", []byte{0, 0, 0xb1, 0x8f}), pngChunk("prVt", bytes.Repeat([]byte(secret), 5000)), all[head:], []byte(secret))
}

func dirtyGIF(t testing.TB, img image.Image) []byte {
	t.Helper()
	p := image.NewPaletted(img.Bounds(), color.Palette{color.White, color.NRGBA{255, 0, 0, 255}})
	for y := range p.Rect.Dy() {
		for x := range p.Rect.Dx() {
			p.Set(x, y, img.At(x, y))
		}
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{p, p}, Delay: []int{10, 20}, LoopCount: 7}); err != nil {
		t.Fatal(err)
	}
	all := b.Bytes()
	head := 13
	if all[10]&0x80 != 0 {
		head += 3 << (all[10]&7 + 1)
	}
	xmp := "!\xff\x0bXMP DataXMP" + strings.Repeat(secret, 40)
	for i := range 256 {
		xmp += string([]byte{byte(255 - i)})
	}
	return slices.Concat(all[:head], []byte(xmp+"\x00!\xfe"+string(rune(len(secret)))+secret+"\x00"), all[head:], []byte(secret))
}

func dirtyWebP(t testing.TB, orientation int) []byte {
	t.Helper()
	tiny, err := base64.StdEncoding.DecodeString(tinyWebP)
	if err != nil {
		t.Fatal(err)
	}
	chunk := func(kind, data string) string {
		b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
		return string(b) + data + strings.Repeat("\x00", len(data)%2)
	}
	body := "WEBP" + chunk("VP8X", "\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00") + string(tiny[12:]) + chunk("EXIF", string(exif(orientation, binary.BigEndian))) + chunk("XMP ", secret) + chunk("mine", secret)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body+secret...)
}

// dirty are pictures that tell where they were made.
func dirty(t testing.TB) map[string][]byte {
	img := corner(48, 32)
	return map[string][]byte{
		"jpeg": dirtyJPEG(t, img, 6), "png": dirtyPNG(t, img, 8), "gif": dirtyGIF(t, img), "webp": dirtyWebP(t, 3),
		"upright jpeg": dirtyJPEG(t, img, 1), "upright png": dirtyPNG(t, img, 0), "upright webp": dirtyWebP(t, 1),
	}
}

func clean(t testing.TB, r io.Reader) ([]byte, *Cleaner) {
	t.Helper()
	c := NewCleaner(r)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

// pixels are all frames of a picture.
func pixels(b []byte) (out []image.Image, err error) {
	var one image.Image
	switch KindOf(b) {
	case JPEG:
		one, err = jpeg.Decode(bytes.NewReader(b))
	case PNG:
		one, err = png.Decode(bytes.NewReader(b))
	case WebP:
		one, err = webp.Decode(bytes.NewReader(b))
	case GIF:
		all, err := gif.DecodeAll(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		for _, p := range all.Image {
			out = append(out, p)
		}
		return out, nil
	default:
		return nil, errors.New("none")
	}
	return []image.Image{one}, err
}

func same(a, b []image.Image) bool {
	return slices.EqualFunc(a, b, func(a, b image.Image) bool {
		if a.Bounds() != b.Bounds() {
			return false
		}
		for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
			for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
				r, g, bl, al := a.At(x, y).RGBA()
				r2, g2, bl2, al2 := b.At(x, y).RGBA()
				if r != r2 || g != g2 || bl != bl2 || al != al2 {
					return false
				}
			}
		}
		return true
	})
}

func TestClean(t *testing.T) {
	up := map[string]int{"jpeg": 6, "png": 8, "webp": 3, "upright jpeg": 1, "upright webp": 1}
	for name, b := range dirty(t) {
		got, c := clean(t, bytes.NewReader(b))
		if len(got) != len(b) {
			t.Errorf("%s: %d bytes became %d", name, len(b), len(got))
		}
		for _, part := range []string{secret, "Photoshop", "xap/1.0", "MPF", secret[:5]} {
			if bytes.Contains(got, []byte(part)) {
				t.Errorf("%s still has %q", name, part)
			}
		}
		if c.orientation != up[name] {
			t.Errorf("%s: orientation %d, want %d", name, c.orientation, up[name])
		}
		before, err := pixels(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if after, err := pixels(got); err != nil || !same(before, after) {
			t.Errorf("%s is another picture: %v", name, err)
		}
		again, c := clean(t, iotest.OneByteReader(bytes.NewReader(got)))
		if !bytes.Equal(again, got) || up[name] > 1 && c.orientation != up[name] {
			t.Errorf("%s: cleaned twice it is another, orientation %d", name, c.orientation)
		}
		// It may break off anywhere.
		for n := 0; n < len(b); n += 1 + n/100 {
			if got, _ := clean(t, bytes.NewReader(b[:n])); len(got) != n || n > 3 && bytes.Contains(got, []byte(secret)) {
				t.Fatalf("%s: of %d bytes: %d", name, n, len(got))
			}
		}
	}
	if b, _ := clean(t, bytes.NewReader(dirty(t)["jpeg"])); !bytes.Contains(b, []byte("ICC_PROFILE\x00kept")) {
		t.Error("colours are lost")
	}
	if b, _ := clean(t, bytes.NewReader(dirty(t)["gif"])); !bytes.Contains(b, []byte("NETSCAPE2.0\x03\x01\x07")) {
		t.Error("how often it is repeated is lost")
	}
}

// What is no picture is not touched, whatever it was called.
func TestCleanNothing(t *testing.T) {
	for _, s := range []string{"", "x", "RIFF\x00\x00\x00\x00WAVE" + secret, "\xff\xd8" + secret, "GIF88a" + secret, strings.Repeat(secret, 10_000)} {
		if b, c := clean(t, strings.NewReader(s)); string(b) != s || c.Kind() != None {
			t.Errorf("%.20q was changed", s)
		}
	}
}

func TestCleanRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"jpeg": "\xff\xd8\xff\xe1\x00\x01" + secret, "png": "\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXt", "letters": "\x89PNG\r\n\x1a\n\x00\x00\x00\x00t XtAAAA",
		"gif": "GIF89a\x01\x00\x01\x00\x00\x00\x00?", "webp": "RIFF\x10\x00\x00\x00WEBPVP8X\xff\xff\x00\x00",
	} {
		if _, err := io.ReadAll(NewCleaner(strings.NewReader(s))); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	for name, b := range dirty(t) {
		if _, err := io.ReadAll(NewCleaner(io.MultiReader(bytes.NewReader(b[:len(b)/2]), iotest.ErrReader(broken)))); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, b := range dirty(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewCleaner(bytes.NewReader(b))
		got, err := io.ReadAll(c)
		if errors.Is(err, ErrUnreadable) && c.Kind() != None && len(got) <= len(b) {
			return
		}
		if err != nil || len(got) != len(b) {
			t.Fatalf("%d bytes became %d: %v", len(b), len(got), err)
		}
		if c.Kind() == None && !bytes.Equal(got, b) {
			t.Fatal("what is no picture was changed")
		}
		if size, _, err := image.DecodeConfig(bytes.NewReader(b)); err != nil || size.Width*size.Height > 1<<16 {
			return
		}
		if before, err := pixels(b); err == nil {
			if after, err := pixels(got); err != nil || !same(before, after) {
				t.Fatalf("another picture: %v", err)
			}
		}
	})
}
