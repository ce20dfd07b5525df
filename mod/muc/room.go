package muc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// room is what the module keeps of a room in memory.
type room struct {
	address jid.JID
	kept    store.Room // as it is kept; Config is that of config
	config  muc.Config
	// locked: it was created and not yet configured (section 10.1.1), so that nobody but its owner may come in.
	locked   bool
	people   map[jid.JID]person       // by bare address, or domain for outcasts
	reserved map[string]jid.JID       // keys of reserved nicks
	nicks    map[string]*occupant     // by key of the nick
	sessions map[jid.JID]*session     // by full address
	here     map[jid.JID]int          // how many occupants are of an account
	asked    map[string]question      // by id: requests that were passed on to occupants
	invited  map[invitation]time.Time // what the room has passed on
	given    map[jid.JID]muc.Role     // roles that moderators gave, for the next visit
	spoke    map[jid.JID]time.Time    // in slow mode: when people last said something
	versions versions
	hats     []hat

	// What occupants see is behind what is decided, by the length of the line.
	exposed bool        // everybody sees addresses
	crowd   []*session  // who is shown what happens, in the order of coming
	all     []jid.JID   // the addresses of the crowd; nil: to be made
	faces   []*occupant // who is seen, in the order of coming
	subject *stanza.Stanza
	seen    []byte // the subject as it is kept when everybody sees it
	history []said

	historyBytes int
}

// person is how a bare address stands to the room.
type person struct {
	affiliation muc.Affiliation
	nick        nick // reserved; zero: none
	reason      string
	hats        []string // URIs, in the order in which they were given
	been        bool     // in the room, as a member
}

// occupant is somebody in the room under one nick, with one or more sessions (section 7.2.8).
type occupant struct {
	nick    nick
	account jid.JID
	role    muc.Role
	// quiet: as a visitor it is not shown, since it entered a large room (rooms.quiet_above).
	quiet    bool
	id       string // XEP-0421
	sessions []*session
	face     *session // whose presence is shown
	view     *view    // as others see it; nil: not
}

// session is one client in the room.
type session struct {
	jid      jid.JID
	occupant *occupant
	presence *stanza.Stanza // as the client sent it, cleaned
}

// said is a message of the history, with its note of delay.
type said struct {
	st   *stanza.Stanza
	at   time.Time
	size int
	id   string  // in the archive, or as the room called it
	by   jid.JID // bare address of who said it
}

// begin fills the state of a room that exists.
func (x *room) begin(address jid.JID, kept store.Room, c muc.Config) {
	*x = room{
		address: address, kept: kept, config: c, exposed: c.NonAnonymous,
		people: make(map[jid.JID]person), reserved: make(map[string]jid.JID), nicks: make(map[string]*occupant), sessions: make(map[jid.JID]*session),
		here: make(map[jid.JID]int), seen: kept.Subject, asked: make(map[string]question), invited: make(map[invitation]time.Time),
		given: make(map[jid.JID]muc.Role),
	}
}

// affiliation of a bare address. Section 9.2: the address counts before its domain, which only bans.
func (x *room) affiliation(who jid.JID) muc.Affiliation {
	if p, ok := x.people[who.Bare()]; ok && p.affiliation != muc.Unaffiliated {
		return p.affiliation
	}
	if p := x.people[who.DomainJID()]; p.affiliation == muc.Outcast {
		return muc.Outcast
	}
	return muc.Unaffiliated
}

// standingOf a full or bare address.
func (x *room) standingOf(who jid.JID) standing {
	s := standing{affiliation: x.affiliation(who)}
	if in := x.sessions[who]; in != nil {
		s.role = in.occupant.role
	}
	return s
}

// owners is how many the room has.
func (x *room) owners() (n int) {
	for _, p := range x.people {
		if p.affiliation == muc.Owner {
			n++
		}
	}
	return n
}

