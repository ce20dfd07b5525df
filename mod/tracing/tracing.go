// Package tracing shows administrators the way of single stanzas through the server: hops, hooks, verdicts and times, never their text.
//
// Hooks: none; core tells of a stanza that is watched (obs.Trace). Left out: what happens at other nodes, presence at those who get a broadcast.
package tracing

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const (
	fewest  = 10          // stanzas, where nothing else is asked for
	shortly = time.Minute // and how long
	longest = 10 * time.Minute
	// quiet is how long nothing more may come before a watch whose stanzas are all begun is over: an acknowledgement is asked for within a second.
	quiet = 3 * time.Second
)

// Module is the feature.
type Module struct {
	obs  obs.Obs
	host *core.Host
}

// New takes the log, in which every trace is noted.
func New(o obs.Obs) *Module { return &Module{obs: o} }

// Name of the module.
func (m *Module) Name() string { return "tracing" }

// Install registers the row: GET /trace?of=ADDRESS&count=N&for=SPAN.
func (m *Module) Install(h *core.Host) {
	m.host = h
	h.HTTP.Handle(core.Route{Pattern: "GET /trace", Action: core.ActTrace, Do: m.trace})
}

// End is the last line of an answer.
type End struct {
	Ended string `json:"ended"` // "count", "time" or "closed"
	// LostSpans were not read in time; SkippedStanzas came too fast.
	LostSpans      uint64 `json:"lost_spans,omitempty"`
	SkippedStanzas uint64 `json:"skipped_stanzas,omitempty"`
}

// Begin is the first one: from now on stanzas are watched.
type Begin struct {
	Watching string `json:"watching"`
}

func (m *Module) trace(_ context.Context, actor core.Actor, r *http.Request) (any, error) {
	of, count, span, err := m.wanted(r)
	if err != nil {
		return nil, err
	}
	w, err := m.obs.Trace.Watch(of, count)
	if errors.Is(err, obs.ErrManyWatches) {
		return nil, stanza.NewError(stanza.ResourceConstraint, "others are tracing: "+strconv.Itoa(obs.MaxWatches)+" at once are possible")
	}
	if err != nil {
		return nil, err
	}
	// Who looks at whom is noted, whatever the level of the log.
	m.obs.Log.Warn("trace begins", obs.JID, of.String(), "by", actor.JID.String(), "role", string(actor.Role), "count", count, "for", span)
	return core.Stream(func(ctx context.Context, emit func(any) error) error {
		defer w.Close()
		end, err := follow(ctx, w, of, span, emit)
		m.obs.Log.Warn("trace ends", obs.JID, of.String(), "by", actor.JID.String(), obs.Reason, end.Ended)
		return err
	}), nil
}

// follow tells spans until the watch is over, and how that came.
func follow(ctx context.Context, w *obs.Watch, of jid.JID, span time.Duration, emit func(any) error) (End, error) {
	end := End{Ended: "closed"}
	if err := emit(Begin{of.String()}); err != nil {
		return end, err
	}
	over, silent := time.NewTimer(span), time.NewTimer(span)
	defer over.Stop()
	defer silent.Stop()
	for end.Ended == "closed" {
		select {
		case s := <-w.Spans():
			if err := emit(s); err != nil {
				return end, err
			}
			if w.Full() {
				silent.Reset(quiet)
			}
		case <-silent.C:
			end.Ended = "count"
		case <-over.C:
			end.Ended = "time"
		case <-ctx.Done():
			return end, ctx.Err()
		}
	}
	end.LostSpans, end.SkippedStanzas = w.Missed()
	return end, emit(end)
}

// wanted reads what is asked for.
func (m *Module) wanted(r *http.Request) (of jid.JID, count int, span time.Duration, err error) {
	count, span = fewest, shortly
	bad := func(text string) error { return stanza.NewError(stanza.BadRequest, text) }
	if of, err = jid.Parse(r.FormValue("of")); err != nil {
		return of, 0, 0, stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	if of.IsDomain() || of.Domain() != m.host.Domain.Domain() {
		return of, 0, 0, stanza.NewError(stanza.ItemNotFound, "not an account's address of "+m.host.Domain.String())
	}
	if text := r.FormValue("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > obs.MaxTraced {
			return of, 0, 0, bad("count is a number from 1 to " + strconv.Itoa(obs.MaxTraced))
		}
	}
	if text := r.FormValue("for"); text != "" {
		if span, err = time.ParseDuration(text); err != nil || span <= 0 || span > longest {
			return of, 0, 0, bad("for is a time up to " + longest.String())
		}
	}
	return of, count, span, nil
}
