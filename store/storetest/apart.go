package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// apart gives an owner one of everything that this file is about.
func (f *fixture) apart(t testing.TB, o store.Owner) []store.Ticket {
	t.Helper()
	peer := address(t, "iago@example.net")
	return []store.Ticket{
		f.Blocks.ChangeBlocked(o, store.BlockChange{Add: []jid.JID{peer}}),
		f.Reports.AddReport(store.Report{Reporter: o, Domain: "example.org", By: fmt.Sprint(o), About: peer.String()}, 10, time.Time{}),
		f.Strangers.SetStrangerPrefs(o, store.StrangerPrefs{Mode: store.StrangersQuiet}),
		f.Strangers.AddAcquaintance(o, peer),
		f.Strangers.AddWaiting(o, peer, []byte("<message/>")),
		f.Personal.SetPrivate(o, []store.PrivateData{{PrivateName: store.PrivateName{Space: "a", Local: "b"}, XML: []byte("<b xmlns='a'/>")}}, 10, 1000),
		f.Personal.SetVCard(o, []byte("<vCard xmlns='vcard-temp'/>")),
		f.Nodes.ChangeNode(o, store.NodeChange{
			Node: "n", Make: &store.NewNode{Creator: peer, Config: "{}"}, Affiliations: []store.NodeAffiliation{{JID: peer, Is: "member"}},
			Subscriptions: []store.NodeSubscription{{JID: peer, State: "subscribed"}},
		}),
		item(f.Nodes.Publish(o, store.NewNodeItem{Node: "n", ID: "i", Publisher: peer, Payload: []byte("<x xmlns='y'/>"), Keep: 1})),
	}
}

func item(_ *store.Published, t store.Ticket) store.Ticket { return t }

// countApart counts what apart gives.
func (f *fixture) countApart(t testing.TB, o store.Owner) map[string]int {
	t.Helper()
	out := make(map[string]int)
	blocked, err := f.Blocks.Blocked(f.ctx, o)
	must(t, err)
	out["blocks"] = len(blocked)
	all, err := f.Reports.Reports(f.ctx, "example.org", 0, false, 100)
	must(t, err)
	out["reports"] = 0
	for _, r := range all {
		if r.Reporter == o {
			out["reports"]++
		}
	}
	p, err := f.Strangers.StrangerPrefs(f.ctx, o)
	must(t, err)
	if out["stranger prefs"] = 0; p.Mode != "" {
		out["stranger prefs"] = 1
	}
	known, err := f.Strangers.Acquaintances(f.ctx, o, 100)
	must(t, err)
	out["acquaintances"] = len(known)
	waiting, err := f.Strangers.Waiting(f.ctx, o, jid.JID{})
	must(t, err)
	out["waiting messages"] = len(waiting)
	xml, err := f.Personal.Private(f.ctx, o, store.PrivateName{Space: "a", Local: "b"})
	must(t, err)
	card, err := f.Personal.VCard(f.ctx, o)
	must(t, err)
	out["private elements"], out["vCards"] = min(1, len(xml)), min(1, len(card))
	nodes, err := f.Nodes.Nodes(f.ctx, o)
	must(t, err)
	kept, err := f.Nodes.Items(f.ctx, o, "n", store.NodeQuery{Max: -1})
	must(t, err)
	out["nodes"], out["node items"], out["peers of nodes"] = len(nodes), len(kept.Items), 0
	for _, n := range nodes {
		out["peers of nodes"] = min(len(n.Affiliations), len(n.Subscriptions))
	}
	return out
}

func testBlocks(t *testing.T, f *fixture) {
	a, b, c := address(t, "a@example.net/\"x\""), address(t, "b@example.net"), address(t, "example.com")
	for _, step := range []struct {
		change store.BlockChange
		want   []jid.JID
	}{
		{store.BlockChange{Add: []jid.JID{b, a}}, []jid.JID{a, b}},
		{store.BlockChange{Add: []jid.JID{b, c}}, []jid.JID{a, b, c}},
		{store.BlockChange{Remove: []jid.JID{b, address(t, "nobody@example.net")}}, []jid.JID{a, c}},
		{store.BlockChange{Remove: []jid.JID{a}, Add: []jid.JID{b}}, []jid.JID{b, c}},
		{store.BlockChange{Clear: true, Add: []jid.JID{a}}, []jid.JID{a}},
		{store.BlockChange{Clear: true}, nil},
		{store.BlockChange{Add: []jid.JID{c}}, []jid.JID{c}},
	} {
		f.wait(t, f.Blocks.ChangeBlocked(3, step.change))
		got, err := f.Blocks.Blocked(f.ctx, 3)
		must(t, err)
		if !reflect.DeepEqual(got, step.want) {
			t.Fatalf("after %+v: %v, want %v", step.change, got, step.want)
		}
	}
	f.reopen(t)
	if got, err := f.Blocks.Blocked(f.ctx, 3); err != nil || len(got) != 1 {
		t.Fatalf("after reopening %v, %v", got, err)
	}
	if got, err := f.Blocks.Blocked(f.ctx, 4); err != nil || len(got) != 0 {
		t.Fatalf("another's %v, %v", got, err)
	}
}