// setPerson changes how an address stands to the room. It returns the versions of the list before and after, if they are told (XEP-0463).
func (x *room) setPerson(who jid.JID, p person) (since, until string) {
	since, until = x.versions.change(x.kept.Secret, who, x.people[who].affiliation, p.affiliation)
	if !x.config.NonAnonymous || since == until {
		since, until = "", ""
	}
	if old, ok := x.people[who]; ok && old.nick.key != "" {
		delete(x.reserved, old.nick.key)
	}
	if p.affiliation == muc.Unaffiliated && p.nick.key == "" && len(p.hats) == 0 {
		delete(x.people, who)
		return since, until
	}
	if p.nick.key != "" {
		x.reserved[p.nick.key] = who
	}
	x.people[who] = p
	return since, until
}

// named is the occupant with exactly that nick, or nil.
func (x *room) named(resource string) *occupant {
	n, err := nickOf(resource, jid.MaxPart)
	if err != nil {
		return nil
	}
	if o := x.nicks[n.key]; o != nil && o.nick.shown == resource {
		return o
	}
	return nil
}

// at is the address of an occupant.
func (x *room) at(n nick) jid.JID {
	full, err := x.address.WithResource(n.shown)
	if err != nil {
		return x.address // cannot be: nickOf has tried
	}
	return full
}

// standing is core.Rooms.Standing.
func (m *Module) standing(r *core.Room, who jid.JID) core.Standing {
	x, ok := m.rooms.Has(r)
	if !ok || r.ID == 0 {
		return 0
	}
	return x.stands(x.standingOf(who))
}

// stands is a standing in the words of core, with what follows from it in this room.
func (x *room) stands(s standing) core.Standing {
	out := map[muc.Affiliation]core.Standing{
		muc.Owner: core.RoomOwner, muc.Admin: core.RoomAdmin, muc.Member: core.RoomMember, muc.Outcast: core.RoomOutcast,
	}[s.affiliation] | map[muc.Role]core.Standing{
		muc.Moderator: core.RoomModerator, muc.Participant: core.RoomParticipant, muc.Visitor: core.RoomVisitor,
	}[s.role]
	if x.mayRead(s) {
		out |= core.RoomReader
	}
	if x.config.NonAnonymous && s.role != muc.Absent || s.role == muc.Moderator || s.affiliation >= muc.Admin ||
		x.config.NonAnonymous && s.affiliation == muc.Member {
		out |= core.RoomKnower
	}
	return out
}

// whose is core.Rooms.Whose: an occupant's nick, or one that is reserved.
func (m *Module) whose(r *core.Room, name string) (jid.JID, bool) {
	x, ok := m.rooms.Has(r)
	if !ok {
		return jid.JID{}, false
	}
	if o := x.named(name); o != nil {
		return o.account, true
	}
	n, err := nickOf(name, jid.MaxPart)
	if err != nil {
		return jid.JID{}, false
	}
	who, ok := x.reserved[n.key]
	return who, ok && x.people[who].nick.shown == name
}

// mayRead tells whether somebody may read what was said: whoever is here, or could come in now without a secret to prove.
func (x *room) mayRead(s standing) bool {
	switch {
	case s.affiliation == muc.Outcast || x.locked && s.affiliation < muc.Owner:
		return false
	case s.role != muc.Absent || s.affiliation >= muc.Member:
		return true
	}
	return !x.config.MembersOnly && x.config.Password == ""
}

// vacant is core.Rooms.Vacant.
func (m *Module) vacant(r *core.Room) bool {
	x, ok := m.rooms.Has(r)
	return !ok || len(x.sessions) == 0 && len(x.crowd) == 0
}

