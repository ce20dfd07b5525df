package muc

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	maxQuery    = 256  // bytes of what is searched for
	maxCounted  = 1000 // rooms that are put in the order of their occupants
	maxSearches = 60   // of one account in searchSpan
	searchSpan  = time.Minute

	byAddress   = "{" + ns.ChannelSearchOrder + "}address"
	byOccupants = "{" + ns.ChannelSearchOrder + "}nusers"
)

// wanted is what somebody searches for (XEP-0433 section 6.1).
type wanted struct {
	words                      []string // in lower case; none: all rooms
	address, name, description bool     // where they may stand
	nothing                    bool     // it is only for what we have not
	occupants                  bool     // the fullest first, instead of by address
}

// searchForm is XEP-0433 section 4.2.1: all fields that are understood, with what holds when they are left out.
func searchForm() *form.Form {
	yes := func(name, label string) form.Field {
		return form.Field{Var: name, Type: form.Boolean, Label: label, Values: []string{"true"}}
	}
	return form.New(
		form.Prompt, ns.ChannelSearchParams,
		form.Field{Var: "q", Type: form.TextSingle, Label: "Search for"},
		form.Field{Var: "all", Type: form.Boolean, Label: "All rooms, whatever is searched for", Values: []string{"false"}},
		yes("sinname", "Search in names"), yes("sindescription", "Search in descriptions"), yes("sinaddress", "Search in addresses"),
		form.Field{
			Var: "types", Type: form.ListMulti, Label: "Kinds of rooms", Values: []string{"xep-0045"},
			Options: []form.Option{{Label: "XEP-0045 rooms", Value: "xep-0045"}},
		},
		form.Field{
			Var: "key", Type: form.ListSingle, Label: "Order", Values: []string{byAddress},
			Options: []form.Option{{Label: "By address", Value: byAddress}, {Label: "The fullest first", Value: byOccupants}},
		},
	)
}

// searchError is an error with a condition of XEP-0433 section 4.2.2.
func searchError(c stanza.Condition, specific, text string) *stanza.Error {
	err := stanza.NewError(c, text)
	err.Type, err.App = stanza.Modify, "<"+specific+" xmlns='"+ns.ChannelSearchErrors+"'/>"
	return err
}

// parseSearch reads a submitted form.
func parseSearch(f *form.Form) (wanted, error) {
	w := wanted{address: true, name: true, description: true}
	all := false
	for name, to := range map[string]*bool{"all": &all, "sinname": &w.name, "sindescription": &w.description, "sinaddress": &w.address} {
		if field := f.Field(name); field != nil {
			v, err := field.Bool()
			if err != nil {
				return w, err
			}
			*to = v
		}
	}
	q := f.Field("q").Value()
	switch key := f.Field("key").Value(); {
	case key != "" && key != byAddress && key != byOccupants:
		return w, searchError(stanza.FeatureNotImplemented, "invalid-sort-key", "")
	case all && q != "":
		err := searchError(stanza.BadRequest, "conflicting-fields", "all rooms, or those with some words")
		err.App = "<conflicting-fields xmlns='" + ns.ChannelSearchErrors + "'><var>all</var><var>q</var></conflicting-fields>"
		return w, err
	case !all && q == "":
		return w, searchError(stanza.BadRequest, "no-search-conditions", "")
	default:
		w.occupants = key == byOccupants
	}
	if types := f.Field("types"); types != nil && len(types.Values) > 0 {
		w.nothing = !slices.Contains(types.Values, "xep-0045")
	}
	if w.words = strings.Fields(strings.ToLower(q)); len(q) > maxQuery || q != "" && len(w.words) == 0 {
		return w, searchError(stanza.BadRequest, "invalid-search-terms", "some words are searched for, of "+strconv.Itoa(maxQuery)+" bytes at most")
	}
	return w, nil
}

// found is a room that a search has found.
type found struct {
	address   jid.JID
	config    muc.Config
	name      string
	occupants int // -1: it is not told
}

// finds tells whether a room is what is searched for: every word stands somewhere.
func (w *wanted) finds(f *found) bool {
	for _, word := range w.words {
		in := func(search bool, text string) bool { return search && strings.Contains(strings.ToLower(text), word) }
		if !in(w.name, f.name) && !in(w.description, f.config.Description) && !in(w.address, f.address.String()) {
			return false
		}
	}
	return !w.nothing
}

