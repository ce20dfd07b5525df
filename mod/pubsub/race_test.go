package pubsub

import (
	"strings"
	"sync"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
)

func configuring(node string, fields ...string) string {
	var b strings.Builder
	b.WriteString("<iq type='set' id='c'><pubsub xmlns='" + ns.PubSubOwner + "'><configure node='" + node + "'><x xmlns='jabber:x:data' type='submit'>" +
		"<field var='FORM_TYPE'><value>" + ns.PubSubNodeConfig + "</value></field>")
	for i := 0; i < len(fields); i += 2 {
		b.WriteString("<field var='pubsub#" + fields[i] + "'><value>" + fields[i+1] + "</value></field>")
	}
	return b.String() + "</x></configure></pubsub></iq>"
}

func publishing(node, id string) string {
	return "<iq type='set' id='p" + id + "'><pubsub xmlns='" + ns.PubSub + "'><publish node='" + node + "'><item id='" + id + "'>" + payload + "</item></publish></pubsub></iq>"
}

// late is a store that changes nodes when it is let.
type late struct {
	kept
	mu    sync.Mutex
	holds bool
	waits []func()
}

// ChangeNode is store.Nodes.
func (l *late) ChangeNode(owner store.Owner, c store.NodeChange) store.Ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.holds {
		return l.kept.ChangeNode(owner, c)
	}
	p := new(store.Promise)
	l.waits = append(l.waits, func() { l.kept.ChangeNode(owner, c).Done(p.Settle) })
	return p.Ticket()
}

// before has things come behind each other before the disk has changed a node for any of them.
func (l *late) before(steps ...func()) {
	l.mu.Lock()
	l.holds = true
	l.mu.Unlock()
	for _, f := range steps {
		f()
	}
	l.mu.Lock()
	waits := l.waits
	l.holds, l.waits = false, nil
	l.mu.Unlock()
	for _, f := range waits {
		f()
	}
}

// What follows a change of a node follows it also when the account's nodes are read again before it is durable.
func TestReadAgainInBetween(t *testing.T) {
	v := newWorld(t, 2, nil)
	disk := &late{kept: v.db.Nodes}
	v.module.nodes = disk
	me, friend := v.bind(juliet, "a"), v.bind(v.friends[0], "b", "n")
	me.online("")
	friend.online("")
	me.publish("n", "0", payload)
	again := func() {
		err := v.host.Ask(t.Context(), juliet, func(_ *core.Work, a *core.Account) error {
			v.module.books.Of(a).stale = true
			_, err := v.module.of(ofAccount(a))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	friend.say("<iq type='set' id='s' to='juliet@example.org'><pubsub xmlns='" + ns.PubSub + "'><subscribe node='n' jid='" + v.friends[0].String() + "'/></pubsub></iq>")
	me.rest()
	friend.take()
	disk.before(func() { me.say(configuring("n", "access_model", "whitelist")) }, again)
	me.rest()
	configured := 0
	v.mu.Lock()
	for _, p := range v.heard {
		if p.Configured {
			configured++
		}
	}
	v.mu.Unlock()
	if configured != 1 {
		t.Errorf("%d changes were told", configured)
	}
	if got := friend.take(); strings.Count(got, "subscription='none'") != 1 {
		t.Errorf("who is not to read it any more was told %s", got)
	}
	disk.before(func() {
		me.say("<iq type='set' id='u'><pubsub xmlns='" + ns.PubSubOwner + "'><purge node='n'/></pubsub></iq>")
	}, again)
	me.rest()
	if got := me.ask("get", ns.PubSub, "<items node='n'/>"); strings.Contains(got, "<item ") {
		t.Error(got)
	}
	if n := v.module.books.Of(me.s.Account).bytes; n != 0 {
		t.Errorf("%d bytes in nothing", n)
	}
}

// Somebody subscribes to a node that is deleted before the subscription is durable.
func TestSubscribedAndGone(t *testing.T) {
	v := newWorld(t, 1, nil)
	disk := &late{kept: v.db.Nodes}
	v.module.nodes = disk
	me, friend := v.bind(juliet, "a"), v.bind(v.friends[0], "b")
	me.online("")
	me.publish("n", "0", payload)
	disk.before(
		func() {
			friend.say("<iq type='set' id='s' to='juliet@example.org'><pubsub xmlns='" + ns.PubSub + "'><subscribe node='n' jid='" + v.friends[0].String() + "'/></pubsub></iq>")
		},
		func() {
			me.say("<iq type='set' id='d'><pubsub xmlns='" + ns.PubSubOwner + "'><delete node='n'/></pubsub></iq>")
		},
	)
	me.rest()
	if got := friend.take(); !strings.Contains(got, "id='s' type='result'") {
		t.Error(got)
	}
	if got := me.take(); !strings.Contains(got, "id='d' type='result'") {
		t.Error(got)
	}
}

// A node that may keep less keeps less, also of what was published right before.
func TestTrimmedBehindPublications(t *testing.T) {
	v := newWorld(t, 1, nil)
	me := v.bind(juliet, "a")
	me.online("")
	me.publish("n", "0", payload)
	me.say(configuring("n", "max_items", "10"))
	me.rest()
	w := core.NewWork(v.host.Pool())
	for _, text := range []string{publishing("n", "1"), publishing("n", "2"), publishing("n", "3"), configuring("n", "max_items", "1")} {
		me.receive(w, text)
	}
	w.Run()
	me.rest()
	got, err := v.db.Nodes.Items(t.Context(), me.s.Account.ID, "n", store.NodeQuery{Max: -1})
	if err != nil || len(got.Items) != 1 || got.Items[0].ID != "3" {
		t.Errorf("%+v, %v", got.Items, err)
	}
	if got := me.ask("get", ns.PubSub, "<items node='n'/>"); strings.Count(got, "<item ") != 1 {
		t.Error(got)
	}
}

// What subscribers are told of options says nothing of the owner's roster.
func TestGroupsStayAtHome(t *testing.T) {
	v := newWorld(t, 1, nil)
	v.groups[v.friends[0]] = []string{"lovers"}
	me, friend := v.bind(juliet, "a"), v.bind(v.friends[0], "b", "n")
	me.online("")
	friend.online("")
	me.publish("n", "0", payload)
	friend.take()
	me.say(configuring("n", "access_model", "roster", "roster_groups_allowed", "lovers", "notify_config", "1"))
	me.rest()
	if got := friend.take(); !strings.Contains(got, "<configuration") || strings.Contains(got, "lovers") {
		t.Error(got)
	}
}
