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

// TestFlood: whatever makes notifications counts as publishing does.
func TestFlood(t *testing.T) {
	const busy = "policy-violation"
	for what, act := range map[string]func(c *client, i int) string{
		"configuration": func(c *client, i int) string {
			return c.ask("set", ns.PubSubOwner, fmt.Sprintf("<configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value></field>"+
				"<field var='pubsub#notify_config'><value>1</value></field><field var='pubsub#title'><value>%d</value></field></x></configure>", ns.PubSubNodeConfig, i))
		},
		"purge": func(c *client, _ int) string { return c.ask("set", ns.PubSubOwner, "<purge node='n'/>") },
		"retraction": func(c *client, i int) string {
			return c.ask("set", ns.PubSub, fmt.Sprintf("<retract node='n' notify='1'><item id='i%d'/></retract>", i))
		},
		"deletion": func(c *client, i int) string {
			return c.ask("set", ns.PubSubOwner, fmt.Sprintf("<delete node='n%d'/>", i))
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := newWorld(t, 10, func(c *config.Pubsub) { c.Deliveries = 5 })
			owner := v.bind(juliet, "r")
			owner.online("1")
			create := func(name string) {
				owner.ask("set", ns.PubSub, "<create node='"+name+"'/><configure><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"+ns.PubSubNodeConfig+"</value></field>"+
					"<field var='pubsub#max_items'><value>max</value></field></x></configure>")
			}
			create("n")
			for i := range 12 {
				create(fmt.Sprint("n", i))
				v.pass(time.Hour)
				owner.publish("n", fmt.Sprint("i", i), "<a xmlns='urn:a'/>")
			}
			v.pass(time.Hour)
			done, refused := 0, 0
			for i := range 12 {
				if got := act(owner, i); strings.Contains(got, busy) {
					refused++
				} else if strings.Contains(got, "type='result'") {
					done++
				} else {
					t.Fatal(got)
				}
			}
			if done > 6 || refused == 0 || done == 0 {
				t.Errorf("%d were done, %d refused", done, refused)
			}
		})
	}
}

// pass has time pass.
func (v *world) pass(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock = v.clock.Add(d)
}

// TestNobodyIsSubscribedByStrangers: an owner subscribes contacts, and grants what was asked for; nobody else is sent anything.
func TestNobodyIsSubscribedByStrangers(t *testing.T) {
	v := newWorld(t, 1, nil)
	owner := v.bind(juliet, "r")
	owner.ask("set", ns.PubSub, "<create node='n'/><configure><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"+ns.PubSubNodeConfig+"</value></field>"+
		"<field var='pubsub#access_model'><value>open</value></field></x></configure>")
	nurse := v.bind(jid.MustParse("nurse@example.org"), "r")
	nurse.online("1")
	friend := v.bind(v.friends[0], "r")
	friend.online("1")
	subscribe := func(j string) string {
		return owner.ask("set", ns.PubSubOwner, "<subscriptions node='n'><subscription jid='"+j+"' subscription='subscribed'/></subscriptions>")
	}
	for _, j := range []string{"nurse@example.org", "nurse@example.org/r"} {
		if got := subscribe(j); !strings.Contains(got, "not-acceptable") {
			t.Errorf("%s: %s", j, got)
		}
	}
	if got := subscribe(v.friends[0].String()); !strings.Contains(got, "type='result'") {
		t.Error(got)
	}
	owner.publish("n", "i", "<a xmlns='urn:a'>spam</a>")
	v.rest()
	if got := nurse.take(); strings.Contains(got, "<event") {
		t.Error(got)
	}
	if got := friend.take(); !strings.Contains(got, "spam") {
		t.Error(got)
	}
}

// TestOneSubscriberManyAddresses: nobody fills the places of a node alone.
func TestOneSubscriberManyAddresses(t *testing.T) {
	v := newWorld(t, 1, func(c *config.Pubsub) { c.Peers = 30 })
	owner := v.bind(juliet, "r")
	owner.ask("set", ns.PubSub, "<create node='n'/><configure><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"+ns.PubSubNodeConfig+"</value></field>"+
		"<field var='pubsub#access_model'><value>open</value></field></x></configure>")
	nurse := v.bind(jid.MustParse("nurse@example.org"), "r")
	for i := range 40 {
		nurse.ask("set", ns.PubSub, fmt.Sprintf("<subscribe node='n' jid='nurse@example.org/no-%d'/>", i))
	}
	friend := v.bind(v.friends[0], "r")
	if got := friend.ask("set", ns.PubSub, "<subscribe node='n' jid='"+v.friends[0].String()+"'/>"); !strings.Contains(got, "type='result'") {
		t.Error(got)
	}
}

// TestLargeNotifications: what is large counts for more.
func TestLargeNotifications(t *testing.T) {
	v := newWorld(t, 10, func(c *config.Pubsub) { c.Deliveries = 30 })
	owner := v.bind(juliet, "r")
	owner.online("1")
	done := 0
	for i := range 10 {
		got := owner.ask("set", ns.PubSub, fmt.Sprintf("<publish node='n'><item id='i%d'><a xmlns='urn:a'>%s</a></item></publish>", i, strings.Repeat("x", 40_000)))
		if strings.Contains(got, "type='result'") {
			done++
		}
	}
	if done < 1 || done > 4 {
		t.Errorf("%d of 10 were published", done)
	}
}
