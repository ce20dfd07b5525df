package muc

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// everyone has every account, of whom nothing is kept.
type everyone struct{ store.Accounts }

func (everyone) Get(_ context.Context, domain, local string) (store.Account, error) {
	return store.Account{ID: 1 << 40, Domain: domain, Local: local, Role: store.RoleMember}, nil
}

type empty struct{}

func (empty) Held(context.Context, store.Owner) (store.Held, error) { return 0, nil }

// hall is what the listeners of a large room have in common.
type hall struct {
	left   atomic.Int64
	all    chan struct{} // a token when nothing is left
	closed atomic.Int64
	over   atomic.Bool // who is stuck reads again
}

// listener is the sink of one of them; one that is stuck takes nothing after the first bytes.
type listener struct {
	*hall
	stuck bool
}

func (l *listener) Write([]byte) (bool, error) {
	if l.left.Add(-1) == 0 {
		l.all <- struct{}{}
	}
	return !l.stuck || l.over.Load(), nil
}

func (l *listener) Close(*stanza.StreamError) { l.closed.Add(1) }

// fill puts sessions of n accounts into the cave, as if each had entered. Presence has the size that real clients give it.
func (v *world) fill(h *hall, n int) {
	v.Helper()
	w := core.NewWork(v.pool)
	status := "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/><status>" +
		strings.Repeat("away ", 160) + "</status>"
	var in []*session
	for i := range n {
		sink := &listener{hall: h, stuck: i%100 == 7}
		s, err := v.host.Bind(context.Background(), w, core.Binding{
			Account: jid.MustParse(fmt.Sprintf("u%d@%s", i, domain)), Resource: "r", Sink: sink, First: func(jid.JID) string { return "" },
		})
		if err != nil {
			v.Fatal(err)
		}
		if sink.stuck {
			v.Cleanup(func() {
				h.over.Store(true)
				s.Writable(w)
				w.Run()
			})
		}
		if i%100 == 8 { // one that acknowledges nothing
			enable, err := stanza.Parse("<enable xmlns='urn:xmpp:sm:3'/>")
			if err != nil {
				v.Fatal(err)
			}
			if fail := s.Receive(w, sink, enable); fail != nil {
				v.Fatal(fail)
			}
			w.Run()
		}
		st, err := stanza.Parse("<presence xmlns='jabber:client'>" + status + "</presence>")
		if err != nil {
			v.Fatal(err)
		}
		in = append(in, &session{jid: s.JID, presence: st})
	}
	err := v.host.AskRoom(context.Background(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		x := v.m.rooms.Of(r)
		for i, s := range in {
			nk, bad := nickOf(fmt.Sprint("u", i), jid.MaxPart)
			if bad != nil {
				return bad
			}
			o := &occupant{nick: nk, account: s.jid.Bare(), role: muc.Participant, sessions: []*session{s}, face: s, id: occupantID(x.kept.Secret, s.jid)}
			s.occupant, x.nicks[nk.key], x.sessions[s.jid] = o, o, s
			x.here[o.account]++
			o.view = x.look(o)
			x.faces, x.crowd, x.all = append(x.faces, o), append(x.crowd, s), nil
		}
		return nil
	})
	if err != nil {
		v.Fatal(err)
	}
}

// slow reads what it is sent only when it is told to.
type slow struct {
	*client
	h       *hall
	blocked bool
}

func (s *slow) Write(p []byte) (bool, error) {
	if _, err := s.client.Write(p); err != nil {
		return false, err
	}
	return !s.blocked || s.h.over.Load(), nil
}

func (s *slow) Close(*stanza.StreamError) { s.h.closed.Add(1) }

func (s *slow) counted(parts ...string) (n, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.got {
		if holds(x, parts) {
			n++
		}
	}
	return n, len(s.got)
}

