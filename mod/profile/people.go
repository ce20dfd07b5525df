package profile

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Limits of searches for people.
const (
	maxFound    = 50  // people in one answer
	maxAsked    = 256 // bytes of what is searched for in a field
	maxSearches = 30  // of one account in searchSpan
	searchSpan  = time.Minute
	maxTerms    = 512              // bytes of the words that are remembered of one person
	maxRecent   = 100              // people whose profiles have changed since the list was made
	listAge     = 10 * time.Minute // of the list; after that accounts that are disabled are in it no more
	pageOfCards = 200
)

// peopleFields are what is searched for in: XEP-0055's own, and one for all of them and the address.
var peopleFields = [...]string{"first", "last", "nick", "email", anyField}

const anyField = "x-any"

// people is the list in which searches find who may be meant: words of all profiles, in memory. It need not be right, since whoever is found in it is looked
// at again, with the profile as it is by then and as far as the asker sees it.
type people struct {
	list     atomic.Pointer[peopleList] // nil: not made yet
	recent   atomic.Pointer[[]listed]   // profiles that have changed since; nil: none
	making   chan struct{}              // holds one token while somebody makes the list
	searches core.Quota
}

type peopleList struct {
	made time.Time
	all  []listed
}

// listed is one person: the words of the profile, each behind a space; none are for who is to be looked at in any case.
type listed struct {
	owner store.Owner
	local string
	words string
}

// installPeople registers XEP-0055, at the host.
func (m *Module) installPeople(h *core.Host) {
	m.people.making = make(chan struct{}, 1)
	if !m.config.Search {
		return
	}
	row := core.IQ{Space: ns.Search, Local: "query", To: core.ToHost, Action: core.ActSeeHost, Module: m.Name()}
	row.Type, row.Do = stanza.Get, m.searchFields
	h.IQ.Handle(row)
	row.Type, row.Slow, row.Do = stanza.Set, true, m.searchPeople
	h.IQ.Handle(row)
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Search)
	h.Disco.HostIdentities = append(h.Disco.HostIdentities, core.DiscoIdentity{Category: "directory", Type: "user"})
}

// searchFields is XEP-0055 section 2.1, with the form of section 3.
func (m *Module) searchFields(_ context.Context, e *core.Event) (core.Answer, error) {
	if err := core.Permit(e.Actor(), core.ActFindPeople, core.Object{}); err != nil {
		return core.Answer{}, err
	}
	f := form.New(form.Prompt, ns.Search,
		form.Field{Var: anyField, Type: form.TextSingle, Label: "Name or address"},
		form.Field{Var: "first", Type: form.TextSingle, Label: "Given name"}, form.Field{Var: "last", Type: form.TextSingle, Label: "Family name"},
		form.Field{Var: "nick", Type: form.TextSingle, Label: "Nickname"}, form.Field{Var: "email", Type: form.TextSingle, Label: "Email address"})
	f.Title = "Find people"
	b := "<query xmlns='" + ns.Search + "'><instructions>Beginnings of words are enough.</instructions><first/><last/><nick/><email/>"
	return core.Answer{Payload: string(f.AppendXML([]byte(b))) + "</query>"}, nil
}

// searchPeople is XEP-0055 section 2.1: who shows the asker what is searched for. It runs outside turns.
func (m *Module) searchPeople(ctx context.Context, e *core.Event) (core.Answer, error) {
	if err := core.Permit(e.Actor(), core.ActFindPeople, core.Object{}); err != nil {
		return core.Answer{}, err
	}
	asked, _ := e.Stanza.Payload()
	tree, err := asked.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	want, byForm, err := parsePeople(tree)
	if err != nil {
		return core.Answer{}, err
	}
	if !m.people.searches.Take(m.host.Now(), e.Stanza.From.Bare().String(), maxSearches, searchSpan) && m.host.Config.RateLimits {
		m.host.Metrics().Refused("people")
		return core.Answer{}, stanza.NewError(stanza.ResourceConstraint, "too many searches")
	}
	found, err := m.find(ctx, want, e.Stanza.From.Bare())
	if err != nil {
		return core.Answer{}, err
	}
	return core.Answer{Payload: foundXML(found, byForm)}, nil
}

// wantedPerson has the words that are searched for, by field.
type wantedPerson map[string][]string

