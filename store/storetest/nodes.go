package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// publish keeps an item in the node n of owner 3, and returns what it did.
func (f *fixture) publish(t testing.TB, id, payload string, edit func(*store.NewNodeItem)) (*store.Published, error) {
	t.Helper()
	item := store.NewNodeItem{Node: "n", ID: id, Publisher: address(t, "juliet@example.org"), Payload: []byte(payload), Keep: 100}
	if edit != nil {
		edit(&item)
	}
	out, ticket := f.Nodes.Publish(3, item)
	return out, ticket.Wait(f.ctx)
}

// items are the ids that a query gives, as one word, with the position of the first and the number of all.
func (f *fixture) items(t testing.TB, q store.NodeQuery) string {
	t.Helper()
	page, err := f.Nodes.Items(f.ctx, 3, "n", q)
	must(t, err)
	var b strings.Builder
	for i, x := range page.Items {
		b.WriteString(x.ID)
		if i > 0 && len(q.IDs) == 0 && x.Key <= page.Items[i-1].Key {
			t.Errorf("%+v: %s stands behind what is newer", q, x.ID)
		}
		if (len(x.Payload) == 0) != q.Names {
			t.Errorf("%+v: payload %q", q, x.Payload)
		}
	}
	return fmt.Sprintf("%s %d/%d", b.String(), page.First, page.Count)
}

func testNodes(t *testing.T, f *fixture) {
	juliet, romeo, nurse := address(t, "juliet@example.org"), address(t, "romeo@example.net"), address(t, "nurse@example.org/chamber")
	change := func(c store.NodeChange) { f.wait(t, f.Nodes.ChangeNode(3, c)) }
	change(store.NodeChange{Node: "n", Make: &store.NewNode{Creator: juliet, Config: "one"}})
	change(store.NodeChange{Node: "n", Make: &store.NewNode{Creator: romeo, Config: "two"}})
	change(store.NodeChange{Node: "m", Make: &store.NewNode{Creator: juliet, Config: "m"}, Subscriptions: []store.NodeSubscription{{JID: nurse, State: "pending"}}})
	change(store.NodeChange{
		Node: "n", Config: "three", Affiliations: []store.NodeAffiliation{{JID: romeo, Is: "member"}, {JID: nurse.Bare(), Is: "outcast"}},
		Subscriptions: []store.NodeSubscription{{JID: nurse, State: "subscribed"}, {JID: romeo, State: "subscribed"}},
	})
	change(store.NodeChange{
		Node: "n", Affiliations: []store.NodeAffiliation{{JID: romeo, Is: "publisher"}, {JID: nurse.Bare()}},
		Subscriptions: []store.NodeSubscription{{JID: romeo}},
	})
	_, err := f.publish(t, "a", "<a/>", nil)
	must(t, err)
	f.reopen(t)
	want := []store.Node{
		{Name: "m", Created: f.clock.Now().UTC(), Creator: juliet, Config: "m", Subscriptions: []store.NodeSubscription{{JID: nurse, State: "pending"}}},
		{
			Name: "n", Created: f.clock.Now().UTC(), Creator: juliet, Config: "three", Affiliations: []store.NodeAffiliation{{JID: romeo, Is: "publisher"}},
			Subscriptions: []store.NodeSubscription{{JID: nurse, State: "subscribed"}}, Items: 1, Bytes: 5,
		},
	}
	got, err := f.Nodes.Nodes(f.ctx, 3)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
	change(store.NodeChange{Node: "n", Delete: true})
	if got, err = f.Nodes.Nodes(f.ctx, 3); err != nil || !reflect.DeepEqual(got, want[:1]) {
		t.Fatalf("deleted: %+v, %v", got, err)
	}
	if left := f.items(t, store.NodeQuery{Max: -1}); left != " 0/0" {
		t.Errorf("items of a deleted node: %s", left)
	}
	if got, err = f.Nodes.Nodes(f.ctx, 4); err != nil || len(got) != 0 {
		t.Errorf("another's: %+v, %v", got, err)
	}
}

