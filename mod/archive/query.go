package archive

import (
	"context"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	usualPage  = 50   // messages of a page when the client does not say
	mostPage   = 250  // and when it does
	maxQueryID = 1024 // bytes; it is repeated with every message
)

// asked is one query (XEP-0313 section 4).
type asked struct {
	store.Query
	id    string // queryid, repeated in every result
	hasID bool
	nick  string // of a room: whose messages are wanted
	whole bool   // no paging element names a row: what a whole page counts is all

	words  bool // a text to search for was sent
	sought sought
	by     store.Party
	mine   bool // only what the asker has said in the room
	behind bool // of the answer: it may lack the newest messages

	summary summary
	paging  rsm.Request
	folds   map[store.Key]*fold // of the answer: what was said about its messages
	latest  string              // of the answer: the end of the archive
}

// parseQuery reads <query/> as the owner's client sends it.
func parseQuery(n *xmltok.Node, own jid.JID) (asked, error) {
	var q asked
	q.id, q.hasID = n.Lookup("", "queryid")
	if len(q.id) > maxQueryID {
		return q, bad("the queryid is too long")
	}
	if n.Attr("node") != "" {
		// XEP-0313 section 6.1.3: nodes have archives elsewhere.
		return q, stanza.NewError(stanza.ItemNotFound, "")
	}
	if x := n.Child(ns.DataForm, "x"); x != nil {
		if err := q.form(x, own); err != nil {
			return q, err
		}
	}
	q.Flip = n.Child(ns.Archive, "flip-page") != nil
	return q, q.page(n.Child(ns.RSM, "set"))
}

func bad(text string) error { return stanza.NewError(stanza.BadRequest, text) }

// form reads the filter (XEP-0313 section 4.1).
func (q *asked) form(x *xmltok.Node, own jid.JID) error {
	f, err := form.ParseSubmit(x)
	if err != nil {
		return err
	}
	if f.Type != form.Submit || f.FormType() != ns.Archive {
		return bad("not a form of this kind")
	}
	for i := range f.Fields {
		if err := q.field(&f.Fields[i], own); err != nil {
			return err
		}
	}
	return nil
}

func (q *asked) field(f *form.Field, own jid.JID) (err error) {
	if f.Var != "ids" && len(f.Values) > 1 {
		return bad("a field has more than one value")
	}
	switch f.Var {
	case form.FormTypeVar, "": // a field without a name is text to read
	case "with":
		return q.with(f, own)
	case "start":
		q.Start, err = stamp(f, time.Microsecond-1) // rows have no part of a microsecond: the next one is the first that is not before
	case "end":
		q.End, err = stamp(f, 0)
	case "before-id":
		q.BeforeID, err = id(f)
	case "after-id":
		q.AfterID, err = id(f)
	case "ids":
		if len(f.Values) > store.MaxIDs {
			return bad("too many ids")
		}
		for _, v := range f.Values {
			if v == "" {
				return bad("an empty id")
			}
		}
		q.IDs = f.Values
	case summaryField:
		err = q.summarize(f)
	case fulltextField:
		q.words = true
		q.sought, err = parseSought(f.Value())
	case "include-groupchat":
		// XEP-0313 section 4.1.4: understood, although there are none.
		if _, err := f.Bool(); err != nil {
			return bad("not a boolean")
		}
	default:
		// XEP-0313 section 4.1.5: a field that is not recognised.
		return stanza.NewError(stanza.FeatureNotImplemented, "")
	}
	return err
}

// with is XEP-0313 section 4.1.1.
func (q *asked) with(f *form.Field, own jid.JID) error {
	if len(f.Values) == 0 {
		return nil
	}
	j, err := jid.Parse(f.Value())
	if err != nil {
		return bad("not an address")
	}
	q.With = j.Bare().String()
	if j.Bare() != own {
		q.WithResource = j.Resource() // of the own address only notes to self match, whatever the resource
	} else {
		q.nick = j.Resource()
	}
	return nil
}

// stamp reads a time, moved on by up before it is cut to microseconds.
func stamp(f *form.Field, up time.Duration) (time.Time, error) {
	if len(f.Values) == 0 {
		return time.Time{}, nil
	}
	t, err := forward.ParseStamp(f.Value())
	if err != nil {
		return t, bad("not a date and time")
	}
	return t.Add(up).Truncate(time.Microsecond), nil
}

func id(f *form.Field) (string, error) {
	if len(f.Values) == 0 {
		return "", nil
	}
	if f.Value() == "" {
		return "", bad("an empty id")
	}
	return f.Value(), nil
}

// page reads <set/> (XEP-0313 section 4.3, XEP-0059).
func (q *asked) page(set *xmltok.Node) error {
	r, err := rsm.ParseRequest(set)
	if err != nil {
		return err
	}
	if r.HasIndex {
		// XEP-0059 section 2.6: pages are not numbered here.
		return stanza.NewError(stanza.FeatureNotImplemented, "")
	}
	q.Max = r.Size(max(usualPage, len(q.IDs)), mostPage)
	q.After = r.After
	if r.Last || r.Before != "" {
		q.Before = &r.Before
	}
	q.whole, q.paging = r.After == "" && r.Before == "", r
	return nil
}

// fields answers which fields a query may have (XEP-0313 section 4.1.5).
func (x *archive) fields(context.Context, *core.Event) (core.Answer, error) {
	words := ""
	if x.finder.Search != nil {
		words = "<field type='text-single' var='" + fulltextField + "'/>"
	}
	return core.Answer{Payload: "<query xmlns='" + ns.Archive + "'><x xmlns='" + ns.DataForm + "' type='form'>" +
		"<field type='hidden' var='FORM_TYPE'><value>" + ns.Archive + "</value></field>" +
		"<field type='jid-single' var='with'/><field type='text-single' var='start'/><field type='text-single' var='end'/>" +
		"<field type='text-single' var='before-id'/><field type='text-single' var='after-id'/>" +
		"<field type='list-multi' var='ids'><validate xmlns='" + ns.FormValidate + "' datatype='xs:string'><open/></validate></field>" +
		"<field type='boolean' var='include-groupchat'/>" + words + "<field type='list-single' var='" + summaryField + "'><option><value>" +
		strings.Join(summaries[:], "</value></option><option><value>") + "</value></option></field></x></query>"}, nil
}
