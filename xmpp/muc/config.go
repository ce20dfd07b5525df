package muc

import (
	"strconv"
	"time"

	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// Whisper says who may send private messages (muc#roomconfig_allowpm). The zero value is everybody.
type Whisper uint8

// The values of muc#roomconfig_allowpm, section 10.1.3.
const (
	WhisperAnyone Whisper = iota
	WhisperParticipants
	WhisperModerators
	WhisperNobody
)

// whispers are the values in XML, in the order of the constants.
var whispers = []form.Option{
	{Label: "Anyone", Value: "anyone"},
	{Label: "Anyone with voice", Value: "participants"},
	{Label: "Moderators only", Value: "moderators"},
	{Label: "Nobody", Value: "none"},
}

// Config is what a room is like: the form muc#roomconfig (section 15.5.3). It is kept as JSON.
type Config struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Lang        string `json:"lang,omitempty"`
	// Persistent: the room stays when the last occupant has gone. Public: it can be found.
	Persistent bool `json:"persistent,omitempty"`
	Public     bool `json:"public,omitempty"`
	// MembersOnly: nobody else may enter. Moderated: who comes without affiliation is a visitor, who does not speak.
	MembersOnly bool `json:"members_only,omitempty"`
	Moderated   bool `json:"moderated,omitempty"`
	// NonAnonymous: every occupant sees addresses; else moderators only.
	NonAnonymous bool `json:"non_anonymous,omitempty"`
	// Password is what who enters must know; empty: nothing.
	Password string `json:"password,omitempty"`
	// ChangeSubject: participants may, too. Invites: members may, and who is invited becomes a member.
	ChangeSubject bool `json:"change_subject,omitempty"`
	Invites       bool `json:"invites,omitempty"`
	// Whisper: who may send private messages.
	Whisper Whisper `json:"whisper,omitempty"`
	// MaxUsers is the greatest number of occupants; zero: what the service allows.
	MaxUsers int `json:"max_users,omitempty"`
	// Broadcast are the roles whose presence others see; Lists those that may read the list of members.
	Broadcast Roles `json:"broadcast"`
	Lists     Roles `json:"lists"`
	// History is how many messages who enters gets at most.
	History int `json:"history"`
	// Archive: what is said is kept for who may enter.
	Archive bool `json:"archive,omitempty"`
	// Slow is how many seconds who has said something waits until they may say more (XEP-0500); zero: not at all.
	Slow int `json:"slow,omitempty"`
	// Register: people may register themselves (section 7.10).
	Register bool `json:"register,omitempty"`
	// Node is the node of a pubsub service that the room belongs to, as an IRI (XEP-0503, "Advertising space membership"); empty: none.
	Node string `json:"node,omitempty"`
	// Picture is the hash of the room's picture (XEP-0486), in hexadecimal digits; empty: there is none. The form does not have it.
	Picture string `json:"picture,omitempty"`
	// Shown is since when every occupant sees addresses, in a room that has hidden them before. The form does not have it.
	Shown time.Time `json:"shown,omitzero"`
}

// varArchive is not among the registered fields, but what another server calls it. The registered muc#roomconfig_enablelogging is about a log for the public, which we have
// not: clients that make private groups say no to it and rely on the archive.
const varArchive = "muc#roomconfig_enablearchiving"

const varNode = "muc#roomconfig_pubsub"

// varRegister is not among the registered fields, but what another server calls it.
const varRegister = "x-muc#roomconfig_registration"

// Staff are the full lists of admins and owners that the form has; nil: it says nothing of them.
type Staff struct{ Admins, Owners []jid.JID }

// field makes one with a single value, or none for an empty one.
func field(name string, t form.FieldType, label, value string) form.Field {
	f := form.Field{Var: name, Type: t, Label: label}
	if value != "" {
		f.Values = []string{value}
	}
	return f
}

func boolean(name, label string, v bool) form.Field {
	return field(name, form.Boolean, label, form.FormatBool(v))
}

func jids(name, label string, list []jid.JID) form.Field {
	f := form.Field{Var: name, Type: form.JIDMulti, Label: label}
	for _, j := range list {
		f.Values = append(f.Values, j.String())
	}
	return f
}

func roleSet(name, label string, set Roles) form.Field {
	return form.Field{
		Var: name, Type: form.ListMulti, Label: label, Values: set.names(),
		Options: []form.Option{{Label: "Moderator", Value: "moderator"}, {Label: "Participant", Value: "participant"}, {Label: "Visitor", Value: "visitor"}},
	}
}

