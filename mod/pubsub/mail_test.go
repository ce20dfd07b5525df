package pubsub

import (
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/mod/archive"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// slowArchive keeps what comes to it when it is told to.
type slowArchive struct {
	store.Archive
	mu   sync.Mutex
	slow bool
	held []*store.Promise
}

func (a *slowArchive) Append(e store.Entry) (store.Key, store.Ticket) {
	key, t := a.Archive.Append(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.slow {
		return key, t
	}
	p := new(store.Promise)
	a.held = append(a.held, p)
	return key, p.Ticket()
}

// hold has the archive wait, or go on.
func (a *slowArchive) hold(slow bool) (held int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.held
	a.slow, a.held = slow, nil
	for _, p := range all {
		p.Settle(nil)
	}
	return len(all)
}

func (a *slowArchive) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.held)
}

// Who makes a notification of type normal is answered when it is durable at all who have subscribed, whether they are there or not, and nothing of it is lost with a
// connection: it is a message like others.
func TestNotificationsOfTypeNormalAreDurable(t *testing.T) {
	disk := new(slowArchive)
	v := newWorldWith(t, 2, nil, func(v *world) {
		disk.Archive = v.db.Archive
		archive.New(archive.Stores{Archive: disk, Offline: v.db.Offline, Prefs: v.db.Prefs}, v.config.Archive, discard()).Install(v.host)
	})
	owner, nurse := v.bind(juliet, "a"), v.bind(jid.MustParse("nurse@example.org"), "a")
	away, there := v.friends[0].String(), v.friends[1].String()
	reader, absent := v.bind(v.friends[1], "a"), v.bind(v.friends[0], "a") // absent shows no presence
	reader.online("")
	owner.must("", ns.PubSub, created("n", "notification_type", "normal", "notify_config", "1", "max_items", "2"))
	owner.must("", ns.PubSub, created("closed", "access_model", "authorize"))
	absent.must("", ns.PubSub, "<subscribe node='n' jid='"+away+"'/>")
	reader.must("", ns.PubSub, "<subscribe node='n' jid='"+there+"'/>")
	item := func(id string) string {
		return "<publish node='n'><item id='" + id + "'><a xmlns='urn:a'>" + id + "</a></item></publish>"
	}
	for _, c := range []struct {
		name, space, inner string
		by                 *client
		kept               int
	}{
		{"publish", ns.PubSub, item("1"), owner, 2},
		{"publish again", ns.PubSub, item("2"), owner, 2},
		{"publish to a full node", ns.PubSub, item("3"), owner, 4},
		{"retract", ns.PubSub, "<retract node='n' notify='1'><item id='2'/></retract>", owner, 2},
		{"configure", ns.PubSubOwner, "<configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#title'><value>t</value></field></x></configure>", owner, 2},
		{"subscribe", ns.PubSub, "<subscribe node='n' jid='nurse@example.org'/>", nurse, 1},
		{"ask an owner", ns.PubSub, "<subscribe node='closed' jid='nurse@example.org'/>", nurse, 1},
		{"purge", ns.PubSubOwner, "<purge node='n'/>", owner, 3},
		{"delete", ns.PubSubOwner, "<delete node='n'/>", owner, 3},
	} {
		disk.hold(true)
		c.by.take()
		c.by.say("<iq type='set' id='ask' to='" + serviceAddress + "'>" + pubsub(c.space, c.inner) + "</iq>")
		for end := time.Now().Add(30 * time.Second); disk.waiting() < c.kept && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if err := v.host.Pool().Rest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := v.host.AskRoom(t.Context(), jid.MustParse(partOf("n")+"@"+serviceAddress), func(*core.Work, *core.Room) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got := c.by.take(); strings.Contains(got, "id='ask'") {
			t.Errorf("%s: answered before it is durable: %s", c.name, got)
		}
		if held := disk.hold(false); held != c.kept {
			t.Errorf("%s: %d are kept, want %d", c.name, held, c.kept)
		}
		if got := c.by.await("ask"); !strings.Contains(got, "type='result'") {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
