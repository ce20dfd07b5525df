package upload

import (
	"context"
	"errors"
	"io"

	"stonechat/store"
	"stonechat/store/blob"
	"stonechat/voice"
)

// listen finds out how long a sound is. One that a browser has recorded as WebM becomes an Ogg with the same packets where its name says so: its client asks for it by that,
// since not everybody plays WebM. The original belongs to no file then, and goes.
func (m *Module) listen(ctx context.Context, f *store.File, hash blob.Hash) (kept blob.Hash, err error) {
	content, err := m.Blobs.Open(ctx, hash)
	if err != nil {
		return hash, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
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
	kept, err = m.keep(ctx, voice.NewRemuxer(content), size)
	if err != nil {
		return hash, err
	}
	f.Size, f.Type = size, oggSound
	return kept, nil
}