// maxUsersChoices are those of the form; the current value is added.
var maxUsersChoices = []int{10, 20, 50, 100, 200, 500, 1000, 5000}

func (c *Config) maxUsers() form.Field {
	now := "none"
	if c.MaxUsers > 0 {
		now = strconv.Itoa(c.MaxUsers)
	}
	f := form.Field{Var: "muc#roomconfig_maxusers", Type: form.ListSingle, Label: "Maximum number of occupants", Values: []string{now}}
	known := c.MaxUsers == 0
	for _, n := range maxUsersChoices {
		if !known && c.MaxUsers < n {
			f.Options = append(f.Options, form.Option{Label: now, Value: now})
		}
		known = known || c.MaxUsers <= n
		f.Options = append(f.Options, form.Option{Label: strconv.Itoa(n), Value: strconv.Itoa(n)})
	}
	if !known {
		f.Options = append(f.Options, form.Option{Label: now, Value: now})
	}
	f.Options = append(f.Options, form.Option{Label: "As many as the server allows", Value: "none"})
	return f
}

// slow is XEP-0500 section 5.1.
func (c *Config) slow() form.Field {
	f := field("muc#roomconfig_slow_mode_duration", form.TextSingle, "Slow mode: seconds between two messages of one person, or 0", strconv.Itoa(c.Slow))
	f.Validate = "<validate xmlns='" + ns.FormValidate + "' datatype='xs:integer'><range min='0'/></validate>"
	return f
}

// Form asks an owner how the room shall be, as it is now (sections 10.1.3 and 10.2).
func (c *Config) Form(title string, staff Staff) *form.Form {
	whois := "moderators"
	if c.NonAnonymous {
		whois = "anyone"
	}
	f := form.New(form.Prompt, ns.MUCRoomConfig,
		field("muc#roomconfig_roomname", form.TextSingle, "Name of the room", c.Name),
		field("muc#roomconfig_roomdesc", form.TextSingle, "Description", c.Description),
		field("muc#roomconfig_lang", form.TextSingle, "Language of the room", c.Lang),
		boolean("muc#roomconfig_persistentroom", "The room stays when everybody has left", c.Persistent),
		boolean("muc#roomconfig_publicroom", "The room can be found", c.Public),
		boolean("muc#roomconfig_membersonly", "Only members may enter", c.MembersOnly),
		boolean("muc#roomconfig_moderatedroom", "Only those with voice may speak", c.Moderated),
		boolean("muc#roomconfig_passwordprotectedroom", "A password is needed to enter", c.Password != ""),
		field("muc#roomconfig_roomsecret", form.TextPrivate, "Password", c.Password),
		form.Field{
			Var: "muc#roomconfig_whois", Type: form.ListSingle, Label: "Who sees the addresses of occupants", Values: []string{whois},
			Options: []form.Option{{Label: "Moderators only", Value: "moderators"}, {Label: "Everybody in the room", Value: "anyone"}},
		},
		boolean("muc#roomconfig_changesubject", "Participants may change the subject", c.ChangeSubject),
		boolean("muc#roomconfig_allowinvites", "Members may invite others", c.Invites),
		form.Field{
			Var: "muc#roomconfig_allowpm", Type: form.ListSingle, Label: "Who may send private messages",
			Values: []string{whispers[c.Whisper].Value}, Options: whispers,
		},
		c.maxUsers(),
		roleSet("muc#roomconfig_presencebroadcast", "Roles whose presence is shown", c.Broadcast),
		roleSet("muc#roomconfig_getmemberlist", "Roles that may read the list of members", c.Lists),
		field("muc#maxhistoryfetch", form.TextSingle, "Messages that are shown to who enters", strconv.Itoa(c.History)),
		c.slow(),
		boolean(varArchive, "Messages are kept and can be read later", c.Archive),
		boolean(varRegister, "People may register with the room", c.Register),
		field(varNode, form.TextSingle, "Space that the room belongs to", c.Node),
		jids("muc#roomconfig_roomadmins", "Admins, all of them", staff.Admins),
		jids("muc#roomconfig_roomowners", "Owners, all of them", staff.Owners),
	)
	f.Title = title
	return f
}

