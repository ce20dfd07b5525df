package muc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/mod/archive"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	awaited = 10 * time.Second // for what must happen; nothing is measured with it
	domain  = "example.org"
	cave    = "cave@rooms." + domain
)

type nobody struct{}

func (nobody) Subscription(*core.Account, jid.JID) core.Subscription { return 0 }
func (nobody) Lists(*core.Account, jid.JID) bool                     { return false }
func (nobody) Groups(*core.Account, jid.JID) []string                { return nil }
func (nobody) Each(*core.Account, func(jid.JID, core.Subscription))  {}
func (nobody) Secret() []byte                                        { return nil }
func (nobody) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}

// disk is a switch: what changes fails as on a full disk.
type disk struct {
	mu   sync.Mutex
	full bool
}

func (d *disk) fill(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

func (d *disk) or(t func() store.Ticket) store.Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return store.Settled(store.ErrFull)
	}
	return t()
}

type diskRooms struct {
	store.Rooms
	d *disk
}

func (r diskRooms) Create(x store.Room, first []store.Affiliation, made func(store.Owner)) store.Ticket {
	return r.d.or(func() store.Ticket { return r.Rooms.Create(x, first, made) })
}

func (r diskRooms) Change(x store.Room) store.Ticket {
	return r.d.or(func() store.Ticket { return r.Rooms.Change(x) })
}

func (r diskRooms) Delete(o store.Owner) store.Ticket {
	return r.d.or(func() store.Ticket { return r.Rooms.Delete(o) })
}

type diskTombstones struct {
	store.Tombstones
	d *disk
}

func (t diskTombstones) Bury(room store.Owner, stone store.Tombstone, most int) store.Ticket {
	return t.d.or(func() store.Ticket { return t.Tombstones.Bury(room, stone, most) })
}

type diskAffiliations struct {
	store.Affiliations
	d *disk
}

func (a diskAffiliations) Set(room store.Owner, changes []store.Affiliation) store.Ticket {
	return a.d.or(func() store.Ticket { return a.Affiliations.Set(room, changes) })
}

// fullArchive is the archive on that disk.
type fullArchive struct {
	store.Archive
	d *disk
}

func (a fullArchive) Append(e store.Entry) (key store.Key, t store.Ticket) {
	t = a.d.or(func() (t store.Ticket) {
		key, t = a.Archive.Append(e)
		return t
	})
	if key == 0 {
		key = store.KeyAt(time.Now())
	}
	return key, t
}

// world is a host with rooms, a real store, and the accounts that a test names.
type world struct {
	*testing.T
	db   *sqlstore.DB
	disk *disk
	m    *Module
	host *core.Host
	pool *core.Pool
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	return newWorldWith(t, func(*core.Parts, *config.Rooms) {}, names...)
}

// newWorldWith is newWorld with changes.
func newWorldWith(t *testing.T, edit func(*core.Parts, *config.Rooms), names ...string) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	v := &world{T: t, db: db, pool: core.NewPool(), disk: new(disk)}
	o, c := obs.Discard(), config.Default()
	for _, name := range names {
		if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: domain, Local: name}); err != nil {
			t.Fatal(err)
		}
	}
	parts := core.Parts{
		Config: &c, Obs: o, Router: core.NewRouter(), Pool: v.pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings, Sessions: db.Sessions,
	}
	edit(&parts, &c.Rooms)
	v.host = core.NewHost(jid.MustParse(domain), parts)
	v.host.Ports.Authenticator, v.host.Ports.Contacts = nobody{}, nobody{}
	archive.New(archive.Stores{Archive: fullArchive{db.Archive, v.disk}, Offline: db.Offline, Prefs: db.Prefs}, c.Archive, o).Install(v.host)
	v.m = New(Stores{
		Rooms: diskRooms{db.Rooms, v.disk}, Affiliations: diskAffiliations{db.Affiliations, v.disk}, Occupants: db.Occupants,
		Tombstones: diskTombstones{db.Tombstones, v.disk}, Personal: db.Personal,
	}, c.Rooms, o)
	v.m.Install(v.host)
	if err := v.host.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v
}

