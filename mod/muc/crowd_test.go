package muc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

var bodyText = regexp.MustCompile(`<body>([^<]*)</body>`)

// bodies of all messages so far, in order.
func (c *client) bodies() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, x := range c.got {
		if m := bodyText.FindStringSubmatch(x); m != nil && strings.HasPrefix(x, "<message") {
			out = append(out, m[1])
		}
	}
	return out
}

// TestOneOrderForAll: many talk at once while others come and go. Everybody who stays hears all of it in one order, which is the archive's, and
// sees everybody else who stays.
func TestOneOrderForAll(t *testing.T) {
	const people, each = 24, 8
	var names []string
	for i := range people + 1 {
		names = append(names, fmt.Sprint("p", i))
	}
	v := newWorld(t, names...)
	all := make([]*client, people)
	for i := range all {
		all[i] = v.bind(names[i])
		all[i].enter(names[i])
		if i == 0 {
			all[0].expect("code='201'")
			all[0].configure("")
			continue
		}
		all[i].expect("<subject/>")
	}
	restless := v.bind(names[people])
	var wait sync.WaitGroup
	for i, c := range all {
		wait.Go(func() {
			for k := range each {
				c.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='m'><body>%d.%d</body></message>", cave, i, k))
			}
		})
	}
	wait.Go(func() {
		for range each {
			restless.enter("restless")
			restless.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/restless'/>")
		}
	})
	wait.Wait()
	var first []string
	for i, c := range all {
		for len(c.bodies()) < people*each {
			c.expect("<body>")
		}
		c.never("<nothing>") // whatever was too much would come before this
		got := c.bodies()
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Fatalf("%s heard\n%q\nand others\n%q", names[i], got, first)
		}
		for k, other := range names[:people] {
			c.mu.Lock()
			seen := slices.ContainsFunc(c.got, func(x string) bool {
				return strings.HasPrefix(x, "<presence") && strings.Contains(x, "from='"+cave+"/"+other+"'")
			})
			c.mu.Unlock()
			if !seen {
				t.Errorf("%d does not see %d", i, k)
			}
		}
	}
	var room store.Owner
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		room = r.ID
		x := v.m.rooms.Of(r)
		if len(x.sessions) != people || len(x.crowd) != people || len(x.faces) != people || len(x.nicks) != people {
			t.Errorf("%d sessions, %d in the crowd, %d faces, %d nicks", len(x.sessions), len(x.crowd), len(x.faces), len(x.nicks))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	res, err := v.db.Archive.Page(t.Context(), room, store.Query{Max: people * each, Before: &last})
	if err != nil || len(res.Rows) != people*each {
		t.Fatal(len(res.Rows), err)
	}
	for i, row := range res.Rows {
		if !strings.Contains(string(row.Stanza), "<body>"+first[i]+"</body>") {
			t.Fatalf("row %d is %s, and what was heard %s", i, row.Stanza, first[i])
		}
	}
}
