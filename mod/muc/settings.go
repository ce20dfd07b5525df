package muc

import (
	"unicode/utf8"

	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/uri"
)

// Bounds of the texts of a configuration, in bytes, and of its history, in messages.
const (
	maxName        = 256
	maxDescription = 4096
	maxSecret      = 256
	maxLang        = 64
	maxSlow        = 24 * 60 * 60 // seconds
	maxNode        = 2048
)

// preset is what a new room is like until its owner says otherwise; name is a value of rooms.preset.
func preset(name string, history int) muc.Config {
	c := muc.Config{Archive: true, Broadcast: muc.AllRoles, Lists: muc.AllRoles, History: history}
	switch name {
	case "group":
		// What people have in mind who make a room with a few others. It is non-anonymous, since end-to-end encryption needs to know whom it
		// encrypts for.
		c.Persistent, c.MembersOnly, c.NonAnonymous, c.ChangeSubject, c.Invites = true, true, true, true, true
	case "channel":
		// Everybody finds it and comes in, and only moderators learn who they are.
		c.Persistent, c.Public, c.Register = true, true, true
	case "announcements":
		// Few speak and everybody listens: nobody who enters is shown, or can be written to by others who do. Who registers would have a voice.
		c.Persistent, c.Public, c.Moderated = true, true, true
		c.Broadcast, c.Lists = muc.RolesOf(muc.Moderator, muc.Participant), muc.RolesOf(muc.Moderator)
		c.Whisper = muc.WhisperParticipants
	default:
		// It cannot be found, its people are not shown, and it goes with them.
		c.Register = true
	}
	return c
}

// checkConfig bounds what an owner wants by what the service allows; a wish for more than that is taken as a wish for the most.
func checkConfig(c *muc.Config, maxUsers, history int) *stanza.Error {
	for _, b := range []struct {
		text string
		most int
	}{{c.Name, maxName}, {c.Description, maxDescription}, {c.Lang, maxLang}, {c.Password, maxSecret}} {
		if len(b.text) > b.most || !utf8.ValidString(b.text) {
			return stanza.NewError(stanza.NotAcceptable, "a text of the form is too long")
		}
	}
	if !nodeIRI(c.Node) {
		return stanza.NewError(stanza.NotAcceptable, "the space is no address of a node")
	}
	if c.MaxUsers > maxUsers {
		c.MaxUsers = 0
	}
	if c.Slow > maxSlow {
		return stanza.NewError(stanza.NotAcceptable, "nobody waits for more than a day")
	}
	c.History = min(c.History, history)
	return nil
}

// nodeIRI tells whether text is the IRI of a node of a service, as XEP-0503 has it: xmpp:DOMAIN?;node=NAME; or nothing. Whether the node says that the
// room is in it is for clients to ask.
func nodeIRI(text string) bool {
	if text == "" {
		return true
	}
	u, err := uri.Parse(text)
	return len(text) <= maxNode && err == nil && !u.JID.IsZero() && u.Get("node") != ""
}

// changes are the codes that occupants are told when the configuration changes (section 10.2.1).
func changes(was, is *muc.Config) []muc.Status {
	var out []muc.Status
	tell := func(before, after bool, on, off muc.Status) {
		if before != after && after {
			out = append(out, on)
		} else if before != after {
			out = append(out, off)
		}
	}
	tell(was.Archive, is.Archive, muc.StatusLogged, muc.StatusNotLogged)
	tell(was.NonAnonymous, is.NonAnonymous, muc.StatusNowNonAnonymous, muc.StatusNowSemi)
	a, b := *was, *is
	a.Archive, a.NonAnonymous, a.Shown = b.Archive, b.NonAnonymous, b.Shown
	if a != b {
		out = append(out, muc.StatusConfiguration)
	}
	return out
}