// parsePeople reads a search in either form.
func parsePeople(query *xmltok.Node) (want wantedPerson, byForm bool, err error) {
	get := func(name string) string { return query.Child(ns.Search, name).Text() }
	if x := query.Child(ns.DataForm, "x"); x != nil {
		f, err := form.ParseSubmit(x)
		if err != nil {
			return nil, true, err
		}
		byForm, get = true, func(name string) string { return f.Field(name).Value() }
	}
	want = wantedPerson{}
	for _, name := range peopleFields {
		text := get(name)
		if len(text) > maxAsked {
			return nil, byForm, stanza.NewError(stanza.NotAcceptable, "less is searched for at once")
		}
		if words := strings.Fields(strings.ToLower(text)); len(words) > 0 {
			want[name] = words
		}
	}
	if len(want) == 0 {
		return nil, byForm, stanza.NewError(stanza.NotAcceptable, "nothing is searched for")
	}
	return want, byForm, nil
}

// person is what is found of somebody: fields by their names in XEP-0055.
type person struct {
	address jid.JID
	fields  map[string]string
}

// personOf reads what a vCard, as far as somebody sees it, says for searches; nil when that is nothing.
func personOf(address jid.JID, card *xmltok.Node) *person {
	text := func(path ...string) string {
		n := card
		for _, p := range path {
			if n = n.Child(ns.VCardTemp, p); n == nil {
				return ""
			}
		}
		return strings.TrimSpace(n.Text())
	}
	p := &person{address, map[string]string{
		"first": text("N", "GIVEN"), "last": text("N", "FAMILY"), "nick": text("NICKNAME"), "email": text("EMAIL", "USERID"), "fn": text("FN"),
	}}
	for _, v := range p.fields {
		if v != "" {
			return p
		}
	}
	return nil
}

// matches tells whether every word is how a word of its field begins; those of x-any are of any field, or of the address.
func (p *person) matches(want wantedPerson) bool {
	for name, words := range want {
		in := " " + strings.ToLower(p.fields[name])
		if name == anyField {
			in = p.words()
		}
		for _, w := range words {
			if !strings.Contains(in, " "+w) {
				return false
			}
		}
	}
	return true
}

// words are those of all fields and the address, in lower case, each behind a space.
func (p *person) words() string {
	all := []string{"", p.address.Local()}
	for _, name := range []string{"fn", "first", "last", "nick", "email"} {
		all = append(all, strings.Fields(p.fields[name])...)
	}
	return strings.ToLower(strings.Join(all, " "))
}

// may tells whether a person of the list may be who is searched for.
func (l *listed) may(want wantedPerson) bool {
	if l.words == "" {
		return true
	}
	for _, words := range want {
		for _, w := range words {
			if !strings.Contains(l.words, " "+w) {
				return false
			}
		}
	}
	return true
}

// find returns whom the asker may see, by address.
func (m *Module) find(ctx context.Context, want wantedPerson, asker jid.JID) ([]*person, error) {
	list, err := m.everyone(ctx)
	if err != nil {
		return nil, err
	}
	var out []*person
	looked := map[string]bool{}
	for _, l := range slices.Concat(m.people.since(), list.all) {
		if len(out) == maxFound {
			break
		}
		if looked[l.local] || !l.may(want) {
			continue
		}
		looked[l.local] = true
		p, err := m.look(ctx, l, want, asker)
		if err != nil {
			return nil, err
		}
		if p != nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *person) int { return strings.Compare(a.address.String(), b.address.String()) })
	return out, nil
}

// look reads the profile of somebody who may be meant, and returns what the asker sees of it; nil when that is not what is searched for, or when the account
// is gone or has blocked the asker.
func (m *Module) look(ctx context.Context, l listed, want wantedPerson, asker jid.JID) (*person, error) {
	address, err := jid.New(l.local, m.host.Domain.Domain(), "")
	if err != nil {
		return nil, err
	}
	card, err := m.store.VCard(ctx, l.owner)
	if err != nil || len(card) == 0 {
		return nil, err
	}
	tree, err := xmltok.Tree(string(card), ns.Client)
	if err != nil {
		return nil, err
	}
	if p := personOf(address, tree); p == nil || !p.matches(want) {
		return nil, nil
	}
	var account *core.Account
	err = m.host.Ask(ctx, address, func(_ *core.Work, a *core.Account) error {
		if a.Exists && a.ID == l.owner && !a.Blocks(asker) {
			account = a
		}
		return nil
	})
	if err != nil || account == nil {
		return nil, err
	}
	if asker != address {
		if card, err = m.seenBy(ctx, account, card, asker); err != nil || card == nil {
			return nil, err
		}
		if tree, err = xmltok.Tree(string(card), ns.Client); err != nil {
			return nil, err
		}
	}
	if p := personOf(address, tree); p != nil && p.matches(want) {
		return p, nil
	}
	return nil, nil
}

