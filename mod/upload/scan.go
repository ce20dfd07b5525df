package upload

import (
	"context"
	"errors"
	"io"
	"net/http"

	"stonechat/clamd"
	"stonechat/obs"
	"stonechat/store"
)

var (
	errMalware    = &refusal{status: http.StatusUnprocessableEntity, reason: "malware", text: "Malware was found in this file; it was not kept"}
	errNotScanned = &refusal{status: http.StatusServiceUnavailable, reason: "scanner", text: "Nobody can look into this file now; try again later"}
)

// scan has a content looked into that nobody can have yet.
func (m *Module) scan(ctx context.Context, f store.File, content io.Reader) error {
	if m.Scanner == nil {
		return nil
	}
	err := m.Scanner.Scan(ctx, content, f.Size)
	var found *clamd.Malware
	switch {
	case err == nil:
		return nil
	case errors.As(err, &found):
		m.Obs.Log.Warn("malware was uploaded, and refused", "malware", found.Name, "account", int64(f.Owner), "file", f.ID)
		return errMalware
	case ctx.Err() != nil:
		return ctx.Err() // nobody waits any more
	}
	if !errors.Is(err, clamd.ErrLarge) {
		m.Obs.Log.Warn("a file could not be looked into", "taken", !m.ScanAll, obs.Err, err)
	}
	if m.ScanAll {
		return errNotScanned
	}
	m.Figures.Unscanned.Inc()
	return nil
}