// load is core.Rooms.Load.
func (m *Module) load(ctx context.Context, r *core.Room) error {
	kept, err := m.Rooms.Get(ctx, r.JID.Domain(), r.JID.Local())
	if errors.Is(err, store.ErrNotFound) {
		return m.loadGrave(ctx, r)
	}
	if err != nil {
		return err
	}
	var c keptConfig
	if err := json.Unmarshal(kept.Config, &c); err != nil {
		return err
	}
	people, err := m.Affiliations.Of(ctx, kept.ID)
	if err != nil {
		return err
	}
	was, err := m.Occupants.Occupants(ctx, kept.ID)
	if err != nil {
		return err
	}
	r.ID, r.NamesSince = kept.ID, c.Shown
	x := m.rooms.Of(r)
	x.begin(r.JID, kept, c.Config)
	x.hats = c.Hats
	x.locked = kept.Temporary && c.Persistent // nobody has configured it, or it would be kept as it is configured
	for _, a := range people {
		x.remember(a, m.config.Nick)
	}
	x.versions.log = nil // what was before this is not known
	if len(kept.Subject) > 0 {
		if st, err := stanza.Parse(string(kept.Subject)); err == nil {
			x.subject = st.WithTo(jid.JID{}).Seal()
		} else {
			m.obs.Log.Error("subject of a room not read", obs.JID, r.JID.String(), obs.Err, err)
		}
	}
	if err := m.recall(ctx, r, x); err != nil {
		return err
	}
	if err := x.restore(was); err != nil {
		// What only says who was here must not close the room.
		m.obs.Log.Error("occupants of a room not read: nobody is in it", obs.JID, r.JID.String(), obs.Err, err)
		m.Occupants.SetOccupants(kept.ID, nil)
	}
	return nil
}

// remember takes over what is kept of a person.
func (x *room) remember(a store.Affiliation, most int) {
	who, err := jid.Parse(a.JID)
	if err != nil {
		return
	}
	p := person{reason: a.Reason, hats: strings.Fields(a.Hats), been: a.Been}
	p.affiliation, _ = muc.ParseAffiliation(a.Kind)
	if a.Nick != "" {
		p.nick, _ = nickOf(a.Nick, most)
	}
	x.setPerson(who, p)
}

// recall fills the history.
func (m *Module) recall(ctx context.Context, r *core.Room, x *room) error {
	archive := m.host.Ports.Archiver
	if archive == nil || m.config.History == 0 {
		return nil
	}
	newest, err := archive.Newest(ctx, r, m.config.History)
	if err != nil {
		return err
	}
	for _, a := range newest {
		x.takenBack(a)
		m.note(x, a)
	}
	return nil
}

// note adds a message to the history, if it belongs there.
func (m *Module) note(x *room, a core.Archived) {
	if m.config.History == 0 || !historic(a.Stanza) {
		return
	}
	// Section 7.2.13: by the room itself.
	late, err := a.Stanza.WithChildren(string(forward.Delay{From: x.address, Stamp: a.At}.AppendXML(nil)))
	if err != nil {
		return
	}
	late.Seal()
	x.history = append(x.history, said{st: late, at: a.At, size: late.Size(), id: a.ID, by: a.Publisher.Bare()})
	x.historyBytes += late.Size()
	for len(x.history) > m.config.History || x.historyBytes > historyBytes && len(x.history) > 1 {
		x.outdate(0)
	}
}

// historyBytes is how much of what was said a room keeps ready for who enters; the newest message may be larger. Who wants more finds it in the archive.
const historyBytes = 512 << 10

// outdate takes a message out of the history.
func (x *room) outdate(i int) {
	x.historyBytes -= x.history[i].size
	x.history = slices.Delete(x.history, i, i+1)
}

// name is what the room is called for people.
func (x *room) name() string {
	if x.config.Name != "" {
		return x.config.Name
	}
	return x.address.Local()
}

// keptConfig is a configuration as it is kept: with what the form does not have.
type keptConfig struct {
	muc.Config
	Hats []hat `json:"hats,omitempty"`
}

// record is the room as it is to be kept with that configuration and those hats.
func (x *room) record(c muc.Config, hats []hat) (store.Room, error) {
	b, err := json.Marshal(keptConfig{c, hats})
	kept := x.kept
	kept.Config, kept.Public, kept.Temporary = b, c.Public, !c.Persistent
	return kept, err
}

// kindOf is the name that the store has for an affiliation.
func kindOf(a muc.Affiliation) string {
	if a == muc.Unaffiliated {
		return ""
	}
	return strings.Clone(a.String())
}
