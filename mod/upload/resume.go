package upload

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"stonechat/store"
	"stonechat/store/blob"
)

// What is used of "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload): asking how much there is, and appending. The upload is the slot's own address, so
// there is no need to make one.
const (
	offsetHeader   = "Upload-Offset"
	completeHeader = "Upload-Complete"
	lengthHeader   = "Upload-Length"
	partialType    = "application/partial-upload"
	isComplete     = "?1"
	isNotComplete  = "?0"
)

// arrived says how much of a slot's file has arrived.
func (m *Module) arrived(w http.ResponseWriter, r *http.Request) error {
	f, err := m.slotOf(r, true)
	var no *refusal
	switch {
	case errors.As(err, &no) && no.status == http.StatusConflict && f.State == store.FileStored:
		sayOffset(w, f, f.Size, true)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case err != nil:
		return err
	}
	done, err := m.alone(f)
	if err != nil {
		return err
	}
	defer done()
	p, err := m.Blobs.Resume(f.ID, f.Size)
	if err != nil {
		return err
	}
	sayOffset(w, f, p.Have(), false)
	if p.Have() == 0 {
		p.Drop()
	}
	if err := p.Close(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func sayOffset(w http.ResponseWriter, f store.File, offset int64, complete bool) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set(offsetHeader, strconv.FormatInt(offset, 10))
	h.Set(lengthHeader, strconv.FormatInt(f.Size, 10))
	h.Set(completeHeader, isNotComplete)
	if complete {
		h.Set(completeHeader, isComplete)
	}
}

// alone lets one request at a time have what has arrived of a file.
func (m *Module) alone(f store.File) (done func(), err error) {
	if !m.resuming.Take(m.now(), f.ID, 1, countedFor) {
		return nil, &refusal{status: http.StatusConflict, reason: "used"}
	}
	return func() { m.resuming.Give(f.ID) }, nil
}

// patch appends to what has arrived of a slot's file. What arrives stays when the line breaks, and behind a start, until the slot goes; when all is there it is kept
// like any other.
func (m *Module) patch(w http.ResponseWriter, r *http.Request) (err error) {
	if m.Config.ResumeTime == 0 {
		w.Header().Set("Allow", methods)
		return &refusal{status: http.StatusMethodNotAllowed, reason: "method"}
	}
	f, err := m.slotOf(r, true)
	if err != nil {
		return err
	}
	offset, err := appends(f, r)
	if err != nil {
		return err
	}
	finished, err := m.begin(f.Owner)
	if err != nil {
		return err
	}
	defer finished()
	done, err := m.alone(f)
	if err != nil {
		return err
	}
	defer done()
	p, err := m.Blobs.Resume(f.ID, f.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if offset != p.Have() {
		sayOffset(w, f, p.Have(), false)
		return &refusal{status: http.StatusConflict, reason: "offset"}
	}
	if f.Due, err = m.prolong(r.Context(), f, f.Size-offset); err != nil {
		return err
	}
	body := &line{r: r.Body}
	if err := broken(r.Context(), body, p.Append(r.Context(), body)); err != nil {
		return err
	}
	if p.Have() < f.Size {
		sayOffset(w, f, p.Have(), false)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := m.take(r, f, body, func(ctx context.Context, f *store.File) (blob.Hash, error) { return m.resumed(ctx, f, p) }); err != nil {
		return err
	}
	p.Drop() // it is kept elsewhere
	sayOffset(w, f, f.Size, true)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// appends reads the head of a request that appends.
func appends(f store.File, r *http.Request) (offset int64, err error) {
	offset, err = strconv.ParseInt(r.Header.Get(offsetHeader), 10, 64)
	switch {
	case err != nil || offset < 0 || offset > f.Size:
		return 0, &refusal{status: http.StatusBadRequest, reason: "offset"}
	case r.Header.Get("Content-Type") != partialType || r.Header.Get("Content-Encoding") != "":
		return 0, &refusal{status: http.StatusUnsupportedMediaType, reason: "type"}
	case r.ContentLength < 0:
		return 0, &refusal{status: http.StatusLengthRequired, reason: "length"}
	case r.ContentLength > f.Size-offset:
		return 0, &refusal{status: http.StatusRequestEntityTooLarge, reason: "length"}
	case r.Header.Get(completeHeader) == isComplete && r.ContentLength < f.Size-offset:
		return 0, &refusal{status: http.StatusBadRequest, reason: "length"}
	}
	return offset, nil
}

// prolong gives a slot as much time as it may have to be resumed, if there is room for what is missing.
func (m *Module) prolong(ctx context.Context, f store.File, missing int64) (due time.Time, err error) {
	if !m.roomFor(ctx, missing) {
		return f.Due, &refusal{status: http.StatusInsufficientStorage, reason: "disk"}
	}
	now := m.now()
	due = f.Created.Add(m.Config.ResumeTime.D())
	if !due.After(f.Due) {
		return f.Due, nil
	}
	if err := m.arrive(ctx, f, now); err != nil {
		return f.Due, err
	}
	return due, m.Files.Return(f, due).Wait(ctx)
}
