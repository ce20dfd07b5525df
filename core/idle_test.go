package core_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	inactive = "<inactive xmlns='" + ns.ClientState + "'/>"
	active   = "<active xmlns='" + ns.ClientState + "'/>"
)

// traffic is what a client was sent since the last call: how often, and how many bytes.
func (c *client) traffic() (writes, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	writes, bytes = c.writes, c.got.Len()
	c.writes = 0
	c.got.Reset()
	return writes, bytes
}

// An hour of a telephone's life: what its neighbour on the desk is told of at once, it is told of once, with the message that matters.
func TestInactiveSavesBytesAndWakeUps(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		names := []string{"juliet", "romeo", "nurse", "tybalt", "paris", "mercutio"}
		x := build(t, names, nil)
		desk, phone := x.online("juliet", "desk"), x.online("juliet", "phone")
		var contacts []*client
		for _, n := range names[1:] {
			contacts = append(contacts, x.online(n, "r"))
		}
		for _, c := range contacts {
			c.fence()
		}
		phone.nonza(inactive)
		phone.fence()
		desk.traffic()
		phone.traffic()
		for i := range 12 {
			for _, c := range contacts {
				c.say(fmt.Sprintf("<presence ><status>minute %d</status></presence>", 5*i),
					"<message type='chat' to='juliet@example.org'><composing xmlns='"+ns.ChatStates+"'/></message>",
					"<message type='headline' to='juliet@example.org'><event xmlns='"+ns.PubSubEvent+"'><items node='tune'><item id='current'><t xmlns='t'>"+
						fmt.Sprint(i)+"</t></item></items></event></message>")
				c.fence()
			}
		}
		desk.wait("minute 55")
		if writes, bytes := phone.traffic(); writes > 0 {
			t.Errorf("woken %d times by %d bytes of no importance", writes, bytes)
		}
		contacts[0].say("<message type='chat' to='juliet@example.org' id='love'><body>wake up</body></message>")
		phone.wait("wake up")
		contacts[0].fence()
		desk.wait("wake up")
		text := phone.text()
		many, much := desk.traffic()
		few, little := phone.traffic()
		t.Logf("desk: %d writes, %d bytes; phone: %d writes, %d bytes", many, much, few, little)
		if few > 2 || few*20 > many || little*8 > much {
			t.Errorf("inactive: %d writes and %d bytes; active: %d and %d", few, little, many, much)
		}
		if strings.Contains(text, "minute 50") || strings.Count(text, "minute 55") != len(contacts) {
			t.Errorf("not the newest presence of each: %s", text)
		}
		if strings.Index(text, "minute 55") > strings.Index(text, "wake up") || strings.Count(text, "<composing") != len(contacts)-1 {
			t.Errorf("what was held comes before the message, less what it says itself: %s", text)
		}
		if n := strings.Count(text, "node='tune'"); n != len(contacts) {
			t.Errorf("%d notifications, one of each contact would do", n)
		}
	})
}

