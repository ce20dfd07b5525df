package upload

import (
	"context"
	"errors"
	"io"

	"stonechat/picture"
	"stonechat/store"
	"stonechat/store/blob"
)

// receive keeps a content that comes in one piece.
func (m *Module) receive(ctx context.Context, f *store.File, content io.Reader) (h blob.Hash, err error) {
	p, err := m.Blobs.Arrive(f.Size)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if m.strips(f.Type) {
		content = picture.NewCleaner(content)
	}
	if err = p.Receive(ctx, content); err != nil {
		return h, err
	}
	return m.keep(ctx, f, p)
}

// resumed keeps a content that has come bit by bit. It is what it would be if it had come in one piece: a picture is cleaned on its way into another part. What would be
// refused again goes.
func (m *Module) resumed(ctx context.Context, f *store.File, p *blob.Part) (h blob.Hash, err error) {
	if m.strips(f.Type) {
		h, err = m.receive(ctx, f, p.Content())
	} else {
		h, err = m.keep(ctx, f, p)
	}
	if errors.Is(err, errMalware) || errors.Is(err, picture.ErrUnreadable) {
		p.Drop()
	}
	return h, err
}

// keep keeps a part that is whole and clean, if nobody finds anything in it, and looks at it.
func (m *Module) keep(ctx context.Context, f *store.File, p *blob.Part) (blob.Hash, error) {
	if err := m.scan(ctx, *f, p.Content()); err != nil {
		return blob.Hash{}, err
	}
	h, err := m.Blobs.Keep(ctx, p)
	if err != nil {
		return h, err
	}
	// It has all arrived: that the client goes now changes nothing. Thumbnails are kept behind their files, so that no round takes them before their row is there.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastStep)
	defer cancel()
	return m.look(ctx, f, p.Content(), h), nil
}
