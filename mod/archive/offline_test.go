package archive

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
)

// want compares the bodies that a client got.
func (c *client) want(bodies string) {
	c.Helper()
	if got := strings.Join(c.bodies(), " "); got != bodies {
		c.Errorf("%s got %q, want %q", c.s.JID, got, bodies)
	}
}

func TestOfflineExactlyOnce(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	say := func(s string) { ann.send(chat("bob@example.org", s, "")) }
	say("o1")
	say("o2")
	v.quiet()
	bob := v.online("bob", "b")
	say("l1")
	bob.want("o1 o2 l1")
	first := bob.expect("<body>o1")
	for _, part := range []string{"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='", "<stanza-id xmlns='urn:xmpp:sid:0' id='", "by='bob@example.org'", "from='ann@example.org/a'", "to='bob@example.org'"} {
		if !strings.Contains(first, part) {
			t.Errorf("no %s in %s", part, first)
		}
	}
	bob.leave()
	bob = v.online("bob", "b")
	bob.want("") // all of it was given
	bob.leave()
	say("o3")
	v.quiet()
	for _, orderly := range []bool{true, false} {
		v.restart(orderly)
		ann = v.online("ann", "a")
	}
	say("o4")
	v.quiet()
	bob = v.online("bob", "c")
	say("l2")
	bob.want("o3 o4 l2")
	second := v.online("bob", "d")
	second.want("")
	v.restart(true)
	v.online("bob", "c").want("")
	if got := strings.Join(ann.all(), ""); strings.Contains(got, "type='error'") {
		t.Errorf("the sender was told of errors: %s", got)
	}
}

// After a crash what was given out in the last minutes may come again, but nothing older, and nothing is missing.
func TestOfflineCrash(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	for i := range 30 {
		ann.send(chat("bob@example.org", strconv.Itoa(i), ""))
		bob.expect("<body>" + strconv.Itoa(i) + "<")
		v.quiet()
		v.move(time.Minute)
	}
	v.restart(false)
	got := v.online("bob", "b").bodies()
	if len(got) == 0 || len(got) > 11 || got[len(got)-1] != "29" {
		t.Errorf("came again: %v", got)
	}
}

func TestOfflineAware(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	ann.send(chat("bob@example.org", "o1", ""))
	v.quiet()
	modern := v.bind("bob", "m")
	if p := modern.history("", ""); strings.Join(p.bodies, "") != "o1" {
		t.Fatalf("archive %v", p.bodies)
	}
	modern.send("<presence/>")
	modern.want("o1") // the one of the query
	old := v.online("bob", "o")
	old.want("o1")
	old.leave()
	modern.leave()
	v.restart(true)
	ann = v.online("ann", "a")
	// With nothing waiting, a client that reads the archive does not make later ones wait for what it got live.
	modern = v.bind("bob", "m")
	modern.history("", "")
	modern.send("<presence/>")
	ann.send(chat("bob@example.org", "l1", ""))
	modern.expect("<body>l1")
	modern.leave()
	v.online("bob", "o").want("")
	// Long after it came, what waits is not given any more.
	v.quiet()
	v.turn("bob", func(a *core.Account) { a.EndSessions(core.NewWork(v.pool), nil) })
	ann.send(chat("bob@example.org", "o2", ""))
	v.quiet()
	v.move(takenOver + time.Hour)
	ann.send(chat("bob@example.org", "o3", ""))
	v.quiet()
	modern = v.bind("bob", "m")
	modern.history("", "")
	modern.send("<presence/>")
	v.online("bob", "o").want("o3")
}

func TestOfflinePriority(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	bob := v.bind("bob", "b")
	bob.send("<presence><priority>-1</priority></presence>")
	for i := range 5 {
		ann.send(chat("bob@example.org", fmt.Sprint("o", i), ""))
	}
	bob.want("")
	bob.send("<presence><priority>-2</priority></presence>")
	bob.want("")
	bob.send("<presence><priority>1</priority></presence>")
	ann.send(chat("bob@example.org", "l", ""))
	bob.want("o0 o1 o2 o3 o4 l")
}

func TestNotKeptNobodyThere(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	bob := v.bind("bob", "b")
	bob.ask("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>")
	for _, c := range []struct {
		xml    string
		answer string
	}{
		{"<message id='1' type='chat' to='bob@example.org'><body>x</body></message>", ""},
		{"<message id='2' type='chat' to='bob@example.org'><body>x</body><no-store xmlns='urn:xmpp:hints'/></message>", "service-unavailable"},
		{"<message id='3' type='chat' to='bob@example.org'><active xmlns='http://jabber.org/protocol/chatstates'/></message>", ""},
		{"<message id='4' type='headline' to='bob@example.org'><body>x</body></message>", ""},
	} {
		before := len(ann.all())
		ann.send(c.xml)
		v.quiet()
		got := strings.Join(ann.all()[before:], "")
		if (c.answer == "") != (got == "") || !strings.Contains(got, c.answer) {
			t.Errorf("%s: %s", c.xml, got)
		}
	}
	// XEP-0334 section 4.1: what belongs into no archive waits all the same, and only for as long as nobody has got it.
	ann.send("<message id='5' type='chat' to='bob@example.org'><body>y</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>")
	v.quiet()
	bob.leave()
	v.restart(true)
	bob = v.online("bob", "b")
	bob.want("x y")
	if got := bob.ask("set", "<query xmlns='urn:xmpp:mam:2'/>"); strings.Contains(got, "<result") {
		t.Errorf("in the archive: %s", got)
	}
	bob.leave()
	v.quiet()
	v.restart(true)
	v.online("bob", "b").want("")
}

