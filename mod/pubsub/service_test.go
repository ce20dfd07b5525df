package pubsub

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const serviceAddress = "pubsub.example.org"

// service asks the service and returns everything that came by its answer.
func (c *client) service(typ, payload string) string {
	c.Helper()
	c.take()
	c.say("<iq type='" + typ + "' id='ask' to='" + serviceAddress + "'>" + payload + "</iq>")
	return c.await("ask")
}

// await is everything that has come by the answer to a request.
func (c *client) await(id string) string {
	c.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.mu.Lock()
		got := c.got
		c.mu.Unlock()
		if strings.Contains(got, "id='"+id+"'") {
			c.rest()
			return c.take()
		}
	}
	c.Fatal("no answer")
	return ""
}

func pubsub(space, inner string) string {
	return "<pubsub xmlns='" + space + "'>" + inner + "</pubsub>"
}

// must asks for a change, which must succeed, or fail with an error.
func (c *client) must(failure, space, inner string) {
	c.Helper()
	got := c.service("set", pubsub(space, inner))
	if failure == "" && !strings.Contains(got, "id='ask' type='result'") || failure != "" && !strings.Contains(got, "<"+failure+" ") {
		c.Fatalf("%s: %q expected, got %s", inner, failure, got)
	}
}

// nodes are the names on a page of the list of nodes.
func (c *client) nodes(page string) (names []string) {
	c.Helper()
	got := c.service("get", "<query xmlns='"+ns.DiscoItems+"'>"+page+"</query>")
	for _, m := range regexp.MustCompile(`<item [^>]*node='([^']*)'`).FindAllStringSubmatch(got, -1) {
		names = append(names, m[1])
	}
	return names
}

func whitelist(node string) string {
	return "<create node='" + node + "'/><configure><x xmlns='jabber:x:data' type='submit'>" +
		"<field var='pubsub#access_model'><value>whitelist</value></field></x></configure>"
}

// Who makes nodes of the service, and how many; a bot and whoever stands below the configured role do not.
func TestWhoMakesNodes(t *testing.T) {
	v := newWorld(t, 1, func(c *config.Pubsub) { c.PerAccount = 2 })
	if _, err := v.db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "bot", Role: store.RoleBot}); err != nil {
		t.Fatal(err)
	}
	me, friend, bot := v.bind(juliet, "a"), v.bind(v.friends[0], "b"), v.bind(jid.MustParse("bot@example.org"), "c")
	bot.must("forbidden", ns.PubSub, "<create node='x'/>")
	me.must("", ns.PubSub, "<create node='x'/>")
	me.must("", ns.PubSub, "<create node='y'/>")
	me.must("resource-constraint", ns.PubSub, "<create node='z'/>")
	friend.must("conflict", ns.PubSub, "<create node='x'/>")
	friend.must("", ns.PubSub, "<create node='z'/>")
	me.must("", ns.PubSubOwner, "<delete node='x'/>")
	me.must("", ns.PubSub, "<create node='x'/>")

	v = newWorld(t, 0, func(c *config.Pubsub) { c.Create = "admin" })
	v.bind(juliet, "a").must("forbidden", ns.PubSub, "<create node='x'/>")
}

// Nobody has more nodes than one may by making many at once.
func TestManyNodesAtOnce(t *testing.T) {
	v := newWorld(t, 0, func(c *config.Pubsub) { c.PerAccount = 3 })
	me := v.bind(juliet, "a")
	for i := range 20 {
		me.say(fmt.Sprintf("<iq type='set' id='q%d' to='%s'>%s</iq>", i, serviceAddress, pubsub(ns.PubSub, fmt.Sprintf("<create node='n%d'/>", i))))
	}
	got := ""
	for end := time.Now().Add(30 * time.Second); strings.Count(got, "<iq ") < 20 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		got += me.take()
	}
	refused := strings.Count(got, "type='error'")
	n, err := v.db.Rooms.CountBy(t.Context(), serviceAddress, juliet.String())
	if err != nil || n > 3 || refused < 17 {
		t.Errorf("%d nodes, %d refused, %v", n, refused, err)
	}
}

