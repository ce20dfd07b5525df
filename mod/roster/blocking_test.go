package roster

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// XEP-0191, "JID Matching": every kind of entry against every kind of address.
func TestMatches(t *testing.T) {
	addresses := []string{
		"user@example.net/res", "user@example.net/other", "user@example.net", "else@example.net/res", "else@example.net",
		"example.net/res", "example.net/other", "example.net", "user@example.com/res", "example.com", "sub.example.net", "user@sub.example.net",
	}
	for entry, want := range map[string]string{
		"user@example.net/res": "user@example.net/res",
		"user@example.net":     "user@example.net/res user@example.net/other user@example.net",
		"example.net/res":      "example.net/res",
		"example.net": "user@example.net/res user@example.net/other user@example.net else@example.net/res else@example.net " +
			"example.net/res example.net/other example.net",
	} {
		list := map[jid.JID]struct{}{jid.MustParse(entry): {}}
		for _, a := range addresses {
			is := false
			for w := range strings.FieldsSeq(want) {
				is = is || w == a
			}
			if got := matches(list, jid.MustParse(a)); got != is {
				t.Errorf("%s matches %s: %v", entry, a, got)
			}
		}
		if matches(list, jid.JID{}) {
			t.Errorf("%s matches nobody", entry)
		}
	}
}

func blockItem(address string) string { return "<item jid='" + address + "'/>" }

func (c *client) block(items ...string) string {
	c.Helper()
	return c.ask("set", "<block xmlns='urn:xmpp:blocking'>"+strings.Join(items, "")+"</block>")
}

