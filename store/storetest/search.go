package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/store"
)

// say appends a message with a body, and what else stands in it.
func (f *fixture) say(t testing.TB, e store.Entry, id, body, more string) kept {
	t.Helper()
	if e.Owner == 0 {
		e.Owner = me
	}
	if e.Peer == "" {
		e.Peer = "bob@example.org"
	}
	e.Stanza = fmt.Appendf(nil, "<message xmlns='jabber:client' id='%s'><body>%s</body>%s</message>", id, body, more)
	key, ticket := f.Archive.Append(e)
	f.wait(t, ticket)
	return kept{e, key, f.Archive.ID(e.Owner, key)}
}

func about(texts ...string) store.SearchQuery {
	q := store.SearchQuery{Query: store.Query{Max: 100}}
	for _, text := range texts {
		word, not := strings.CutPrefix(text, "-")
		q.Phrases = append(q.Phrases, store.Phrase{Text: word, Not: not})
	}
	return q
}

// search waits until the index is not behind.
func (f *fixture) search(t testing.TB, owner store.Owner, q store.SearchQuery) store.Result {
	t.Helper()
	for range 100 {
		found, err := f.Search.Search(f.ctx, owner, q)
		must(t, err)
		if !found.Behind {
			return found.Result
		}
	}
	t.Fatal("the index stays behind")
	return store.Result{}
}

// finds compares what is found with rows, by their ids.
func (f *fixture) finds(t testing.TB, what string, owner store.Owner, q store.SearchQuery, want ...kept) {
	t.Helper()
	res := f.search(t, owner, q)
	var got, ids []string
	for _, r := range res.Rows {
		got = append(got, r.ID)
	}
	for _, k := range want {
		ids = append(ids, k.id)
	}
	if !slices.Equal(got, ids) {
		t.Errorf("%s: %d rows %v, want %d", what, len(got), got, len(ids))
	}
}

