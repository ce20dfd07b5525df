package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// showing makes an account with a node n of two items, and a node without one.
func (f *fixture) showing(t testing.TB, local string, contacts ...store.Contact) store.Account {
	t.Helper()
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: local, Contacts: contacts})
	must(t, err)
	me := address(t, local+"@example.org")
	made := &store.NewNode{Creator: me, Config: "of " + local}
	for _, id := range []string{"old", "new"} {
		_, done := f.Nodes.Publish(a.ID, store.NewNodeItem{Node: "n", ID: id, Publisher: me, Payload: []byte("<x/>"), Keep: 5, Make: made})
		f.wait(t, done)
		f.clock.Move(time.Second)
	}
	f.wait(t, f.Nodes.ChangeNode(a.ID, store.NodeChange{Node: "empty", Make: made}))
	return a
}

// shown are the accounts of which an asker is shown the node n, with what stands between it and the asker.
func (f *fixture) shown(t testing.TB, asker string, accounts ...string) string {
	t.Helper()
	q := store.ShownQuery{Asker: address(t, asker)}
	for _, a := range accounts {
		q.Accounts = append(q.Accounts, address(t, a+"@example.org"))
	}
	var b strings.Builder
	q.Choose = func(account jid.JID, all []store.ShownNode) []store.ShownNode {
		for _, n := range all {
			fmt.Fprintf(&b, "%s:%s", account.Local(), n.Name)
			for _, more := range [][]string{n.Groups, {n.Affiliation}, n.Subscriptions} {
				if text := strings.Join(more, "+"); text != "" {
					b.WriteString(" " + text)
				}
			}
			b.WriteString("; ")
			if n.Config != "of "+account.Local() {
				t.Errorf("config of %s: %q", account, n.Config)
			}
		}
		return nil
	}
	items, err := f.Nodes.Shown(f.ctx, q)
	if err != nil || len(items) > 0 {
		t.Errorf("what was not chosen: %+v, %v", items, err)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// testShown: last items are those of people of whom the asker sees the presence, and of nobody else.
func testShown(t *testing.T, f *fixture) {
	romeo := address(t, "romeo@example.net")
	with := func(s store.Subscription, groups ...string) store.Contact {
		return store.Contact{JID: romeo, Subscription: s, Groups: groups}
	}
	block := func(a store.Account, j string) {
		f.wait(t, f.Blocks.ChangeBlocked(a.ID, store.BlockChange{Add: []jid.JID{address(t, j)}}))
	}
	f.showing(t, "both", with(store.SubscriptionBoth, "friends", "work"))
	from := f.showing(t, "from", with(store.SubscriptionFrom))
	f.showing(t, "to", with(store.SubscriptionTo))
	f.showing(t, "none", with(store.SubscriptionNone))
	f.showing(t, "stranger")
	must(t, f.Accounts.SetDisabled(f.ctx, f.showing(t, "disabled", with(store.SubscriptionBoth)).ID, true))
	f.wait(t, f.Leavers.Leave(f.showing(t, "leaving", with(store.SubscriptionBoth)).ID, f.clock.Now().Add(time.Hour)))
	block(f.showing(t, "bars-romeo", with(store.SubscriptionBoth)), "romeo@example.net")
	block(f.showing(t, "bars-domain", with(store.SubscriptionBoth)), "example.net")
	block(f.showing(t, "bars-device", with(store.SubscriptionBoth)), "romeo@example.net/orchard")
	block(f.showing(t, "bars-iago", with(store.SubscriptionBoth)), "iago@example.net")
	f.wait(t, f.Nodes.ChangeNode(from.ID, store.NodeChange{
		Node: "n", Affiliations: []store.NodeAffiliation{{JID: romeo, Is: "outcast"}, {JID: address(t, "iago@example.net"), Is: "member"}},
		Subscriptions: []store.NodeSubscription{{JID: romeo, State: "pending"}, {JID: address(t, "romeo@example.net/orchard"), State: "subscribed"}},
	}))
	f.reopen(t)
	all := []string{"both", "nobody", "from", "to", "none", "stranger", "disabled", "leaving", "bars-romeo", "bars-domain", "bars-device", "bars-iago"}
	const always = "both:n friends+work; from:n outcast pending+subscribed"
	for asker, want := range map[string]string{
		"romeo@example.net":         always + "; bars-device:n; bars-iago:n",
		"romeo@example.net/orchard": always + "; bars-iago:n",
		"romeo@example.net/balcony": always + "; bars-device:n; bars-iago:n",
		"iago@example.net":          "",
		"romeo@example.org":         "",
	} {
		if got := f.shown(t, asker, all...); got != want {
			t.Errorf("%s is shown %q, want %q", asker, got, want)
		}
	}
	f.shownItems(t)
}

// shownItems: of what was chosen the newest items, in that order.
func (f *fixture) shownItems(t *testing.T) {
	t.Helper()
	var sizes []int
	q := store.ShownQuery{Asker: address(t, "romeo@example.net"), Accounts: []jid.JID{address(t, "from@example.org"), address(t, "both@example.org")}}
	q.Choose = func(_ jid.JID, all []store.ShownNode) []store.ShownNode {
		for _, n := range all {
			sizes = append(sizes, n.Bytes)
		}
		return all
	}
	var got []string
	items, err := f.Nodes.Shown(f.ctx, q)
	must(t, err)
	for _, x := range items {
		got = append(got, fmt.Sprint(x.Account, " ", x.Config, " ", x.Node, " ", x.ID, " ", x.Publisher, " ", string(x.Payload)))
	}
	want := []string{"from@example.org of from n new from@example.org <x/>", "both@example.org of both n new both@example.org <x/>"}
	if !slices.Equal(got, want) || !slices.Equal(sizes, []int{7, 7}) {
		t.Errorf("got %q, of %v bytes", got, sizes)
	}
}
