package archive

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const hall = "hall@rooms." + domain

// halls are rooms that everybody is in who says something: what is said is archived and shown to who said it.
type halls struct {
	v        *world
	standing core.Standing
	keep     bool
}

func (m *halls) install(h *core.Host) {
	h.Serve(core.Rooms{
		Module: "halls", Domain: jid.MustParse("rooms." + domain),
		Load: func(ctx context.Context, r *core.Room) error {
			row, err := m.v.db.Rooms.Get(ctx, r.JID.Domain(), r.JID.Local())
			r.ID = row.ID
			return err
		},
		Receive:  m.receive,
		Standing: func(*core.Room, jid.JID) core.Standing { return m.standing },
		Vacant:   func(*core.Room) bool { return true },
	})
}

func (m *halls) receive(e *core.Event) core.Verdict {
	r, to := e.Room, e.Stanza.From.Clone()
	nick, err := r.JID.WithResource("Nick of " + to.Local())
	if err != nil {
		panic(err)
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.GroupChat, ID: e.Stanza.ID, From: nick}, e.Stanza.Inner())
	if err != nil {
		panic(err)
	}
	a, ticket, err := e.Host.Ports.Archiver.Archive(r, st.Seal(), to, m.keep)
	if err != nil {
		return e.Refuse(stanza.AsError(err))
	}
	r.Stand(e.Work, func(w *core.Work, _ error) { r.Tell(w, a.Stanza, to) }, ticket)
	return core.Next
}

// hallOf is a world with one room.
func hallOf(t *testing.T, names ...string) (*world, *halls) {
	t.Helper()
	m := &halls{standing: core.RoomReader, keep: true}
	v := newWorldWith(t, m.install, names...)
	m.v = v
	if err := v.db.Rooms.Create(store.Room{Domain: "rooms." + domain, Local: "hall"}, nil, func(store.Owner) {}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v, m
}

func (c *client) speak(id, inner string) string {
	c.Helper()
	c.send("<message xmlns='jabber:client' to='" + hall + "' type='groupchat' id='" + id + "'>" + inner + "</message>")
	return c.expect("<message", "id='"+id+"'")
}

// read asks for the room's archive and returns the results and the end.
func (c *client) read(form string) (results []string, end string) {
	c.Helper()
	c.ids++
	id := fmt.Sprint("q", c.ids)
	before := len(c.all())
	c.send("<iq xmlns='jabber:client' type='set' id='" + id + "' to='" + hall + "'><query xmlns='" + ns.Archive + "'>" + form + "</query></iq>")
	end = c.expect("<iq", "id='"+id+"'")
	for _, got := range c.all()[before:] {
		if strings.Contains(got, "<result ") {
			results = append(results, got)
		}
	}
	return results, end
}

func with(j string) string {
	return "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + ns.Archive + "</value></field><field var='with'><value>" + j + "</value></field></x>"
}

// XEP-0313 section 6.1.2: each message once, under the id that occupants saw; who said it is told to those who may know it.
func TestArchiveOfRoom(t *testing.T) {
	v, m := hallOf(t, "juliet", "romeo")
	juliet, romeo := v.online("juliet", "j"), v.online("romeo", "r")
	forged := "<stanza-id xmlns='" + ns.StanzaID + "' id='x' by='" + hall + "'/><x xmlns='" + ns.MUCUser + "'><item jid='mallory@example.org'/></x>"
	seen := juliet.speak("one", "<body>first</body>"+forged)
	romeo.speak("two", "<body>second</body>")
	typing := romeo.speak("typing", "<composing xmlns='"+ns.ChatStates+"'/>")
	if strings.Contains(seen, "mallory") || strings.Contains(seen, "id='x'") || strings.Count(seen, "<stanza-id") != 1 || strings.Contains(typing, "<stanza-id") {
		t.Errorf("shown as %s\nand %s", seen, typing)
	}
	_, id, _ := strings.Cut(seen, "<stanza-id xmlns='"+ns.StanzaID+"' id='")
	id, _, _ = strings.Cut(id, "'")

	results, end := romeo.read("")
	if len(results) != 2 || !strings.Contains(end, "complete='true'") {
		t.Fatalf("%q\n%s", results, end)
	}
	for _, want := range []string{"from='" + hall + "'", "id='" + id + "'", "from='" + hall + "/Nick of juliet'", "<body>first</body>"} {
		if !strings.Contains(results[0], want) {
			t.Errorf("no %s in %s", want, results[0])
		}
	}
	if all := strings.Join(results, ""); strings.Contains(all, "juliet@") || strings.Contains(all, "romeo@example.org/r'/>") || strings.Contains(all, ns.MUCUser) {
		t.Errorf("names are told: %s", all)
	}
	if _, end := romeo.read(with("juliet@example.org")); !strings.Contains(end, "<forbidden") {
		t.Errorf("found by who may not be known: %s", end)
	}
	m.standing |= core.RoomKnower
	results, _ = romeo.read(with("juliet@example.org/any"))
	if len(results) != 1 || !strings.Contains(results[0], "<x xmlns='"+ns.MUCUser+"'><item jid='juliet@example.org/j'/></x>") {
		t.Errorf("%q", results)
	}
	m.standing = core.RoomOwner
	if _, end := romeo.read(""); !strings.Contains(end, "<forbidden") {
		t.Errorf("read by who may not: %s", end)
	}
	if rows, err := v.db.Archive.Page(t.Context(), 1, store.Query{Max: 9}); err != nil || len(rows.Rows) != 0 {
		t.Errorf("in an account's archive, too: %v, %v", rows.Rows, err)
	}
}

// The newest messages are what a join gets; a room that keeps nothing shows what is clean, and without an id.
func TestNewestOfRoom(t *testing.T) {
	v, m := hallOf(t, "juliet")
	juliet := v.online("juliet", "j")
	for i := range 5 {
		juliet.speak(fmt.Sprint("m", i), "<body>hello</body>")
	}
	m.keep = false
	if got := juliet.speak("unkept", "<body>hello</body><stanza-id xmlns='"+ns.StanzaID+"' id='x' by='"+hall+"'/>"); strings.Contains(got, "<stanza-id") {
		t.Errorf("shown as %s", got)
	}
	var newest []core.Archived
	err := v.host.AskRoom(t.Context(), jid.MustParse(hall), func(_ *core.Work, r *core.Room) (err error) {
		newest, err = v.host.Ports.Archiver.Newest(t.Context(), r, 3)
		return err
	})
	if err != nil || len(newest) != 3 {
		t.Fatalf("%v, %v", newest, err)
	}
	for i, a := range newest {
		if a.Stanza.ID != fmt.Sprint("m", i+2) || a.Publisher != juliet.s.JID.Bare() || a.At.IsZero() || !strings.Contains(a.Stanza.Raw(), a.ID) ||
			a.Stanza.Has(ns.MUCUser, "x") || !strings.HasSuffix(a.Stanza.From.String(), "/Nick of juliet") {
			t.Errorf("%d: %+v %s", i, a, a.Stanza.Raw())
		}
	}
}