// TestJoinOfALargeRoomDetachesNobody: 5,000 occupants whose presence together is more than an outbox holds; one who enters reads slowly, one
// acknowledges nothing for long, some of those inside do neither. Nobody is sent away, and all of it is seen in the end.
func TestJoinOfALargeRoomDetachesNobody(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 1000
	}
	v := newWorldWith(t, func(p *core.Parts, c *config.Rooms) {
		p.Accounts, p.Holdings = everyone{}, empty{}
		c.Occupants = n + 100
	})
	owner := v.bind("owner")
	owner.enter("owner")
	owner.expect("code='201'")
	owner.configure("")
	h := &hall{all: make(chan struct{}, 1)}
	h.left.Store(1 << 40)
	v.fill(h, n)

	join := func(name string, blocked bool) *slow {
		s := &slow{client: &client{world: v, w: core.NewWork(v.pool)}, h: h, blocked: blocked}
		bound, err := v.host.Bind(t.Context(), s.w, core.Binding{
			Account: jid.MustParse(name + "@" + domain), Resource: "r", Sink: s, First: func(jid.JID) string { return "" },
		})
		if err != nil {
			t.Fatal(err)
		}
		s.s = bound
		return s
	}
	give := func(s *slow, xml string) {
		st, err := stanza.Parse(xml)
		if err != nil {
			t.Fatal(err)
		}
		if fail := s.s.Receive(s.w, s, st); fail != nil {
			t.Fatal(fail)
		}
		s.w.Run()
	}
	const enter = "<presence xmlns='jabber:client' to='" + cave + "/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	silent, blocked := join("silent", false), join("blocked", true)
	give(silent, "<enable xmlns='urn:xmpp:sm:3'/>")
	give(silent, fmt.Sprintf(enter, "silent"))
	give(blocked, fmt.Sprintf(enter, "blocked"))
	for i := range 5 { // the room goes on meanwhile
		name := fmt.Sprint("guest", i)
		guest := v.bind(name)
		guest.enter(name)
		guest.expect("<subject/>")
		guest.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/" + name + "'/>")
	}
	owner.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m'><body>welcome</body></message>")
	owner.expect("<body>welcome</body>")
	if seen, _ := silent.counted("<presence"); seen >= n {
		t.Error("a client that acknowledges nothing was sent everything")
	}
	for end := time.Now().Add(6 * awaited); ; time.Sleep(time.Millisecond) {
		a, counts := silent.counted("<body>welcome</body>")
		b, _ := blocked.counted("<body>welcome</body>")
		if a == 1 && b == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d and %d of all", a, b)
		}
		nonzas, _ := silent.counted("urn:xmpp:sm:3")
		give(silent, fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", counts-nonzas))
		blocked.s.Writable(blocked.w)
		blocked.w.Run()
	}
	h.over.Store(true)
	blocked.s.Writable(blocked.w)
	blocked.w.Run()
	for _, s := range []*slow{silent, blocked} {
		if seen, _ := s.counted("<presence", cave+"/u"); seen != n {
			t.Errorf("%s saw %d of %d", s.s.JID, seen, n)
		}
	}
	if h.closed.Load() != 0 {
		t.Errorf("%d were sent away", h.closed.Load())
	}
}

// TestAllocationsOfAMessage: all that the room does for a message costs each occupant about one place in an outbox.
func TestAllocationsOfAMessage(t *testing.T) {
	const n = 1000
	v := newWorldWith(t, func(p *core.Parts, _ *config.Rooms) { p.Accounts, p.Holdings = everyone{}, empty{} })
	owner := v.bind("owner")
	owner.enter("owner")
	owner.expect("code='201'")
	owner.configure("<field var='muc#roomconfig_enablearchiving'><value>0</value></field>")
	h := &hall{all: make(chan struct{}, 1)}
	v.fill(h, n)
	ready := 0
	for i := range n { // those that are stuck get nothing written
		if i%100 != 7 {
			ready++
		}
	}
	text, err := stanza.Parse("<message xmlns='jabber:client' type='groupchat' id='m' to='" + cave + "'><body>hello there</body></message>")
	if err != nil {
		t.Fatal(err)
	}
	say := func(want int) {
		h.left.Store(int64(want))
		if fail := owner.s.Receive(owner.w, owner, text.Stamped(owner.s.JID)); fail != nil {
			t.Fatal(fail)
		}
		owner.w.Run()
		<-h.all
	}
	say(n)
	if got := testing.AllocsPerRun(20, func() { say(ready) }) / n; got > 1.5 && !raceDetector {
		t.Errorf("%.2f allocations for each occupant", got)
	}
}

