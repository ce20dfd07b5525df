package roster

import (
	"context"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// RFC 6121 sections 3.1.1 to 3.1.6, with what the two see in which order.
func TestAskAndApprove(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	a.send("<presence type='subscribe' to='bob@example.org/phone' id='s1'><status>it is me</status></presence>")
	a.expect("<iq", "type='set'", "<item", "jid='bob@example.org'", "subscription='none'", "ask='subscribe'", "ver='")
	request := b.expect("type='subscribe'", "<status>it is me</status>", "id='s1'")
	if !strings.Contains(request, "from='alice@example.org'") || !strings.Contains(request, "to='bob@example.org'") {
		t.Errorf("not stamped with bare addresses: %s", request)
	}
	b.none("<item") // a request alone makes no roster item
	if got := b.roster(); strings.Contains(got, "alice") {
		t.Errorf("request in the roster: %s", got)
	}
	b.presence("subscribed", alice)
	b.expect("<iq", "<item", "jid='alice@example.org'", "subscription='from'")
	a.expect("<presence", "type='subscribed'", "from='bob@example.org'", "to='alice@example.org'")
	a.expect("<iq", "<item", "subscription='to'")
	a.expect("<presence", "from='bob@example.org/b'")
	a.none("<presence", "from='bob@example.org/b'")
	if log := a.log(); strings.Index(log, "from='bob@example.org/b'") < strings.Index(log, "type='subscribed'") {
		t.Errorf("presence came before the approval:\n%s", log)
	}
	b.none("<presence", "from='alice@example.org/a'") // not subscribed that way
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// RFC 6121 section 3.1.3: a request is shown at each log-on until it is answered, with everything it said, and only one for each contact.
func TestRequestAtEachLogOn(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a := v.online(alice, "a")
	a.send("<presence type='subscribe' to='bob@example.org'><nick xmlns='http://jabber.org/protocol/nick'>Al</nick></presence>")
	a.presence("subscribe", bob)
	a.quiet()
	for _, resource := range []string{"one", "two"} {
		b := v.bind(bob, resource)
		b.send("<presence/>")
		b.expect("type='subscribe'", "from='alice@example.org'", "<nick xmlns='http://jabber.org/protocol/nick'>Al</nick>")
		b.none("type='subscribe'")
	}
	v.sameAsDisk(bob)
	v.restart()
	b := v.online(bob, "three")
	b.expect("type='subscribe'", "from='alice@example.org'", ">Al</nick>")
	b.presence("unsubscribed", alice)
	b.quiet()
	b.none("<item")
	again := v.bind(bob, "four")
	again.send("<presence/>")
	again.expect("<presence", "from='bob@example.org/four'")
	again.none("type='subscribe'")
	a = v.online(alice, "a")
	if got := a.roster(); !strings.Contains(got, "<item jid='bob@example.org' subscription='none'/>") {
		t.Errorf("after the refusal: %s", got)
	}
	v.sameAsDisk(bob)
}

// A request that the asker withdraws is not shown any more.
func TestWithdrawnRequest(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a := v.online(alice, "a")
	a.presence("subscribe", bob)
	a.presence("unsubscribe", bob)
	a.expect("<item", "ask='subscribe'")
	a.expect("<item", "subscription='none'/>")
	a.quiet()
	b := v.online(bob, "b")
	b.none("type='subscribe'")
	v.sameAsDisk(bob)
}

// RFC 6121 section 3.2: the contact cancels; the user sees it as offline and told so.
func TestCancel(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	b.presence("unsubscribed", alice)
	b.expect("<item", "subscription='to'")
	a.expect("<presence", "type='unsubscribed'", "from='bob@example.org'")
	a.expect("<item", "subscription='from'")
	a.quiet()
	if !strings.Contains(a.log(), "<presence to='alice@example.org' from='bob@example.org/b' type='unavailable'") {
		t.Errorf("no unavailable presence:\n%s", a.log())
	}
	b.send("<presence><show>away</show></presence>")
	b.expect("<presence", "<show>away</show>")
	a.none("<show>away</show>")
	a.send("<presence><show>dnd</show></presence>")
	b.expect("from='alice@example.org/a'", "<show>dnd</show>")
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// RFC 6121 section 3.3: the user unsubscribes.
func TestUnsubscribe(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	a.presence("unsubscribe", bob)
	a.expect("<item", "subscription='from'")
	b.expect("<presence", "type='unsubscribe'", "from='alice@example.org'")
	b.expect("<item", "subscription='to'")
	a.expect("<presence", "type='unavailable'", "from='bob@example.org/b'")
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// RFC 6121 section 2.5.2: removing a contact ends everything between the two.
func TestRemove(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	id := a.begin("set", "<query xmlns='jabber:iq:roster'><item jid='bob@example.org' subscription='remove'/></query>")
	a.expect("<iq", "type='set'", "<item jid='bob@example.org' subscription='remove'/>")
	a.expect("<iq", "type='result'", "id='"+id+"'")
	a.expect("<presence", "type='unavailable'", "from='bob@example.org/b'")
	b.quiet()
	for _, part := range []string{"type='unsubscribe'", "type='unsubscribed'", "from='alice@example.org/a' type='unavailable'"} {
		if !strings.Contains(b.log(), part) {
			t.Errorf("the contact did not get %s:\n%s", part, b.log())
		}
	}
	if got := b.roster(); !strings.Contains(got, "<item jid='alice@example.org' subscription='none'/>") {
		t.Errorf("the contact's roster: %s", got)
	}
	if got := a.set("<item jid='bob@example.org' subscription='remove'/>"); !strings.Contains(got, "<item-not-found") {
		t.Errorf("removed twice: %s", got)
	}
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// RFC 6121 section 3.4, the whole life of a pre-approval.
func TestPreApprovalOnTheWire(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	b.presence("subscribed", alice)
	b.expect("<item", "jid='alice@example.org'", "subscription='none'", "approved='true'")
	a.none("<presence", "bob")
	a.presence("subscribe", bob)
	a.expect("<presence", "type='subscribed'", "from='bob@example.org'")
	a.expect("<item", "subscription='to'")
	a.expect("<presence", "from='bob@example.org/b'")
	b.expect("<item", "subscription='from'", "approved='true'")
	b.none("type='subscribe'")
	b.presence("unsubscribed", alice)
	b.expect("<item jid='alice@example.org' subscription='none'/>")
	a.expect("<item", "subscription='none'")
	a.presence("subscribe", bob)
	b.expect("type='subscribe'") // asked again: the approval went with the subscription
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// RFC 6121 section 3.4: a pre-approval taken back before anybody asked is nobody else's affair.
func TestPreApprovalTakenBack(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	b.presence("subscribed", alice)
	b.expect("<item", "approved='true'")
	b.presence("unsubscribed", alice)
	b.expect("<item jid='alice@example.org' subscription='none'/>")
	a.none("bob")
	a.presence("subscribe", bob)
	b.expect("type='subscribe'")
}

// RFC 6121 section 3.1.3: who is subscribed already is told so, and nobody is asked. Here alice has lost her roster, as by a backup.
func TestAutoReply(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	befriend(v.online(alice, "a"), v.online(bob, "b"), alice, bob)
	v.stop()
	acc, err := v.db.Accounts.Get(context.Background(), "example.org", "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, ticket := v.db.Rosters.Change(acc.ID, store.RosterChange{Remove: jid.MustParse(bob)}); ticket.Wait(context.Background()) != nil {
		t.Fatal("not changed")
	}
	v.start(func(*config.Config) {})
	a, b := v.online(alice, "a"), v.online(bob, "b")
	a.presence("subscribe", bob)
	a.expect("<item", "ask='subscribe'")
	a.expect("<presence", "type='subscribed'", "from='bob@example.org'")
	a.expect("<item", "subscription='to'")
	a.expect("<presence", "from='bob@example.org/b'")
	b.none("type='subscribe'")
	b.none("<item")
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}

// An account that cannot be read is not one that does not exist: a refusal would end the request for good.
func TestUnreadableAccount(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a := v.online(alice, "a")
	v.disk.fail(true)
	a.send("<presence type='subscribe' to='bob@example.org' id='s1'/>")
	a.expect("<presence", "type='error'", "from='bob@example.org'", "id='s1'")
	a.none("type='unsubscribed'")
	v.disk.fail(false)
	b := v.online(bob, "b")
	a.presence("subscribe", bob)
	b.expect("type='subscribe'")
	v.sameAsDisk(alice)
}

func TestNobodyThere(t *testing.T) {
	v := newWorld(t, "alice")
	a := v.online(alice, "a")
	a.presence("subscribe", "nobody@example.org")
	a.expect("<item", "ask='subscribe'")
	// RFC 6121 section 8.5.1: all of it is ignored.
	a.presence("unsubscribe", "nobody@example.org")
	a.expect("<item jid='nobody@example.org' subscription='none'/>")
	a.presence("subscribed", "nobody@example.org")
	a.presence("unsubscribed", "nobody@example.org")
	a.none("<presence")
	v.sameAsDisk(alice)
}

func TestSelf(t *testing.T) {
	v := newWorld(t, "alice")
	a := v.online(alice, "a")
	for _, typ := range []string{"subscribe", "subscribed", "unsubscribe", "unsubscribed"} {
		a.presence(typ, alice)
	}
	a.none("alice@example.org")
	if got := a.set("<item jid='alice@example.org'/>"); !strings.Contains(got, "<not-allowed") {
		t.Errorf("own address as a contact: %s", got)
	}
	v.sameAsDisk(alice)
}

// RFC 6121 section 2.2: pushes are for those who asked for the roster, requests for those who are available.
func TestWhoIsTold(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, quietA := v.online(alice, "a"), v.bind(alice, "mute")
	b, interested, available := v.online(bob, "b"), v.bind(bob, "interested"), v.bind(bob, "available")
	interested.roster()
	available.send("<presence/>")
	available.expect("from='bob@example.org/available'")
	a.presence("subscribe", bob)
	b.expect("type='subscribe'")
	available.expect("type='subscribe'")
	interested.none("type='subscribe'")
	b.presence("subscribed", alice)
	b.expect("<item")
	interested.expect("<item")
	available.none("<item")
	a.expect("type='subscribed'")
	quietA.none("bob")
	if got := quietA.log(); strings.Contains(got, "<item") || strings.Contains(got, "subscribed") {
		t.Errorf("a session that asked for nothing got %s", got)
	}
}

// Whoever is online when the other logs on is seen at once, byte for byte, capabilities and unknown elements included (XEP-0115: they
// say what calls and files a device can do).
func TestPresenceReachesContactsUnchanged(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	befriend(a, b, alice, bob)
	const inside = `<show>chat</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver="q07IKJEyjvHSyhy//CH0CxmKi8w="/>` +
		`<calls xmlns='urn:example:unknown:1' max='2'><video/>&lt;&#x20AC;</calls><priority>5</priority>`
	raw := &rawSink{}
	second := v.bindTo(bob, "raw", raw)
	second.send("<presence/>")
	b.expect("from='bob@example.org/raw'")
	a.send("<presence id='p1'>" + inside + "</presence>")
	v.await(func() bool { return strings.Contains(raw.text(), inside+"</presence>") }, raw.text)
	b.expect("<show>chat</show>", "urn:example:unknown:1")
	late := &rawSink{}
	third := v.bindTo(bob, "late", late)
	third.send("<presence/>")
	v.await(func() bool {
		return strings.Contains(late.text(), "from='alice@example.org/a' id='p1'>"+inside+"</presence>")
	}, late.text)
}