func (c *client) blocklist() string {
	c.Helper()
	return c.ask("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
}

// Whom nobody is kept from costs nothing: neither time that could be measured as memory nor a slot.
func TestBlockingCostsNothing(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	v.online(alice, "a")
	b := v.online(bob, "b")
	b.block(blockItem("iago@example.net"))
	for name, listed := range map[string]bool{alice: false, bob: true} {
		err := v.host.Ask(context.Background(), jid.MustParse(name), func(_ *core.Work, a *core.Account) error {
			peer, iago := jid.MustParse("x@example.net/r"), jid.MustParse("iago@example.net/r")
			if n := testing.AllocsPerRun(100, func() { a.Blocks(peer) }); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
			if _, has := v.roster.lists.Has(a); has != listed || a.Blocks(iago) != listed || a.Bars() != listed {
				t.Errorf("%s: list %v, blocks %v", name, has, a.Blocks(iago))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestBlockLimits(t *testing.T) {
	v := newWorld(t, "alice")
	v.stop()
	v.start(func(c *config.Config) { c.Limits.Blocked = 3 })
	c := v.online(alice, "a")
	if got := c.block(blockItem("a@x"), blockItem("b@x"), blockItem("a@x")); !strings.Contains(got, "type='result'") {
		t.Fatal(got)
	}
	if got := c.block(blockItem("c@x"), blockItem("d@x")); !strings.Contains(got, "resource-constraint") {
		t.Errorf("four of three: %s", got)
	}
	if got := c.block(blockItem("a@x"), blockItem("c@x")); !strings.Contains(got, "type='result'") {
		t.Errorf("three of three: %s", got)
	}
	if got := c.blocklist(); strings.Count(got, "<item") != 3 {
		t.Errorf("list: %s", got)
	}
	long := strings.Repeat("a", 1000)
	if got := c.block(blockItem(long + "@" + strings.Repeat("b.", 400) + "x/" + long)); !strings.Contains(got, "not-acceptable") {
		t.Errorf("an address that is too long to be kept: %.300s", got)
	}
	var many []string
	for i := range 600 {
		many = append(many, blockItem("x"+strconv.Itoa(i)+strings.Repeat("a", 900)+"@x"))
	}
	v.stop()
	v.start(func(c *config.Config) { c.Limits.Blocked = 10_000 })
	c = v.online(alice, "a")
	if got := c.block(many...); !strings.Contains(got, "resource-constraint") {
		t.Errorf("too many bytes: %.300s", got)
	}
}

// blocksDisk keeps what changes a block list waiting, or fails it.
type blocksDisk struct {
	store.Blocks
	mu   sync.Mutex
	hold bool
	open []*store.Promise
}

func (d *blocksDisk) ChangeBlocked(o store.Owner, c store.BlockChange) store.Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.hold {
		return d.Blocks.ChangeBlocked(o, c)
	}
	p := new(store.Promise)
	d.open = append(d.open, p)
	return p.Ticket()
}

// What is not durable holds for nobody: neither answer nor push nor block come before the disk, and a failed one leaves nothing behind.
func TestBlockWaitsForTheDisk(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	v.stop()
	d := &blocksDisk{}
	v.blocks = func(b store.Blocks) store.Blocks { d.Blocks = b; return d }
	v.start(func(c *config.Config) { c.Limits.Blocked = 2 })
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	a.blocklist()
	d.mu.Lock()
	d.hold = true
	d.mu.Unlock()
	a.begin("set", "<block xmlns='urn:xmpp:blocking'>"+blockItem(bob)+blockItem("iago@x")+"</block>")
	if got := a.block(blockItem("third@x")); !strings.Contains(got, "resource-constraint") {
		t.Errorf("what is on its way does not count: %s", got)
	}
	b.send("<message type='chat' to='" + alice + "/a'><body>still open</body></message>")
	a.expect("still open")
	d.mu.Lock()
	p := d.open[0]
	d.hold = false
	d.mu.Unlock()
	p.Settle(store.ErrFull)
	a.expect("type='error'", "resource-constraint")
	if got := a.blocklist(); strings.Contains(got, "<item") {
		t.Errorf("a failed block is listed: %s", got)
	}
	b.none("type='unavailable'")
	if got := a.block(blockItem(bob), blockItem("iago@x")); !strings.Contains(got, "type='result'") {
		t.Errorf("room again: %s", got)
	}
	b.expect("type='unavailable'")
}

// A room may not bring an invitation by somebody who is blocked.
func TestInvitationByTheBlocked(t *testing.T) {
	v := newWorld(t, "alice")
	a := v.online(alice, "a")
	a.block(blockItem("iago@example.net"))
	invite := func(by string) {
		st, err := stanza.Parse("<message from='room@rooms.example.net' to='" + alice + "/a'><body>come</body>" +
			"<x xmlns='http://jabber.org/protocol/muc#user'><invite from='" + by + "'/></x></message>")
		if err != nil {
			t.Fatal(err)
		}
		v.pool.Do(func(w *core.Work) { v.router.Route(w, st.Seal()) })
	}
	invite("iago@example.net/x")
	invite("emilia@example.net/x")
	a.expect("come", "emilia")
	if strings.Contains(a.log(), "iago@example.net/x") {
		t.Error("an invitation by somebody who is blocked came through")
	}
}

// A deleted account leaves no list, and whoever comes to have its name begins anew.
func TestBlocksGoWithTheAccount(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a := v.online(alice, "a")
	a.block(blockItem(bob))
	var id store.Owner
	err := v.host.Ask(context.Background(), jid.MustParse(alice), func(_ *core.Work, a *core.Account) error { id = a.ID; return nil })
	if err != nil {
		t.Fatal(err)
	}
	err = v.host.DeleteAccount(context.Background(), jid.MustParse(alice), func(ctx context.Context) error { return v.db.Accounts.Delete(ctx, id) })
	if err != nil {
		t.Fatal(err)
	}
	if left, err := v.db.Blocks.Blocked(context.Background(), id); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := v.db.Accounts.Create(context.Background(), store.NewAccount{Domain: "example.org", Local: "alice"}); err != nil {
		t.Fatal(err)
	}
	v.quiet()
	again := v.online(alice, "a")
	if got := again.blocklist(); strings.Contains(got, "<item") {
		t.Errorf("the new one has blocked: %s", got)
	}
}

// Changes that are under way together end as the disk has them.
func TestManyBlocksAtOnce(t *testing.T) {
	v := newWorld(t, "alice")
	a := v.online(alice, "a")
	last := ""
	for i := range 50 {
		j := blockItem("x" + strconv.Itoa(i%5) + "@x")
		if i%3 == 2 {
			last = a.begin("set", "<unblock xmlns='urn:xmpp:blocking'>"+j+"</unblock>")
		} else {
			last = a.begin("set", "<block xmlns='urn:xmpp:blocking'>"+j+"</block>")
		}
	}
	a.expect("id='" + last + "'")
	before := a.blocklist()
	v.restart()
	after := v.online(alice, "a").blocklist()
	cut := func(s string) string { _, s, _ = strings.Cut(s, "<blocklist"); return s }
	if cut(before) != cut(after) {
		t.Errorf("in memory %s\non disk %s", before, after)
	}
}

func FuzzBlockItems(f *testing.F) {
	f.Add("<block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/><item jid='Montague.NET/x'><report xmlns='urn:xmpp:reporting:1'/></item></block>")
	f.Add("<unblock xmlns='urn:xmpp:blocking'/>")
	f.Add("<block xmlns='urn:xmpp:blocking'><item/><item jid='@'/></block>")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree(s, "jabber:client")
		if err != nil {
			return
		}
		items, complaints, serr := parseItems(n)
		if serr != nil {
			return
		}
		seen := make(map[jid.JID]struct{})
		for _, j := range items {
			if _, twice := seen[j]; twice || j.IsZero() {
				t.Fatalf("%v twice, or nobody", j)
			}
			seen[j] = struct{}{}
		}
		for _, c := range complaints {
			if _, listed := seen[c.about]; !listed {
				t.Fatalf("a report about %v, who is not blocked", c.about)
			}
		}
		again, err := xmltok.Tree(blockXML("block", items), "jabber:client")
		if err != nil {
			t.Fatal(err)
		}
		if back, _, serr := parseItems(again); serr != nil || len(back) != len(items) {
			t.Fatalf("%v became %v, %v", items, back, serr)
		}
	})
}