// TestVisitorsOfALargeRoomAreNotShown: who enters above rooms.quiet_above as a visitor is seen by nobody, until they have a voice.
func TestVisitorsOfALargeRoomAreNotShown(t *testing.T) {
	v := newWorldWith(t, func(_ *core.Parts, c *config.Rooms) { c.QuietAbove = 2 }, "juliet", "romeo", "tybalt", "nurse")
	juliet := v.bind("juliet")
	juliet.enter("juliet")
	juliet.expect("code='201'")
	juliet.configure("<field var='muc#roomconfig_moderatedroom'><value>1</value></field>")
	romeo := v.bind("romeo")
	romeo.enter("romeo")
	romeo.expect("<subject/>")
	juliet.expect("<presence", "/romeo'", "role='visitor'")
	tybalt := v.bind("tybalt")
	tybalt.enter("tybalt")
	tybalt.expect("<presence", "/romeo'", "role='visitor'")
	tybalt.expect("<presence", "/tybalt'", "code='110'")
	tybalt.expect("<subject/>")
	tybalt.send("<presence xmlns='jabber:client' to='" + cave + "/tybalt'><show>away</show></presence>")
	tybalt.expect("<presence", "<show>away</show>", "code='110'")
	nurse := v.bind("nurse")
	nurse.enter("nurse")
	nurse.expect("<subject/>")
	for _, c := range []*client{juliet, romeo, nurse} {
		c.never("<presence", "/tybalt'")
	}
	// Voice is what makes them visible, and its loss invisible.
	juliet.admin("<item nick='tybalt' role='participant'/>")
	romeo.expect("<presence", "/tybalt'", "role='participant'")
	juliet.admin("<item nick='tybalt' role='visitor'/>")
	romeo.expect("<presence", "/tybalt'", "type='unavailable'")
	// Who entered before the room was large is seen as ever.
	romeo.send("<presence xmlns='jabber:client' to='" + cave + "/romeo'><show>dnd</show></presence>")
	tybalt.expect("<presence", "/romeo'", "<show>dnd</show>")
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		x := v.m.rooms.Of(r)
		b, err := x.occupants()
		if err != nil {
			return err
		}
		var back room
		back.begin(r.JID, x.kept, x.config)
		if err := back.restore(b); err != nil {
			return err
		}
		for nick, hidden := range map[string]bool{"romeo": false, "tybalt": true, "nurse": true} {
			if got := back.named(nick).view.hidden; got != hidden {
				t.Errorf("after a restart %s is hidden: %v", nick, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnnouncements: in a room for announcements those who enter listen, unseen, and whoever made it speaks.
func TestAnnouncements(t *testing.T) {
	v := newWorldWith(t, func(_ *core.Parts, c *config.Rooms) { c.Preset = "announcements" }, "juliet", "romeo", "tybalt")
	juliet := v.bind("juliet")
	juliet.enter("juliet")
	juliet.expect("code='201'")
	juliet.configure("")
	romeo, tybalt := v.bind("romeo"), v.bind("tybalt")
	romeo.enter("romeo")
	romeo.expect("<subject/>")
	tybalt.enter("tybalt")
	tybalt.expect("<presence", "/juliet'")
	tybalt.expect("<subject/>")
	for _, c := range []*client{juliet, tybalt} {
		c.never("<presence", "/romeo'")
	}
	say := "<message xmlns='jabber:client' to='" + cave + "%s' type='%s' id='m'><body>hark</body></message>"
	romeo.send(fmt.Sprintf(say, "", "groupchat"))
	romeo.expect("type='error'", "<forbidden")
	romeo.send(fmt.Sprintf(say, "/juliet", "chat"))
	romeo.expect("type='error'", "<forbidden")
	if got := romeo.ask("set", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field><field var='muc#register_roomnick'><value>r</value></field></x></query>"); !strings.Contains(got, "<not-allowed") {
		t.Error(got)
	}
	juliet.send(fmt.Sprintf(say, "", "groupchat"))
	romeo.expect("<body>hark</body>")
	tybalt.expect("<body>hark</body>")
}