// What comes while a node is made or deleted waits: requests that nobody waited between have the answers of their order.
func TestNodesComeAndGoInOrder(t *testing.T) {
	v := newWorld(t, 0, nil)
	me := v.bind(juliet, "a")
	me.online("")
	all := []struct{ space, inner, want string }{
		{ns.PubSub, "<create node='x'/>", "result"},
		{ns.PubSub, "<publish node='x'><item id='1'><x xmlns='urn:x'/></item></publish>", "result"},
		{ns.PubSub, "<create node='x'/>", "error"},
		{ns.PubSubOwner, "<delete node='x'/>", "result"},
		{ns.PubSub, "<publish node='x'><item id='2'><x xmlns='urn:x'/></item></publish>", "error"},
		{ns.PubSub, "<create node='x'/>", "result"},
		{ns.PubSub, "<subscribe node='x' jid='juliet@example.org'/>", "result"},
		{ns.PubSub, "<publish node='x'><item id='3'><x xmlns='urn:x'/></item></publish>", "result"},
	}
	for i, r := range all {
		me.say(fmt.Sprintf("<iq type='set' id='q%d' to='%s'>%s</iq>", i, serviceAddress, pubsub(r.space, r.inner)))
	}
	got := me.await(fmt.Sprintf("q%d", len(all)-1))
	for i, r := range all {
		if !strings.Contains(got, fmt.Sprintf("id='q%d' type='%s'", i, r.want)) {
			t.Errorf("%s: no %s in %s", r.inner, r.want, got)
		}
	}
	if items := me.service("get", pubsub(ns.PubSub, "<items node='x'/>")); strings.Contains(items, "id='1'") || !strings.Contains(items, "id='3'") {
		t.Errorf("items of the first node of that name: %s", items)
	}
}

// A node goes with its last owner's account; others forget who is gone.
func TestNodesOfDeletedAccounts(t *testing.T) {
	v := newWorld(t, 2, nil)
	me, friend := v.bind(juliet, "a"), v.bind(v.friends[0], "b")
	gone := v.friends[0]
	friend.must("", ns.PubSub, "<create node='alone'/>")
	friend.must("", ns.PubSub, "<create node='shared'/>")
	friend.must("", ns.PubSubOwner, "<affiliations node='shared'><affiliation jid='juliet@example.org' affiliation='owner'/></affiliations>")
	friend.must("", ns.PubSub, "<subscribe node='shared' jid='"+gone.String()+"'/>")
	err := v.host.DeleteAccount(t.Context(), gone, func(ctx context.Context) error { return v.db.Accounts.Delete(ctx, friend.s.Account.ID) })
	if err != nil {
		t.Fatal(err)
	}
	v.rest()
	if got := me.nodes(""); !slices.Equal(got, []string{"shared"}) {
		t.Errorf("nodes: %q", got)
	}
	if got := me.service("get", pubsub(ns.PubSubOwner, "<affiliations node='shared'/>")); strings.Contains(got, gone.String()) || !strings.Contains(got, "'owner'") {
		t.Errorf("affiliations: %s", got)
	}
	if got := me.service("get", pubsub(ns.PubSubOwner, "<subscriptions node='shared'/>")); strings.Contains(got, gone.String()) {
		t.Errorf("subscriptions: %s", got)
	}
	me.must("", ns.PubSub, "<create node='alone'/>")
}

// Pages of the list go by name, with private nodes among them for those who may know of them.
func TestPagesOfNodes(t *testing.T) {
	v := newWorld(t, 1, nil)
	me, friend := v.bind(juliet, "a"), v.bind(v.friends[0], "b")
	for _, node := range []string{"b", "é", "a/1", "d", "B"} {
		me.must("", ns.PubSub, "<create node='"+node+"'/>")
	}
	me.must("", ns.PubSub, whitelist("c"))
	me.must("", ns.PubSub, whitelist("e"))
	me.must("", ns.PubSubOwner, "<affiliations node='e'><affiliation jid='"+v.friends[0].String()+"' affiliation='member'/></affiliations>")
	for _, c := range []struct {
		c    *client
		page string
		want string
	}{
		{me, "", "B a/1 b c d e é"},
		{friend, "", "B a/1 b d e é"},
		{me, "<max>2</max>", "B a/1"},
		{me, "<max>2</max><after>a/1</after>", "b c"},
		{friend, "<max>3</max><after>b</after>", "d e é"},
		{me, "<max>3</max><after>e</after>", "é"},
		{me, "<max>3</max><after>é</after>", ""},
	} {
		if c.page != "" {
			c.page = "<set xmlns='" + ns.RSM + "'>" + c.page + "</set>"
		}
		if got := strings.Join(c.c.nodes(c.page), " "); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.c.s.JID, c.page, got, c.want)
		}
	}
}

