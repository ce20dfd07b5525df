package pubsub

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

const busy = "<policy-violation "

func created(node string, fields ...string) string {
	b := "<create node='" + node + "'/><configure><x xmlns='jabber:x:data' type='submit'>"
	for i := 0; i < len(fields); i += 2 {
		b += "<field var='pubsub#" + fields[i] + "'><value>" + fields[i+1] + "</value></field>"
	}
	return b + "</x></configure>"
}

// hall is a service with nodes of juliet to which ten people have subscribed.
func hall(t *testing.T, edit func(*config.Pubsub), nodes ...string) (v *world, owner *client, people []*client) {
	t.Helper()
	v = newWorld(t, 10, edit)
	owner = v.bind(juliet, "a")
	for _, j := range v.friends {
		people = append(people, v.bind(j, "a"))
	}
	for _, n := range nodes {
		owner.must("", ns.PubSub, created(n, "publish_model", "open", "max_items", "max"))
		for _, c := range people {
			c.must("", ns.PubSub, "<subscribe node='"+n+"' jid='"+c.s.JID.Bare().String()+"'/>")
		}
	}
	v.pass(time.Hour)
	return v, owner, people
}

// tries repeats an act and counts how often it is done and refused.
func tries(t *testing.T, times int, act func(i int) string) (done, refused int) {
	t.Helper()
	for i := range times {
		switch got := act(i); {
		case strings.Contains(got, busy):
			refused++
		case strings.Contains(got, "type='result'"):
			done++
		default:
			t.Fatal(got)
		}
	}
	return done, refused
}

// What one account causes is bounded over all nodes, its own and those of others, and in whatever way: fifty at once here, ten for each publication.
func TestOnePurseForAllNodes(t *testing.T) {
	publish := func(c *client, node string, i int) string {
		return c.service("set", pubsub(ns.PubSub, fmt.Sprintf("<publish node='%s'><item id='i%d'><a xmlns='urn:a'/></item></publish>", node, i)))
	}
	few := func(c *config.Pubsub) { c.Deliveries = 5 }
	nodes := []string{"a", "b", "c", "d"}
	t.Run("own", func(t *testing.T) {
		v, owner, _ := hall(t, few, nodes...)
		done, refused := tries(t, 20, func(i int) string { return publish(owner, nodes[i%4], i) })
		if done != 5 || refused != 15 {
			t.Errorf("%d were done, %d refused", done, refused)
		}
		v.pass(10 * time.Second)
		if got := publish(owner, "a", 99); !strings.Contains(got, "type='result'") {
			t.Errorf("later: %s", got)
		}
	})
	t.Run("of others", func(t *testing.T) {
		v, owner, _ := hall(t, few, nodes...)
		nurse := v.bind(jid.MustParse("nurse@example.org"), "a")
		done, _ := tries(t, 20, func(i int) string { return publish(nurse, nodes[i%4], i) })
		if done != 5 {
			t.Errorf("%d were done", done)
		}
		// Nobody spends what an owner may publish.
		if got := publish(owner, "a", 99); !strings.Contains(got, "type='result'") {
			t.Errorf("the owner: %s", got)
		}
	})
	t.Run("accounts", func(t *testing.T) {
		v, owner, _ := hall(t, few, nodes...)
		nurse := v.bind(jid.MustParse("nurse@example.org"), "a")
		owner.ask("set", ns.PubSub, created("n", "publish_model", "open", "access_model", "open"))
		done, _ := tries(t, 20, func(i int) string {
			return nurse.ask("set", ns.PubSub, fmt.Sprintf("<publish node='n'><item id='i%d'><a xmlns='urn:a'/></item></publish>", i))
		})
		if done != 5 { // eleven each
			t.Errorf("%d were done", done)
		}
		owner.publish("bookmarks", "x", payload)
	})
	t.Run("what nobody hears of is free", func(t *testing.T) {
		_, owner, _ := hall(t, few, "a")
		tries(t, 10, func(i int) string { return publish(owner, "a", i) })
		if got := owner.service("set", pubsub(ns.PubSub, created("lonely"))); !strings.Contains(got, "type='result'") {
			t.Error(got)
		}
		if done, _ := tries(t, 10, func(i int) string { return publish(owner, "lonely", i) }); done != 10 {
			t.Errorf("%d were done", done)
		}
	})
}