// What passes at once and what waits, what takes whose place, and in which order it comes when the client is active again.
func TestInactiveHolds(t *testing.T) {
	const (
		event  = "<message type='headline' to='juliet@example.org/j' id='%s'><event xmlns='" + ns.PubSubEvent + "'>%s</event></message>"
		items  = "<items node='%s'><item id='%s'/></items>"
		copied = "<message type='chat' to='juliet@example.org/j' id='%s'><received xmlns='" + ns.Carbons + "'><forwarded xmlns='" + ns.Forward +
			"'><message xmlns='jabber:client' type='chat' from='n@x/r' to='juliet@example.org/other'>%s</message></forwarded></received></message>"
		composing = "<composing xmlns='" + ns.ChatStates + "'/>"
		message   = "<message type='chat' to='juliet@example.org/j' id='%s'>%s</message>"
	)
	say := fmt.Sprintf
	for name, c := range map[string]struct {
		say  []string
		held bool
		want string // ids at the end
	}{
		"typing":                     {[]string{say(message, "a", composing), say(message, "b", "<paused xmlns='"+ns.ChatStates+"'/>")}, true, "b"},
		"a body":                     {[]string{say(message, "a", composing+"<body>x</body>")}, false, "a"},
		"encrypted":                  {[]string{say(message, "a", "<encrypted xmlns='"+ns.OMEMO+"'/>")}, false, "a"},
		"a receipt":                  {[]string{say(message, "a", "<received xmlns='"+ns.Receipts+"' id='1'/>")}, false, "a"},
		"a marker":                   {[]string{say(message, "a", "<displayed xmlns='"+ns.Markers+"' id='1'/>")}, false, "a"},
		"a call":                     {[]string{say(message, "a", "<propose xmlns='"+ns.JingleMessage+"' id='1'/>")}, false, "a"},
		"a question":                 {[]string{"<iq type='get' to='juliet@example.org/j' id='a'><ping xmlns='urn:xmpp:ping'/></iq>"}, false, "a"},
		"a plain headline":           {[]string{"<message type='headline' to='juliet@example.org/j' id='a'><body>news</body></message>"}, false, "a"},
		"one item":                   {[]string{say(event, "a", say(items, "n", "1")), say(event, "b", say(items, "n", "1"))}, true, "b"},
		"other items":                {[]string{say(event, "a", say(items, "n", "1")), say(event, "b", say(items, "n", "2"))}, true, "a b"},
		"other nodes":                {[]string{say(event, "a", say(items, "n", "1")), say(event, "b", say(items, "m", "1"))}, true, "a b"},
		"purged between":             {[]string{say(event, "a", say(items, "n", "1")), say(event, "b", "<purge node='n'/>"), say(event, "c", say(items, "n", "1"))}, true, "b c"},
		"twice without ids":          {[]string{say(event, "a", "<items node='n'><item/></items>"), say(event, "b", "<items node='n'><item/></items>")}, true, "a b"},
		"a copied notice":            {[]string{say(copied, "a", composing), say(copied, "b", composing)}, true, "b"},
		"a copied message":           {[]string{say(copied, "a", composing+"<body>x</body>")}, false, "a"},
		"an entry of another's list": {[]string{"<message type='headline' to='juliet@example.org/j' id='a'><entry xmlns='" + ns.Inbox + "' jid='x@y'/></message>"}, false, "a"},
		"presence":                   {[]string{"<presence to='juliet@example.org/j' id='a'/>", "<presence to='juliet@example.org/j' id='b' type='unavailable'/>"}, true, "b"},
		"joining":                    {[]string{"<presence to='juliet@example.org/j' id='a'><x xmlns='" + ns.MUCUser + "'><status code='110'/></x></presence>"}, false, "a"},
		"another's presence":         {[]string{"<presence to='juliet@example.org/j' id='a'><x xmlns='" + ns.MUCUser + "'><status code='100'/></x></presence>"}, true, "a"},
		"the order stays": {[]string{
			"<presence to='juliet@example.org/j' id='a'/>", say(message, "b", composing), "<presence to='juliet@example.org/j' id='c'/>",
		}, true, "b c"},
	} {
		t.Run(name, func(t *testing.T) {
			x := build(t, []string{"juliet", "romeo"}, nil)
			juliet, romeo := x.online("juliet", "j"), x.bind("romeo", "r")
			juliet.fence()
			juliet.nonza(inactive)
			juliet.traffic()
			romeo.say(c.say...)
			romeo.fence()
			if got := juliet.text(); (got == "") != c.held {
				t.Errorf("held: %v, but got %s", c.held, got)
			}
			juliet.nonza(active)
			juliet.fence()
			if got := idsOf(juliet.text(), "fence"); strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

var anyID = regexp.MustCompile(`<(?:message|presence|iq)[^>]* id='([^']+)'`)

// idsOf are the ids of the stanzas in a text but those that begin with a word.
func idsOf(text, but string) []string {
	var out []string
	for _, m := range anyID.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return slices.DeleteFunc(out, func(id string) bool { return strings.HasPrefix(id, but) })
}

// The bounds of what is held: its bytes, and anything that the client says.
func TestInactiveIsBounded(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	x.config.Limits.HoldBytes = 4000
	juliet, romeo := x.online("juliet", "j"), x.bind("romeo", "r")
	juliet.fence()
	juliet.nonza(inactive)
	juliet.traffic()
	for i := range 40 {
		romeo.say(fmt.Sprintf("<message type='headline' to='juliet@example.org/j'><event xmlns='"+ns.PubSubEvent+"'><items node='n'><item id='%d'/></items></event></message>", i))
	}
	romeo.fence()
	writes, bytes := juliet.traffic()
	if writes == 0 || writes > 10 || bytes > 40*300 {
		t.Errorf("%d writes, %d bytes", writes, bytes)
	}
	romeo.say("<presence to='juliet@example.org/j' id='p'/>")
	romeo.fence()
	juliet.fence() // it says something: its radio is on
	juliet.wait("id='p'")
	x.config.Limits.HoldBytes = 0
	juliet.traffic()
	romeo.say("<presence to='juliet@example.org/j' id='q'/>")
	juliet.wait("id='q'")
}

// What is held is not counted before it is sent, and a broken line does not lose it: it comes behind what was sent, and the session is active
// (XEP-0352 section 4.3).
func TestInactiveAndResumption(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		juliet, romeo := x.online("juliet", "j"), x.bind("romeo", "r")
		juliet.fence()
		id := juliet.enable()
		juliet.nonza(inactive)
		romeo.say("<message to='juliet@example.org/j' id='m1'><body>b</body></message>", "<presence to='juliet@example.org/j' id='p1'/>")
		romeo.fence()
		juliet.wait("id='m1'")
		juliet.session.Lose(juliet.work, juliet, core.LostLine)
		juliet.work.Run()
		romeo.say("<presence to='juliet@example.org/j' id='p2'/>")
		romeo.fence()
		if _, err := x.resume("juliet", id, 2); err == nil {
			t.Fatal("what was held counts as sent")
		}
		again, err := x.resume("juliet", id, 1)
		if err != nil {
			t.Fatal(err)
		}
		again.wait("id='p2'")
		if got := idsOf(again.text(), "fence"); strings.Join(got, " ") != "p2" {
			t.Errorf("got %v", got)
		}
		if again.owned().Inactive() {
			t.Error("a resumed session is active")
		}
		romeo.say("<presence to='juliet@example.org/j' id='p3'/>")
		again.wait("id='p3'")
	})
}

// A session that ends gives what it held to nobody else, and is counted no more.
func TestInactiveEnds(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	juliet, romeo := x.online("juliet", "j"), x.bind("romeo", "r")
	juliet.fence()
	juliet.nonza(inactive)
	romeo.say("<presence to='juliet@example.org/j'/>")
	romeo.fence()
	if n := core.Inactive(x.rooms[0].host); n != 1 {
		t.Errorf("%d sessions are inactive", n)
	}
	juliet.session.Lose(juliet.work, juliet, core.LostClosed)
	juliet.work.Run()
	if n := core.Inactive(x.rooms[0].host); n != 0 {
		t.Errorf("%d sessions are inactive", n)
	}
}

// Whatever stands in a stanza, deciding about it neither panics nor holds what people write.
func FuzzHold(f *testing.F) {
	f.Add("<message type='headline'><event xmlns='" + ns.PubSubEvent + "'><items node='n'><item id='1'/></items></event></message>")
	f.Add("<message><received xmlns='" + ns.Carbons + "'><forwarded xmlns='" + ns.Forward + "'><message><composing xmlns='" + ns.ChatStates + "'/></message></forwarded></received></message>")
	f.Add("<presence><x xmlns='" + ns.MUCUser + "'><status code='110'/></x></presence>")
	f.Add("<message><active xmlns='" + ns.ChatStates + "'/><thread>t</thread></message>")
	f.Fuzz(func(t *testing.T, text string) {
		st, err := stanza.Parse(text)
		if err != nil {
			return
		}
		if core.MayWait(st, jid.JID{}) && st.Kind == stanza.Message && st.Has(ns.Client, "body") && st.Type != stanza.Headline && !st.Has(ns.Carbons, "") {
			t.Errorf("held: %s", text)
		}
	})
}
