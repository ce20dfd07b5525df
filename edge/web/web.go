// Package web is the HTTP door: health and metrics for machines, and the control socket, which serves the rows that modules registered
// without knowing whose they are.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

// Door serves HTTP.
type Door struct {
	obs    obs.Obs
	ready  atomic.Bool
	http   []*http.Server
	ending context.Context // ends when Shutdown begins
	end    context.CancelFunc
}

// New returns a door that answers "not ready" until SetReady.
func New(o obs.Obs) *Door {
	d := &Door{obs: o}
	d.ending, d.end = context.WithCancel(context.Background())
	return d
}

// SetReady says whether clients may come.
func (d *Door) SetReady(ready bool) { d.ready.Store(ready) }

// Public is what machines ask: /health/live, /health/ready, /metrics and, where profiles are wanted, /debug/pprof.
func (d *Door) Public(profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "live\n") })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !d.ready.Load() {
			say(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		say(w, http.StatusOK, "ready\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.obs.Metrics, promhttp.HandlerOpts{}))
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that left needs no answer
}

// Control is what the control socket serves: every route of the hosts below /DOMAIN/. Whoever may open the socket is the server's owner.
func (d *Door) Control(hosts []*core.Host) http.Handler {
	mux := http.NewServeMux()
	domains := make([]string, len(hosts))
	for i, h := range hosts {
		domains[i] = h.Domain.Domain()
		actor := core.Actor{JID: h.Domain, Role: store.RoleOwner}
		inner := http.NewServeMux()
		for _, row := range h.HTTP {
			inner.HandleFunc(row.Pattern, d.row(row, actor))
		}
		prefix := "/" + h.Domain.Domain()
		mux.Handle(prefix+"/", http.StripPrefix(prefix, inner))
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { d.answer(w, http.StatusOK, domains) })
	return mux
}

// row serves one route.
func (d *Door) row(row core.Route, actor core.Actor) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var answer any
		var err error
		if refused := core.Permit(actor, row.Action, core.Object{}); refused != nil {
			err = refused
		} else if !textual(r.URL) {
			err = stanza.NewError(stanza.BadRequest, "a name is no text")
		} else {
			answer, err = row.Do(r.Context(), actor, r)
		}
		status := http.StatusOK
		if err != nil {
			status, answer = d.failure(row, err)
		} else if s, ok := answer.(core.Stream); ok {
			d.stream(w, r, row, s)
			return
		}
		d.answer(w, status, answer)
	}
}

// textual: nothing has a name with a NUL character, or one that is no UTF-8, and PostgreSQL would not even look for it.
func textual(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	all := u.Path + query
	return err == nil && utf8.ValidString(all) && !strings.Contains(all, "\x00")
}

func (d *Door) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		d.obs.Log.Debug("answer not sent", obs.Err, err)
	}
}

// Failure is the body of an answer that is an error.
type Failure struct {
	Condition string `json:"condition"`
	Text      string `json:"text,omitempty"`
}

// failure turns an error into a status and a body. Only stanza errors are shown; the rest is logged.
func (d *Door) failure(row core.Route, err error) (int, Failure) {
	var se *stanza.Error
	if !errors.As(err, &se) {
		d.obs.Log.Error("request failed", "route", row.Pattern, obs.Err, err)
		return http.StatusInternalServerError, Failure{Condition: string(stanza.InternalServerError)}
	}
	status := http.StatusBadRequest
	switch se.Condition {
	case stanza.ItemNotFound:
		status = http.StatusNotFound
	case stanza.Conflict:
		status = http.StatusConflict
	case stanza.Forbidden, stanza.NotAllowed:
		status = http.StatusForbidden
	case stanza.NotAuthorized:
		status = http.StatusUnauthorized
	case stanza.ResourceConstraint, stanza.ServiceUnavailable:
		status = http.StatusServiceUnavailable
	}
	return status, Failure{string(se.Condition), se.Text}
}

func (d *Door) server(h http.Handler) *http.Server {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(d.obs.Log.Handler(), slog.LevelDebug),
	}
	d.http = append(d.http, s)
	return s
}

// Serve serves h on l until Shutdown.
func (d *Door) Serve(l net.Listener, h http.Handler) func() error {
	s := d.server(h)
	return func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// Shutdown ends all listeners and streams, and waits for requests in hand.
func (d *Door) Shutdown(ctx context.Context) error {
	d.end()
	var errs []error
	for _, s := range d.http {
		if err := s.Shutdown(ctx); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err) // listeners are closed before by whoever opened them
		}
	}
	return errors.Join(errs...)
}