// search is XEP-0433. It knows public rooms only, and runs outside turns.
func (m *Module) search(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	asked := tree.Child(ns.DataForm, "x")
	if asked == nil {
		b := searchForm().AppendXML([]byte("<search xmlns='" + ns.ChannelSearch + "'>"))
		return core.Answer{Payload: string(append(b, "</search>"...))}, nil
	}
	f, err := form.ParseSubmit(asked)
	if err != nil {
		return core.Answer{}, err
	}
	w, err := parseSearch(f)
	if err != nil {
		return core.Answer{}, err
	}
	req, err := rsm.ParseRequest(tree.Child(ns.RSM, "set"))
	switch {
	case err != nil:
		return core.Answer{}, err
	case req.Before != "" || req.Last || req.HasIndex:
		return core.Answer{}, stanza.NewError(stanza.FeatureNotImplemented, "rooms are listed forwards")
	case !m.searches.Take(e.Host.Now(), e.Stanza.From.Bare().String(), maxSearches, searchSpan):
		err := searchError(stanza.ResourceConstraint, "rate-limit", "too many searches")
		err.Type, err.App = stanza.Wait, "<rate-limit xmlns='"+ns.ChannelSearchErrors+"' retry-after='60'/>"
		return core.Answer{}, err
	}
	list, page, err := m.find(ctx, &w, req)
	if err != nil {
		return core.Answer{}, err
	}
	b := []byte("<result xmlns='" + ns.ChannelSearch + "'>")
	for i := range list {
		b = list[i].appendXML(b)
	}
	if len(list) > 0 {
		b = page.AppendXML(b)
	}
	return core.Answer{Payload: string(append(b, "</result>"...))}, nil
}

// find returns one page of what is searched for.
func (m *Module) find(ctx context.Context, w *wanted, req rsm.Request) ([]found, rsm.Result, error) {
	size := req.Size(maxRooms, maxRooms)
	if w.nothing || size == 0 {
		return nil, rsm.Result{}, nil
	}
	id := func(f found) string { return f.address.Local() }
	if !w.occupants {
		list, err := m.match(ctx, w, req.After, size)
		if err != nil || len(list) == 0 {
			return nil, rsm.Result{}, err
		}
		for i := range list {
			m.count(ctx, &list[i])
		}
		return list, rsm.Result{First: id(list[0]), Last: id(list[len(list)-1])}, nil
	}
	list, err := m.match(ctx, w, "", maxCounted)
	if err != nil {
		return nil, rsm.Result{}, err
	}
	for i := range list {
		m.count(ctx, &list[i])
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(b.occupants, a.occupants) })
	return rsm.Page(list, req, size, id)
}

// match returns at most n public rooms behind one that are searched for, by address.
func (m *Module) match(ctx context.Context, w *wanted, after string, n int) (out []found, err error) {
	for len(out) < n {
		list, err := m.Rooms.List(ctx, m.domain.Domain(), after, maxRooms, true)
		if err != nil {
			return nil, err
		}
		for i := range list {
			after = list[i].Local
			if f, ok := m.describe(&list[i]); ok && w.finds(&f) && len(out) < n {
				out = append(out, f)
			}
		}
		if len(list) < maxRooms {
			return out, nil
		}
	}
	return out, nil
}

// describe is what a search may know of a room that is kept.
func (m *Module) describe(kept *store.Room) (f found, ok bool) {
	address, err := jid.New(kept.Local, m.domain.Domain(), "")
	if err != nil || json.Unmarshal(kept.Config, &f.config) != nil {
		return f, false
	}
	f.address, f.name = address, cmp.Or(f.config.Name, kept.Local)
	return f, true
}

// count asks how many are in a room. Section 12.4 of XEP-0045: of a closed one only those who may enter are told.
func (m *Module) count(ctx context.Context, f *found) {
	if f.config.MembersOnly || f.config.Password != "" {
		f.occupants = -1
		return
	}
	n := 0
	if m.host.PeekRoom(ctx, f.address, func(r *core.Room) {
		if x, ok := m.rooms.Has(r); ok && r.ID != 0 {
			n = len(x.nicks)
		}
	}) {
		f.occupants = n
	}
}

// appendXML is XEP-0433 section 6.2.
func (f *found) appendXML(b []byte) []byte {
	b = append(xmltok.AppendAttr(append(b, "<item"...), "address", f.address.String()), '>')
	b = appendText(b, "name", f.name)
	if f.config.Description != "" {
		b = appendText(b, "description", f.config.Description)
	}
	if f.config.Lang != "" {
		b = appendText(b, "language", f.config.Lang)
	}
	if f.occupants >= 0 {
		b = appendText(b, "nusers", strconv.Itoa(f.occupants))
	}
	b = appendText(b, "service-type", "xep-0045")
	if !f.config.MembersOnly && f.config.Password == "" {
		b = appendText(b, "is-open", "true")
	}
	mode := "muc_semianonymous"
	if f.config.NonAnonymous {
		mode = "{" + ns.ChannelSearchAnonymity + "}none"
	}
	return append(appendText(b, "anonymity-mode", mode), "</item>"...)
}
