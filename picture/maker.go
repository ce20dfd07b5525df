package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"golang.org/x/image/webp"
)

// ErrTooLarge: it would take more memory than it may to decode it. What its head says is known all the same.
var ErrTooLarge = errors.New("picture too large")

// Limits of what is done with pictures of strangers.
type Limits struct {
	Side   int           // of a small picture, in pixels
	Memory int64         // for decoding one, judged from its head, in bytes
	Time   time.Duration // for one, waiting included
	AtOnce int
}

// Look is how a picture looks.
type Look struct {
	Width, Height int // as it is shown, in pixels
	// Thumb is a small picture, Type its media type; empty: there is none.
	Thumb                   []byte
	Type                    string
	ThumbWidth, ThumbHeight int
	Blurhash                string
}

// Maker makes small pictures, a few at a time. It is safe for use by several goroutines.
type Maker struct {
	limits Limits
	slots  chan struct{}
}

// NewMaker returns one.
func NewMaker(l Limits) *Maker { return &Maker{l, make(chan struct{}, l.AtOnce)} }

const jpegQuality = 80

// Look makes a small picture, upright, and says how large the whole is. With ErrTooLarge the size is known; ErrUnreadable: it is no picture; errors of ctx: it took too
// long, waiting for its turn included.
func (m *Maker) Look(ctx context.Context, content io.ReadSeeker) (l Look, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.limits.Time)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return l, context.Cause(ctx)
	}
	defer func() {
		// A decoder with a fault costs a small picture, not what it was to be made of.
		if r := recover(); r != nil {
			l, err = Look{}, fmt.Errorf("%w: decoder: %v", ErrUnreadable, r)
		}
	}()
	// A decoder cannot be told to stop. It reads often enough, and finds that there is nothing more.
	content = &timed{content, ctx}
	c := NewCleaner(content)
	if _, err := io.Copy(io.Discard, c); err != nil {
		return l, err
	}
	d := decoders()[c.Kind()]
	if d.decode == nil {
		return l, ErrUnreadable
	}
	size, err := d.measure(content)
	if err != nil {
		return l, unreadable(ctx, err)
	}
	if size.Width <= 0 || size.Height <= 0 {
		return l, ErrUnreadable
	}
	l.Width, l.Height = turned(size.Width, size.Height, c.orientation)
	if need(c, size, d.pixel) > m.limits.Memory {
		return l, ErrTooLarge
	}
	return l, m.draw(ctx, &l, d, content, size, c.orientation)
}

// draw decodes a picture and puts the small one, and its hash, into l.
func (m *Maker) draw(ctx context.Context, l *Look, d decoder, content io.ReadSeeker, size image.Config, orientation int) error {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	whole, err := d.decode(content)
	if err != nil {
		return unreadable(ctx, err)
	}
	w, h := within(size.Width, size.Height, m.limits.Side)
	small := turn(shrink(whole, size.Width, size.Height, w, h), orientation)
	l.ThumbWidth, l.ThumbHeight = small.Rect.Dx(), small.Rect.Dy()
	l.Blurhash = Blurhash(small)
	var b bytes.Buffer
	if small.Opaque() {
		l.Type, err = "image/jpeg", jpeg.Encode(&b, small, &jpeg.Options{Quality: jpegQuality})
	} else {
		l.Type, err = "image/png", png.Encode(&b, small)
	}
	l.Thumb = b.Bytes()
	return err
}

func unreadable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrUnreadable, err)
}

// decoder of a kind. A pixel takes so many bytes with it.
type decoder struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	pixel  int64
}

// measure reads the head.
func (d decoder) measure(content io.ReadSeeker) (image.Config, error) {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return image.Config{}, err
	}
	return d.config(content)
}

// decoders by kind. PNG counts the passes of interlacing, WebP what its lossless form needs beside the picture.
func decoders() map[Kind]decoder {
	return map[Kind]decoder{
		JPEG: {jpeg.DecodeConfig, jpeg.Decode, 1},
		PNG:  {png.DecodeConfig, png.Decode, 6},
		GIF:  {gif.DecodeConfig, gif.Decode, 1}, // the first image is all that is decoded
		WebP: {webp.DecodeConfig, webp.Decode, 9},
	}
}

// need is how much memory decoding takes at most.
func need(c *Cleaner, size image.Config, pixel int64) int64 {
	pixels := int64(size.Width) * int64(size.Height)
	switch {
	case c.kind == JPEG:
		f := c.frame
		each := int64(1)
		if f.progressive {
			each += 4 // all coefficients at once
		}
		n := pixels * int64(f.blocks) * each / int64(max(f.mostBlocks, 1))
		if f.converted {
			n += 4 * pixels
		}
		return n
	case size.ColorModel == color.RGBA64Model, size.ColorModel == color.NRGBA64Model, size.ColorModel == color.Gray16Model:
		return pixels * 2 * pixel
	}
	return pixels * pixel
}

// timed is a content that ends with a context.
type timed struct {
	io.ReadSeeker
	ctx context.Context
}

// Read implements io.Reader.
func (t *timed) Read(p []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	return t.ReadSeeker.Read(p)
}