// Subscriptions are no way around: what they make the service send, to owners or to who is subscribed, is paid for as well.
func TestSubscriptionsArePaidFor(t *testing.T) {
	few := func(c *config.Pubsub) { c.Deliveries = 5 }
	t.Run("many owners are asked", func(t *testing.T) {
		v, owner, _ := hall(t, func(c *config.Pubsub) { c.Deliveries = 50 })
		owner.must("", ns.PubSub, created("n", "access_model", "authorize"))
		b := "<affiliations node='n'>"
		for _, j := range v.friends {
			b += "<affiliation jid='" + j.String() + "' affiliation='owner'/>"
		}
		owner.must("", ns.PubSubOwner, b+"</affiliations>")
		v.pass(time.Hour)
		nurse := v.bind(jid.MustParse("nurse@example.org"), "a")
		done, refused := tries(t, 20, func(int) string {
			nurse.service("set", pubsub(ns.PubSub, "<unsubscribe node='n' jid='nurse@example.org'/>"))
			return nurse.service("set", pubsub(ns.PubSub, "<subscribe node='n' jid='nurse@example.org'/>"))
		})
		if done != 3 || refused != 17 { // eleven owners each time, who may keep it
			t.Errorf("%d were done, %d refused", done, refused)
		}
	})
	t.Run("what is kept costs more", func(t *testing.T) {
		_, owner, people := hall(t, few)
		owner.must("", ns.PubSub, created("n", "notification_type", "normal"))
		people[0].must("", ns.PubSub, "<subscribe node='n' jid='"+people[0].s.JID.Bare().String()+"'/>")
		done, _ := tries(t, 10, func(i int) string {
			return owner.service("set", pubsub(ns.PubSub, fmt.Sprintf("<publish node='n'><item id='i%d'><a xmlns='urn:a'/></item></publish>", i)))
		})
		if done != 3 { // twenty each
			t.Errorf("%d were done", done)
		}
	})
	t.Run("large items for new subscribers", func(t *testing.T) {
		_, owner, people := hall(t, few, "n")
		owner.service("set", pubsub(ns.PubSub, "<publish node='n'><item id='i'><a xmlns='urn:a'>"+strings.Repeat("x", 100_000)+"</a></item></publish>"))
		c := people[0]
		bare := c.s.JID.Bare().String()
		done := 0
		for range 20 {
			c.service("set", pubsub(ns.PubSub, "<unsubscribe node='n' jid='"+bare+"'/>"))
			if got := c.service("set", pubsub(ns.PubSub, "<subscribe node='n' jid='"+bare+"'/>")); strings.Contains(got, "type='result'") {
				done++
			}
		}
		if done < 1 || done > 3 {
			t.Errorf("%d times", done)
		}
	})
	t.Run("to and fro by an owner", func(t *testing.T) {
		v, owner, _ := hall(t, few)
		owner.ask("set", ns.PubSub, created("n"))
		owner.publish("n", "i", "<a xmlns='urn:a'>"+strings.Repeat("x", 40_000)+"</a>")
		v.pass(time.Hour)
		all := func(state string) string {
			b := "<subscriptions node='n'>"
			for _, j := range v.friends {
				b += "<subscription jid='" + j.String() + "' subscription='" + state + "'/>"
			}
			return owner.ask("set", ns.PubSubOwner, b+"</subscriptions>")
		}
		if got := all("subscribed"); !strings.Contains(got, "type='result'") {
			t.Fatal(got)
		}
		if got := all("none"); !strings.Contains(got, busy) {
			t.Error(got)
		}
	})
}

// What is kept on all nodes that one account has made is bounded, whoever publishes it; there is room again when some of it is gone.
func TestBytesOfAllNodes(t *testing.T) {
	v, owner, _ := hall(t, func(c *config.Pubsub) { c.BytesPerAccount, c.PerAccount, c.Deliveries = 10_000, 5, 0 }, "a", "b", "c")
	nurse := v.bind(jid.MustParse("nurse@example.org"), "a")
	full := 0
	for i := range 30 {
		c := []*client{owner, nurse}[i%2]
		got := c.service("set", pubsub(ns.PubSub, fmt.Sprintf("<publish node='%s'><item id='i%d'><a xmlns='urn:a'>%s</a></item></publish>", []string{"a", "b", "c"}[i%3], i, strings.Repeat("x", 980))))
		if strings.Contains(got, "<resource-constraint ") {
			full++
		} else if !strings.Contains(got, "type='result'") {
			t.Fatal(got)
		}
	}
	kept, err := v.db.Rooms.BytesBy(t.Context(), serviceAddress, juliet.String())
	if err != nil || kept > 10_000 || kept < 9000 || full < 20 {
		t.Errorf("%d bytes are kept, %d refused, %v", kept, full, err)
	}
	owner.must("resource-constraint", ns.PubSub, "<publish node='a'><item id='x'><a xmlns='urn:a'>"+strings.Repeat("x", 980)+"</a></item></publish>")
	owner.must("", ns.PubSubOwner, "<purge node='b'/>")
	v.pass(2 * time.Second)
	owner.must("", ns.PubSub, "<publish node='a'><item id='x'><a xmlns='urn:a'>"+strings.Repeat("x", 980)+"</a></item></publish>")
	// Others are not concerned.
	nurse.must("", ns.PubSub, created("own"))
	nurse.must("", ns.PubSub, "<publish node='own'><item id='x'><a xmlns='urn:a'>"+strings.Repeat("x", 980)+"</a></item></publish>")
}

// Rights are kept as well: who gives them to many, on many nodes, has a bound.
func TestPeopleOfAllNodes(t *testing.T) {
	many := func(node string, from, to int) string {
		b := "<affiliations node='" + node + "'>"
		for i := from; i < to; i++ {
			b += fmt.Sprintf("<affiliation jid='%s%d@example.org' affiliation='member'/>", strings.Repeat("x", 990), i)
		}
		return b + "</affiliations>"
	}
	v := newWorld(t, 0, func(c *config.Pubsub) { c.Peers, c.BytesPerAccount, c.Deliveries = 5, 10_000, 0 })
	owner := v.bind(juliet, "a")
	given := 0
	for i := range 30 {
		node := fmt.Sprint("n", i)
		owner.ask("set", ns.PubSub, created(node))
		if got := owner.ask("set", ns.PubSubOwner, many(node, 0, 5)); strings.Contains(got, "type='result'") {
			given += 5
		} else if !strings.Contains(got, "<resource-constraint ") {
			t.Fatal(got)
		}
	}
	if given != 50 {
		t.Errorf("%d on nodes of an account", given)
	}
	given = 0
	for i := range 5 {
		node := fmt.Sprint("n", i)
		owner.must("", ns.PubSub, created(node))
		if got := owner.service("set", pubsub(ns.PubSubOwner, many(node, 0, 4))); strings.Contains(got, "type='result'") {
			given += 4
		} else if !strings.Contains(got, "<resource-constraint ") {
			t.Fatal(got)
		}
	}
	if given != 8 { // four of them are four thousand bytes
		t.Errorf("%d on nodes of the service", given)
	}
}
