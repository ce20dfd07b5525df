package muc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// ears hear what is said.
type ears struct {
	mu  sync.Mutex
	got []string // body: for whom
}

func (e *ears) hear(_ *core.Work, s *core.Said) {
	var names []string
	for who := range s.Everybody {
		names = append(names, who.Local())
	}
	slices.Sort(names)
	body := bodyText.FindStringSubmatch(s.Message.Stanza.Standalone())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, fmt.Sprintf("%s %s by %s: %s", s.Name, append(body, "", "")[1], s.Message.Publisher.Local(), strings.Join(names, " ")))
	if s.Message.ID == "" || s.Room.JID != jid.MustParse(cave) {
		e.got = append(e.got, "without a name")
	}
}

func (e *ears) last() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.got) == 0 {
		return ""
	}
	return e.got[len(e.got)-1]
}

// TestSaidForWhoIsAway: what is said is for members who have been there or have registered, wherever they are, and for others while they are there; each message is told once.
func TestSaidForWhoIsAway(t *testing.T) {
	v := newWorld(t, "juliet", "romeo", "tybalt", "nurse", "paris")
	e := new(ears)
	v.host.Hooks.Said = append(v.host.Hooks.Said, core.SaidHook{Module: "ears", Do: e.hear})
	juliet, romeo, nurse, paris := v.bind("juliet"), v.bind("romeo"), v.bind("nurse"), v.bind("paris")
	juliet.enter("juliet")
	juliet.expect("code='201'")
	juliet.configure("<field var='muc#roomconfig_persistentroom'><value>1</value></field>")
	said := 0
	say := func(want string) {
		t.Helper()
		said++
		juliet.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='m'><body>%d</body></message>", cave, said))
		juliet.expect(fmt.Sprintf("<body>%d</body>", said))
		juliet.never("<nothing>")
		if got := e.last(); got != fmt.Sprintf("cave %d by juliet: %s", said, want) {
			t.Errorf("%s, want %q", got, want)
		}
	}
	come := func(c *client, name string) {
		c.enter(name)
		c.expect("<subject")
	}
	leave := func(c *client, name string) {
		c.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/" + name + "'/>")
		c.expect("<presence", "type='unavailable'", "code='110'")
	}
	say("juliet")
	// On the list, and never seen.
	for _, name := range []string{"romeo", "tybalt", "nurse"} {
		juliet.admin("<item affiliation='member' jid='" + name + "@" + domain + "'/>")
	}
	say("juliet")
	come(romeo, "romeo")
	say("juliet romeo")
	leave(romeo, "romeo")
	say("juliet romeo")
	// Registered, and a stranger.
	nurse.ask("set", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"+
		"<value>http://jabber.org/protocol/muc#register</value></field><field var='muc#register_roomnick'><value>Angelica</value></field></x></query>")
	come(paris, "paris")
	leave(paris, "paris")
	say("juliet nurse romeo")
	// Made a member while there; two devices, of which one stays.
	phone := v.bindAs("paris", "phone")
	come(paris, "paris")
	come(phone, "paris")
	juliet.admin("<item affiliation='member' jid='paris@" + domain + "'/>")
	leave(paris, "paris")
	say("juliet nurse paris romeo")
	leave(phone, "paris")
	say("juliet nurse paris romeo")
	// A client that is lost without a word is away as well, and a membership that ends is the end of it.
	come(romeo, "romeo")
	romeo.s.Lose(romeo.w, romeo, core.LostLine)
	romeo.w.Run()
	juliet.expect("<presence", "/romeo'", "type='unavailable'")
	juliet.admin("<item affiliation='none' jid='paris@" + domain + "'/>")
	say("juliet nurse romeo")
	juliet.admin("<item affiliation='member' jid='paris@" + domain + "'/>")
	say("juliet nurse romeo")
	kept, err := v.db.Rooms.Get(t.Context(), "rooms."+domain, "cave")
	if err != nil {
		t.Fatal(err)
	}
	people, err := v.db.Affiliations.Of(t.Context(), kept.ID)
	been := ""
	for _, a := range people {
		if a.Been {
			been += a.JID + " "
		}
	}
	if err != nil || been != "juliet@example.org romeo@example.org " {
		t.Errorf("been there: %s, %v", been, err)
	}
	if n := len(e.got); n != said {
		t.Errorf("%d of %d were told", n, said)
	}
}

// shelf is a Publisher that has bookmarks.
type shelf struct {
	mu     sync.Mutex
	access string
	items  map[string]string // account and item
	done   chan string
}

func (s *shelf) Publish(_ *core.Work, a *core.Account, node, item, payload string, options map[string]string) store.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if node != "urn:xmpp:bookmarks:1" || options["pubsub#access_model"] != "whitelist" {
		payload = "not private"
	}
	s.items[a.JID.Local()+" "+item] = payload
	s.done <- a.JID.Local()
	return store.Settled(nil)
}

func (s *shelf) Retract(*core.Work, *core.Account, string, string) store.Ticket {
	return store.Settled(nil)
}
func (s *shelf) Access(*core.Account, string) string { return s.access }
func (s *shelf) Items(_ context.Context, a *core.Account, _ string) (out []store.NodeItem, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.items {
		if who, item, _ := strings.Cut(key, " "); who == a.JID.Local() {
			out = append(out, store.NodeItem{ID: item})
		}
	}
	return out, nil
}

// friends are contacts of each other.
type friends struct{ nobody }

func (friends) Lists(a *core.Account, contact jid.JID) bool {
	return a.JID.Local() == "romeo" && contact.Local() == "juliet"
}

// TestMembersGetABookmark: at the wish of a contact, or when they have come; never of a stranger's making, over one that is there, or for all to see.
func TestMembersGetABookmark(t *testing.T) {
	v := newWorld(t, "juliet", "romeo", "tybalt", "nurse", "paris")
	s := &shelf{items: map[string]string{"paris " + cave: "mine"}, done: make(chan string, 9)}
	v.host.Ports.Publisher, v.host.Ports.Contacts = s, friends{}
	juliet := v.bind("juliet")
	juliet.enter("juliet")
	juliet.expect("code='201'")
	juliet.configure("<field var='muc#roomconfig_persistentroom'><value>1</value></field><field var='muc#roomconfig_membersonly'><value>1</value></field>" +
		"<field var='muc#roomconfig_roomname'><value>The Cave</value></field>")
	invite := func(name string) {
		juliet.send("<message xmlns='jabber:client' to='" + cave + "'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='" + name + "@" + domain + "'/></x></message>")
	}
	bookmark := "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true' name='The Cave'>"
	invite("tybalt")
	invite("romeo")
	if got := <-s.done; got != "romeo" {
		t.Fatalf("%s was given one", got)
	}
	juliet.admin("<item affiliation='member' jid='nurse@" + domain + "' nick='Angelica'/>")
	juliet.admin("<item affiliation='member' jid='paris@" + domain + "'/>")
	tybalt, paris := v.bind("tybalt"), v.bind("paris")
	paris.enter("paris")
	paris.expect("<subject")
	tybalt.enter("tybalt")
	if got := <-s.done; got != "tybalt" {
		t.Fatalf("%s was given one", got)
	}
	tybalt.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/tybalt'/>")
	tybalt.enter("tybalt") // once is enough
	tybalt.never("<nothing>")
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[string]string{
		"romeo " + cave: bookmark + "</conference>", "tybalt " + cave: bookmark + "<nick>tybalt</nick></conference>", "paris " + cave: "mine",
	}
	if fmt.Sprint(s.items) != fmt.Sprint(want) {
		t.Errorf("%v", s.items)
	}
}
