package client

import (
	"context"
	"iter"
	"strconv"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Query asks an archive (XEP-0313 section 4).
type Query struct {
	// Archive is whose archive it is, such as a room's; zero means the own.
	Archive jid.JID
	// With limits the answer to messages exchanged with that address.
	With jid.JID
	// Start and End limit the time; zero means no limit.
	Start, End time.Time
	// After is the id behind which to begin; "" means the beginning. With
	// Backwards, it is the id before which to begin, "" meaning the end.
	After string
	// Backwards goes from the newest page to the oldest. Within a page the order
	// is from old to new all the same.
	Backwards bool
	// Page is the number of messages per request, at most 250; 0 means 100.
	Page int
}

// Archived is one message of an archive.
type Archived struct {
	// ID is its id in the archive.
	ID string
	// Time is when it was archived.
	Time time.Time
	// Stanza is the message.
	Stanza *stanza.Stanza
}

// maxPage is the greatest page that is asked for, and so the greatest number
// of results that are held at a time.
const maxPage = 250

// page collects the results of one request.
type page struct {
	from  jid.JID
	max   int
	items []Archived
}

// Archive goes through the results of a query, page by page. After an error
// the iteration ends.
func (c *Client) Archive(ctx context.Context, q Query) iter.Seq2[Archived, error] {
	if q.Page <= 0 {
		q.Page = 100
	}
	q.Page = min(q.Page, maxPage)
	return func(yield func(Archived, error) bool) {
		for {
			items, next, err := c.archivePage(ctx, q)
			if err != nil {
				yield(Archived{}, err)
				return
			}
			for _, it := range items {
				if !yield(it, nil) {
					return
				}
			}
			if next == "" || next == q.After {
				return
			}
			q.After = next
		}
	}
}

// Last returns the newest n results of a query, or all if there are fewer, from
// old to new. q.After is the id before which to begin, "" meaning the end.
func (c *Client) Last(ctx context.Context, q Query, n int) ([]Archived, error) {
	q.Backwards = true
	var all []Archived
	for n > len(all) {
		q.Page = min(n-len(all), maxPage)
		items, next, err := c.archivePage(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(items, all...)
		if next == "" || next == q.After {
			break
		}
		q.After = next
	}
	return all, nil
}

// archivePage fetches one page. next is the id to go on from, "" at the end.
func (c *Client) archivePage(ctx context.Context, q Query) (items []Archived, next string, err error) {
	id := newID()
	p := &page{from: q.Archive, max: q.Page}
	c.mu.Lock()
	if c.queries == nil {
		c.queries = make(map[string]*page)
	}
	c.queries[id] = p
	c.mu.Unlock()
	answer, err := c.IQ(ctx, q.Archive, stanza.Set, q.encode(id))
	c.mu.Lock()
	delete(c.queries, id)
	items = p.items
	c.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	fin, ok := answer.Child(ns.Archive, "fin")
	if !ok {
		return nil, "", ErrAnswer
	}
	tree, err := fin.Tree()
	if err != nil {
		return nil, "", err
	}
	if v := tree.Attr("complete"); v == "true" || v == "1" {
		return items, "", nil
	}
	edge := "last"
	if q.Backwards {
		edge = "first"
	}
	return items, tree.Child(ns.RSM, "set").Child(ns.RSM, edge).Text(), nil
}

// encode writes the query (XEP-0313 sections 4.1 and 4.3).
func (q Query) encode(id string) string {
	b := xmltok.AppendAttr([]byte("<query xmlns='"+ns.Archive+"'"), "queryid", id)
	b = append(b, "><x xmlns='"+ns.DataForm+"' type='submit'><field var='FORM_TYPE' type='hidden'><value>"+ns.Archive+"</value></field>"...)
	field := func(name, value string) {
		b = append(b, "<field var='"+name+"'><value>"...)
		b = xmltok.AppendEscaped(b, value)
		b = append(b, "</value></field>"...)
	}
	if !q.With.IsZero() {
		field("with", q.With.String())
	}
	const stamp = "2006-01-02T15:04:05.000000Z"
	if !q.Start.IsZero() {
		field("start", q.Start.UTC().Format(stamp))
	}
	if !q.End.IsZero() {
		field("end", q.End.UTC().Format(stamp))
	}
	b = append(b, "</x><set xmlns='"+ns.RSM+"'><max>"...)
	b = strconv.AppendInt(b, int64(q.Page), 10)
	b = append(b, "</max>"...)
	switch {
	case q.Backwards:
		// XEP-0059 section 2.5: an empty element asks for the last page.
		b = appendText(b, "before", q.After)
	case q.After != "":
		b = appendText(b, "after", q.After)
	}
	return string(append(b, "</set></query>"...))
}

// archived takes a result; it reports whether st was one. Whatever was not
// asked for, or comes from elsewhere than the archive that was asked, is
// dropped (XEP-0313 section 4.2).
func (c *Client) archived(st *stanza.Stanza) bool {
	result, ok := st.Child(ns.Archive, "result")
	if !ok {
		return false
	}
	query, _ := result.Attr("queryid")
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.queries[query]
	if p == nil || !c.fromArchive(p.from, st) || len(p.items) >= p.max {
		return true
	}
	item := Archived{Stanza: forwarded(result)}
	if item.Stanza == nil {
		return true
	}
	item.ID, _ = result.Attr("id")
	tree, err := result.Tree()
	if err != nil {
		return true
	}
	stamp := tree.Child(ns.Forward, "forwarded").Child(ns.Delay, "delay").Attr("stamp")
	// XEP-0082: what cannot be read stays the zero time.
	item.Time, _ = time.Parse(time.RFC3339Nano, stamp)
	p.items = append(p.items, item)
	return true
}

// fromArchive reports whether st comes from the archive that was asked.
func (c *Client) fromArchive(archive jid.JID, st *stanza.Stanza) bool {
	if archive.IsZero() || archive == c.bare {
		return c.fromAccount(st)
	}
	return st.FromErr == nil && st.From == archive
}
