package core

import (
	"context"
	"errors"
	"runtime/debug"

	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// storeError is what a client is told when the store failed; the true reason is logged once and never shown.
func (h *Host) storeError(st *stanza.Stanza, err error) *stanza.Error {
	id := ""
	if st != nil {
		id = st.ID
	}
	switch {
	case errors.Is(err, store.ErrQuota):
		h.metrics.refused.WithLabelValues("quota").Inc()
		h.Obs.Log.Debug("not kept", obs.Stanza, id, obs.Err, err)
		return stanza.NewError(stanza.ResourceConstraint, "no more is kept for this account")
	case errors.Is(err, store.ErrFull):
		h.metrics.refused.WithLabelValues("storage").Inc()
		h.Obs.Log.Warn("not kept", obs.Stanza, id, obs.Err, err)
		return stanza.NewError(stanza.ResourceConstraint, "the server's storage is full, try again later")
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled):
		return stanza.NewError(stanza.ServiceUnavailable, "the server is going down")
	}
	h.metrics.failures.Inc()
	h.Obs.Log.Error("internal error", obs.Stanza, id, obs.Err, err)
	return stanza.NewError(stanza.InternalServerError, "")
}

func (h *Host) logPanic(about jid.JID, st *stanza.Stanza, r any) {
	id := ""
	if st != nil {
		id = st.ID
	}
	h.Obs.Log.Error("panic in a turn", obs.JID, about.String(), obs.Stanza, id, obs.Err, r, "stack", string(debug.Stack()))
}

// afterwards calls what was to come after an event's tickets, and returns those that what comes then waits for. A mistake there costs the stanza an error and
// nothing else, as in its own turn.
func (h *Host) afterwards(about jid.JID, e *Event, after []func(*Event)) (tickets []store.Ticket) {
	st := e.Stanza
	defer func() {
		if p := recover(); p != nil {
			h.metrics.panics.Inc()
			h.logPanic(about, st, p)
			tickets = []store.Ticket{store.Settled(stanza.NewError(stanza.InternalServerError, ""))}
		}
	}()
	for _, f := range after {
		f(e)
	}
	return e.tickets
}
