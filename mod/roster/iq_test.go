package roster

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

var versionOf = regexp.MustCompile(` ver='(\d+)'`)

func version(t *testing.T, xml string) string {
	t.Helper()
	m := versionOf.FindStringSubmatch(xml)
	if m == nil {
		t.Fatalf("no version in %s", xml)
	}
	return m[1]
}

// RFC 6121 sections 2.2 to 2.5: the push comes to every interested session, the setting one included, and before the result.
func TestSetAndPush(t *testing.T) {
	v := newWorld(t, "alice")
	a, second := v.online(alice, "a"), v.online(alice, "second")
	id := a.begin("set", `<query xmlns='jabber:iq:roster'><item jid='Bob@Example.org' name='B &lt;&apos;b&apos;&gt;' subscription='both' ask='subscribe'>`+
		`<group>Friends &amp; more</group><group>Work</group></item></query>`)
	push := a.expect("<iq", "type='set'")
	a.expect("<iq", "type='result'", "id='"+id+"'")
	const item = "<item jid='bob@example.org' name='B &lt;&apos;b&apos;&gt;' subscription='none'><group>Friends &amp; more</group><group>Work</group></item>"
	if !strings.Contains(push, item) {
		t.Errorf("push %s, want %s", push, item)
	}
	if strings.Contains(push, " from=") {
		t.Errorf("push with a sender: %s", push)
	}
	other := second.expect("<iq", "type='set'", item)
	if version(t, other) != version(t, push) {
		t.Error("two versions of one change")
	}
	// What a client answers to a push is heard by nobody.
	a.send("<iq type='result' id='" + "push'/>")
	a.send("<iq type='error' id='push'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
	if got := a.roster(); !strings.Contains(got, item) || version(t, got) != version(t, push) {
		t.Errorf("roster %s", got)
	}
	a.set("<item jid='bob@example.org'/>")
	if got := a.roster(); !strings.Contains(got, "<item jid='bob@example.org' subscription='none'/>") {
		t.Errorf("name and groups not taken away: %s", got)
	}
	v.sameAsDisk(alice)
	v.restart()
	if got := v.online(alice, "a").roster(); !strings.Contains(got, "<item jid='bob@example.org' subscription='none'/>") {
		t.Errorf("after a restart: %s", got)
	}
}

// RFC 6121 section 2.3.3 and the limits.
func TestBadSets(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	var many strings.Builder
	for i := range maxGroups + 1 {
		fmt.Fprintf(&many, "<group>%d</group>", i)
	}
	v := newWorld(t, "alice")
	a := v.online(alice, "a")
	for items, want := range map[string]string{
		"": "bad-request",
		"<item jid='bob@example.org'/><item jid='carol@example.org'/>": "bad-request",
		"<item name='nobody'/>":               "bad-request",
		"<item jid='bob@example.org/phone'/>": "bad-request",
		"<item jid='@example.org'/>":          "jid-malformed",
		"<item jid=''/>":                      "jid-malformed",
		"<item jid='bob@example.org'><group>A</group><group>A</group></item>":              "bad-request",
		"<item jid='bob@example.org'><group/></item>":                                      "not-acceptable",
		"<item jid='bob@example.org' name='" + long + "'/>":                                "not-acceptable",
		"<item jid='bob@example.org'><group>" + long + "</group></item>":                   "not-acceptable",
		"<item jid='bob@example.org'>" + many.String() + "</item>":                         "not-acceptable",
		"<item jid='bob@example.org' subscription='remove'/>":                              "item-not-found",
		"<item jid='alice@example.org'/>":                                                  "not-allowed",
		"<item xmlns='urn:example:other' jid='bob@example.org'/>":                          "bad-request",
		"<item jid='bob@example.org'/><item jid='bob@example.org' subscription='remove'/>": "bad-request",
	} {
		if got := a.set(items); !strings.Contains(got, "type='error'") || !strings.Contains(got, "<"+want+" ") {
			t.Errorf("%.80s: %s, want %s", items, got, want)
		}
	}
	a.none("<item")
	if got := a.roster(); strings.Contains(got, "<item") || version(t, got) != "0" {
		t.Errorf("something was kept: %s", got)
	}
	v.sameAsDisk(alice)
}

// Nobody sets or reads another's roster, and nobody learns from the answer who exists.
func TestForeignRoster(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a := v.online(alice, "a")
	answers := map[string]string{}
	for i, to := range []string{bob, "nobody@example.org"} {
		for _, typ := range []string{"get", "set"} {
			id := fmt.Sprintf("f%d%s", i, typ)
			a.send("<iq type='" + typ + "' id='" + id + "' to='" + to + "'><query xmlns='jabber:iq:roster'><item jid='x@example.org'/></query></iq>")
			got := a.expect("id='" + id + "'")
			answers[to] += strings.NewReplacer(to, "", id, "").Replace(got)
			if !strings.Contains(got, "type='error'") || !strings.Contains(got, "<forbidden") {
				t.Errorf("%s of %s: %s", typ, to, got)
			}
		}
	}
	if answers[bob] != answers["nobody@example.org"] {
		t.Errorf("answers differ: %v", answers)
	}
	v.sameAsDisk(bob)
	v.sameAsDisk(alice)
}

func TestFullRoster(t *testing.T) {
	v := newWorld(t, "alice", "bob", "carol")
	v.stop()
	v.start(func(c *config.Config) { c.Limits.RosterItems = 2 })
	a, b := v.online(alice, "a"), v.online(bob, "b")
	b.presence("subscribe", alice)
	a.expect("type='subscribe'")
	a.set("<item jid='x@example.org'/>")
	a.set("<item jid='y@example.org'/>")
	if got := a.set("<item jid='z@example.org'/>"); !strings.Contains(got, "<resource-constraint ") {
		t.Errorf("third item: %s", got)
	}
	if got := a.set("<item jid='y@example.org' name='Y'/>"); !strings.Contains(got, "type='result'") {
		t.Errorf("a change of one that is there: %s", got)
	}
	for _, typ := range []string{"subscribe", "subscribed"} {
		for _, to := range []string{"carol@example.org", bob} {
			a.send("<presence type='" + typ + "' to='" + to + "' id='over'/>")
			a.expect("<presence", "type='error'", "from='"+to+"'", "id='over'", "<resource-constraint ")
		}
	}
	b.none("subscribed")
	a.set("<item jid='x@example.org' subscription='remove'/>")
	a.presence("subscribed", bob)
	b.expect("type='subscribed'")
	v.sameAsDisk(alice)
}

// A roster never becomes so large that its result could not be sent.
func TestRosterBytes(t *testing.T) {
	v := newWorld(t, "alice")
	v.stop()
	v.start(func(c *config.Config) { c.Limits.OutboxBytes = 15 << 10 })
	a := v.online(alice, "a")
	name := strings.Repeat("&lt;", 1000) // 4000 bytes as XML
	for i, want := range []string{"type='result'", "<resource-constraint ", "<resource-constraint "} {
		if i > 0 {
			a.set(fmt.Sprintf("<item jid='%d@example.org' name='small'/>", i))
		}
		if got := a.set(fmt.Sprintf("<item jid='x%d@example.org' name='%s'/>", i, name)); !strings.Contains(got, want) {
			t.Errorf("item %d: %.300s, want %s", i, got, want)
		}
	}
	if got := a.set("<item jid='x0@example.org' name='short'/>"); !strings.Contains(got, "type='result'") {
		t.Errorf("making it smaller: %s", got)
	}
	if got := a.set("<item jid='x1@example.org' name='" + name + "'/>"); !strings.Contains(got, "type='result'") {
		t.Errorf("after it became smaller: %.300s", got)
	}
	v.sameAsDisk(alice)
}

// RFC 6121 section 2.6.
func TestVersions(t *testing.T) {
	v := newWorld(t, "alice")
	a := v.online(alice, "a")
	for i := range 10 {
		a.set(fmt.Sprintf("<item jid='%d@example.org'/>", i))
	}
	full := a.ask("get", "<query xmlns='jabber:iq:roster' ver=''/>")
	if strings.Count(full, "<item ") != 10 {
		t.Fatalf("whole roster: %s", full)
	}
	known := version(t, full)
	since := func(resource, ver string) (*client, string) {
		c := v.bind(alice, resource)
		got := c.ask("get", "<query xmlns='jabber:iq:roster' ver='"+ver+"'/>")
		c.quiet()
		return c, got
	}
	c, got := since("unchanged", known)
	if strings.Contains(got, "<query") {
		t.Errorf("nothing changed: %s", got)
	}
	c.none("<item")

	a.set("<item jid='3@example.org' name='three'/>")
	a.set("<item jid='4@example.org' subscription='remove'/>")
	now := version(t, a.set("<item jid='5@example.org' name='five'/>")+a.roster())
	c, got = since("changed", known)
	if !strings.Contains(got, "type='result'") || strings.Contains(got, "<query") {
		t.Errorf("some changed: %s", got)
	}
	// In the order of the changes, each with a version of its own: one who is cut off after the first asks for the others only.
	changed := []string{"<item jid='3@example.org' name='three'", "<item jid='4@example.org' subscription='remove'/>", "<item jid='5@example.org' name='five'"}
	versions := []string{known}
	for i, item := range changed {
		push := c.expect("<iq", "type='set'", "<item ")
		if v := version(t, push); !strings.Contains(push, item) || slices.Contains(versions, v) || (v == now) != (i == 2) {
			t.Errorf("push %d is %s, want %s; versions so far %v, now %s", i, push, item, versions, now)
		}
		versions = append(versions, version(t, push))
	}
	c.none("<item")
	c, _ = since("cut", versions[1])
	for _, item := range changed[1:] {
		c.expect("<iq", "type='set'", item)
	}
	c.none("<item")
	a.set("<item jid='6@example.org' name='six'/>")
	c.expect("<item jid='6@example.org'") // it is interested like any other

	for _, strange := range []string{"", "0", "-1", "99999999999999999", "nonsense", "1"} {
		c, got = since("strange"+strange, strange)
		if strings.Count(got, "<item ") != 9 {
			t.Errorf("version %q: %s", strange, got)
		}
		c.none("<item")
	}
	for i := range 10 {
		a.set(fmt.Sprintf("<item jid='%d@example.org' name='changed'/>", i))
	}
	if _, got = since("much", known); strings.Count(got, "<item ") != 10 {
		t.Errorf("much changed: %s", got)
	}
	v.restart()
	if _, got = since("later", version(t, got)); strings.Contains(got, "<query") {
		t.Errorf("nothing changed over a restart: %s", got)
	}
}

func TestStreamFeatures(t *testing.T) {
	v := newWorld(t)
	for _, want := range []string{"<ver xmlns='urn:xmpp:features:rosterver'/>", "<sub xmlns='urn:xmpp:features:pre-approval'/>"} {
		if !slices.Contains(v.host.Disco.StreamFeatures, want) {
			t.Errorf("%s is not offered", want)
		}
	}
}

func FuzzParseItem(f *testing.F) {
	for _, s := range []string{
		"<item jid='bob@example.org'/>", "<item jid='bob@example.org' name='B' subscription='remove'><group>A</group></item>",
		"<item jid='a/b'/>", "<item jid='x'><group><b/>t</group></item>", "<item/><item/>", "<item jid='&#xD;@\u00df'/>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: stanza.Set, ID: "1"}, "<query xmlns='"+ns.Roster+"'>"+s+"</query>")
		if err != nil {
			return
		}
		query, _ := st.Payload()
		want, err := parseItem(query)
		if err != nil {
			if stanza.AsError(err).Condition == stanza.InternalServerError {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if want.jid.IsZero() || want.jid.IsFull() {
			t.Errorf("%q: address %q", s, want.jid)
		}
		c := contact{name: want.name, groups: groupsOf(want.groups), state: listed}
		if got := c.groups.names(); !slices.Equal(got, want.groups) {
			t.Errorf("%q: groups %q became %q", s, want.groups, got)
		}
		if pushOf(want.jid, c, "1", 1) == nil {
			t.Errorf("%q: no push can be made", s)
		}
	})
}
