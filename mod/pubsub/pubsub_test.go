package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const payload = "<x xmlns='urn:x'/>"

// What a publication writes: one row, and one more when the node is made. The newest item of a node is ready, so that who comes reads nothing.
func TestWhatPublishingCosts(t *testing.T) {
	v := newWorld(t, 3, nil)
	me := v.bind(juliet, "a")
	me.online("")
	me.publish("n", "i", payload)
	for range 3 {
		before := v.db.Stats()
		me.publish("n", "i", payload)
		after := v.db.Stats()
		if rows := after.OtherRows - before.OtherRows; rows != 1 {
			t.Errorf("a publication has written %d rows", rows)
		}
		if reads := after.Reads - before.Reads; reads != 0 {
			t.Errorf("a publication has read %d times", reads)
		}
	}
	friend := v.bind(v.friends[0], "b", "n")
	before := v.db.Stats().Reads
	friend.say("<presence>" + friend.caps("") + "</presence>")
	id := friend.questions()[0]
	friend.say("<iq type='result' id='" + id + "' to='example.org'>" + string(friend.info.AppendXML(nil)) + "</iq>")
	if n := friend.events(); n != 1 {
		t.Errorf("%d last items", n)
	}
	if reads := v.db.Stats().Reads - before; reads != 0 {
		t.Errorf("coming online has read %d times", reads)
	}
	if me.publish("m", "i", payload); len(v.module.books.Of(me.s.Account).nodes) != 2 {
		t.Error("no second node")
	}
}

