package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/store/blob/s3test"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const whereItWas = "59.3293N 18.0686E"

// photo is a picture that lies on its side and tells where it was taken.
func photo(t *testing.T, w, h int) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(i % w)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00" + whereItWas
	return b.String()[:2] + string(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))) + exif + b.String()[2:]
}

// known is what the server knows of a file.
type known struct {
	File struct {
		Type   string `xml:"media-type"`
		Name   string `xml:"name"`
		Size   int    `xml:"size"`
		Hash   string `xml:"urn:xmpp:hashes:2 hash"`
		Width  int    `xml:"width"`
		Height int    `xml:"height"`
		Length int    `xml:"length"`
		Thumbs []struct {
			URI    string `xml:"uri,attr"`
			Type   string `xml:"media-type,attr"`
			Width  int    `xml:"width,attr"`
			Height int    `xml:"height,attr"`
		} `xml:"urn:xmpp:thumbs:1 thumbnail"`
	} `xml:"urn:xmpp:file:metadata:0 file"`
	Waveform string `xml:"waveform"`
}

// askAbout asks what is known of the file at an address.
func askAbout(t *testing.T, c *client.Client, address string) (known, error) {
	t.Helper()
	b := xmltok.AppendAttr([]byte("<about xmlns='urn:stonechat:files:1'"), "url", address)
	st, err := c.IQ(t.Context(), jid.MustParse("upload."+uploadDomain), stanza.Get, string(b)+"/>")
	if err != nil {
		return known{}, err
	}
	var got struct {
		About known `xml:"urn:stonechat:files:1 about"`
	}
	if err := xml.Unmarshal([]byte("<iq>"+st.Inner()+"</iq>"), &got); err != nil {
		t.Fatal(err)
	}
	return got.About, nil
}

func hashOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}

func TestUploadedPicture(t *testing.T) {
	r := start(t, uploadDomain)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	before := photo(t, 1200, 800)
	address := r.upload(alice, "me & you.jpg", "image/jpeg", before)
	a, after := r.do("GET", address, nil, nil)
	if len(after) != len(before) || strings.Contains(after, whereItWas) || a.ContentLength != int64(len(before)) {
		t.Errorf("%s: %d bytes of %d, or they tell where it was", a.Status, len(after), len(before))
	}
	for _, name := range contents(t, r.data) {
		if b, err := os.ReadFile(name); err != nil || bytes.Contains(b, []byte(whereItWas)) {
			t.Errorf("on the disk it tells where it was: %v", err)
		}
	}
	got, err := askAbout(t, bob, address)
	f := got.File
	if err != nil || f.Type != "image/jpeg" || f.Name != "me & you.jpg" || f.Size != len(after) || f.Hash != hashOf(after) || f.Width != 800 || f.Height != 1200 || len(f.Thumbs) != 2 {
		t.Fatalf("it is known as %+v, %v", got, err)
	}
	if small := f.Thumbs[0]; small.Type != "image/jpeg" || small.Width != 267 || small.Height != 400 || !strings.HasPrefix(small.URI, address) {
		t.Errorf("thumbnail %+v", small)
	}
	if blur := f.Thumbs[1]; blur.Type != "image/blurhash" || !strings.HasPrefix(blur.URI, "data:image/blurhash,") || len(blur.URI) < 48 {
		t.Errorf("blurhash %+v", blur)
	}
	a, small := r.do("GET", f.Thumbs[0].URI, nil, nil)
	img, kind, err := image.Decode(strings.NewReader(small))
	if err != nil || kind != "jpeg" || img.Bounds().Dx() != 267 || img.Bounds().Dy() != 400 {
		t.Errorf("thumbnail: %s %s, %v", a.Status, kind, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Content-Disposition": "inline; filename=thumbnail.jpg",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, other := range []string{"", "https://" + uploadDomain, address[1:], address + "x", strings.Replace(address, uploadDomain, "other.example", 1), f.Thumbs[0].URI} {
		if _, err := askAbout(t, alice, other); condition(err) != stanza.ItemNotFound {
			t.Errorf("%q is known: %v", other, err)
		}
	}
	r.hasMetrics(`stonechat_upload_looks_total{outcome="made"} 1`)
}

// What is not called a picture is kept to the bit, and nothing is said of it.
func TestUploadedSecretIsNotTouched(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	for _, kind := range []string{"", "application/octet-stream", "video/mp4"} {
		before := photo(t, 60, 40)
		address := r.upload(alice, "closed.bin", kind, before)
		if _, after := r.do("GET", address, nil, nil); after != before {
			t.Errorf("%q was changed", kind)
		}
		if got, err := askAbout(t, alice, address); err != nil || got.File.Width != 0 || len(got.File.Thumbs) != 0 || got.File.Hash != hashOf(before) {
			t.Errorf("%q: %+v, %v", kind, got, err)
		}
		if a, _ := r.do("GET", address+"?thumbnail", nil, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%q has a thumbnail: %s", kind, a.Status)
		}
	}
}

// A picture that would fill the memory is kept like any file; one that is none is refused, and its slot can be used again.
func TestUploadedBombs(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), 60_000), 60_000)
	head = append(head, 8, 6, 0, 0, 0)
	bomb := "\x89PNG\r\n\x1a\n\x00\x00\x00\x0d" + string(binary.BigEndian.AppendUint32(head, crc32.ChecksumIEEE(head)))
	address := r.upload(alice, "bomb.png", "image/png", bomb)
	if got, err := askAbout(t, alice, address); err != nil || got.File.Width != 60_000 || len(got.File.Thumbs) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	broken := "GIF89a\x01\x00\x01\x00\x00\x00\x00?" + whereItWas
	s := mustAsk(t, alice, "x.gif", len(broken), "image/gif")
	for range 2 {
		if a, _ := r.do("PUT", s.Put.URL, strings.NewReader(broken), saying("Content-Type", "image/gif")); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("broken: %s", a.Status)
		}
	}
	r.hasMetrics(`stonechat_upload_looks_total{outcome="too_large"} 1`, `stonechat_upload_refused_total{reason="unreadable"} 2`)
}

