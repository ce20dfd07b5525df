package pubsub

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/e2e/golden"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// visitor is somebody who asks a node for everything.
type visitor struct {
	name   string
	who    *client
	is     affiliation // none: nothing was given
	joined bool        // has subscribed, and was let in
	tied   bool        // stands in the owner's roster, or is the owner: nobody of the kind is at a service
}

// acts is what there is to ask for, in an order in which nothing hinders what follows.
var acts = []struct{ name, typ, space, inner string }{
	{"retrieve", "get", ns.PubSub, "<items node='n'/>"},
	{"publish", "set", ns.PubSub, "<publish node='n'><item id='new'><x xmlns='urn:x'/></item></publish>"},
	{"replace", "set", ns.PubSub, "<publish node='n'><item id='theirs'><x xmlns='urn:x'/></item></publish>"},
	{"retract own", "set", ns.PubSub, "<retract node='n'><item id='own'/></retract>"},
	{"retract other", "set", ns.PubSub, "<retract node='n'><item id='theirs'/></retract>"},
	{"subscribe", "set", ns.PubSub, "<subscribe node='n' jid='%s'/>"},
	{"see config", "get", ns.PubSubOwner, "<configure node='n'/>"},
	{"configure", "set", ns.PubSubOwner, "<configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#title'><value>t</value></field></x></configure>"},
	{"see people", "get", ns.PubSubOwner, "<affiliations node='n'/>"},
	{"make people", "set", ns.PubSubOwner, "<affiliations node='n'><affiliation jid='x@example.org' affiliation='member'/></affiliations>"},
	{"see subs", "get", ns.PubSubOwner, "<subscriptions node='n'/>"},
	{"make subs", "set", ns.PubSubOwner, "<subscriptions node='n'><subscription jid='x@example.org' subscription='none'/></subscriptions>"},
	{"purge", "set", ns.PubSubOwner, "<purge node='n'/>"},
	{"create", "set", ns.PubSub, "<create node='m'/>"},
	{"delete", "set", ns.PubSubOwner, "<delete node='n'/>"},
}

// Who may do what with a node, asked for in requests: every affiliation (XEP-0060 section 4.1) and everybody without one, by access model (section 4.5) and
// publish model, of accounts and of the service.
func TestRights(t *testing.T) {
	v := newWorld(t, 2, func(c *config.Pubsub) { c.Deliveries = 0 })
	v.groups[v.friends[0]] = []string{"Friends"}
	owner, nurse := v.bind(juliet, "a"), v.bind(jid.MustParse("nurse@example.org"), "a")
	friend, contact := v.bind(v.friends[0], "a"), v.bind(v.friends[1], "a")
	all := []visitor{
		{"the account", owner, isNone, false, true},
		{"owner", nurse, isOwner, false, false},
		{"publisher", nurse, isPublisher, false, false},
		{"publish-only", nurse, isPublishOnly, false, false},
		{"member", nurse, isMember, false, false},
		{"none", nurse, isNone, false, false},
		{"none, subscribed", nurse, isNone, true, false},
		{"none, contact", contact, isNone, false, true},
		{"none, of a group", friend, isNone, false, true},
		{"outcast", nurse, isOutcast, false, false},
		{"outcast, contact", friend, isOutcast, false, true},
	}
	var b strings.Builder
	b.WriteString("# y yes, w waits for an owner's word, f forbidden, p presence-subscription-required, g not-in-roster-group, s not-subscribed, c closed-node.\n" +
		"# The last two: a new item, and an item of somebody else, where the publish model is subscribers, and open. Only owners purge (section 8.5).\n")
	for _, at := range []struct{ name, address, access string }{
		{"node of an account", juliet.String(), "open presence roster authorize whitelist"}, {"node of the service", serviceAddress, "open authorize whitelist"},
	} {
		for _, access := range strings.Fields(at.access) {
			fmt.Fprintf(&b, "\n%s, %s\n%-17s", at.name, access, "")
			for _, a := range acts {
				b.WriteString(" " + a.name)
			}
			b.WriteString(" subscribers open\n")
			for _, x := range all {
				if at.address == serviceAddress && x.tied {
					continue
				}
				fmt.Fprintf(&b, "%-17s", x.name)
				for i, cell := range asks(owner, x, at.address, access) {
					width := len("subscribers")
					if i < len(acts) {
						width = len(acts[i].name)
					}
					fmt.Fprintf(&b, " %-*s", width, cell)
				}
				b.WriteByte('\n')
			}
		}
	}
	golden.Compare(t, "rights.txt", regexp.MustCompile(` +\n`).ReplaceAllString(b.String(), "\n"))
}

