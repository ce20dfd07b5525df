package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"stonechat/core"
	"stonechat/obs"
)

// lineTime is how long a reader of a stream may take for one line.
const lineTime = 10 * time.Second

// stream sends lines of JSON as they come (application/x-ndjson), until the row has said all, the reader is gone or the door closes.
func (d *Door) stream(w http.ResponseWriter, r *http.Request, row core.Route, s core.Stream) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(d.ending, cancel)()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Connection", "close") // the deadline of writing would stay
	w.WriteHeader(http.StatusOK)
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	err := s(ctx, func(v any) error {
		if err := out.SetWriteDeadline(time.Now().Add(lineTime)); err != nil {
			return err
		}
		if err := lines.Encode(v); err != nil {
			return err
		}
		return out.Flush()
	})
	if err != nil && ctx.Err() == nil {
		d.obs.Log.Info("stream ended", "route", row.Pattern, obs.Err, err)
	}
}
