package archive

import (
	"cmp"
	"context"
	"slices"

	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// This file is pages whose messages bring what was said about them (XEP-0427). docs/inbox.md is for those who write clients.

// summaryField is the field of the form (XEP-0427 section 3.1).
const summaryField = "{" + ns.FasteningCollation + "}summary"

// summary is how what is about other messages is given (XEP-0427 section 2.2).
type summary uint8

// The summaries. Without the field all is given, since clients that do not know it need what their archives have always had.
const (
	full summary = iota
	simplified
	collate
	fastenings
)

var summaries = [...]string{full: "full", simplified: "simplified", collate: "collate", fastenings: "fastenings"}

func (q *asked) summarize(f *form.Field) error {
	i := slices.Index(summaries[:], f.Value())
	if i < 0 {
		return bad("a summary is full, simplified, collate or fastenings")
	}
	if q.summary = summary(i); q.summary == simplified || q.summary == collate {
		q.Rows = store.OwnRows
	}
	return nil
}

// maxLoose is how many messages about others, which are not on the page, it has besides its own.
const maxLoose = 100

// folder reads a page of one archive.
type folder struct {
	*archive
	owner store.Owner
	own   jid.JID
	room  bool
	sc    *xmltok.Scanner
}

func (x *archive) folder(owner store.Owner, own jid.JID, room bool) *folder {
	return &folder{archive: x, owner: owner, own: own, room: room, sc: xmltok.NewScanner(xmltok.TreeLimits)}
}

// said reads a row; nil: it cannot be read, which is told when it is shown.
func (x *folder) said(r *store.Row) *said {
	st, err := stanza.ParseWith(x.sc, string(r.Stanza))
	if err != nil {
		return nil
	}
	m := &said{Row: r, st: st, room: x.room}
	m.aim, _ = aimOf(st)
	return m
}

// fold finds what is said about the messages of a page. What was taken back is not on it any more, only that it was.
func (x *folder) fold(ctx context.Context, q *asked, res *store.Result) error {
	var list []*said
	for i := range res.Rows {
		if m := x.said(&res.Rows[i]); m != nil && m.id == "" {
			list = append(list, m)
		}
	}
	about, err := x.about(ctx, list)
	if err != nil {
		return err
	}
	q.folds = make(map[store.Key]*fold, len(list))
	told := map[store.Key]bool{}
	for _, m := range list {
		f := x.folded(m, about[m])
		for _, a := range about[m].list {
			told[a.Key] = true
		}
		if f.tomb != nil {
			m.Row.Stanza = f.tomb
		}
		q.folds[m.Key] = f
	}
	return x.loose(ctx, q, res, told)
}

// abouts are what fits a message, oldest first, and whether there is more.
type abouts struct {
	list []*said
	more bool
}

// about looks for what is about messages, as many targets with one look as there may be.
func (x *folder) about(ctx context.Context, list []*said) (map[*said]abouts, error) {
	out := make(map[*said]abouts, len(list))
	var targets []uint64
	var of []*said
	for _, m := range list {
		for _, name := range m.names() {
			targets, of = append(targets, targetHash(m.chat(), name)), append(of, m)
		}
	}
	for len(targets) > 0 {
		n := min(len(targets), store.MaxTargets)
		found, err := x.Fastenings.About(ctx, x.owner, targets[:n])
		if err != nil {
			return nil, err
		}
		for i := range found {
			a := out[of[i]]
			a.more = a.more || found[i].More
			for k := range found[i].Rows {
				if f := x.said(&found[i].Rows[k]); f != nil && fits(of[i], f) {
					a.list = append(a.list, f)
				}
			}
			inOrder(a.list)
			out[of[i]] = a
		}
		targets, of = targets[n:], of[n:]
	}
	return out, nil
}

// loose adds, to a page that goes on from somewhere, what was said meanwhile about messages that are not on it: who reads only what is new must learn of it.
// XEP-0427 section 3.4 would give the older message again, without itself; we give what is new, as it was said. When there is too much of it, the page
// ends early.
func (x *folder) loose(ctx context.Context, q *asked, res *store.Result, told map[store.Key]bool) error {
	forth := q.Before == nil || q.After != ""
	if !forth || !q.sought.empty() || len(q.IDs) > 0 || q.Max == 0 || q.After == "" && q.AfterID == "" && q.Start.IsZero() {
		return nil
	}
	look := q.Query
	look.Rows, look.Max, look.Flip = store.AimedRows, maxLoose, false
	if q.Flip {
		slices.Reverse(res.Rows)
	}
	if !res.Complete {
		look.Before, look.BeforeID = nil, res.Edge
		if res.Edge == "" {
			look.BeforeID = res.Rows[len(res.Rows)-1].ID
		}
	}
	more, err := x.Stores.Archive.Page(ctx, x.owner, look)
	if err != nil {
		return err
	}
	if !more.Complete {
		res.Complete, res.Edge = false, more.Edge
		if n := len(more.Rows); res.Edge == "" && n > 0 {
			res.Edge = more.Rows[n-1].ID
		}
		end, err := x.Stores.Archive.Find(ctx, x.owner, res.Edge)
		if err != nil {
			return err
		}
		res.Rows = slices.DeleteFunc(res.Rows, func(r store.Row) bool { return r.Key > end })
	}
	for i := range more.Rows {
		if !told[more.Rows[i].Key] {
			res.Rows = append(res.Rows, more.Rows[i])
		}
	}
	slices.SortFunc(res.Rows, func(a, b store.Row) int { return cmp.Compare(a.Key, b.Key) })
	if q.Flip {
		slices.Reverse(res.Rows)
	}
	return nil
}

// fastened gives only what is about one message, which is named (XEP-0427 section 2.2).
func (x *folder) fastened(ctx context.Context, q *asked) (store.Result, error) {
	if len(q.IDs) != 1 || q.words {
		return store.Result{}, bad("of one message, named by ids")
	}
	res, err := x.Stores.Archive.Page(ctx, x.owner, store.Query{IDs: q.IDs, Max: 1})
	if err != nil || len(res.Rows) == 0 {
		return store.Result{Complete: true}, err
	}
	m := x.said(&res.Rows[0])
	if m == nil {
		x.obs.Log.Error("archived message cannot be read", obs.JID, x.own.String(), "id", q.IDs[0])
		return store.Result{Complete: true}, nil
	}
	about, err := x.about(ctx, []*said{m})
	if err != nil {
		return store.Result{}, err
	}
	list := about[m].list
	page, set, err := rsm.Page(list, q.paging, q.Max, func(f *said) string { return f.ID })
	if err != nil {
		return store.Result{}, err
	}
	out := store.Result{Count: set.Count, Complete: len(page) == 0 || page[len(page)-1] == list[len(list)-1]}
	if q.Before != nil && q.After == "" {
		out.Complete = len(page) == 0 || page[0] == list[0]
	}
	for _, f := range page {
		out.Rows = append(out.Rows, *f.Row)
	}
	if q.Flip {
		slices.Reverse(out.Rows)
	}
	return out, nil
}

// latest is the end of the archive, which may be about a message that was given long ago (XEP-0427 section 3.3).
func (x *folder) latest(ctx context.Context) (string, error) {
	bounds, err := x.Stores.Archive.Bounds(ctx, x.owner)
	if err != nil || bounds.LastID == "" {
		return "", err
	}
	return string(append(xmltok.AppendAttr([]byte("<latest xmlns='"+ns.FasteningCollation+"'"), "id", bounds.LastID), "/>"...)), nil
}