func testReports(t *testing.T, f *fixture) {
	r := store.Report{
		Reporter: 3, By: "juliet@example.org", Domain: "example.org", About: "iago@example.net", Reason: "urn:xmpp:reporting:spam",
		Text: "never\ncame trouble", References: "<stanza-id/>", Messages: "<message/>",
	}
	add := func(r store.Report, most int) error {
		return f.Reports.AddReport(r, most, f.clock.Now().Add(-time.Hour)).Wait(f.ctx)
	}
	for range 3 {
		must(t, add(r, 3))
		f.clock.Move(time.Minute)
	}
	if err := add(r, 3); !errors.Is(err, store.ErrQuota) {
		t.Fatalf("the fourth of three: %v", err)
	}
	other := r
	other.Reporter, other.Domain = 4, "example.com"
	must(t, add(other, 3))
	f.clock.Move(2 * time.Hour)
	must(t, add(r, 3))
	f.reopen(t)

	list, err := f.Reports.Reports(f.ctx, "example.org", 0, true, 3)
	must(t, err)
	if len(list) != 3 || list[0].ID <= list[1].ID || list[0].Messages != "" || list[0].Text != r.Text {
		t.Fatalf("newest three: %+v", list)
	}
	rest, err := f.Reports.Reports(f.ctx, "example.org", list[2].ID, true, 3)
	must(t, err)
	if len(rest) != 1 {
		t.Fatalf("the rest: %+v", rest)
	}
	got, err := f.Reports.Report(f.ctx, "example.org", rest[0].ID)
	must(t, err)
	want := r
	want.ID, want.At = rest[0].ID, got.At
	if !reflect.DeepEqual(got, want) || got.At.IsZero() {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if _, err := f.Reports.Report(f.ctx, "example.com", got.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("from another domain: %v", err)
	}
	if err := f.Reports.CloseReport(f.ctx, "example.com", got.ID, "x", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("closed from another domain: %v", err)
	}
	must(t, f.Reports.CloseReport(f.ctx, "example.org", got.ID, "admin", "talked to them"))
	if err := f.Reports.CloseReport(f.ctx, "example.org", got.ID, "x", ""); !errors.Is(err, store.ErrConflict) {
		t.Errorf("closed twice: %v", err)
	}
	f.expireReports(t, got.ID)
}

func (f *fixture) expireReports(t *testing.T, closed int64) {
	t.Helper()
	count := func(open bool) int {
		list, err := f.Reports.Reports(f.ctx, "example.org", 0, open, 10)
		must(t, err)
		return len(list)
	}
	got, err := f.Reports.Report(f.ctx, "example.org", closed)
	must(t, err)
	if got.ClosedBy != "admin" || got.Note != "talked to them" || !got.Closed.Equal(f.clock.Now()) || count(true) != 3 || count(false) != 4 {
		t.Fatalf("closed: %+v, %d open of %d", got, count(true), count(false))
	}
	for _, step := range []struct {
		before time.Duration
		gone   int64
	}{{0, 0}, {time.Second, 1}, {time.Second, 0}} {
		n, err := f.Reports.ExpireReports(f.ctx, f.clock.Now().Add(step.before))
		must(t, err)
		if n != step.gone {
			t.Fatalf("%d expired, want %d", n, step.gone)
		}
	}
	if count(true) != 3 || count(false) != 3 {
		t.Fatalf("%d open of %d", count(true), count(false))
	}
}

func testStrangers(t *testing.T, f *fixture) {
	if p, err := f.Strangers.StrangerPrefs(f.ctx, 3); err != nil || p != (store.StrangerPrefs{}) {
		t.Fatalf("never chosen: %+v, %v", p, err)
	}
	for _, want := range []store.StrangerPrefs{{Mode: store.StrangersQuiet, Members: true}, {Mode: store.StrangersClosed}} {
		f.wait(t, f.Strangers.SetStrangerPrefs(3, want))
		if p, err := f.Strangers.StrangerPrefs(f.ctx, 3); err != nil || p != want {
			t.Fatalf("got %+v, %v, want %+v", p, err, want)
		}
	}
	iago, roderigo := address(t, "iago@example.net"), address(t, "roderigo@example.net")
	f.wait(t, f.Strangers.AddAcquaintance(3, iago), f.Strangers.AddAcquaintance(3, iago))
	if known, err := f.Strangers.Acquaintances(f.ctx, 3, 10); err != nil || !reflect.DeepEqual(known, []jid.JID{iago}) {
		t.Fatalf("acquaintances %v, %v", known, err)
	}
	for i, from := range []jid.JID{iago, roderigo, iago} {
		f.wait(t, f.Strangers.AddWaiting(3, from, []byte{'<', byte('a' + i)}))
		f.clock.Move(time.Minute)
	}
	f.reopen(t)
	read := func(from jid.JID) (texts string, last store.Key) {
		list, err := f.Strangers.Waiting(f.ctx, 3, from)
		must(t, err)
		for _, m := range list {
			if m.Key <= last || !from.IsZero() && m.Sender != from {
				t.Errorf("%+v behind %d of %s", m, last, from)
			}
			texts, last = texts+string(m.Stanza[1:]), m.Key
		}
		return texts, last
	}
	all, _ := read(jid.JID{})
	its, last := read(iago)
	if all != "abc" || its != "ac" {
		t.Fatalf("all %q, of one %q", all, its)
	}
	f.wait(t, f.Strangers.RemoveWaiting(3, iago, last-1))
	if its, _ := read(iago); its != "c" {
		t.Fatalf("left of one %q", its)
	}
	n, err := f.Strangers.ExpireWaiting(f.ctx, f.clock.Now().Add(-90*time.Second))
	must(t, err)
	if left, _ := read(jid.JID{}); n != 1 || left != "c" {
		t.Fatalf("%d expired, left %q", n, left)
	}
}

func testPersonal(t *testing.T, f *fixture) {
	name := func(local string) store.PrivateName { return store.PrivateName{Space: "urn:x", Local: local} }
	set := func(most, bytes int, data ...string) error {
		var all []store.PrivateData
		for i := 0; i < len(data); i += 2 {
			all = append(all, store.PrivateData{PrivateName: name(data[i]), XML: []byte(data[i+1])})
		}
		return f.Personal.SetPrivate(3, all, most, bytes).Wait(f.ctx)
	}
	want := func(local, xml string) {
		t.Helper()
		got, err := f.Personal.Private(f.ctx, 3, name(local))
		must(t, err)
		if string(got) != xml {
			t.Errorf("%s is %q, want %q", local, got, xml)
		}
	}
	want("a", "")
	must(t, set(2, 100, "a", "<a/>", "b", "<b\x00/>"))
	for what, err := range map[string]error{
		"a third name": set(2, 100, "a", "changed", "c", "<c/>"), "too many bytes": set(2, 20, "a", "changed much"),
	} {
		if !errors.Is(err, store.ErrQuota) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.reopen(t)
	want("a", "<a/>")
	want("b", "<b\x00/>")
	must(t, set(2, 100, "a", "<a>new</a>"))
	want("a", "<a>new</a>")
	all, err := f.Personal.AllPrivate(f.ctx, 3)
	must(t, err)
	if got := fmt.Sprintf("%s", all); got != "[{{urn:x a} <a>new</a>} {{urn:x b} <b\x00/>}]" {
		t.Errorf("all of it is %q", got)
	}
	if all, err = f.Personal.AllPrivate(f.ctx, 4); err != nil || len(all) != 0 {
		t.Errorf("somebody else has %q, %v", all, err)
	}

	for _, card := range []string{"<vCard/>", "<vCard>2</vCard>", ""} {
		f.wait(t, f.Personal.SetVCard(3, []byte(card)))
		if got, err := f.Personal.VCard(f.ctx, 3); err != nil || string(got) != card {
			t.Errorf("vCard %q, %v, want %q", got, err, card)
		}
	}

	var owners []store.Owner
	for i, name := range []string{"first", "disabled", "second", "none"} {
		a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "cards.example", Local: name, Disabled: name == "disabled"})
		if err != nil {
			t.Fatal(err)
		}
		owners = append(owners, a.ID)
		if i < 3 {
			f.wait(t, f.Personal.SetVCard(a.ID, []byte("<vCard>"+name+"</vCard>")))
		}
	}
	for _, c := range []struct {
		domain string
		after  store.Owner
		limit  int
		want   string
	}{
		{"cards.example", 0, 10, "first second"},
		{"cards.example", 0, 1, "first"},
		{"cards.example", owners[0], 10, "second"},
		{"cards.example", owners[2], 10, ""},
		{"other.example", 0, 10, ""},
		{"cards.example", 0, 0, ""},
	} {
		page, err := f.Personal.VCards(f.ctx, c.domain, c.after, c.limit)
		var names []string
		for _, p := range page {
			if string(p.VCard) != "<vCard>"+p.Local+"</vCard>" {
				t.Errorf("the vCard of %s is %s", p.Local, p.VCard)
			}
			names = append(names, p.Local)
		}
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}
