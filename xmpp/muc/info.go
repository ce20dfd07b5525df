package muc

import (
	"strconv"

	"stonechat/xmpp/disco"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// Facts are what a room tells of itself beside its configuration.
type Facts struct {
	// Occupants is their number; negative: it is not told.
	Occupants int
	// Subject is what is talked of; Contacts are who is responsible. Empty: it is not told.
	Subject  string
	Contacts []jid.JID
	// Hats is a hash of the room's hats (XEP-0317 section 2); empty: there are none.
	Hats string
}

// Features are the names of what the room is like (section 15.3).
func (c *Config) Features() []string {
	pick := func(v bool, yes, no string) string {
		if v {
			return yes
		}
		return no
	}
	return []string{
		pick(c.Public, "muc_public", "muc_hidden"),
		pick(c.Persistent, "muc_persistent", "muc_temporary"),
		pick(c.MembersOnly, "muc_membersonly", "muc_open"),
		pick(c.Moderated, "muc_moderated", "muc_unmoderated"),
		pick(c.NonAnonymous, "muc_nonanonymous", "muc_semianonymous"),
		pick(c.Password != "", "muc_passwordprotected", "muc_unsecured"),
	}
}

// Info is what a room answers to disco#info (section 6.4); features are those of the service beside it.
func (c *Config) Info(name string, f Facts, features ...string) *disco.Info {
	if c.Name != "" {
		name = c.Name
	}
	fields := []form.Field{
		field("muc#roominfo_description", form.TextSingle, "Description", c.Description),
		boolean("muc#roomconfig_changesubject", "Participants may change the subject", c.ChangeSubject),
		boolean("muc#roominfo_subjectmod", "Participants may change the subject", c.ChangeSubject),
		boolean("muc#roomconfig_allowinvites", "Members may invite others", c.Invites),
		field("muc#roomconfig_allowpm", form.ListSingle, "Who may send private messages", whispers[c.Whisper].Value),
		field("muc#maxhistoryfetch", form.TextSingle, "Messages that are shown to who enters", strconv.Itoa(c.History)),
		field("muc#roomconfig_roomname", form.TextSingle, "Name of the room", c.Name),
	}
	if c.Slow > 0 { // XEP-0500 section 5.2
		fields = append(fields, field("muc#roominfo_slow_mode_duration", form.TextSingle, "Seconds between two messages of one person", strconv.Itoa(c.Slow)))
	}
	if f.Occupants >= 0 {
		fields = append(fields, field("muc#roominfo_occupants", form.TextSingle, "Number of occupants", strconv.Itoa(f.Occupants)))
	}
	if f.Subject != "" {
		fields = append(fields, field("muc#roominfo_subject", form.TextSingle, "Subject", f.Subject))
	}
	if c.Picture != "" { // XEP-0486 section 3.3
		fields = append(fields, field("muc#roominfo_avatarhash", form.TextMulti, "Hash of the picture", c.Picture))
	}
	if f.Hats != "" {
		fields = append(fields, field("hats#hash", form.TextSingle, "Hash of the hats", f.Hats))
	}
	if c.Lang != "" {
		fields = append(fields, field("muc#roominfo_lang", form.TextSingle, "Language of the room", c.Lang))
	}
	if len(f.Contacts) > 0 {
		fields = append(fields, jids("muc#roominfo_contactjid", "Contact addresses", f.Contacts))
	}
	i := &disco.Info{
		Identities: []disco.Identity{{Category: "conference", Type: "text", Name: name}},
		Features:   append(append([]string{ns.MUC}, c.Features()...), features...),
	}
	if c.Node != "" { // XEP-0503, "Advertising space membership"
		fields = append(fields, field(varNode, form.TextSingle, "Associated pubsub node", c.Node))
		i.Features = append(i.Features, ns.Spaces)
		i.Forms = append(i.Forms, form.New(form.Result, ns.Spaces, field("parent", form.TextSingle, "Space parent", c.Node)))
	}
	i.Forms = append(i.Forms, form.New(form.Result, ns.MUCRoomInfo, fields...))
	return i
}

// VoiceRequest is a form by which an occupant asks for voice, and a moderator grants it (sections 7.13 and 8.6).
type VoiceRequest struct {
	Role Role
	// JID and Nick are of who asks; the room says them.
	JID  jid.JID
	Nick string
	// Allow is the moderator's answer; Answer: the field was there.
	Allow, Answer bool
}

// Form asks a moderator. The address is left out when it is zero.
func (v VoiceRequest) Form() *form.Form {
	f := form.New(form.Prompt, ns.MUCRequest,
		field("muc#role", form.ListSingle, "Requested role", v.Role.String()),
		field("muc#roomnick", form.TextSingle, "Nick in the room", v.Nick),
		boolean("muc#request_allow", "Grant voice to this person?", false),
	)
	f.Fields[1].Options = []form.Option{{Label: "Participant", Value: "participant"}}
	if !v.JID.IsZero() {
		f.Fields = append(f.Fields, field("muc#jid", form.JIDSingle, "Address", v.JID.String()))
	}
	f.Title = "Somebody asks to speak"
	return f
}

// ParseVoiceRequest reads a submitted form of muc#request.
func ParseVoiceRequest(f *form.Form) (VoiceRequest, error) {
	if f.Type != form.Submit || f.FormType() != ns.MUCRequest {
		return VoiceRequest{}, ErrFormType
	}
	v := VoiceRequest{Nick: f.Field("muc#roomnick").Value(), Answer: f.Has("muc#request_allow")}
	var ok bool
	if v.Role, ok = ParseRole(f.Field("muc#role").Value()); !ok {
		return v, ErrValue
	}
	if text := f.Field("muc#jid").Value(); text != "" {
		address, err := jid.Parse(text)
		if err != nil {
			return v, ErrAddress
		}
		v.JID = address
	}
	var err error
	v.Allow, err = f.Field("muc#request_allow").Bool()
	return v, err
}

// RegisterForm asks what somebody must say to register with a room (section 7.10): the nick alone.
func RegisterForm(nick string) *form.Form {
	f := form.New(form.Prompt, ns.MUCRegister, field("muc#register_roomnick", form.TextSingle, "Nick that is reserved for you", nick))
	f.Fields[1].Required = true
	f.Title = "Registration with the room"
	return f
}

// ParseRegister reads the nick of a submitted form of muc#register.
func ParseRegister(f *form.Form) (nick string, err error) {
	if f.Type != form.Submit || f.FormType() != ns.MUCRegister {
		return "", ErrFormType
	}
	if nick = f.Field("muc#register_roomnick").Value(); nick == "" {
		return "", ErrFormType
	}
	return nick, nil
}
