package core

import (
	"stonechat/xmpp/stanza"
)

// outcome is what happens to a stanza for a local account that no session takes, or could take.
type outcome uint8

const (
	deliver  outcome = iota // to the chosen sessions
	fallback                // nobody is there: offline, or else an error
	refuse                  // an error to the sender
	ignore                  // nothing at all
)

// candidate is what the table needs to know of one session.
type candidate struct {
	resource  string
	available bool
	priority  int8
}

// chooseMessage is the table of RFC 6121 section 8.5 for messages as one pure function: given the type, the resource of the address ("" for
// a bare one), whether the account exists and its sessions, it appends the indexes of the sessions that get the message to chosen.
func chooseMessage(chosen []int, exists bool, typ stanza.Type, resource string, sessions []candidate) ([]int, outcome) {
	switch typ {
	case stanza.Chat, stanza.GroupChat, stanza.Headline, stanza.TypeError:
	default:
		typ = stanza.Normal // RFC 6121 section 5.2.2
	}
	if !exists {
		return chosen, missing(typ)
	}
	if resource != "" {
		for i, c := range sessions {
			if c.resource == resource {
				return append(chosen, i), deliver // RFC 6121 section 8.5.3.1
			}
		}
		switch typ { // RFC 6121 section 8.5.3.2.1
		case stanza.Chat: // as if addressed to the bare JID, below
		case stanza.TypeError:
			return chosen, ignore
		default:
			return chosen, refuse
		}
	}
	switch typ {
	case stanza.GroupChat:
		return chosen, refuse // RFC 6121 sections 8.5.2.1.1 and 8.5.2.2.1
	case stanza.TypeError:
		return chosen, ignore
	}
	for i, c := range sessions {
		if c.available && c.priority >= 0 {
			chosen = append(chosen, i)
		}
	}
	switch {
	case len(chosen) > 0:
		return chosen, deliver // RFC 6121 section 8.5.2.1.1: all resources of non-negative priority
	case typ == stanza.Headline:
		return chosen, ignore // RFC 6121 section 8.5.2.2.1
	}
	return chosen, fallback
}

// missing is RFC 6121 section 8.5.1: the account does not exist.
func missing(typ stanza.Type) outcome {
	if typ == stanza.TypeError || typ == stanza.Headline {
		return ignore
	}
	return refuse
}