// A list may be of some types alone, in pages of those (XEP-0462).
func TestNodesByType(t *testing.T) {
	v := newWorld(t, 0, nil)
	me := v.bind(juliet, "a")
	typed := func(node, kind, access string) {
		me.must("", ns.PubSub, "<create node='"+node+"'/><configure><x xmlns='jabber:x:data' type='submit'><field var='pubsub#type'><value>"+kind+
			"</value></field><field var='pubsub#access_model'><value>"+access+"</value></field></x></configure>")
	}
	for i, node := range strings.Split("abcdefgh", "") {
		typed(node, []string{"", "urn:x", "urn:y", ns.Spaces}[i%4], []string{"open", "whitelist"}[i/4])
	}
	filtered := func(field string, kinds ...string) string {
		x := "<filter xmlns='" + ns.PubSubFilter + "'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + ns.PubSubFilter + "</value></field>"
		for _, f := range strings.Fields(field) {
			x += "<field type='list-multi' var='" + f + "'><value>" + strings.Join(kinds, "</value><value>") + "</value></field>"
		}
		return x + "</x></filter>"
	}
	page := "<set xmlns='" + ns.RSM + "'><max>1</max><after>d</after></set>"
	for query, want := range map[string]string{
		filtered("included-types", ns.Spaces): "d h", filtered("included-types", ns.Spaces, ""): "a d e h", filtered("excluded-types", "", "urn:x"): "c d g h",
		filtered("included-types", "urn:z"): "", filtered(""): "a b c d e f g h", filtered("included-types", "urn:x") + page: "f", filtered("included-types", ns.Spaces) + page: "h",
		"<set xmlns='" + ns.RSM + "'><max>1</max></set>" + filtered("included-types", ns.Spaces): "d",
	} {
		if got := strings.Join(me.nodes(query), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, bad := range []string{filtered("included-types excluded-types", ""), "<filter xmlns='" + ns.PubSubFilter + "'/>"} {
		if got := me.service("get", "<query xmlns='"+ns.DiscoItems+"'>"+bad+"</query>"); !strings.Contains(got, "<bad-request ") {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

// The part that a stanza is brought to is that of the node that its handler reads in it, whatever the name, and no two nodes have the same.
func FuzzParts(f *testing.F) {
	for _, name := range []string{"n", "", "N", "urn:xmpp:microblog:0", "a\x00b", "é", strings.Repeat("x", maxPartName), strings.Repeat("x", maxPartName+1), "\xff"} {
		f.Add(name, "m")
	}
	m := New(Stores{}, config.Default().Personal, config.Default().Pubsub, discard())
	m.domain = jid.MustParse(serviceAddress)
	f.Fuzz(func(t *testing.T, one, two string) {
		if got := nodeOf(partOf(one)); got != one {
			t.Fatalf("%q came back as %q", one, got)
		}
		if strings.Compare(one, two) != strings.Compare(partOf(one), partOf(two)) {
			t.Fatalf("%q and %q have another order as parts", one, two)
		}
		text := "<iq type='set' id='a' from='juliet@example.org/a' to='" + serviceAddress + "'>" + pubsub(ns.PubSub, element("create", one, "")) + "</iq>"
		st, err := stanza.Parse(text)
		if err != nil {
			return
		}
		part, ok := m.find(st)
		r, fail := read(st, ns.PubSub)
		if fail == nil && ok != (r.node != "" && len(r.node) <= maxPartName) || ok && (fail != nil || nodeOf(part.Local()) != r.node) {
			t.Fatalf("%q: part %q, %t, node %q", one, part, ok, r.node)
		}
	})
}
