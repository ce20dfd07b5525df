package upload

import (
	"context"
	"errors"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/blob"
)

const (
	roundEvery = time.Hour
	// young contents are left alone: their rows may be on the way. It is much longer than the last step of an upload.
	young = 15 * time.Minute
	// expireAtOnce is how many rows go in one change.
	expireAtOnce = 200
	longRound    = time.Minute
)

// Round removes files that are due, and contents that no file has any more. A server has one, whatever its hosts.
type Round struct {
	files store.Files
	blobs blob.Blobs
	obs   obs.Obs
	now   func() time.Time
}

// NewRound returns it; Run does the work.
func NewRound(files store.Files, blobs blob.Blobs, o obs.Obs) *Round {
	return &Round{files: files, blobs: blobs, obs: o, now: time.Now}
}

// Run implements core.Runner.
func (r *Round) Run(ctx context.Context) error {
	r.once(ctx)
	return core.Every(ctx, roundEvery, func() { r.once(ctx) })
}

// once goes round once.
func (r *Round) once(ctx context.Context) {
	began := time.Now()
	gone, err := r.expire(ctx)
	superfluous, err2 := r.clear(ctx)
	took := time.Since(began)
	switch err = errors.Join(err, err2, r.blobs.Tidy(ctx, func(id string) (bool, error) { return r.wanted(ctx, id) })); {
	case ctx.Err() != nil:
	case err != nil:
		r.obs.Log.Error("files that are due were not all removed", obs.Err, err)
	case gone+superfluous > 0 || took > longRound:
		r.obs.Log.Info("files were removed", "files", gone, "contents", superfluous, "took", took)
	}
}

// expire removes files that are due.
func (r *Round) expire(ctx context.Context) (all int, err error) {
	for {
		n, err := r.files.Expire(ctx, r.now(), expireAtOnce)
		all += n
		if err != nil || n < expireAtOnce {
			return all, err
		}
	}
}

// wanted tells whether what has arrived under the id of a file may still be gone on with.
func (r *Round) wanted(ctx context.Context, id string) (bool, error) {
	f, err := r.files.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return f.State != store.FileStored, err
}

// clear removes contents that no file has. What is put while its turn comes is younger than the limit, and stays.
func (r *Round) clear(ctx context.Context) (n int, err error) {
	limit := r.now().Add(-young)
	err = r.blobs.Each(ctx, func(h blob.Hash, put time.Time) error {
		if put.After(limit) {
			return nil
		}
		held, err := r.files.Holds(ctx, h[:])
		if err != nil || held {
			return err
		}
		gone, err := r.blobs.Delete(ctx, h, limit)
		if gone {
			n++
		}
		return err
	})
	return n, err
}
