package moderation

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

const (
	pageOfReports = 100     // reports of one answer
	maxNote       = 4 << 10 // bytes
)

// Report is what moderators are told of a report.
type Report struct {
	ID         int64      `json:"id"`
	By         string     `json:"by"`
	About      string     `json:"about"`
	At         time.Time  `json:"at"`
	Reason     string     `json:"reason"`
	Text       string     `json:"text,omitempty"`
	References string     `json:"references,omitempty"`
	Messages   string     `json:"messages,omitempty"`
	Closed     *time.Time `json:"closed,omitempty"`
	ClosedBy   string     `json:"closed_by,omitempty"`
	Note       string     `json:"note,omitempty"`
}

func shown(r store.Report) Report {
	out := Report{
		ID: r.ID, By: r.By, About: r.About, At: r.At, Reason: r.Reason, Text: r.Text, References: r.References, Messages: r.Messages,
		ClosedBy: r.ClosedBy, Note: r.Note,
	}
	if !r.Closed.IsZero() {
		out.Closed = &r.Closed
	}
	return out
}

// rows registers what moderators may ask.
func (m *Module) rows(h *core.Host) {
	row := func(pattern string, act core.Action, do func(context.Context, core.Actor, *http.Request) (any, error)) {
		h.HTTP.Handle(core.Route{Pattern: pattern, Action: act, Do: do})
	}
	row("GET /reports", core.ActSeeReports, m.list)
	row("GET /reports/{id}", core.ActSeeReports, m.show)
	row("POST /reports/{id}/close", core.ActCloseReports, m.close)
}

// list answers a page of reports, newest first, those below ?before=; open ones only, or all with ?all=1.
func (m *Module) list(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	var before int64
	if text := r.FormValue("before"); text != "" {
		var err error
		if before, err = number(text); err != nil {
			return nil, err
		}
	}
	all, err := m.Reports.Reports(ctx, m.host.Domain.Domain(), before, r.FormValue("all") == "", pageOfReports)
	if err != nil {
		return nil, err
	}
	out := make([]Report, len(all))
	for i := range all {
		out[i] = shown(all[i])
	}
	return out, nil
}

func number(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, stanza.NewError(stanza.BadRequest, "a report has a number")
	}
	return n, nil
}

func (m *Module) show(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	id, err := number(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	got, err := m.Reports.Report(ctx, m.host.Domain.Domain(), id)
	if err != nil {
		return nil, known(err)
	}
	return shown(got), nil
}

// close notes that a moderator is done with a report, with what they have to say.
func (m *Module) close(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	id, err := number(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var body struct {
		Note string `json:"note"`
	}
	if err := core.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	if len(body.Note) > maxNote {
		return nil, stanza.NewError(stanza.NotAcceptable, "the note is too long")
	}
	if err := m.Reports.CloseReport(ctx, m.host.Domain.Domain(), id, actor.JID.String(), body.Note); err != nil {
		return nil, known(err)
	}
	m.obs.Log.Info("report closed", "report", id, "by", actor.JID.String())
	return nil, nil
}

// known turns the store's errors into answers.
func known(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return stanza.NewError(stanza.ItemNotFound, "no such report")
	case errors.Is(err, store.ErrConflict):
		return stanza.NewError(stanza.Conflict, "the report is closed already")
	}
	return err
}
