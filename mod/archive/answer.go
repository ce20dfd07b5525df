package archive

import (
	"cmp"
	"context"
	"errors"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// query answers with a page: its messages first, then the result (XEP-0313 section 4). It runs outside turns.
func (x *archive) query(ctx context.Context, e *core.Event) (core.Answer, error) {
	q, res, err := x.page(ctx, e, e.Account.JID, e.Account.ID, func(q *asked) error { return q.between(e.Account.JID) })
	if err != nil {
		return core.Answer{}, err
	}
	e.After(func(e *core.Event) {
		if e.Session != nil {
			x.visits.Of(e.Session).aware = true
		}
	})
	ans := core.Answer{Payload: fin(q, res)}
	if len(res.Rows) > 0 {
		ans.Before = x.results(q, res.Rows, e.Account.JID, e.Stanza.From)
	}
	return ans, nil
}

// page reads the page that is asked of the archive of an address, unless permit refuses it.
func (x *archive) page(ctx context.Context, e *core.Event, own jid.JID, owner store.Owner, permit func(*asked) error) (*asked, *store.Result, error) {
	payload, _ := e.Stanza.Payload()
	tree, err := payload.Tree()
	if err != nil {
		return nil, nil, bad("")
	}
	q, err := parseQuery(tree, own)
	if err == nil {
		err = permit(&q)
	}
	if q.words && x.finder.Search == nil {
		// XEP-0313 section 4.1.5: a field that is not recognised.
		err = stanza.NewError(stanza.FeatureNotImplemented, "")
	}
	if err != nil {
		if q.words {
			x.finder.count(searchRefused)
		}
		return nil, nil, err
	}
	res, err := x.read(ctx, x.folder(owner, own, e.Room != nil), &q)
	switch {
	case errors.Is(err, store.ErrNotFound):
		// XEP-0313 sections 4.1.3 and 4.3.2: a row that is named is not there (any more).
		err = stanza.NewError(stanza.ItemNotFound, "")
	case errors.Is(err, store.ErrInvalid):
		err = bad("")
	}
	return &q, &res, err
}

// read reads the page from the archive, or from what is found in it, with what is said about its messages if that is wanted.
func (x *archive) read(ctx context.Context, f *folder, q *asked) (res store.Result, err error) {
	switch {
	case q.summary == fastenings:
		return f.fastened(ctx, q)
	case q.sought.empty():
		res, err = x.Stores.Archive.Page(ctx, f.owner, q.Query)
	default:
		q.narrow()
		var found store.Found
		found, err = x.find(ctx, f.owner, q)
		res, q.behind = found.Result, found.Behind
	}
	if err == nil && q.summary == collate {
		err = f.fold(ctx, q, &res)
	}
	if err == nil && q.summary != full {
		q.latest, err = f.latest(ctx)
	}
	return res, err
}

// results are the messages of a page, made one by one as the client reads.
func (x *archive) results(q *asked, rows []store.Row, own, to jid.JID) core.Source {
	return func() (*stanza.Stanza, bool) {
		if len(rows) == 0 {
			return nil, false
		}
		r := rows[0]
		rows[0] = store.Row{}
		rows = rows[1:]
		st, err := result(q, &r, own, to)
		if err != nil {
			// XEP-0313 section 3.2: the place of a message may be given without it. What cannot be read stops nobody.
			x.obs.Log.Error("archived message cannot be read", obs.JID, own.String(), "id", r.ID)
			r.Stanza = nil
			if st, err = result(q, &r, own, to); err != nil {
				return nil, false
			}
		}
		return st, true
	}
}

// result is XEP-0313 section 4.2.
func result(q *asked, r *store.Row, own, to jid.JID) (*stanza.Stanza, error) {
	b := make([]byte, 0, len(r.Stanza)+512)
	b = append(b, "<result xmlns='"+ns.Archive+"'"...)
	if q.hasID {
		b = xmltok.AppendAttr(b, "queryid", q.id)
	}
	b = append(xmltok.AppendAttr(b, "id", r.ID), '>')
	b = forward.Append(b, forward.Delay{Stamp: r.Key.Time()}, r.Stanza)
	b = q.folds[r.Key].AppendXML(b)
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, From: own, To: to}, string(append(b, "</result>"...)))
	if err != nil {
		return nil, err
	}
	return st.Seal(), nil
}

// fin ends a page (XEP-0313 section 4.3). The set is there even when the page is empty, and names its oldest row first even when flipped.
func fin(q *asked, res *store.Result) string {
	b := []byte("<fin xmlns='" + ns.Archive + "'")
	if res.Complete {
		b = append(b, " complete='true'"...)
	}
	if q.behind {
		b = append(b, " stable='false'"...) // stable need not be said
	}
	b = append(b, '>')
	var set rsm.Result
	if n := len(res.Rows); n > 0 {
		set.First, set.Last = res.Rows[0].ID, res.Rows[n-1].ID
		if q.Flip {
			set.First, set.Last = set.Last, set.First
		}
		set.HasIndex = q.After == "" && q.Before == nil
	}
	if res.Edge != "" {
		// The next page begins behind all that this one has looked at.
		if q.Before != nil && q.After == "" {
			set.First, set.Last = res.Edge, cmp.Or(set.Last, res.Edge)
		} else {
			set.First, set.Last = cmp.Or(set.First, res.Edge), res.Edge
		}
	}
	switch {
	case q.Max == 0:
		set.Count, set.HasCount = res.Count, true
	case res.Complete && q.whole:
		set.Count, set.HasCount = len(res.Rows), true
		set.HasIndex = len(res.Rows) > 0
	}
	return string(append(append(set.AppendXML(b), q.latest...), "</fin>"...))
}

// metadata tells where the archive begins and ends (XEP-0313 section 5). It runs outside turns.
func (x *archive) metadata(ctx context.Context, e *core.Event) (core.Answer, error) {
	bounds, err := x.Stores.Archive.Bounds(ctx, e.Account.ID)
	if err != nil {
		return core.Answer{}, err
	}
	return core.Answer{Payload: metadataXML(bounds)}, nil
}

// entered is the state of the archive for a client that binds by XEP-0386: such a client reads the archive. The read is short, in a turn, so
// that nothing comes between it and the session.
func (x *archive) entered(e *core.Event, _ *xmltok.Node) string {
	v := x.visits.Of(e.Session)
	v.aware, v.inline = true, true
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	bounds, err := x.Stores.Archive.Bounds(ctx, e.Account.ID)
	if err != nil {
		x.obs.Log.Warn("state of the archive not told", obs.JID, e.Account.JID.String(), obs.Err, err)
		return "" // the client can still ask
	}
	return metadataXML(bounds)
}

func metadataXML(bounds store.Bounds) string {
	if bounds.FirstID == "" {
		return "<metadata xmlns='" + ns.Archive + "'/>"
	}
	b := []byte("<metadata xmlns='" + ns.Archive + "'><start")
	b = xmltok.AppendAttr(b, "id", bounds.FirstID)
	b = append(xmltok.AppendAttr(b, "timestamp", forward.FormatStamp(bounds.First)), "/><end"...)
	b = xmltok.AppendAttr(b, "id", bounds.LastID)
	b = append(xmltok.AppendAttr(b, "timestamp", forward.FormatStamp(bounds.Last)), "/></metadata>"...)
	return string(b)
}
