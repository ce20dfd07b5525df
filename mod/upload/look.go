package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"stonechat/obs"
	"stonechat/picture"
	"stonechat/store"
	"stonechat/store/blob"
	"stonechat/voice"
)

// thumbnail is the query by which an address is that of a file's thumbnail: whoever has the one has the other.
const thumbnail = "thumbnail"

// strips tells whether what pictures tell beside what is seen is taken out of a content. Of what its client does not call a picture nothing changes: bytes that were closed
// end to end could seem to be anything.
func (m *Module) strips(kind string) bool {
	return m.Pictures.Strip && slices.Contains(pictureTypes(), kind)
}

// look finds out about a content that is kept what can be told of it, and has its thumbnail kept. What is to be given is the content of the hash that it returns. A file is
// no worse for what fails here.
func (m *Module) look(ctx context.Context, f *store.File, content io.ReadSeeker, hash blob.Hash) blob.Hash {
	var err error
	switch {
	case m.Pictures.Side > 0 && slices.Contains(pictureTypes(), f.Type):
		err = m.see(ctx, f, content)
	case f.Size <= m.Config.VoiceBytes && slices.Contains(soundTypes(), f.Type):
		hash, err = m.listen(ctx, f, content, hash)
	default:
		return hash
	}
	m.Figures.Looks.WithLabelValues(m.outcome(err)).Inc()
	return hash
}

// see looks at a picture.
func (m *Module) see(ctx context.Context, f *store.File, content io.ReadSeeker) error {
	l, err := m.Maker.Look(ctx, content)
	if err != nil {
		f.Look.Width, f.Look.Height = l.Width, l.Height
		return err
	}
	f.Look, err = m.keepLook(ctx, l)
	return err
}

// keepLook has a thumbnail kept, and says what the store has of it.
func (m *Module) keepLook(ctx context.Context, l picture.Look) (store.Look, error) {
	out := store.Look{Width: l.Width, Height: l.Height, Blurhash: l.Blurhash}
	hash, err := blob.Put(ctx, m.Blobs, bytes.NewReader(l.Thumb), int64(len(l.Thumb)), nil)
	if err == nil {
		out.Thumb = store.Thumb{Hash: hash[:], Type: l.Type, Width: l.ThumbWidth, Height: l.ThumbHeight}
	}
	return out, err
}

// outcome of looking at a picture, or listening, for the count. What is our own fault is logged.
func (m *Module) outcome(err error) string {
	var no *refusal
	switch {
	case err == nil:
		return "made"
	case errors.Is(err, picture.ErrTooLarge):
		return "too_large"
	case errors.Is(err, picture.ErrUnreadable), errors.Is(err, voice.ErrUnsupported):
		return "unreadable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "late"
	case errors.As(err, &no):
		return "refused"
	}
	m.Obs.Log.Error("what a file holds was not found out", obs.Err, err)
	return "fault"
}
