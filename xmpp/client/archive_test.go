package client

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// fakeArchive answers queries from messages 0 to total-1, whose ids are their
// numbers.
func fakeArchive(t *testing.T, total int, queries *[]string) func(*fakeSession, *stanza.Stanza) {
	return func(s *fakeSession, st *stanza.Stanza) {
		q, ok := st.Child(ns.Archive, "query")
		if !ok {
			return
		}
		*queries = append(*queries, q.Raw())
		tree, err := q.Tree()
		if err != nil {
			t.Error(err)
			return
		}
		set := tree.Child(ns.RSM, "set")
		size, _ := strconv.Atoi(set.Child(ns.RSM, "max").Text())
		from, to := 0, min(size, total)
		if after, err := strconv.Atoi(set.Child(ns.RSM, "after").Text()); err == nil {
			from, to = after+1, min(after+1+size, total)
		}
		complete := to == total
		if before := set.Child(ns.RSM, "before"); before != nil {
			if to, err = strconv.Atoi(before.Text()); err != nil {
				to = total
			}
			from = max(0, to-size)
			complete = from == 0
		}
		for i := from; i < to; i++ {
			s.send(result(tree.Attr("queryid"), "juliet@example.net", i))
			// Nobody else may slip something in, even who knows the query's id.
			s.send(result(tree.Attr("queryid"), "evil@example.org", 1000+i))
		}
		s.send(fmt.Sprintf("<iq type='result' id='%s'><fin xmlns='urn:xmpp:mam:2' complete='%v'><set xmlns='%s'><first>%d</first><last>%d</last></set></fin></iq>",
			st.ID, complete, ns.RSM, from, to-1))
	}
}

func result(query, from string, i int) string {
	return fmt.Sprintf("<message from='%s'><result xmlns='urn:xmpp:mam:2' queryid='%s' id='%d'><forwarded xmlns='urn:xmpp:forward:0'>"+
		"<delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:%02d.5Z'/><message xmlns='jabber:client' from='romeo@example.net/x' id='m%d'><body>b</body></message>"+
		"</forwarded></result></message>", from, query, i, i%60, i)
}

func TestArchive(t *testing.T) {
	for _, tc := range []struct {
		name  string
		total int
		q     Query
		want  []string
		pages int
	}{
		{"empty", 0, Query{}, nil, 1},
		{"one page", 3, Query{}, numbers(0, 3), 1},
		{"three pages", 25, Query{Page: 10}, numbers(0, 25), 3},
		{"from the middle", 10, Query{Page: 3, After: "6"}, numbers(7, 10), 1},
		{"backwards", 7, Query{Page: 3, Backwards: true}, slices.Concat(numbers(4, 7), numbers(1, 4), numbers(0, 1)), 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake(t)
			var queries []string
			f.handle = fakeArchive(t, tc.total, &queries)
			c := f.dial(f.config())
			var got []string
			for it, err := range c.Archive(deadline(t), tc.q) {
				if err != nil {
					t.Fatal(err)
				}
				if it.Stanza.ID != "m"+it.ID || it.Time.Format(time.StampMilli) != "Jan  2 03:04:"+fmt.Sprintf("%02d", len(got)%60)+".500" && !tc.q.Backwards && tc.q.After == "" {
					t.Errorf("item %+v", it)
				}
				got = append(got, it.ID)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v", got)
			}
			f.locked(func() {
				if len(queries) != tc.pages {
					t.Errorf("%d requests", len(queries))
				}
			})
			if len(c.queries) != 0 || len(c.calls) != 0 {
				t.Error("left-overs")
			}
		})
	}
}

func TestArchiveStops(t *testing.T) {
	f := newFake(t)
	var queries []string
	f.handle = fakeArchive(t, 100, &queries)
	c := f.dial(f.config())
	for range c.Archive(deadline(t), Query{Page: 10}) {
		break
	}
	f.locked(func() {
		if len(queries) != 1 {
			t.Errorf("%d requests", len(queries))
		}
		f.handle = func(s *fakeSession, st *stanza.Stanza) {
			s.send(stanza.ErrorReply(st, stanza.NewError(stanza.ItemNotFound, "")).Standalone())
		}
	})
	n := 0
	for _, err := range c.Archive(deadline(t), Query{After: "gone"}) {
		var e *stanza.Error
		if n++; !errors.As(err, &e) || e.Condition != stanza.ItemNotFound {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d items", n)
	}
}

func TestQueryText(t *testing.T) {
	q := Query{Start: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), End: time.Date(2026, 1, 3, 0, 0, 0, 0, time.FixedZone("", 3600)), Page: 20, After: "<a>"}
	got := q.encode("q1")
	for _, want := range []string{
		"queryid='q1'", "<field var='start'><value>2026-01-02T03:04:05.000006Z</value>", "<field var='end'><value>2026-01-02T23:00:00.000000Z</value>",
		"<max>20</max>", "<after>&lt;a&gt;</after>", "type='hidden'><value>urn:xmpp:mam:2</value>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}
