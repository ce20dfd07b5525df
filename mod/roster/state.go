package roster

import "stonechat/xmpp/stanza"

// state is what stands between an account and one contact. The first four bits are the nine states of RFC 6121 appendix A.1.
type state uint8

const (
	subTo      state = 1 << iota // the account gets the contact's presence
	subFrom                      // the contact gets the account's presence
	pendingOut                   // the account has asked and has no answer: ask='subscribe'
	pendingIn                    // the contact has asked and has no answer
	approved                     // the contact's next request is granted by itself (section 3.4)
	listed                       // there is a roster item; a request alone makes none (section 3.1.3)
	bonded                       // both are in a circle
	above                        // and it was a contact before, or is one besides
)

// item is the part of a state that the account's clients see.
func (s state) item() state { return s &^ pendingIn }

func (s state) has(bits state) bool { return s&bits != 0 }

// settled lists a contact that anything but its own request connects with the account.
func (s state) settled() state {
	if s.has(subTo | subFrom | pendingOut | approved) {
		s |= listed
	}
	return s
}

// step is what one subscription stanza does.
type step struct {
	next    state
	route   bool        // outbound: it goes on to the contact
	deliver bool        // inbound: the account's sessions see it
	reply   stanza.Type // inbound: what the contact is answered on the account's behalf; empty for nothing
}

// outbound is RFC 6121 appendix A.2: the account's client sends t to the contact.
func outbound(s state, t stanza.Type) step {
	out := step{next: s}
	switch t {
	case stanza.Subscribe: // RFC 6121 appendix A.2.1
		out.route = true
		if !s.has(subTo) {
			out.next |= pendingOut
		}
	case stanza.Unsubscribe: // RFC 6121 appendix A.2.2
		out.route = true
		out.next &^= subTo | pendingOut
	case stanza.Subscribed: // RFC 6121 appendix A.2.3
		switch {
		case s.has(pendingIn):
			out.route = true
			out.next = s&^pendingIn | subFrom
		case !s.has(subFrom):
			out.next |= approved // RFC 6121 section 3.4.2: nobody has asked yet
		}
	case stanza.Unsubscribed: // RFC 6121 appendix A.2.4; section 3.4: it takes back a pre-approval too
		out.route = s.has(subFrom | pendingIn)
		out.next &^= subFrom | pendingIn | approved
	}
	out.next = out.next.settled()
	return out
}

// inbound is RFC 6121 appendix A.3: t of the contact arrived for the account.
func inbound(s state, t stanza.Type) step {
	in := step{next: s}
	switch t {
	case stanza.Subscribe: // RFC 6121 appendix A.3.1
		switch {
		case s.has(subFrom):
			in.reply = stanza.Subscribed // RFC 6121 section 3.1.3: granted already
		case s.has(approved):
			in.reply = stanza.Subscribed // RFC 6121 section 3.4
			in.next = s&^pendingIn | subFrom
		case !s.has(pendingIn):
			in.deliver = true
			in.next |= pendingIn
		}
	case stanza.Unsubscribe: // RFC 6121 appendix A.3.2
		in.deliver = s.has(subFrom | pendingIn)
		in.next &^= subFrom | pendingIn
	case stanza.Subscribed: // RFC 6121 appendix A.3.3
		if s.has(pendingOut) {
			in.deliver = true
			in.next = s&^pendingOut | subTo
		}
	case stanza.Unsubscribed: // RFC 6121 appendix A.3.4
		in.deliver = s.has(subTo | pendingOut)
		in.next &^= subTo | pendingOut
	}
	in.next = in.next.settled()
	return in
}

// parting is what the contact is told when the account removes it altogether (RFC 6121 section 2.5.2).
func parting(s state) []stanza.Type {
	var out []stanza.Type
	if s.has(subTo | pendingOut) {
		out = append(out, stanza.Unsubscribe)
	}
	if s.has(subFrom | pendingIn) {
		out = append(out, stanza.Unsubscribed)
	}
	return out
}

func isSubscription(st *stanza.Stanza) bool {
	if st.Kind != stanza.Presence {
		return false
	}
	switch st.Type {
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed:
		return true
	}
	return false
}
