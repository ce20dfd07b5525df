package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/store"
)

const self = "me@example.org"

// talk appends rows to a chat of an owner: "<" is said to it, ">" by it, "r" a receipt to it, "m" a marker of it.
func (f *fixture) talk(t testing.TB, owner store.Owner, peer string, kinds string) (ids []string) {
	t.Helper()
	var last store.Ticket
	for _, k := range kinds {
		var key store.Key
		key, last = f.Archive.Append(chatEntry(owner, peer, k))
		ids = append(ids, f.Archive.ID(owner, key))
	}
	f.wait(t, last)
	return ids
}

func chatEntry(owner store.Owner, peer string, kind rune) store.Entry {
	e := store.Entry{Owner: owner, Peer: peer, Stanza: fmt.Appendf(nil, "<message id='%c'/>", kind)}
	if kind == '>' || kind == 'm' {
		e.Direction = store.Outgoing
	}
	e.Aside = kind == 'r' || kind == 'm'
	return e
}

// chats are those of an owner, as text: address, what is unread, "+" if there may be more, and what was said last.
func (f *fixture) chats(t testing.TB, owner store.Owner, marks map[string]string) string {
	t.Helper()
	list, err := f.Chats.Chats(f.ctx, owner, store.ChatsQuery{Self: self, Marks: marks})
	must(t, err)
	last, err := f.Chats.Last(f.ctx, owner, list)
	must(t, err)
	var out []string
	for i, c := range list {
		of, more := owner, ""
		if c.Room != 0 {
			of = c.Room
		}
		if c.More {
			more = "+"
		}
		if key, err := f.Archive.Find(f.ctx, of, c.LastID); err != nil || key != c.Last || last[i].ID != c.LastID || last[i].Key != c.Last {
			t.Errorf("last row of %s: %d, %v; %+v", c.Peer, key, err, last[i])
		}
		if i > 0 && list[i-1].Last < c.Last {
			t.Errorf("%s is newer than what stands before it", c.Peer)
		}
		kind := strings.TrimSuffix(strings.TrimPrefix(string(last[i].Stanza), "<message id='"), "'/>")
		out = append(out, fmt.Sprintf("%s %d%s %s", c.Peer, c.Unread, more, kind))
	}
	return strings.Join(out, "; ")
}

// testChats: what is unread follows from the order of the rows and the mark alone.
func testChats(t *testing.T, f *fixture) {
	for i, c := range []struct {
		rows string
		mark int // index of the marked row, -1: none
		want string
	}{
		{"<", -1, "1 <"},
		{"<<<", -1, "3 <"},
		{"<<<", 0, "2 <"},
		{"<<<", 2, "0 <"},
		{"<>", -1, "0 >"},
		{"<><<", -1, "2 <"},
		{"<><<", 2, "1 <"},
		{"<<>", 0, "0 >"},
		{"<r", -1, "1 <"},
		{"<m", -1, "1 <"},
		{"<r<r", 1, "1 <"},
		{">rm", -1, "0 >"},
		{"rrr", -1, ""},
		{strings.Repeat("<", 20), 4, "15 <"},
		{strings.Repeat("<", 20) + strings.Repeat("r", 20), 19, "0 <"},
		{strings.Repeat("<", store.MaxUnread-1), -1, "255 <"},
		{strings.Repeat("<", store.MaxUnread+50), -1, "256+ <"},
		{strings.Repeat("<", store.MaxUnread+50), 40, "256+ <"},
		{strings.Repeat("<", store.MaxUnread+50), store.MaxUnread + 40, "9 <"},
		{"<" + strings.Repeat("r", store.MaxUnread), -1, "0+ r"},
	} {
		owner, marks := me+store.Owner(100+i), map[string]string{}
		ids := f.talk(t, owner, "bob@example.org", c.rows)
		if c.mark >= 0 {
			marks["bob@example.org"] = ids[c.mark]
		}
		want := ""
		if c.want != "" {
			want = "bob@example.org " + c.want
		}
		if got := f.chats(t, owner, marks); got != want {
			t.Errorf("%.30s… with mark %d: %q, want %q", c.rows, c.mark, got, want)
		}
	}
	testChatMarks(t, f)
}

// testChatMarks: a mark counts in its own chat only, and what it counted outlives an end of the process, and not the account.
func testChatMarks(t *testing.T, f *fixture) {
	owner := f.account(t, "chatty")
	bob := f.talk(t, owner, "bob@example.org", "<<<")
	carl := f.talk(t, owner, "carl@example.org", "<<")
	other := f.talk(t, me, "bob@example.org", "<")
	for mark, want := range map[string]string{
		bob[1]: "1 <", carl[0]: "3 <", other[0]: "3 <", "": "3 <", "nonsense": "3 <", strings.Repeat("A", len(bob[0])): "3 <",
	} {
		if got := f.chats(t, owner, map[string]string{"bob@example.org": mark}); got != "carl@example.org 2 <; bob@example.org "+want {
			t.Errorf("mark %q: %q", mark, got)
		}
	}
	f.talk(t, owner, self, "<<")
	f.reopen(t)
	want := self + " 0 <; carl@example.org 0 <; bob@example.org 3 <"
	if got := f.chats(t, owner, map[string]string{"carl@example.org": carl[1]}); got != want {
		t.Errorf("after reopening: %q", got)
	}
	must(t, f.Accounts.Delete(f.ctx, owner))
	if got := f.chats(t, owner, nil); got != "" {
		t.Errorf("after erasing: %q", got)
	}
}

