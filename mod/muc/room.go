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
	people   map[jid.JID]person    // by bare address, or domain for outcasts
	reserved map[string]jid.JID    // keys of reserved nicks
	nicks    map[string]*occupant  // by key of the nick
	sessions map[jid.JID]*session  // by full address
	asked    map[string]question   // by id: requests that were passed on to occupants
	invited  map[jid.JID]time.Time // who was invited by way of the room

	// What occupants see is behind what is decided, by the length of the line.
	exposed bool        // everybody sees addresses
	crowd   []*session  // who is shown what happens, in the order of coming
	faces   []*occupant // who is seen, in the order of coming
	subject *stanza.Stanza
	history []said
}

// person is how a bare address stands to the room.
type person struct {
	affiliation muc.Affiliation
	nick        nick // reserved; zero: none
	reason      string
}

// occupant is somebody in the room under one nick, with one or more sessions (section 7.2.8).
type occupant struct {
	nick     nick
	account  jid.JID
	role     muc.Role
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
}

// begin fills the state of a room that exists.
func (x *room) begin(address jid.JID, kept store.Room, c muc.Config) {
	*x = room{
		address: address, kept: kept, config: c, exposed: c.NonAnonymous,
		people: make(map[jid.JID]person), reserved: make(map[string]jid.JID), nicks: make(map[string]*occupant), sessions: make(map[jid.JID]*session),
		asked: make(map[string]question), invited: make(map[jid.JID]time.Time),
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

// setPerson changes how an address stands to the room.
func (x *room) setPerson(who jid.JID, p person) {
	if old, ok := x.people[who]; ok && old.nick.key != "" {
		delete(x.reserved, old.nick.key)
	}
	if p.affiliation == muc.Unaffiliated && p.nick.key == "" {
		delete(x.people, who)
		return
	}
	if p.nick.key != "" {
		x.reserved[p.nick.key] = who
	}
	x.people[who] = p
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
	s := x.standingOf(who)
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
	if err != nil {
		return err
	}
	var c muc.Config
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
	r.ID = kept.ID
	x := m.rooms.Of(r)
	x.begin(r.JID, kept, c)
	for _, a := range people {
		x.remember(a, m.config.Nick)
	}
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
	return x.restore(was)
}

// remember takes over what is kept of a person.
func (x *room) remember(a store.Affiliation, most int) {
	who, err := jid.Parse(a.JID)
	if err != nil {
		return
	}
	p := person{reason: a.Reason}
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
		m.note(x, a.Stanza, a.At)
	}
	return nil
}

// note adds a message to the history, if that is what people would read.
func (m *Module) note(x *room, st *stanza.Stanza, at time.Time) {
	if m.config.History == 0 || !readable(st) {
		return
	}
	// Section 7.2.13: by the room itself.
	late, err := st.WithChildren(string(forward.Delay{From: x.address, Stamp: at}.AppendXML(nil)))
	if err != nil {
		return
	}
	if late.Seal(); len(x.history) >= m.config.History {
		x.history = slices.Delete(x.history, 0, len(x.history)-m.config.History+1)
	}
	x.history = append(x.history, said{st: late, at: at, size: late.Size()})
}

// keptOccupants is what is written of who is in a room when the process ends.
type keptOccupants struct {
	Locked    bool           `json:"locked,omitempty"`
	Occupants []keptOccupant `json:"occupants"`
}

type keptOccupant struct {
	Nick     string        `json:"nick"`
	Role     string        `json:"role"`
	Sessions []keptSession `json:"sessions"`
}

type keptSession struct {
	JID      string `json:"jid"`
	Presence string `json:"presence"`
}

// keep is core.Rooms.Keep.
func (m *Module) keep(_ *core.Work, r *core.Room) (store.Ticket, bool) {
	x, ok := m.rooms.Has(r)
	if !ok || r.ID == 0 || len(x.sessions) == 0 {
		return store.Ticket{}, false
	}
	k := keptOccupants{Locked: x.locked}
	seen := slices.Clone(x.faces) // in the order of coming; who is about to come stands in nicks alone
	for _, o := range x.nicks {
		if !slices.Contains(seen, o) {
			seen = append(seen, o)
		}
	}
	for _, o := range seen {
		if len(o.sessions) == 0 {
			continue
		}
		one := keptOccupant{Nick: o.nick.shown, Role: o.role.String()}
		for _, s := range o.sessions {
			one.Sessions = append(one.Sessions, keptSession{JID: s.jid.String(), Presence: s.presence.Standalone()})
		}
		k.Occupants = append(k.Occupants, one)
	}
	b, err := json.Marshal(k)
	if err != nil {
		m.obs.Log.Error("occupants not kept", obs.JID, r.JID.String(), obs.Err, err)
		return store.Ticket{}, false
	}
	return m.Occupants.SetOccupants(r.ID, b), true
}

// restore takes over who was in the room. Whether they still are is asked in the first turn.
func (x *room) restore(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	var k keptOccupants
	if err := json.Unmarshal(b, &k); err != nil {
		return err
	}
	x.locked = k.Locked
	for _, one := range k.Occupants {
		n, refused := nickOf(one.Nick, jid.MaxPart)
		role, _ := muc.ParseRole(one.Role)
		if refused != nil || role == muc.Absent || x.nicks[n.key] != nil {
			continue
		}
		o := &occupant{nick: n, role: role}
		for _, s := range one.Sessions {
			full, err := jid.Parse(s.JID)
			presence, bad := stanza.Parse(s.Presence)
			if err != nil || bad != nil {
				continue
			}
			if o.account.IsZero() {
				o.account, o.id = full.Bare(), occupantID(x.kept.Secret, full)
			}
			in := &session{jid: full, occupant: o, presence: presence}
			o.sessions = append(o.sessions, in)
			x.sessions[full] = in
			x.crowd = append(x.crowd, in)
		}
		if len(o.sessions) > 0 {
			o.face = o.sessions[0]
			x.nicks[n.key] = o
			o.view = x.look(o)
			x.faces = append(x.faces, o)
		}
	}
	return nil
}

// loaded is core.Rooms.Loaded.
func (m *Module) loaded(w *core.Work, r *core.Room) {
	x := m.rooms.Of(r)
	if len(x.crowd) > 0 {
		all := make([]jid.JID, len(x.crowd))
		for i, s := range x.crowd {
			all[i] = s.jid
		}
		m.Occupants.SetOccupants(r.ID, nil)
		r.Check(w, all...)
	}
	m.lookAfter(r)
}

// wake is core.Rooms.Wake.
func (m *Module) wake(ctx context.Context) ([]jid.JID, error) {
	names, err := m.Occupants.Waking(ctx, m.domain.Domain())
	if err != nil {
		return nil, err
	}
	var out []jid.JID
	for _, name := range names {
		if j, err := jid.New(name, m.domain.Domain(), ""); err == nil {
			out = append(out, j)
		}
	}
	return out, nil
}

// lookAfter destroys a temporary room that nobody is in (section 7.14), in a turn of its own: that comes when the room is not paused.
func (m *Module) lookAfter(r *core.Room) {
	if x, ok := m.rooms.Has(r); !ok || r.ID == 0 || x.config.Persistent && !x.locked || len(x.sessions) > 0 {
		return
	}
	err := m.host.DoRoom(r.JID, func(w *core.Work, r *core.Room) {
		x, ok := m.rooms.Has(r)
		if !ok || r.ID == 0 || x.config.Persistent && !x.locked || len(x.sessions) > 0 {
			return
		}
		r.Pause(w, m.Rooms.Delete(r.ID), func(_ *core.Work, err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				m.obs.Log.Error("temporary room not erased", obs.JID, r.JID.String(), obs.Err, err)
				return
			}
			r.Vanish()
		})
	})
	if err != nil {
		m.obs.Log.Error("temporary room not erased", obs.JID, r.JID.String(), obs.Err, err)
	}
}

// name is what the room is called for people.
func (x *room) name() string {
	if x.config.Name != "" {
		return x.config.Name
	}
	return x.address.Local()
}

// record is the room as it is to be kept with that configuration.
func (x *room) record(c muc.Config) (store.Room, error) {
	b, err := json.Marshal(c)
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