func testSearch(t *testing.T, f *fixture) {
	one := f.say(t, store.Entry{Resource: "phone"}, "1", "Wherefore art thou Romeo? Crème brûlée", "")
	f.clock.Move(time.Second)
	two := f.say(t, store.Entry{Peer: "carl@example.org", Direction: store.Outgoing}, "2", "Romeo, see https://example.org/x", "")
	f.clock.Move(time.Second)
	three := f.say(t, store.Entry{Resource: "tab"}, "3", "我喜欢中文搜索 romeo 👍", "")
	f.clock.Move(time.Second)
	four := f.say(t, store.Entry{}, "4", "no OMEMO here", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>")
	f.say(t, store.Entry{Owner: me + 1}, "1", "Romeo is another's", "")
	must(t, f.Offline.SetDelivered(me, four.key).Wait(f.ctx))

	for _, c := range []struct {
		name string
		q    store.SearchQuery
		want []kept
	}{
		{"a word", about("romeo"), []kept{one, two, three}},
		{"capitals", about("ROMEO"), []kept{one, two, three}},
		{"two words", about("romeo", "art"), []kept{one}},
		{"accents", about("creme"), []kept{one}},
		{"a phrase", about("art thou"), []kept{one}},
		{"a phrase in another order", about("thou art"), nil},
		{"the beginning of a word", about("rome"), nil},
		{"Chinese", about("中文"), []kept{three}},
		{"one character", about("索"), []kept{three}},
		{"one character within", about("喜"), []kept{three}},
		{"characters in another order", about("文中"), nil},
		{"an emoji", about("👍"), []kept{three}},
		{"without a word", about("romeo", "-art"), []kept{two, three}},
		{"without two", about("romeo", "-art thou", "-中文"), []kept{two}},
		{"nothing but without", about("-art"), []kept{two, three}},
		{"no word", about("?!"), nil},
		{"no word and one", about("?!", "romeo"), nil},
		{"encrypted", about("omemo"), nil},
		{"the database's words", about(`romeo" OR "art`), nil},
		{"more of them", about("* NEAR(romeo art) ' \\ & | ! <->"), nil},
		{"marks", about("O41"), nil},
		{"a link", store.SearchQuery{Query: store.Query{Max: 100}, Link: true}, []kept{two}},
		{"by the owner", store.SearchQuery{Query: store.Query{Max: 100}, Phrases: about("romeo").Phrases, By: store.ByOwner}, []kept{two}},
		{"by a peer", store.SearchQuery{Query: store.Query{Max: 100}, Phrases: about("romeo").Phrases, By: store.ByPeer}, []kept{one, three}},
	} {
		f.finds(t, c.name, me, c.q, c.want...)
	}
	f.finds(t, "another's", me+1, about("art"))
	f.finds(t, "nobody's", me+2, about("romeo"))
	pages := func(name string, change func(*store.SearchQuery), complete bool, want ...kept) {
		q := about("romeo")
		change(&q)
		f.finds(t, name, me, q, want...)
		if res := f.search(t, me, q); res.Complete != complete {
			t.Errorf("%s: complete %v", name, res.Complete)
		}
	}
	pages("with", func(q *store.SearchQuery) { q.With = "bob@example.org" }, true, one, three)
	pages("with a resource", func(q *store.SearchQuery) { q.With, q.WithResource = "bob@example.org", "tab" }, true, three)
	pages("start", func(q *store.SearchQuery) { q.Start = two.key.Time() }, true, two, three)
	pages("end", func(q *store.SearchQuery) { q.End = two.key.Time() }, true, one, two)
	pages("after-id", func(q *store.SearchQuery) { q.AfterID = one.id }, true, two, three)
	pages("before-id", func(q *store.SearchQuery) { q.BeforeID = four.id }, true, one, two, three)
	pages("first page", func(q *store.SearchQuery) { q.Max = 2 }, false, one, two)
	pages("next page", func(q *store.SearchQuery) { q.Max, q.After = 2, two.id }, true, three)
	pages("last page", func(q *store.SearchQuery) { q.Max, q.Before = 2, new(string) }, false, two, three)
	pages("newest first", func(q *store.SearchQuery) { q.Before, q.Flip = new(string), true }, true, three, two, one)
	pages("page before", func(q *store.SearchQuery) { q.Max, q.Before = 2, &two.id }, true, one)
	if res := f.search(t, me, store.SearchQuery{Phrases: about("romeo").Phrases}); res.Count != 3 || len(res.Rows) > 0 {
		t.Errorf("counted %d, %d rows", res.Count, len(res.Rows))
	}
	testSearchRefused(t, f)
}

func testSearchRefused(t *testing.T, f *fixture) {
	many := about(strings.Fields(strings.Repeat("x ", store.MaxPhrases+1))...)
	other := about("x")
	other.After = f.Archive.ID(me+1, 1)
	ids := about("x")
	ids.IDs = []string{"1"}
	for name, c := range map[string]struct {
		q    store.SearchQuery
		want error
	}{
		"many phrases":   {many, store.ErrInvalid},
		"many words":     {about(strings.Repeat("x ", store.MaxWords+1)), store.ErrInvalid},
		"another's id":   {other, store.ErrNotFound},
		"ids":            {ids, store.ErrInvalid},
		"a large page":   {store.SearchQuery{Query: store.Query{Max: store.MaxPage + 1}}, store.ErrInvalid},
		"a resource":     {store.SearchQuery{Query: store.Query{Max: 1, WithResource: "x"}}, store.ErrInvalid},
		"a lonely world": {about(strings.Repeat("x ", store.MaxWords)), nil},
	} {
		if _, err := f.Search.Search(f.ctx, me, c.q); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// testSearchChanges: of what is corrected the newest form is found, of what is taken back nothing.
func testSearchChanges(t *testing.T, f *fixture) {
	replace := func(id string) string { return "<replace xmlns='urn:xmpp:message-correct:0' id='" + id + "'/>" }
	retract := func(id string) string { return "<retract xmlns='urn:xmpp:message-retract:1' id='" + id + "'/>" }
	bob := store.Entry{Peer: "bob@example.org"}
	own := store.Entry{Peer: "bob@example.org", Direction: store.Outgoing}
	carl := store.Entry{Peer: "carl@example.org"}

	first := f.say(t, bob, "a", "lark", "")
	f.finds(t, "first form", me, about("lark"), first)
	mine := f.say(t, own, "a", "lark of mine", "")
	f.say(t, bob, "b", "nightingale", replace("a"))
	third := f.say(t, bob, "c", "nightingale and owl", replace("a"))
	f.finds(t, "what was corrected", me, about("lark"), mine)
	f.finds(t, "the newest form", me, about("nightingale"), third)
	f.say(t, carl, "d", "sorry", retract("a"))
	f.finds(t, "what another takes back", me, about("owl"), third)
	f.say(t, bob, "e", "sorry", retract("a"))
	f.finds(t, "what is taken back", me, about("owl"))
	f.finds(t, "its text for those who know no better", me, about("sorry"))
	f.finds(t, "my own of that name", me, about("lark"), mine)

	origin := f.say(t, bob, "f", "raven", "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>")
	f.finds(t, "with an origin", me, about("raven"), origin)
	f.say(t, bob, "g", "", retract("o"))
	f.finds(t, "taken back by its origin", me, about("raven"))

	// In a room: by the id that the archive gave.
	dove := f.say(t, bob, "h", "dove", "")
	f.say(t, carl, "i", "", retract(dove.id))
	f.finds(t, "what another takes back in a room", me, about("dove"), dove)
	f.say(t, bob, "j", "dove and pigeon", replace("h"))
	f.say(t, bob, "k", "", retract(dove.id))
	f.finds(t, "what is taken back in a room", me, about("dove"))

	swan := f.say(t, bob, "l", "swan", "")
	f.finds(t, "before it is replaced", me, about("swan"), swan)
	f.wait(t, f.Archive.Replace(me, swan.key, []byte("<message xmlns='jabber:client' id='l'><retracted xmlns='urn:xmpp:message-retract:1' id='z'/></message>")))
	f.finds(t, "what has a tombstone", me, about("swan"))
	f.wait(t, f.Archive.Replace(me, swan.key, []byte("<message xmlns='jabber:client' id='l'><body>goose</body></message>")))
	f.finds(t, "what is replaced", me, about("goose"), swan)

	f.wait(t, f.Archive.Replace(me, mine.key, []byte("no XML")))
	f.finds(t, "what cannot be read", me, about("lark"))
	must(t, f.Search.Rebuild(f.ctx))
	f.finds(t, "anew: first form", me, about("lark"))
	f.finds(t, "anew: what is taken back", me, about("owl"))
	f.finds(t, "anew: another's", me, about("dove"))
	f.finds(t, "anew: replaced", me, about("goose"), swan)
}

// testSearchKept: nothing is lost or doubled by a new start, and what is erased cannot be found.
func testSearchKept(t *testing.T, f *fixture) {
	left := f.account(t, "left")
	var all []kept
	for i := range 20 {
		all = append(all, f.say(t, store.Entry{Owner: left}, fmt.Sprint(i), "wren", ""))
		f.say(t, store.Entry{}, fmt.Sprint(i), "wren", "")
		f.clock.Move(time.Second)
		if i == 10 {
			f.reopen(t)
		}
	}
	f.finds(t, "all", left, about("wren"), all...)
	f.reopen(t)
	f.finds(t, "after a start", left, about("wren"), all...)
	must(t, f.Search.Rebuild(f.ctx))
	f.finds(t, "anew", left, about("wren"), all...)
	n, err := f.Archive.Expire(f.ctx, all[5].key.Time())
	must(t, err)
	if n != 10 {
		t.Errorf("%d rows expired", n)
	}
	f.finds(t, "what is young enough", left, about("wren"), all[5:]...)
	must(t, f.Accounts.Delete(f.ctx, left))
	f.finds(t, "erased", left, about("wren"))
	if res := f.search(t, left, store.SearchQuery{Phrases: about("wren").Phrases}); res.Count != 0 {
		t.Errorf("%d are noted of an account that is gone", res.Count)
	}
	if res := f.search(t, me, store.SearchQuery{Phrases: about("wren").Phrases}); res.Count != 15 {
		t.Errorf("%d are noted of the other", res.Count)
	}
	if s := f.Search.State(); s.Failed != "" || s.Behind != 0 {
		t.Errorf("%+v", s)
	}
}
