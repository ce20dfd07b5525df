package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge is a logger for certmagic whose records become ours.
func bridge(log *slog.Logger) *zap.Logger { return zap.New(slogCore{log: log.With("part", "acme")}) }

// told are the fields that are passed on. What an authority or a library adds stays out until somebody has looked at it: a key, a token or an
// account's secret would be among them sooner or later.
var told = map[string]bool{
	"identifier": true, "identifiers": true, "subject": true, "subjects": true, "challenge": true, "challenge_type": true, "issuer": true, "ca": true,
	"error": true, "attempt": true, "retrying_in": true, "elapsed": true, "max_duration": true, "remaining": true, "expiration": true,
	"server_name": true, "remote": true, "remote_addr": true, "host": true,
}

// slogCore takes records of zap. Those for debugging stay out: they hold whole requests.
type slogCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

// Enabled tells which levels are of interest.
func (c slogCore) Enabled(l zapcore.Level) bool {
	return l >= zapcore.InfoLevel && c.log.Enabled(context.Background(), level(l))
}

// With adds fields to every record.
func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.log, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

// Check adds the core to an entry that it wants.
func (c slogCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Write passes one record on.
func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	m := zapcore.NewMapObjectEncoder()
	for _, list := range [][]zapcore.Field{c.fields, fields} {
		for _, f := range list {
			if told[f.Key] {
				f.AddTo(m)
			}
		}
	}
	attrs := make([]slog.Attr, 0, len(m.Fields))
	for k, v := range m.Fields {
		if k == "error" {
			k = "err"
		}
		attrs = append(attrs, slog.Any(k, v))
	}
	c.log.LogAttrs(context.Background(), level(e.Level), e.Message, attrs...)
	return nil
}

// Sync has nothing to do.
func (c slogCore) Sync() error { return nil }

// level of a record is one lower here: an attempt that failed is told by certmagic in three records, and by us in one (authority.note).
func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelWarn
	case l == zapcore.WarnLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