// A backlog of many pages: each follows when the client has read the one before, and what comes meanwhile comes behind.
func TestOfflinePages(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	owner := ownerOf(v, "bob")
	var want []string
	var last store.Ticket
	n := 2*drainRows + 50
	for i := range n {
		want = append(want, strconv.Itoa(i))
		xml := "<message xmlns='jabber:client' from='ann@example.org/a' to='bob@example.org' type='chat'><body>" + strconv.Itoa(i) + "</body></message>"
		_, last = v.db.Archive.Append(store.Entry{Owner: owner, Peer: "ann@example.org", Offline: true, Stanza: []byte(xml)})
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	ann, bob := v.online("ann", "a"), v.bind("bob", "b")
	bob.slow = true
	bob.send("<presence/>")
	if got := bob.arrived(); got == 0 || got > 2*drainRows {
		t.Fatalf("%d messages for a client that does not read", got)
	}
	other := v.bind("bob", "c")
	other.send("<presence/>")
	ann.send(chat("bob@example.org", "l1", ""))
	other.expect("<body>l1")
	for bob.arrived() < n {
		bob.reads()
		v.turn("bob", func(*core.Account) {})
	}
	ann.send(chat("bob@example.org", "l2", ""))
	bob.slow = false
	bob.reads()
	v.quiet()
	ann.send(chat("bob@example.org", "l3", ""))
	bob.want(strings.Join(append(want, "l1", "l2", "l3"), " "))
	other.want("l1 l2 l3")
	v.restart(true)
	v.online("bob", "b").want("")
}

// What a client was given late and never acknowledged waits again when its session is over.
func TestOfflineComesBack(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	for i := range 4 {
		ann.send(chat("bob@example.org", fmt.Sprint("o", i), ""))
	}
	v.quiet()
	bob := v.bind("bob", "b")
	bob.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
	bob.expect("<enabled")
	bob.send("<presence/>")
	bob.want("o0 o1 o2 o3")
	var acked int
	for _, x := range bob.all() {
		if strings.Contains(x, "<body>o0<") || strings.HasPrefix(x, "<presence") {
			acked++ // its own presence, which came first, and the first message
		}
	}
	bob.send(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", acked))
	bob.leave()
	if got := strings.Join(ann.all(), ""); strings.Contains(got, "type='error'") {
		t.Errorf("the sender was told of errors: %s", got)
	}
	v.online("bob", "b").want("o1 o2 o3")
}

// What came while the only session had no connection is the session's if it is resumed, and waits if it is not.
func TestOfflineDetached(t *testing.T) {
	for _, resumed := range []bool{true, false} {
		t.Run(fmt.Sprint("resumed ", resumed), func(t *testing.T) {
			v := newWorld(t, "ann", "bob")
			ann := v.online("ann", "a")
			bob := v.bind("bob", "b")
			bob.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
			id := between(bob.expect("<enabled"), "id='", "'")
			bob.send("<presence/>")
			ann.send(chat("bob@example.org", "l1", ""))
			bob.expect("<body>l1")
			v.quiet()
			handled := uint32(0)
			for _, x := range bob.all() {
				if strings.HasPrefix(x, "<presence") || strings.HasPrefix(x, "<message") {
					handled++
				}
			}
			bob.send(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", handled))
			bob.s.Lose(bob.w, bob, core.LostLine)
			bob.w.Run()
			ann.send(chat("bob@example.org", "p1", ""))
			v.quiet()
			if resumed {
				again := &client{world: v, w: core.NewWork(v.pool)}
				s, err := v.host.Resume(t.Context(), again.w, bob.s.Account.JID, id, handled, again)
				if err != nil {
					t.Fatal(err)
				}
				again.s = s
				again.want("p1")
				again.leave()
				v.online("bob", "c").want("")
				return
			}
			v.turn("bob", func(a *core.Account) { a.EndSessions(core.NewWork(v.pool), nil) })
			v.quiet()
			v.online("bob", "c").want("p1")
		})
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// A row can be on disk before its message is shown. Whoever comes in between gets it once.
func TestOfflineBetweenDiskAndShow(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	v.disk.set(false, true)
	ann.send(chat("bob@example.org", "x", ""))
	owner := ownerOf(v, "bob")
	v.await(func() bool {
		rows, err := v.db.Offline.After(t.Context(), owner, 0, 1)
		return err == nil && len(rows) == 1
	}, func() string { return "not on disk" })
	bob := v.online("bob", "b")
	bob.expect("<body>x")
	v.disk.set(false, false)
	ann.send(chat("bob@example.org", "y", ""))
	bob.expect("<body>y")
	bob.want("x y")
}