// everyone is the list, made anew when it is old or too much has changed since. Others wait for who makes it.
func (m *Module) everyone(ctx context.Context) (*peopleList, error) {
	fresh := func() *peopleList {
		if l := m.people.list.Load(); l != nil && m.host.Now().Sub(l.made) < listAge && len(m.people.since()) < maxRecent {
			return l
		}
		return nil
	}
	if l := fresh(); l != nil {
		return l, nil
	}
	select {
	case m.people.making <- struct{}{}:
		defer func() { <-m.people.making }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l := fresh(); l != nil {
		return l, nil
	}
	m.people.recent.Store(nil) // what changes from now on is noted again
	l := &peopleList{made: m.host.Now()}
	for after := store.Owner(0); ; {
		page, err := m.store.VCards(ctx, m.host.Domain.Domain(), after, pageOfCards)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			after = c.Owner
			address, err := jid.New(c.Local, m.host.Domain.Domain(), "")
			tree, broken := xmltok.Tree(string(c.VCard), ns.Client)
			if err != nil || broken != nil {
				continue
			}
			if p := personOf(address, tree); p != nil {
				l.all = append(l.all, listed{c.Owner, c.Local, xmltok.Clip(p.words(), maxTerms)})
			}
		}
		if len(page) < pageOfCards {
			break
		}
	}
	m.people.list.Store(l)
	return l, nil
}

// since are the profiles that have changed since the list was made.
func (p *people) since() []listed {
	if l := p.recent.Load(); l != nil {
		return *l
	}
	return nil
}

// changed notes that somebody's profile is another. Safe from any goroutine.
func (p *people) changed(owner store.Owner, local string) {
	for {
		was := p.recent.Load()
		var all []listed
		if was != nil {
			all = *was
		}
		if len(all) >= maxRecent || slices.ContainsFunc(all, func(l listed) bool { return l.owner == owner }) {
			return
		}
		is := append(slices.Clip(all), listed{owner: owner, local: strings.Clone(local)})
		if p.recent.CompareAndSwap(was, &is) {
			return
		}
	}
}

// foundXML is the answer in the form of the question (XEP-0055 sections 2.1 and 3).
func foundXML(found []*person, byForm bool) string {
	b := []byte("<query xmlns='" + ns.Search + "'>")
	if !byForm {
		for _, p := range found {
			b = append(xmltok.AppendAttr(append(b, "<item"...), "jid", p.address.String()), '>')
			for _, name := range peopleFields[:4] {
				b = append(xmltok.AppendEscaped(append(b, "<"+name+">"...), p.fields[name]), "</"+name+">"...)
			}
			b = append(b, "</item>"...)
		}
		return string(append(b, "</query>"...))
	}
	f := form.New(form.Result, ns.Search)
	f.Reported = []form.Field{
		{Var: "jid", Type: form.JIDSingle, Label: "Address"},
		{Var: "fn", Type: form.TextSingle, Label: "Name"},
		{Var: "first", Type: form.TextSingle, Label: "Given name"},
		{Var: "last", Type: form.TextSingle, Label: "Family name"},
		{Var: "nick", Type: form.TextSingle, Label: "Nickname"},
		{Var: "email", Type: form.TextSingle, Label: "Email address"},
	}
	for _, p := range found {
		row := []form.Field{{Var: "jid", Values: []string{p.address.String()}}}
		for _, r := range f.Reported[1:] {
			row = append(row, form.Field{Var: r.Var, Values: []string{p.fields[r.Var]}})
		}
		f.Items = append(f.Items, row)
	}
	return string(append(f.AppendXML(b), "</query>"...))
}