// One read brings the last items of all nodes, of an account that was read anew; one without nodes is not read.
func TestLastItemsAreOneRead(t *testing.T) {
	v := newWorld(t, 5, nil)
	acc, err := v.db.Accounts.Get(t.Context(), "example.org", "juliet")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"a", "b", "c", "d"} {
		for _, id := range []string{"1", "2"} {
			o := defaults(node)
			o.MaxItems = 0
			_, ticket := v.db.Nodes.Publish(acc.ID, store.NewNodeItem{
				Node: node, ID: id, Publisher: juliet, Payload: []byte(payload), Keep: 10, Make: &store.NewNode{Creator: juliet, Config: o.kept()},
			})
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, j := range append(v.friends[1:], juliet) {
		v.bind(j, "there")
	}
	friend := v.bind(v.friends[0], "b", "a", "b", "c", "none")
	friend.say("<presence>" + friend.caps("") + "</presence>")
	id := friend.questions()[0]
	before := v.db.Stats().Reads
	friend.say("<iq type='result' id='" + id + "' to='example.org'>" + string(friend.info.AppendXML(nil)) + "</iq>")
	friend.rest()
	got := friend.take()
	if n := strings.Count(got, "<item id='2'>"); n != 3 || strings.Contains(got, "<item id='1'") {
		t.Errorf("%d last items in %s", n, got)
	}
	// As of one moment: a statement for each node in one transaction, and nothing of the friend's own account, which has none.
	if reads := v.db.Stats().Reads - before; reads != 3 {
		t.Errorf("%d reads", reads)
	}
}

// A publication reaches 1,000 contacts as one encoded stanza, those that are offline cost no read, and how much is published at once is bounded.
func TestManyContacts(t *testing.T) {
	v := newWorld(t, 1000, func(c *config.Pubsub) { c.Deliveries = 500 })
	me := v.bind(juliet, "a")
	me.online("")
	var there []*client
	for i := range 50 {
		c := v.bind(v.friends[i], "x", "n")
		c.online("")
		there = append(there, c)
	}
	v.rest()
	before := v.db.Stats().Reads
	me.publish("n", "i", payload)
	for i, c := range there {
		c.mu.Lock()
		n := strings.Count(c.got, "<item id='i'>")
		c.mu.Unlock()
		if n != 1 {
			t.Fatalf("friend %d got %d", i, n)
		}
	}
	if reads := v.db.Stats().Reads - before; reads != 0 {
		t.Errorf("%d reads for those who are not there", reads)
	}
	if len(v.host.Loaded()) > 60 {
		t.Errorf("%d accounts were loaded", len(v.host.Loaded()))
	}
	refused := 0
	for i := range 6 {
		if got := me.ask("set", ns.PubSub, fmt.Sprintf("<publish node='n'><item id='%d'>%s</item></publish>", i, payload)); strings.Contains(got, "policy-violation") {
			refused++
		}
	}
	if refused != 2 { // for the last one more than there is was spent
		t.Errorf("%d of 6 publications were refused", refused)
	}
	v.mu.Lock()
	v.clock = v.clock.Add(time.Minute)
	v.mu.Unlock()
	me.publish("n", "later", payload)
}

// A hash that proves itself is asked for once, for all; one that does not is asked for each time, and counts for its client alone.
func TestCaps(t *testing.T) {
	v := newWorld(t, 4, nil)
	me := v.bind(juliet, "a")
	me.online("")
	me.publish("n", "i", payload)
	first, second := v.bind(v.friends[0], "x", "n"), v.bind(v.friends[1], "x", "n")
	first.online("")
	second.online("")
	if first.asked != 1 || second.asked != 0 {
		t.Errorf("asked %d and %d times", first.asked, second.asked)
	}
	if second.events() != 1 {
		t.Error("no last item by a hash that is known")
	}
	// XEP-0115 section 9.1: another's hash is claimed by somebody whose answer does not fit.
	honest, err := v.bind(v.friends[3], "y", "other").info.Ver("sha-1")
	if err != nil {
		t.Fatal(err)
	}
	liar := v.bind(v.friends[2], "x", "n")
	liar.online(honest)
	if liar.asked != 1 || liar.events() != 1 {
		t.Errorf("asked %d times", liar.asked)
	}
	victim := v.bind(v.friends[3], "x", "other")
	victim.online("")
	if victim.asked != 1 {
		t.Error("what a liar has said is believed of others")
	}
	me.publish("n", "j", payload)
	if victim.events() != 0 || liar.events() != 1 {
		t.Error("wishes are mixed up")
	}
}

// The hook hears of what has happened, when it is durable; the port publishes by the same rules as a client.
func TestHookAndPort(t *testing.T) {
	v := newWorld(t, 1, nil)
	me := v.bind(juliet, "a", "n")
	me.online("")
	me.publish("n", "i", payload)
	me.ask("set", ns.PubSub, "<retract node='n'><item id='i'/></retract>")
	me.ask("set", ns.PubSubOwner, "<purge node='n'/>")
	me.ask("set", ns.PubSubOwner, "<delete node='n'/>")
	full := jid.MustParse("juliet@example.org/a")
	want := []core.Publication{
		{Node: "n", By: full, Item: "i", Payload: payload},
		{Node: "n", By: full, Retracted: []string{"i"}},
		{Node: "n", By: full, Purged: true},
		{Node: "n", By: full, Deleted: true},
	}
	if got := fmt.Sprintf("%+v", v.heard); got != fmt.Sprintf("%+v", want) {
		t.Errorf("heard\n%s\nwant\n%+v", got, want)
	}
	do := func(f func(w *core.Work, a *core.Account) store.Ticket) error {
		var ticket store.Ticket
		if err := v.host.Ask(t.Context(), juliet, func(w *core.Work, a *core.Account) error {
			ticket = f(w, a)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return ticket.Wait(t.Context())
	}
	p := v.host.Ports.Publisher
	if err := do(func(w *core.Work, a *core.Account) store.Ticket {
		return p.Publish(w, a, "n", "i", payload, map[string]string{"pubsub#access_model": "open"})
	}); err != nil {
		t.Fatal(err)
	}
	if me.events() == 0 {
		t.Error("the account's client was not told")
	}
	for what, f := range map[string]func(w *core.Work, a *core.Account) store.Ticket{
		"strange option": func(w *core.Work, a *core.Account) store.Ticket {
			return p.Publish(w, a, "x", "i", payload, map[string]string{"x": "y"})
		},
		"too large": func(w *core.Work, a *core.Account) store.Ticket {
			return p.Publish(w, a, "n", "i", strings.Repeat("x", v.config.Pubsub.ItemBytes+1), nil)
		},
		"no item": func(w *core.Work, a *core.Account) store.Ticket { return p.Retract(w, a, "n", "nothing") },
		"no node": func(w *core.Work, a *core.Account) store.Ticket { return p.Retract(w, a, "x", "i") },
	} {
		var refused *stanza.Error
		if err := do(f); !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	items, err := p.Items(t.Context(), me.s.Account, "n")
	if err != nil || len(items) != 1 || string(items[0].Payload) != payload {
		t.Errorf("items %+v, %v", items, err)
	}
	if err := do(func(w *core.Work, a *core.Account) store.Ticket { return p.Retract(w, a, "n", "i") }); err != nil {
		t.Error(err)
	}
}

// failing keeps nothing for a while.
type failing struct {
	kept
	down bool
}

type kept interface{ store.Nodes }

func (f *failing) ChangeNode(owner store.Owner, c store.NodeChange) store.Ticket {
	if f.down {
		return store.Settled(store.ErrFull)
	}
	return f.kept.ChangeNode(owner, c)
}

func (f *failing) Publish(owner store.Owner, i store.NewNodeItem) (*store.Published, store.Ticket) {
	if f.down {
		return new(store.Published), store.Settled(store.ErrFull)
	}
	return f.kept.Publish(owner, i)
}

// What the disk has not taken is told to nobody, and has never been.
func TestFailedChanges(t *testing.T) {
	v := newWorld(t, 1, nil)
	disk := &failing{kept: v.db.Nodes}
	v.module.nodes = disk
	me, friend := v.bind(juliet, "a", "n"), v.bind(v.friends[0], "b", "n")
	me.online("")
	friend.online("")
	me.publish("n", "i", payload)
	friend.take()
	disk.down = true
	for _, c := range [][2]string{
		{ns.PubSub, "<publish node='n'><item id='j'>" + payload + "</item></publish>"},
		{ns.PubSub, "<publish node='new'><item id='j'>" + payload + "</item></publish>"},
		{ns.PubSub, "<create node='new'/>"},
		{ns.PubSubOwner, "<delete node='n'/>"},
		{ns.PubSubOwner, "<purge node='n'/>"},
		{ns.PubSubOwner, "<affiliations node='n'><affiliation jid='nurse@example.org' affiliation='owner'/></affiliations>"},
	} {
		if got := me.ask("set", c[0], c[1]); !strings.Contains(got, "resource-constraint") || strings.Contains(got, "<event") {
			t.Errorf("%s: %s", c[1], got)
		}
	}
	if n := friend.events(); n != 0 {
		t.Errorf("a contact was told %d times", n)
	}
	disk.down = false
	v.rest()
	if got := friend.ask("get", ns.PubSub, "<items node='n'/>"); !strings.Contains(got, "<item id='i'>") {
		t.Errorf("the node is %s", got)
	}
	if got := me.ask("get", ns.PubSub, "<items node='new'/>"); !strings.Contains(got, "item-not-found") {
		t.Errorf("the new node is %s", got)
	}
	if got := me.ask("get", ns.PubSubOwner, "<affiliations node='n'/>"); strings.Contains(got, "nurse") {
		t.Errorf("affiliations are %s", got)
	}
	if len(v.heard) != 1 {
		t.Errorf("heard %+v", v.heard)
	}
}

// Limits hold: nodes, bytes in all, and subscribers.
func TestLimits(t *testing.T) {
	v := newWorld(t, 2, func(c *config.Pubsub) { c.Nodes, c.Bytes, c.Peers, c.ItemBytes = 2, 1000, 1, 600 })
	me := v.bind(juliet, "a")
	big := "<x xmlns='urn:x'>" + strings.Repeat("x", 550) + "</x>"
	me.publish("n", "i", big)
	if got := me.ask("set", ns.PubSub, "<publish node='m'><item id='i'>"+big+"</item></publish>"); !strings.Contains(got, "resource-constraint") {
		t.Errorf("more bytes than there is room for: %s", got)
	}
	me.ask("set", ns.PubSub, "<retract node='n'><item id='i'/></retract>")
	me.publish("m", "i", big)
	if got := me.ask("set", ns.PubSub, "<create node='o'/>"); !strings.Contains(got, "resource-constraint") {
		t.Errorf("a third node: %s", got)
	}
	if got := me.ask("set", ns.PubSub, "<publish node='o'><item id='i'>"+payload+"</item></publish>"); !strings.Contains(got, "resource-constraint") {
		t.Errorf("a third node by publishing: %s", got)
	}
	for i, want := range []string{"type='result'", "too-many-subscriptions"} {
		c := v.bind(v.friends[i], "x")
		if got := c.ask("set", ns.PubSub, "<subscribe node='n' jid='"+v.friends[i].String()+"'/>"); !strings.Contains(got, want) {
			t.Errorf("subscriber %d: %s", i, got)
		}
	}
	if got := me.ask("set", ns.PubSubOwner, "<affiliations node='n'><affiliation jid='x@y' affiliation='member'/><affiliation jid='z@y' affiliation='member'/></affiliations>"); !strings.Contains(got, "resource-constraint") {
		t.Errorf("too many affiliations: %s", got)
	}
}

// Items expire, and are neither read nor sent after that.
func TestExpiry(t *testing.T) {
	v := newWorld(t, 1, nil)
	v.mu.Lock()
	v.clock = time.Now()
	v.mu.Unlock()
	me := v.bind(juliet, "a")
	if got := me.ask("set", ns.PubSub, "<create node='n'/><configure><x xmlns='jabber:x:data' type='submit'><field var='pubsub#item_expire'><value>60</value></field></x></configure>"); !strings.Contains(got, "result") {
		t.Fatal(got)
	}
	me.publish("n", "i", payload)
	if got := me.ask("get", ns.PubSub, "<items node='n'/>"); !strings.Contains(got, "<item id='i'>") {
		t.Errorf("fresh: %s", got)
	}
	v.mu.Lock()
	v.clock = v.clock.Add(2 * time.Minute)
	v.mu.Unlock()
	if got := me.ask("get", ns.PubSub, "<items node='n'/>"); strings.Contains(got, "<item id=") {
		t.Errorf("expired: %s", got)
	}
	if friend := v.bind(v.friends[0], "b", "n"); true {
		friend.online("")
		if friend.events() != 0 {
			t.Error("an expired item was sent")
		}
	}
}

// Who gets the name of a deleted account inherits nothing of what it was to others.
func TestDeletedAccount(t *testing.T) {
	v := newWorld(t, 1, nil)
	me, nurse := v.bind(juliet, "a"), v.bind(jid.MustParse("nurse@example.org"), "b")
	me.publish("n", "i", payload)
	me.publish("shut", "i", payload)
	me.ask("set", ns.PubSubOwner, "<affiliations node='n'><affiliation jid='nurse@example.org' affiliation='owner'/></affiliations>")
	me.ask("set", ns.PubSubOwner, "<affiliations node='shut'><affiliation jid='nurse@example.org' affiliation='outcast'/></affiliations>")
	nurse.ask("set", ns.PubSub, "<subscribe node='n' jid='nurse@example.org'/>")
	if got := nurse.ask("get", ns.PubSubOwner, "<subscriptions node='n'/>"); !strings.Contains(got, "nurse") {
		t.Fatal(got)
	}
	err := v.host.DeleteAccount(t.Context(), nurse.s.Account.JID, func(ctx context.Context) error { return v.db.Accounts.Delete(ctx, nurse.s.Account.ID) })
	if err != nil {
		t.Fatal(err)
	}
	v.rest()
	for _, what := range []string{"subscriptions", "affiliations"} {
		if got := me.ask("get", ns.PubSubOwner, "<"+what+" node='n'/>"); strings.Contains(got, "nurse") {
			t.Errorf("%s: %s", what, got)
		}
	}
	kept, err := v.db.Nodes.Nodes(t.Context(), me.s.Account.ID)
	if err != nil || len(kept) != 2 || len(kept[0].Affiliations)+len(kept[0].Subscriptions) != 0 {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if got := me.ask("get", ns.PubSubOwner, "<affiliations node='shut'/>"); !strings.Contains(got, "'outcast'") {
		t.Errorf("a ban went: %s", got)
	}
}