// testChatsRandom: with many chats at once, in any order, the list is what a simple count says.
func testChatsRandom(t *testing.T, f *fixture) {
	rng := rand.New(rand.NewPCG(3, 5))
	for round := range 5 {
		owner := me + store.Owner(round)
		rows, ids, order := map[string]string{}, map[string][]string{}, map[string]int{}
		var last store.Ticket
		for i := range 400 {
			peer := fmt.Sprintf("peer%d@example.org", rng.IntN(1+rng.IntN(60)))
			kind := rune("<<<<>rm"[rng.IntN(7)])
			key, done := f.Archive.Append(chatEntry(owner, peer, kind))
			rows[peer] += string(kind)
			ids[peer] = append(ids[peer], f.Archive.ID(owner, key))
			if kind == '<' || kind == '>' {
				order[peer] = i
			}
			last = done
			f.clock.Move(time.Millisecond)
		}
		f.wait(t, last)
		marks, marked := map[string]string{}, map[string]int{}
		for peer, all := range ids {
			marked[peer] = -1
			if rng.IntN(2) == 0 {
				marked[peer] = rng.IntN(len(all))
				marks[peer] = all[marked[peer]]
			}
		}
		peers := slices.SortedFunc(maps.Keys(order), func(a, b string) int { return order[b] - order[a] })
		var want []string
		for _, peer := range peers {
			said := strings.TrimRight(rows[peer], "rm")
			rest := rows[peer][max(marked[peer], strings.LastIndex(rows[peer], ">"))+1:]
			want = append(want, fmt.Sprintf("%s %d %c", peer, strings.Count(rest, "<"), said[len(said)-1]))
		}
		if got := f.chats(t, owner, marks); got != strings.Join(want, "; ") {
			t.Errorf("round %d:\n got %s\nwant %s", round, got, strings.Join(want, "; "))
		}
	}
}

// testChatsOfRooms: the rooms that somebody belongs to are chats, and nothing of others is seen.
func testChatsOfRooms(t *testing.T, f *fixture) {
	owner := f.account(t, "me")
	rooms := map[string]store.Owner{}
	for name, a := range map[string]store.Affiliation{
		"owned": {Kind: "owner", Been: true}, "been": {Kind: "member", Been: true}, "named": {Kind: "member", Nick: "Me"},
		"listed": {Kind: "member"}, "barred": {Kind: "outcast", Been: true}, "nick": {Nick: "Me"}, "silent": {Kind: "admin", Been: true},
	} {
		a.JID = self
		first := []store.Affiliation{a, {JID: "bob@example.org", Kind: "owner", Been: true}}
		f.wait(t, f.Rooms.Create(store.Room{Domain: "rooms.example.org", Local: name, Creator: "bob@example.org"}, first, func(o store.Owner) { rooms[name] = o }))
	}
	marks := map[string]string{}
	for _, name := range []string{"been", "listed", "named", "barred", "owned", "nick"} {
		f.clock.Move(time.Second)
		ids := f.talk(t, rooms[name], "bob@example.org", "<<r<")
		if name == "been" {
			marks["been@rooms.example.org"] = ids[1]
		}
	}
	f.talk(t, rooms["owned"], self, "<")
	f.talk(t, rooms["owned"], "carl@example.org", "<")
	f.talk(t, owner, "bob@example.org", "<")
	want := "bob@example.org 1 <; owned@rooms.example.org 1 <; named@rooms.example.org 3 <; been@rooms.example.org 1 <"
	if got := f.chats(t, owner, marks); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	list, err := f.Chats.Chats(f.ctx, owner, store.ChatsQuery{Self: self, Marks: marks})
	must(t, err)
	news, err := f.Chats.News(f.ctx, list)
	must(t, err)
	for i, c := range list {
		n := c.Unread
		if c.Room == 0 {
			n = 0 // between two everything is meant for one
		}
		if len(news[i]) != n || (c.Nick != "") != (c.Peer == "named@rooms.example.org") {
			t.Errorf("%s: %d rows are news, nick %q", c.Peer, len(news[i]), c.Nick)
		}
		for k, r := range news[i] {
			if string(r.Stanza) != "<message id='<'/>" || r.ID != f.Archive.ID(c.Room, r.Key) || k > 0 && r.Key >= news[i][k-1].Key {
				t.Errorf("%s: %+v is news", c.Peer, r)
			}
		}
	}
	some, err := f.Chats.Chats(f.ctx, owner, store.ChatsQuery{
		Self: self, Marks: marks, Only: []string{"been@rooms.example.org", "bob@example.org", "barred@rooms.example.org", "nobody@example.org", "bob@example.org"},
	})
	must(t, err)
	if len(some) != 2 || some[0].Peer != "bob@example.org" || some[0].Unread != 1 || some[1].Peer != "been@rooms.example.org" || some[1].Unread != 1 {
		t.Errorf("some of them: %+v", some)
	}
	f.wait(t, f.Affiliations.Set(rooms["owned"], []store.Affiliation{{JID: self, Kind: "outcast"}}))
	f.wait(t, f.Rooms.Delete(rooms["named"]))
	if got := f.chats(t, owner, marks); got != "bob@example.org 1 <; been@rooms.example.org 1 <" {
		t.Errorf("afterwards: %s", got)
	}
}