// asks makes a node on which an item is the visitor's own and one is not, has the visitor ask for everything, and tells what came of it.
func asks(owner *client, x visitor, address, access string) (cells []string) {
	bare := x.who.s.JID.Bare().String()
	must := func(c *client, space, inner string) {
		if got := c.outcome(address, "set", space, inner); got != "y" {
			c.Fatalf("%s, %s: %s: %s", x.name, access, inner, got)
		}
	}
	affiliate := func(is affiliation) {
		if x.who != owner {
			must(owner, ns.PubSubOwner, "<affiliations node='n'><affiliation jid='"+bare+"' affiliation='"+string(is)+"'/></affiliations>")
		}
	}
	begin := func(publish string) {
		groups := ""
		if access == accessRoster {
			groups = "<field var='pubsub#roster_groups_allowed'><value>Friends</value></field>"
		}
		must(owner, ns.PubSub, "<create node='n'/><configure><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>"+access+"</value></field>"+
			"<field var='pubsub#publish_model'><value>"+publish+"</value></field><field var='pubsub#max_items'><value>max</value></field>"+groups+"</x></configure>")
		must(owner, ns.PubSub, "<publish node='n'><item id='theirs'><x xmlns='urn:x'/></item></publish>")
		affiliate(isPublisher)
		must(x.who, ns.PubSub, "<publish node='n'><item id='own'><x xmlns='urn:x'/></item></publish>")
		if x.joined {
			must(x.who, ns.PubSub, "<subscribe node='n' jid='"+bare+"'/>")
		}
		if x.who == owner {
			// Nobody else has published: theirs is an item of somebody else's also for the owner.
			must(owner, ns.PubSub, "<publish node='n'><item id='theirs'><x xmlns='urn:x'/></item></publish>")
		}
		affiliate(x.is)
	}
	end := func() { owner.outcome(address, "set", ns.PubSubOwner, "<delete node='n'/>") }
	begin(publishPublishers)
	for _, a := range acts {
		inner := a.inner
		if a.name == "subscribe" {
			inner = fmt.Sprintf(inner, bare)
		}
		cells = append(cells, x.who.outcome(address, a.typ, a.space, inner))
		if a.name == "create" {
			x.who.outcome(address, "set", ns.PubSubOwner, "<delete node='m'/>")
		}
	}
	end()
	for _, model := range []string{publishSubscribers, publishOpen} {
		begin(model)
		cells = append(cells, x.who.outcome(address, "set", ns.PubSub, acts[1].inner)+x.who.outcome(address, "set", ns.PubSub, acts[2].inner))
		end()
	}
	return cells
}

// conditions are those of an error, the one of pubsub last.
var conditions = regexp.MustCompile(`<([a-z-]+) xmlns='(?:urn:ietf:params:xml:ns:xmpp-stanzas|http://jabber.org/protocol/pubsub#errors)'`)

// letters stand for the conditions that rights have.
var letters = map[string]string{
	"forbidden": "f", "presence-subscription-required": "p", "not-in-roster-group": "g", "not-subscribed": "s", "closed-node": "c",
}

// outcome asks for something and tells in a letter what came of it, or in a word that nobody expects.
func (c *client) outcome(address, typ, space, inner string) string {
	c.Helper()
	c.asked++
	id := fmt.Sprint("outcome-", c.asked)
	c.take()
	c.say("<iq type='" + typ + "' id='" + id + "' to='" + address + "'>" + pubsub(space, inner) + "</iq>")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		c.mu.Lock()
		got := c.got
		c.mu.Unlock()
		_, answer, found := strings.Cut(got, "id='"+id+"'")
		switch all := conditions.FindAllStringSubmatch(answer, -1); {
		case !found:
			continue
		case len(all) > 0:
			condition := all[len(all)-1][1]
			return cmp.Or(letters[condition], condition)
		case strings.Contains(answer, "subscription='pending'"):
			return "w"
		}
		return "y"
	}
	c.Fatal("no answer")
	return ""
}
