package roster

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// A full disk: nobody is told anything but the sender, who gets an error, and memory stays what is on disk.
func TestFullDisk(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	v.disk.set(true, false)
	if got := a.set("<item jid='bob@example.org' name='never'/>"); !strings.Contains(got, "<resource-constraint ") {
		t.Errorf("set on a full disk: %s", got)
	}
	if got := a.set("<item jid='bob@example.org' subscription='remove'/>"); !strings.Contains(got, "<resource-constraint ") {
		t.Errorf("removal on a full disk: %s", got)
	}
	a.send("<presence type='unsubscribed' to='bob@example.org' id='u1'/>")
	a.expect("<presence", "type='error'", "id='u1'", "<resource-constraint ")
	a.none("<item")
	b.none("alice")
	v.sameAsDisk(alice)
	v.disk.set(false, false)
	a.presence("unsubscribed", bob)
	b.expect("type='unsubscribed'")
	a.expect("<item", "subscription='to'")
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// A request that cannot be kept goes back to who made it.
func TestRequestNotKept(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	a.presence("subscribe", bob)
	b.expect("type='subscribe'")
	a.presence("unsubscribe", bob)
	b.expect("type='unsubscribe'")
	v.quiet()
	a.presence("subscribe", bob)
	b.expect("type='subscribe'")
	b.presence("unsubscribed", alice)
	a.expect("type='unsubscribed'")
	v.quiet()
	// The request itself fits at alice, but not at bob any more.
	v.disk.set(false, true)
	a.presence("subscribe", bob)
	v.await(func() bool { return v.disk.waiting() == 1 }, func() string { return "no change is waiting" })
	v.disk.set(true, false)
	a.expect("<presence", "type='error'", "from='bob@example.org'", "<resource-constraint ")
	b.none("type='subscribe'")
	v.sameAsDisk(bob)
}

// Nothing is shown before it is durable, and a second change of a contact is decided on what became of the first.
func TestSlowDisk(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	v.quiet()
	v.disk.set(false, true)
	first := a.begin("set", "<query xmlns='jabber:iq:roster'><item jid='bob@example.org' name='one'/></query>")
	a.presence("unsubscribed", bob)
	third := a.begin("set", "<query xmlns='jabber:iq:roster'><item jid='bob@example.org' name='two'/></query>")
	other := a.begin("set", "<query xmlns='jabber:iq:roster'><item jid='carol@example.org'/></query>")
	v.await(func() bool { return v.disk.waiting() == 2 }, func() string { return fmt.Sprint("changes waiting: ", v.disk.waiting()) })
	// Reading goes on meanwhile, and sees what is durable.
	if got := a.roster(); strings.Contains(got, "name=") || strings.Contains(got, "carol") || !strings.Contains(got, "subscription='both'") {
		t.Errorf("roster before the disk has it: %s", got)
	}
	if log := a.log(); strings.Contains(log, "name='one'") {
		t.Errorf("shown before it is durable: %s", log)
	}
	v.disk.set(false, false)
	a.expect("<item", "name='one'", "subscription='both'")
	a.expect("<item", "carol")
	a.quiet()
	log := a.log()
	at := -1
	for _, want := range []string{
		"name='one' subscription='both'", "id='" + first + "' type='result'", "name='one' subscription='to'",
		"name='two' subscription='to'", "id='" + third + "' type='result'",
	} {
		i := strings.Index(log, want)
		if i <= at {
			t.Errorf("%s is missing or in the wrong place:\n%s", want, log)
		}
		at = i
	}
	if !strings.Contains(log, "id='"+other+"' type='result'") {
		t.Error("the other contact's change has no result")
	}
	b.expect("type='unsubscribed'")
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// The first of two quick changes fails: the second stands on what is left.
func TestFirstOfTwoFails(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	v.disk.set(true, true)
	a.send("<presence type='subscribe' to='bob@example.org' id='s1'/>")
	second := a.begin("set", "<query xmlns='jabber:iq:roster'><item jid='bob@example.org' name='Bob'/></query>")
	v.await(func() bool { return v.disk.waiting() == 1 }, func() string { return "no change is waiting" })
	v.disk.set(false, false)
	a.expect("<presence", "type='error'", "id='s1'")
	a.expect("id='"+second+"'", "type='result'")
	if got := a.roster(); !strings.Contains(got, "<item jid='bob@example.org' name='Bob' subscription='none'/>") {
		t.Errorf("a request that was never sent is in the roster: %s", got)
	}
	b.none("alice")
	v.sameAsDisk(alice)
}

// Many changes at once, of both sides: versions only grow for those who watch, and memory ends up as the disk.
func TestManyChanges(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	types := []string{"subscribe", "subscribed", "unsubscribe", "subscribe", "unsubscribed", "subscribed"}
	for i := range 60 {
		a.presence(types[i%len(types)], bob)
		b.presence(types[(i*5+1)%len(types)], alice)
		a.begin("set", fmt.Sprintf("<query xmlns='jabber:iq:roster'><item jid='%d@example.org' name='%d'/></query>", i%7, i))
	}
	a.expect("id='q61'") // the roster was the first
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
	last := ""
	for line := range strings.SplitSeq(a.log(), "\n") {
		if !strings.Contains(line, "type='set'") {
			continue
		}
		if now := version(t, line); len(now) < len(last) || (len(now) == len(last) && now <= last) {
			t.Errorf("version %s behind %s", now, last)
		} else {
			last = now
		}
	}
}

// The account goes: everybody who had to do with it is told.
func TestAccountDeleted(t *testing.T) {
	v := newWorld(t, "alice", "bob", "carol")
	a, b, c := v.online(alice, "a"), v.online(bob, "b"), v.online("carol@example.org", "c")
	befriend(a, b, alice, bob)
	c.presence("subscribe", alice)
	a.expect("type='subscribe'")
	err := v.host.DeleteAccount(context.Background(), jid.MustParse(alice), func(ctx context.Context) error {
		// What comes while the store still knows it finds nobody.
		return v.host.Ask(ctx, jid.MustParse(alice), func(_ *core.Work, acc *core.Account) error {
			if acc.Exists {
				t.Error("the account is there again before it is erased")
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	c.expect("type='unsubscribed'", "from='alice@example.org'")
	c.expect("<item jid='alice@example.org' subscription='none'/>")
	b.expect("<item jid='alice@example.org' subscription='none'/>")
	v.sameAsDisk(bob)
	v.sameAsDisk("carol@example.org")
}

// What strangers can leave behind is bounded, and the longest request does not hinder the log-on.
func TestRequestLimits(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a := v.online(alice, "a")
	a.send("<presence type='subscribe' to='bob@example.org'><status>" + strings.Repeat("long", maxRequest/4) + "</status></presence>")
	v.quiet()
	b := v.online(bob, "b")
	if got := b.expect("type='subscribe'", "from='alice@example.org'"); strings.Contains(got, "status") {
		t.Errorf("kept in full: %.200s", got)
	}
	v.sameAsDisk(bob)

	err := v.host.Ask(context.Background(), jid.MustParse(bob), func(_ *core.Work, acc *core.Account) error {
		mine := v.roster.books.Of(acc)
		for i := len(mine.requests); i < maxRequests; i++ {
			j := jid.MustParse(fmt.Sprintf("%d@elsewhere.example", i))
			mine.set(j, contact{state: pendingIn})
			mine.ask(j, "<presence xmlns='jabber:client' type='subscribe'/>")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.db.Accounts.Create(context.Background(), store.NewAccount{Domain: "example.org", Local: "carol"}); err != nil {
		t.Fatal(err)
	}
	c := v.online("carol@example.org", "c")
	c.presence("subscribe", bob)
	c.expect("<presence", "type='error'", "from='bob@example.org'", "<resource-constraint ")
	b.none("carol")
}

// A kept request that cannot be read any more costs itself and nothing else.
func TestPoisonedRequest(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	acc, err := v.db.Accounts.Get(context.Background(), "example.org", "bob")
	if err != nil {
		t.Fatal(err)
	}
	for j, xml := range map[string]string{"a@example.org": "<presence", "b@example.org": "", "c@example.org": "<presence xmlns='jabber:client' from='c@example.org' type='subscribe'/>"} {
		_, ticket := v.db.Rosters.Change(acc.ID, store.RosterChange{PutPending: &store.Pending{JID: jid.MustParse(j), Stanza: []byte(xml)}})
		if err := ticket.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	b := v.online(bob, "b")
	b.expect("type='subscribe'", "from='c@example.org'")
	b.presence("unsubscribed", "a@example.org")
	b.presence("subscribed", "b@example.org")
	b.expect("<item jid='b@example.org' subscription='from'/>")
	v.sameAsDisk(bob)
}

func large(n int) store.Roster {
	kept := store.Roster{Version: 1}
	for i := range n {
		kept.Contacts = append(kept.Contacts, store.Contact{
			JID: jid.MustParse(fmt.Sprintf("contact.%05d@example.org", i)), Name: fmt.Sprintf("Contact %05d", i),
			Subscription: store.SubscriptionBoth, Groups: []string{"Friends", fmt.Sprintf("Group %d", i%20)},
		})
	}
	return kept
}

// Presence of an account with 5,000 contacts walks the book itself.
func TestContactsCost(t *testing.T) {
	v := newWorld(t, "alice")
	a := v.online(alice, "a").s.Account
	v.roster.books.Of(a).fill(large(5000))
	contacts := core.Contacts(v.roster)
	known, stranger := jid.MustParse("contact.04999@example.org"), jid.MustParse("stranger@example.org")
	n := 0
	count := func(jid.JID, core.Subscription) { n++ }
	allocs := testing.AllocsPerRun(20, func() {
		n = 0
		contacts.Each(a, count)
		if contacts.Subscription(a, known) != core.SubscribedFrom|core.SubscribedTo || contacts.Subscription(a, stranger) != 0 {
			t.Error("wrong subscriptions")
		}
	})
	if allocs != 0 || n != 5000 {
		t.Errorf("%v allocations for %d contacts", allocs, n)
	}
}

func TestMemoryOfContacts(t *testing.T) {
	const n, limit = 5000, 150
	var b book
	before := heap()
	b.fill(large(n))
	per := (heap() - before) / n
	t.Logf("%d bytes of memory for each contact", per)
	if per > limit {
		t.Errorf("%d bytes of memory for each contact, want at most %d", per, limit)
	}
	if b.items != n {
		t.Fatal("not filled")
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkEach(b *testing.B) {
	for _, n := range []int{50, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var k book
			k.fill(large(n))
			b.ReportAllocs()
			for b.Loop() {
				for _, e := range k.contacts {
					if e.contact().state.shown() == 0 {
						b.Fatal("no subscription")
					}
				}
			}
		})
	}
}

func BenchmarkResult10000(b *testing.B) {
	var k book
	k.fill(large(10_000))
	b.ReportAllocs()
	for b.Loop() {
		if len(k.result()) < 10_000 {
			b.Fatal("short")
		}
	}
}
