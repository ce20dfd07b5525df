package upload

import (
	"context"
	"io"

	"stonechat/store"
	"stonechat/store/blob"
	"stonechat/voice"
)

// listen finds out how long a sound is. One that a browser has recorded as WebM becomes an Ogg with the same packets where its name says so: its client asks for it by that,
// since not everybody plays WebM. The original belongs to no file then, and goes.
func (m *Module) listen(ctx context.Context, f *store.File, content io.ReadSeeker, hash blob.Hash) (blob.Hash, error) {
	if f.Type != webmSound || !wantsOgg(f.Name) {
		s, err := voice.Measure(content)
		if err == nil {
			f.Look.Duration, f.Look.Waveform = s.Duration, s.Waveform
		}
		return hash, err
	}
	x := voice.NewRemuxer(content)
	size, err := io.Copy(io.Discard, x)
	if err != nil {
		return hash, err
	}
	f.Look.Duration, f.Look.Waveform = x.Sound().Duration, x.Sound().Waveform
	if size > f.Size {
		return hash, nil // more than its slot has reserved; nothing that is recorded in earnest comes to that
	}
	if _, err = content.Seek(0, io.SeekStart); err != nil {
		return hash, err
	}
	ogg := *f
	ogg.Size, ogg.Type = size, oggSound
	kept, err := blob.Put(ctx, m.Blobs, voice.NewRemuxer(content), size, func(made io.Reader) error { return m.scan(ctx, ogg, made) })
	if err != nil {
		return hash, err
	}
	*f = ogg
	return kept, nil
}
