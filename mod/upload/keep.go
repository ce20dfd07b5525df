package upload

import (
	"bytes"
	"context"
	"errors"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/blob"
)

// Keep keeps a content that the server has made for an account as a file of it, like one uploaded for a message, and returns its address. The quota is the same.
// store.ErrQuota and store.ErrTooMany: see store.Files; store.ErrFull: there is no room on the disk; empty: this server keeps no files, or has no web site.
func (m *Module) Keep(ctx context.Context, owner *core.Account, name, mediaType string, content []byte, look store.Look) (string, error) {
	if m.host == nil {
		return "", nil
	}
	base, ok := m.base()
	if !ok {
		return "", nil
	}
	size := int64(len(content))
	if !m.roomFor(ctx, size) {
		return "", store.ErrFull
	}
	now := m.now()
	f := store.File{
		ID: m.codes.id(), Owner: owner.ID, Size: size, Type: mediaType, Name: name, Purpose: forMessage,
		Created: now, Due: now.Add(lastStep), Until: m.until(request{purpose: forMessage}, now), Look: look,
	}
	if err := m.Files.Reserve(f, m.quota(f.Purpose, owner.Role())).Wait(ctx); err != nil {
		return "", err
	}
	if err := m.Files.Arrive(f, now, f.Due).Wait(ctx); err != nil {
		return "", err
	}
	hash, err := blob.Put(ctx, m.Blobs, bytes.NewReader(content), size, nil)
	if err == nil {
		err = m.Files.Store(f, hash[:], mediaType).Wait(ctx)
	}
	if err != nil {
		// It counts until its time is over; nobody has the right to use the slot.
		return "", errors.Join(err, m.Files.Return(f, now).Wait(ctx))
	}
	return base + Path + address{f.ID, f.Name}.escaped(), nil
}