// Submit reads an owner's answer to the form. What it leaves out stays as it is (XEP-0004 section 3.5); fields that the form has not are ignored.
func (c Config) Submit(f *form.Form) (Config, Staff, error) {
	r := submission{f: f}
	r.text("muc#roomconfig_roomname", &c.Name)
	r.text("muc#roomconfig_roomdesc", &c.Description)
	r.text("muc#roomconfig_lang", &c.Lang)
	r.bool("muc#roomconfig_persistentroom", &c.Persistent)
	r.bool("muc#roomconfig_publicroom", &c.Public)
	r.bool("muc#roomconfig_membersonly", &c.MembersOnly)
	r.bool("muc#roomconfig_moderatedroom", &c.Moderated)
	r.bool("muc#roomconfig_changesubject", &c.ChangeSubject)
	r.bool("muc#roomconfig_allowinvites", &c.Invites)
	r.bool(varArchive, &c.Archive)
	r.bool(varRegister, &c.Register)
	r.text(varNode, &c.Node)
	r.roles("muc#roomconfig_presencebroadcast", &c.Broadcast)
	r.roles("muc#roomconfig_getmemberlist", &c.Lists)
	r.password(&c.Password)
	if i, ok := r.choice("muc#roomconfig_whois", []form.Option{{Value: "moderators"}, {Value: "anyone"}}); ok {
		c.NonAnonymous = i == 1
	}
	if i, ok := r.choice("muc#roomconfig_allowpm", whispers); ok {
		c.Whisper = Whisper(i)
	}
	if f.Field("muc#roomconfig_maxusers").Value() == "none" {
		c.MaxUsers = 0
	} else if r.number("muc#roomconfig_maxusers", &c.MaxUsers); c.MaxUsers == 0 && f.Has("muc#roomconfig_maxusers") && r.err == nil {
		r.err = ErrRange
	}
	r.number("muc#maxhistoryfetch", &c.History)
	r.number("muc#roomconfig_slow_mode_duration", &c.Slow)
	var s Staff
	r.jids("muc#roomconfig_roomadmins", &s.Admins)
	r.jids("muc#roomconfig_roomowners", &s.Owners)
	return c, s, r.err
}

// submission reads fields that are there, and remembers the first error.
type submission struct {
	f   *form.Form
	err error
}

func (r *submission) text(name string, to *string) {
	if f := r.f.Field(name); f != nil {
		*to = f.Value()
	}
}

func (r *submission) bool(name string, to *bool) {
	f := r.f.Field(name)
	if f == nil || r.err != nil {
		return
	}
	*to, r.err = f.Bool()
}

func (r *submission) number(name string, to *int) {
	f := r.f.Field(name)
	if f == nil || r.err != nil {
		return
	}
	n, err := strconv.ParseUint(f.Value(), 10, 31)
	if err != nil {
		r.err = ErrRange
		return
	}
	*to = int(n)
}

// choice returns the place of the value among the options, and whether the field is there and has one of them.
func (r *submission) choice(name string, options []form.Option) (int, bool) {
	f := r.f.Field(name)
	if f == nil || r.err != nil {
		return 0, false
	}
	for i, o := range options {
		if o.Value == f.Value() {
			return i, true
		}
	}
	r.err = ErrRange
	return 0, false
}

func (r *submission) roles(name string, to *Roles) {
	f := r.f.Field(name)
	if f == nil || r.err != nil {
		return
	}
	var set Roles
	for _, v := range f.Values {
		role, ok := ParseRole(v)
		if !ok {
			r.err = ErrRange
			return
		}
		set |= RolesOf(role)
	}
	*to = set
}

// password: a room that needs one and gets none is not acceptable (section 10.1.3).
func (r *submission) password(to *string) {
	secret, needed := r.f.Field("muc#roomconfig_roomsecret"), *to != ""
	if r.f.Has("muc#roomconfig_passwordprotectedroom") {
		r.bool("muc#roomconfig_passwordprotectedroom", &needed)
	} else if secret != nil {
		needed = secret.Value() != ""
	}
	switch {
	case r.err != nil:
	case !needed:
		*to = ""
	case secret != nil:
		if *to = secret.Value(); *to == "" {
			r.err = ErrNoSecret
		}
	case *to == "":
		r.err = ErrNoSecret
	}
}

func (r *submission) jids(name string, to *[]jid.JID) {
	f := r.f.Field(name)
	if f == nil || r.err != nil {
		return
	}
	*to = []jid.JID{}
	for _, v := range f.Values {
		if v == "" {
			continue // an empty line of a text field
		}
		address, err := jid.Parse(v)
		if err != nil || len(*to) == MaxItems {
			r.err = ErrAddress
			return
		}
		*to = append(*to, address.Bare().Clone())
	}
}