func TestPicturesAsTheyAre(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Pictures.Strip, c.Pictures.Side = false, 0 })
	alice := r.dial("alice", nil)
	before := photo(t, 60, 40)
	address := r.upload(alice, "a.jpg", "image/jpeg", before)
	if _, after := r.do("GET", address, nil, nil); after != before {
		t.Error("it was changed")
	}
	if got, err := askAbout(t, alice, address); err != nil || len(got.File.Thumbs) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Thumbnails are part of their file: they are not superfluous, and go with it.
func TestThumbnailsGoWithTheirFile(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	glass := image.NewNRGBA(image.Rect(0, 0, 500, 10))
	glass.Set(1, 1, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, glass); err != nil {
		t.Fatal(err)
	}
	small := r.upload(alice, "a.png", "image/png", b.String()) + "?thumbnail"
	if a, _ := r.do("GET", small, nil, nil); a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "image/png" || a.Header.Get("Content-Length") == strconv.Itoa(b.Len()) {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	if got := contents(t, r.data); len(got) != 2 {
		t.Errorf("%d contents", len(got))
	}
	r.stop()
	r = open(t, uploadDomain, r.data)
	if a, _ := r.do("GET", small, nil, nil); a.StatusCode != http.StatusOK {
		t.Errorf("after a start: %s", a.Status)
	}
	if a := r.control("DELETE", "/users/alice?now=1"); a.StatusCode >= 300 {
		t.Fatal(a.Status)
	}
	if a, _ := r.do("GET", small, nil, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("after its account: %s", a.Status)
	}
}

// A picture that comes in pieces becomes the same file as one that comes at once; one that is none leaves nothing behind.
func TestUploadedPieces(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	picture := photo(t, 60, 40)
	whole, err := askAbout(t, alice, r.upload(alice, "me.jpg", "image/jpeg", picture))
	if err != nil || len(whole.File.Thumbs) == 0 {
		t.Fatalf("%+v, %v", whole, err)
	}
	s := mustAsk(t, alice, "me.jpg", len(picture), "image/jpeg")
	const cut = 70 // within what tells
	if a := r.appendTo(s, "0", picture[:cut], nil); a.StatusCode != http.StatusNoContent {
		t.Fatalf("first: %s", a.Status)
	}
	if a := r.appendTo(s, strconv.Itoa(cut), picture[cut:], nil); a.StatusCode != http.StatusCreated {
		t.Fatalf("rest: %s", a.Status)
	}
	if got, err := askAbout(t, alice, s.Get.URL); err != nil || got.File.Hash != whole.File.Hash || got.File.Width != 40 || len(got.File.Thumbs) != len(whole.File.Thumbs) {
		t.Errorf("%+v, %v, want %+v", got, err, whole)
	}
	broken := "GIF89a\x01\x00\x01\x00\x00\x00\x00?" + whereItWas
	s = mustAsk(t, alice, "x.gif", len(broken), "image/gif")
	if a := r.appendTo(s, "0", broken, nil); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("broken: %s", a.Status)
	}
	r.has(s, 0, "?0")
	for _, name := range contents(t, r.data) {
		if b, err := os.ReadFile(name); err != nil || bytes.Contains(b, []byte(whereItWas)) {
			t.Errorf("on the disk it tells where it was: %v", err)
		}
	}
}

// A bucket and a scanner see what is left of a picture, and of a sound what was made of it.
func TestUploadedPictureInABucket(t *testing.T) {
	store, scanner := s3test.Serve(t), look(t)
	stored := storedAt(t, store)
	r := startWith(t, uploadDomain, func(c *config.Config) {
		stored(c)
		c.Files.Scanner = "tcp:" + scanner.Addr().String()
	})
	alice := r.dial("alice", nil)
	before := strings.Replace(photo(t, 60, 40), whereItWas, "malware"+whereItWas[len("malware"):], 1)
	address := r.upload(alice, "me.jpg", "image/jpeg", before)
	if a, after := r.do("GET", address, nil, nil); len(after) != len(before) || strings.Contains(after, "malware") {
		t.Errorf("%s: %d bytes of %d, or they tell", a.Status, len(after), len(before))
	}
	if a, _ := r.do("GET", address+"?thumbnail", nil, nil); a.StatusCode != http.StatusOK || len(store.Keys()) != 2 {
		t.Errorf("thumbnail: %s, the bucket has %v", a.Status, store.Keys())
	}
	webm, err := os.ReadFile("../voice/testdata/chromium.webm")
	if err != nil {
		t.Fatal(err)
	}
	if _, ogg := r.do("GET", r.upload(alice, "voice.ogg", "audio/webm", string(webm)), nil, nil); !strings.HasPrefix(ogg, "OggS") {
		t.Errorf("%d bytes of sound", len(ogg))
	}
	if n := scanner.asked.Load(); n != 3 {
		t.Errorf("the scanner was asked %d times", n)
	}
}
