package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// kept puts an item onto a node of somebody, as if published long ago.
func (v *world) kept(who jid.JID, node, id string, edit func(*options)) {
	v.Helper()
	acc, err := v.db.Accounts.Get(v.Context(), who.Domain(), who.Local())
	if err != nil {
		v.Fatal(err)
	}
	o := defaults(node)
	if edit != nil {
		edit(&o)
	}
	_, ticket := v.db.Nodes.Publish(acc.ID, store.NewNodeItem{
		Node: node, ID: id, Publisher: who, Payload: []byte(payload), Keep: 1, Make: &store.NewNode{Creator: who, Config: o.kept()},
	})
	if err := ticket.Wait(v.Context()); err != nil {
		v.Fatal(err)
	}
}

// items are the ids of items that have come, in order.
func (c *client) items() string {
	c.rest()
	var out []string
	for _, x := range strings.Split(c.take(), "<item id='")[1:] {
		out = append(out, x[:strings.IndexByte(x, '\'')])
	}
	return strings.Join(out, " ")
}

type keeper = store.Nodes

// gate is a store of nodes that reads what is shown, and answers when it is told to.
type gate struct {
	keeper
	read chan struct{} // has one for each read
	open chan error    // lets one go
}

// Shown is store.Nodes.
func (g *gate) Shown(ctx context.Context, q store.ShownQuery) ([]store.ShownItem, error) {
	items, err := g.keeper.Shown(ctx, q)
	g.read <- struct{}{}
	return items, errors.Join(err, <-g.open)
}

// What somebody keeps reaches a contact who comes online, though nobody of theirs is there: what the contact may see, once.
func TestLastItemsOfWhoIsNotThere(t *testing.T) {
	v := newWorld(t, 2, nil)
	friend := v.friends[0]
	acc, err := v.db.Accounts.Get(t.Context(), "example.org", "juliet")
	if err != nil {
		t.Fatal(err)
	}
	access := func(a string) func(*options) { return func(o *options) { o.Access = a } }
	var wants []string
	for node, edit := range map[string]func(*options){
		"plain": nil, "open": access(accessOpen), "secret": access(accessWhitelist), "asked": access(accessAuthorize), "group": access(accessRoster),
		"banned": access(accessOpen), "listed": access(accessWhitelist), "granted": access(accessAuthorize), "subscribers": func(o *options) { o.Send = sendOnSub },
		"silent": func(o *options) { o.Deliver = false }, "gone": func(o *options) { o.Persist = false }, "old": func(o *options) { o.Expire = 1 },
	} {
		v.kept(juliet, node, node, edit)
		wants = append(wants, node)
	}
	v.kept(juliet, "not wanted", "not-wanted", nil)
	for _, c := range []store.NodeChange{
		{Node: "banned", Affiliations: []store.NodeAffiliation{{JID: friend, Is: string(isOutcast)}}},
		{Node: "listed", Affiliations: []store.NodeAffiliation{{JID: friend, Is: string(isMember)}}},
		{Node: "granted", Subscriptions: []store.NodeSubscription{{JID: friend, State: stateSubscribed}}},
		{Node: "asked", Subscriptions: []store.NodeSubscription{{JID: friend, State: statePending}}},
	} {
		if err := v.db.Nodes.ChangeNode(acc.ID, c).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v.pass(time.Since(v.now()) + time.Hour)
	c := v.bind(friend, "b", wants...)
	c.online("")
	if got := c.items(); got != "granted listed open plain" {
		t.Errorf("shown %q", got)
	}
	c.say("<presence><show>away</show>" + c.caps("") + "</presence>")
	me := v.bind(juliet, "a")
	me.online("")
	if got := c.items(); got != "" {
		t.Errorf("shown again: %q", got)
	}
	c.say("<presence type='unavailable'/>")
	c.online("")
	if got := c.items(); got != "granted listed open plain" {
		t.Errorf("shown to who is back: %q", got)
	}
	other := v.bind(v.friends[1], "b", "plain")
	other.online("")
	if got := other.items(); got != "plain" {
		t.Errorf("shown to another: %q", got)
	}
}

// Whoever comes while the store is asked tells itself, and is not told of by the store any more.
func TestWhoComesWhileTheStoreIsAsked(t *testing.T) {
	for name, x := range map[string]struct {
		meanwhile func(v *world, friend *client)
		told      string
	}{
		"nobody comes": {func(*world, *client) {}, "2 1"},
		"and is seen":  {func(v *world, _ *client) { v.bind(juliet, "a").online("") }, "2 1"},
		"and publishes": {func(v *world, _ *client) {
			v.bind(juliet, "a").publish("n", "new", payload)
		}, "new 2"},
		"and is seen and publishes": {func(v *world, _ *client) {
			me := v.bind(juliet, "a")
			me.online("")
			me.publish("n", "new", payload)
		}, "2 1 new"},
		"and the asker goes": {func(_ *world, friend *client) {
			friend.say("<presence type='unavailable'/>")
		}, ""},
		"and the asker goes and is back": {func(_ *world, friend *client) {
			friend.say("<presence type='unavailable'/>")
			friend.say("<presence>" + friend.caps("") + "</presence>")
		}, "2 1"},
		"and the asker wants nothing more": {func(_ *world, friend *client) {
			friend.say("<presence/>")
		}, ""},
		"and the asker wants more": {func(_ *world, friend *client) {
			friend.info.Features = append(friend.info.Features, "l+notify")
			friend.online("")
		}, "3 2 1"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t, 1, nil)
			g := &gate{keeper: v.db.Nodes, read: make(chan struct{}, 10), open: make(chan error, 10)}
			v.module.nodes = g
			for node, id := range map[string]string{"n": "1", "m": "2", "l": "3"} {
				v.kept(juliet, node, id, nil)
			}
			friend := v.bind(v.friends[0], "b", "n", "m")
			v.held = true
			friend.online("")
			<-g.read
			x.meanwhile(v, friend)
			for range cap(g.open) {
				g.open <- nil
			}
			v.held = false
			if got := friend.items(); got != x.told {
				t.Errorf("told %q, want %q", got, x.told)
			}
		})
	}
}