// testBytesBy: of all nodes of rooms that somebody has made, and of no others.
func testBytesBy(t *testing.T, f *fixture, parts ...store.Owner) {
	t.Helper()
	bytes := func(domain, creator string, want int) {
		t.Helper()
		if got, err := f.Rooms.BytesBy(f.ctx, domain, creator); got != want || err != nil {
			t.Errorf("%s at %s: %d bytes, want %d; %v", creator, domain, got, want, err)
		}
	}
	people := 2*len("juliet@example.org") + len("romeo@example.net")
	bytes(roomsDomain, "juliet@example.org", people)
	publish := func(owner store.Owner, node, id string) {
		_, done := f.Nodes.Publish(owner, store.NewNodeItem{Node: node, ID: id, Publisher: address(t, "romeo@example.net"), Payload: []byte("<a/>"), Keep: 10})
		f.wait(t, done)
	}
	publish(parts[0], "a", "1")
	publish(parts[0], "a", "22")
	publish(parts[1], "b", "333")
	publish(3, "n", "4")
	bytes(roomsDomain, "juliet@example.org", people+18)
	bytes(roomsDomain, "romeo@example.net", 0)
	bytes("rooms.example.net", "juliet@example.org", 0)
	_, done := f.Nodes.Retract(parts[0], "a", "22", nil)
	f.wait(t, done)
	bytes(roomsDomain, "juliet@example.org", people+12)
}