func (v *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), awaited)
	defer cancel()
	if err := errors.Join(v.host.Drain(ctx), v.host.End(ctx), v.host.Keep(ctx)); err != nil {
		v.Error(err)
	}
	v.host.Close()
	v.pool.Close()
	if err := v.db.Close(); err != nil {
		v.Error(err)
	}
}

// client is a bound session and everything that it was sent, one element each.
type client struct {
	*world
	s    *core.Session
	w    *core.Work
	ids  int
	mu   sync.Mutex
	got  []string
	seen int
}

// Write is core.Sink: it records.
func (c *client) Write(p []byte) (bool, error) {
	all, err := xmltok.Tree("<all xmlns='jabber:client'>"+string(p)+"</all>", "")
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range all.Children {
		c.got = append(c.got, string(n.AppendXML(nil, "jabber:client")))
	}
	return true, nil
}

// Close is core.Sink.
func (c *client) Close(*stanza.StreamError) {}

func (v *world) bind(account string) *client {
	v.Helper()
	return v.bindAs(account, "r")
}

func (v *world) bindAs(account, resource string) *client {
	v.Helper()
	c := &client{world: v, w: core.NewWork(v.pool)}
	s, err := v.host.Bind(context.Background(), c.w, core.Binding{
		Account: jid.MustParse(account + "@" + domain), Resource: resource, Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	return c
}

func (c *client) send(xml string) {
	c.Helper()
	st, err := stanza.Parse(xml)
	if err != nil {
		c.Fatal(err)
	}
	if se := c.s.Receive(c.w, c, st); se != nil {
		c.Fatal(se.Condition)
	}
	c.w.Run()
}

// expect waits for the next element, behind the one of the last call, that holds all the parts.
func (c *client) expect(parts ...string) string {
	c.Helper()
	for end := time.Now().Add(awaited); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		for i := c.seen; i < len(c.got); i++ {
			if holds(c.got[i], parts) {
				c.seen = i + 1
				defer c.mu.Unlock()
				return c.got[i]
			}
		}
		last := strings.Join(c.got[max(0, len(c.got)-8):], "\n")
		c.mu.Unlock()
		if time.Now().After(end) {
			c.Fatalf("%s: nothing holds %q behind element %d; the last are\n%s", c.s.JID, parts, c.seen, last)
		}
	}
}

// never tells that nothing so far holds all the parts; a fence through the room has passed before.
func (c *client) never(parts ...string) {
	c.Helper()
	c.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.got {
		if holds(x, parts) {
			c.Errorf("%s was sent %s", c.s.JID, x)
		}
	}
}

func holds(x string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(x, p) {
			return false
		}
	}
	return true
}

// ask sends an IQ to the room and returns its answer.
func (c *client) ask(typ, payload string) string {
	c.Helper()
	c.ids++
	id := fmt.Sprintf("ask-%d", c.ids)
	c.send("<iq xmlns='jabber:client' type='" + typ + "' id='" + id + "' to='" + cave + "'>" + payload + "</iq>")
	return c.expect("<iq", "id='"+id+"'")
}

func (c *client) enter(nick string) {
	c.Helper()
	c.send("<presence xmlns='jabber:client' to='" + cave + "/" + nick + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
}

// admin sends an item of muc#admin.
func (c *client) admin(item string) string {
	c.Helper()
	return c.ask("set", "<query xmlns='http://jabber.org/protocol/muc#admin'>"+item+"</query>")
}

// configure submits the form of the room with fields; none makes an instant room.
func (c *client) configure(fields string) string {
	c.Helper()
	if fields != "" && !strings.Contains(fields, "FORM_TYPE") {
		fields = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>" + fields
	}
	return c.ask("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"+fields+"</x></query>")
}

// inCave are two accounts in a room of the first.
func inCave(t *testing.T) (v *world, juliet, romeo *client) {
	t.Helper()
	v = newWorld(t, "juliet", "romeo", "tybalt")
	juliet, romeo = v.bind("juliet"), v.bind("romeo")
	juliet.enter("juliet")
	juliet.expect("<presence", "code='201'")
	if got := juliet.configure(""); !strings.Contains(got, "type='result'") {
		t.Fatal(got)
	}
	romeo.enter("romeo")
	romeo.expect("<subject")
	juliet.expect("<presence", cave+"/romeo")
	return v, juliet, romeo
}