// What could not be read is told by the contact when it comes.
func TestAbsentInVain(t *testing.T) {
	v := newWorld(t, 1, nil)
	g := &gate{keeper: v.db.Nodes, read: make(chan struct{}, 10), open: make(chan error, 10)}
	v.module.nodes = g
	v.kept(juliet, "n", "1", nil)
	g.open <- errors.New("broken")
	friend := v.bind(v.friends[0], "b", "n")
	friend.online("")
	if got := friend.items(); got != "" {
		t.Errorf("told %q", got)
	}
	v.bind(juliet, "a").online("")
	if got := friend.items(); got != "1" {
		t.Errorf("told %q by who has come", got)
	}
}

// A client is given no more at once than it reads, however many contacts there are.
func TestManyAbsentContacts(t *testing.T) {
	v := newWorld(t, 3*manyAbsent+1, nil)
	for _, j := range v.friends {
		v.kept(j, "n", j.Local(), nil)
	}
	me := v.bind(juliet, "a", "n")
	me.online("")
	seen := map[string]int{}
	for deadline := time.Now().Add(30 * time.Second); len(seen) < len(v.friends) && time.Now().Before(deadline); {
		for _, id := range strings.Fields(me.items()) {
			seen[id]++
		}
	}
	for _, j := range v.friends {
		if seen[j.Local()] != 1 {
			t.Errorf("%s was told %d times", j, seen[j.Local()])
		}
	}
}

// BenchmarkAbsent is a log-in with contacts who are not there, with four nodes each, of a client that wants none or three of them; and the reading alone.
func BenchmarkAbsent(b *testing.B) {
	for _, contacts := range []int{20, 1000} {
		b.Run(fmt.Sprint(contacts), func(b *testing.B) {
			v := newWorld(b, contacts, nil)
			for _, j := range v.friends {
				for _, node := range []string{"avatar", "nick", "devices", "bookmarks"} {
					v.kept(j, node, node, nil)
				}
			}
			b.Run("read", func(b *testing.B) {
				of, all := wishes{"avatar": {}, "nick": {}, "devices": {}}, map[jid.JID]*wishes{}
				for _, j := range v.friends {
					all[j] = &of
				}
				for range b.N {
					if got, err := v.module.lastOf(b.Context(), juliet, all); len(got) != 3*contacts || err != nil {
						b.Fatal(len(got), err)
					}
				}
			})
			for _, wants := range [][]string{nil, {"avatar", "nick", "devices"}} {
				b.Run(fmt.Sprint(len(wants)), func(b *testing.B) {
					me := v.bind(juliet, fmt.Sprint("r", len(wants)), wants...)
					me.online("")
					me.say("<presence type='unavailable'/>")
					b.ResetTimer()
					for range b.N {
						me.take()
						me.say("<presence>" + me.caps("") + "</presence>")
						for n, want := 0, contacts*len(wants); n < want; n += me.events() {
						}
						me.say("<presence type='unavailable'/>")
					}
				})
			}
		})
	}
}