// testNodeTies: what an address is to the nodes of rooms of a domain, and to no others.
func testNodeTies(t *testing.T, f *fixture) {
	juliet, romeo := address(t, "juliet@example.org"), address(t, "romeo@example.net/orchard")
	ties := func(domain string, who jid.JID) string {
		all, err := f.Nodes.Ties(f.ctx, domain, who)
		must(t, err)
		var b strings.Builder
		for _, n := range all {
			if n.Creator != juliet || !n.Created.Equal(f.clock.Now()) || n.Config != "c "+n.Name {
				t.Errorf("%+v", n)
			}
			fmt.Fprintf(&b, "%s %v %v; ", n.Name, n.Affiliations, n.Subscriptions)
		}
		return b.String()
	}
	parts := map[string]store.Owner{}
	for _, name := range []string{"b", "a"} {
		part := f.room(t, store.Room{Local: name, Creator: juliet.String(), Created: f.clock.Now().UTC()})
		parts[name] = part.ID
		f.wait(t, f.Nodes.ChangeNode(part.ID, store.NodeChange{
			Node: name, Make: &store.NewNode{Creator: juliet, Config: "c " + name}, Affiliations: []store.NodeAffiliation{{JID: juliet, Is: "owner"}},
			Subscriptions: []store.NodeSubscription{{JID: romeo, State: "subscribed"}, {JID: romeo.Bare(), State: "pending"}},
		}))
	}
	f.wait(t, f.Nodes.ChangeNode(parts["a"], store.NodeChange{Node: "a", Affiliations: []store.NodeAffiliation{{JID: romeo.Bare(), Is: "member"}}}))
	// An account's own node is none of them.
	f.wait(t, f.Nodes.ChangeNode(3, store.NodeChange{Node: "n", Make: &store.NewNode{Creator: juliet, Config: "c n"}, Affiliations: []store.NodeAffiliation{{JID: romeo.Bare(), Is: "owner"}}}))
	f.reopen(t)
	testBytesBy(t, f, parts["a"], parts["b"])
	both := "[{romeo@example.net pending} {romeo@example.net/orchard subscribed}]; "
	for who, want := range map[jid.JID]string{
		juliet:                          "a [{juliet@example.org owner}] []; b [{juliet@example.org owner}] []; ",
		romeo.Bare():                    "a [{romeo@example.net member}] " + both + "b [] " + both,
		address(t, "nurse@example.org"): "",
	} {
		if got := ties(roomsDomain, who); got != want {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
		if got := ties("rooms.example.net", who); got != "" {
			t.Errorf("%s elsewhere: %q", who, got)
		}
	}
	f.wait(t, f.Rooms.Delete(parts["a"]))
	if got, want := ties(roomsDomain, juliet), "b [{juliet@example.org owner}] []; "; got != want {
		t.Errorf("behind the end of one: %q", got)
	}
	if got, want := ties(roomsDomain, romeo.Bare()), "b [] "+both; got != want {
		t.Errorf("behind the end of one: %q, want %q", got, want)
	}
}

func testNodeItems(t *testing.T, f *fixture) {
	for _, id := range strings.Split("a b c d e", " ") {
		_, err := f.publish(t, id, "<x>"+id+"</x>", func(i *store.NewNodeItem) { i.Make = &store.NewNode{Creator: i.Publisher, Config: "c"} })
		must(t, err)
		f.clock.Move(time.Second)
	}
	since := f.clock.Now()
	if _, err := f.publish(t, "b", "<new/>", nil); err != nil {
		t.Fatal(err)
	}
	f.clock.Move(-time.Hour) // what is published now is the newest all the same
	if _, err := f.publish(t, "f", "<f/>", nil); err != nil {
		t.Fatal(err)
	}
	f.reopen(t)
	for _, c := range []struct {
		q    store.NodeQuery
		want string
	}{
		{store.NodeQuery{Max: -1}, "acdebf 0/6"},
		{store.NodeQuery{Max: 2}, "ac 0/6"},
		{store.NodeQuery{Max: 2, FromEnd: true}, "bf 4/6"},
		{store.NodeQuery{Max: 2, After: "c"}, "de 2/6"},
		{store.NodeQuery{Max: 2, Before: "e", FromEnd: true}, "cd 1/6"},
		{store.NodeQuery{Max: -1, After: "c", Before: "f"}, "deb 2/6"},
		{store.NodeQuery{Max: 2, Index: 3}, "eb 3/6"},
		{store.NodeQuery{Max: 2, Index: 9}, " 0/6"},
		{store.NodeQuery{Max: 0}, " 0/6"},
		{store.NodeQuery{Max: -1, MaxBytes: 16}, "ac 0/6"},
		{store.NodeQuery{Max: -1, MaxBytes: 1}, "a 0/6"},
		{store.NodeQuery{Max: -1, MaxBytes: 10, FromEnd: true}, "bf 4/6"},
		{store.NodeQuery{Max: -1, Since: store.KeyAt(since)}, "bf 0/2"},
		{store.NodeQuery{Max: -1, Names: true}, "acdebf 0/6"},
		{store.NodeQuery{IDs: []string{"f", "nothing", "a", "f"}}, "fa 0/2"},
		{store.NodeQuery{IDs: []string{"a", "b", "c", "d"}, MaxBytes: 10}, "ab 0/4"},
		{store.NodeQuery{IDs: []string{"f", "a"}, Since: store.KeyAt(since)}, "f 0/1"},
	} {
		if got := f.items(t, c.q); got != c.want {
			t.Errorf("%+v gives %s, want %s", c.q, got, c.want)
		}
	}
	for _, q := range []store.NodeQuery{{Max: 1, After: "nothing"}, {Max: 1, Before: "' OR 1=1 --"}} {
		if _, err := f.Nodes.Items(f.ctx, 3, "n", q); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	newest, err := f.Nodes.Newest(f.ctx, 3, []string{"nothing", "n"})
	if err != nil || len(newest) != 1 || newest[0].ID != "f" || string(newest[0].Payload) != "<f/>" || newest[0].Publisher.String() != "juliet@example.org" {
		t.Errorf("newest %+v, %v", newest, err)
	}
}

func testNodeLimits(t *testing.T, f *fixture) {
	add := func(id string, edit func(*store.NewNodeItem)) (*store.Published, error) {
		return f.publish(t, id, "<x/>", edit)
	}
	for _, id := range []string{"a", "b", "c"} {
		_, err := add(id, nil)
		must(t, err)
		f.clock.Move(time.Second)
	}
	if out, err := add("d", func(i *store.NewNodeItem) { i.Keep = 2 }); err != nil || !slices.Equal(out.Removed, []string{"a", "b"}) || out.Items != 2 || out.Bytes != 10 {
		t.Fatalf("the oldest make room: %+v, %v", out, err)
	}
	reject := func(i *store.NewNodeItem) { i.Keep, i.Reject = 2, true }
	if _, err := add("e", reject); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("full: %v", err)
	}
	if _, err := add("d", reject); err != nil {
		t.Errorf("replaced in a full node: %v", err)
	}
	romeo := address(t, "romeo@example.net")
	others := func(i *store.NewNodeItem) { i.Publisher, i.Own = romeo, true }
	if _, err := add("d", others); !errors.Is(err, store.ErrConflict) {
		t.Errorf("replaced another's: %v", err)
	}
	if got := f.items(t, store.NodeQuery{Max: -1}); got != "cd 0/2" {
		t.Errorf("refusals left %s", got)
	}
	if _, ticket := f.Nodes.Retract(3, "n", "d", &romeo); !errors.Is(ticket.Wait(f.ctx), store.ErrConflict) {
		t.Error("another's item was retracted")
	}
	if _, ticket := f.Nodes.Retract(3, "n", "x", nil); !errors.Is(ticket.Wait(f.ctx), store.ErrNotFound) {
		t.Error("what is not there was retracted")
	}
	out, ticket := f.Nodes.Retract(3, "n", "d", nil)
	if err := ticket.Wait(f.ctx); err != nil || out.Items != 1 || out.Bytes != 5 {
		t.Errorf("retracted: %+v, %v", out, err)
	}
	f.clock.Move(time.Hour)
	since := store.KeyAt(f.clock.Now().Add(-time.Minute))
	if out, err := add("g", func(i *store.NewNodeItem) { i.Since = since }); err != nil || len(out.Removed) != 0 || out.Items != 1 {
		t.Errorf("what has expired goes: %+v, %v", out, err)
	}
	for _, id := range []string{"h", "i"} {
		f.clock.Move(time.Second)
		_, err := add(id, nil)
		must(t, err)
	}
	f.wait(t, f.Nodes.ChangeNode(3, store.NodeChange{Node: "n", Keep: 2}))
	if got := f.items(t, store.NodeQuery{Max: -1}); got != "hi 0/2" {
		t.Errorf("trimmed to %s", got)
	}
	f.wait(t, f.Nodes.ChangeNode(3, store.NodeChange{Node: "n", Purge: true}))
	if got := f.items(t, store.NodeQuery{Max: -1}); got != " 0/0" {
		t.Errorf("purged, left %s", got)
	}
	f.longNodes(t)
}

// longNodes: names as long as they may be fit, and longer ones are refused.
func (f *fixture) longNodes(t *testing.T) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	name, id := noise(rng, store.MaxNodeName), noise(rng, store.MaxItemID)
	peer, err := jid.New(noise(rng, 1000), noise(rng, 50)+".example", noise(rng, store.MaxNodePeer-1000-50-10))
	must(t, err)
	long := store.NodeChange{
		Node: name, Make: &store.NewNode{Creator: peer.Bare(), Config: "x"}, Affiliations: []store.NodeAffiliation{{JID: peer, Is: "member"}},
		Subscriptions: []store.NodeSubscription{{JID: peer, State: "subscribed"}},
	}
	f.wait(t, f.Nodes.ChangeNode(3, long))
	edit := func(i *store.NewNodeItem) { i.Node = name }
	if _, err := f.publish(t, id, "<x/>", edit); err != nil {
		t.Error(err)
	}
	if _, err := f.publish(t, id+"x", "<x/>", edit); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too long an id: %v", err)
	}
	long.Node += "x"
	if err := f.Nodes.ChangeNode(3, long).Wait(f.ctx); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too long a name: %v", err)
	}
}
