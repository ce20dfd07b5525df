package pubsub

import (
	"slices"

	"stonechat/xmpp/stanza"
)

// affiliation is what a bare address is to a node (XEP-0060 section 4.1).
type affiliation string

// The affiliations; none is not kept.
const (
	isNone        affiliation = "none"
	isOwner       affiliation = "owner"
	isPublisher   affiliation = "publisher"
	isPublishOnly affiliation = "publish-only"
	isMember      affiliation = "member"
	isOutcast     affiliation = "outcast"
)

func (a affiliation) known() bool {
	return slices.Contains([]affiliation{isNone, isOwner, isPublisher, isPublishOnly, isMember, isOutcast}, a)
}

// The subscription states of XEP-0060 section 4.2 that are kept.
const (
	stateNone       = "none"
	statePending    = "pending"
	stateSubscribed = "subscribed"
)

// person is how somebody stands to the owner of a node, for the rules below.
type person struct {
	affiliation affiliation
	contact     bool     // sees the owner's presence
	groups      []string // of the owner's roster
	state       string   // of a subscription of theirs; empty: none
}

// mayRead decides who may retrieve items and is told of them (XEP-0060 sections 4.1, 6.1.3, 6.5.1 and 6.5.9); nil: this one.
func mayRead(o *options, p person) *stanza.Error {
	switch p.affiliation {
	case isOwner, isPublisher, isMember:
		return nil
	case isPublishOnly, isOutcast:
		return forbidden()
	}
	switch o.Access {
	case accessOpen:
		return nil
	case accessPresence:
		if p.contact {
			return nil
		}
		return fault(stanza.NotAuthorized, "presence-subscription-required")
	case accessRoster:
		if p.contact && slices.ContainsFunc(p.groups, func(g string) bool { return slices.Contains(o.Groups, g) }) {
			return nil
		}
		return fault(stanza.NotAuthorized, "not-in-roster-group")
	case accessAuthorize:
		if p.state == stateSubscribed {
			return nil
		}
		return fault(stanza.NotAuthorized, "not-subscribed")
	}
	return fault(stanza.NotAllowed, "closed-node")
}

// maySubscribe decides whether a subscription is there at once, waits for the owner's word, or is refused (XEP-0060 section 6.1.3).
func maySubscribe(o *options, p person) (state string, refused *stanza.Error) {
	if !o.Subscribe && p.affiliation != isOwner {
		return "", unsupported("subscribe") // XEP-0060 section 6.1.3.10
	}
	refused = mayRead(o, p)
	if o.Access == accessAuthorize && refused != nil && p.affiliation == isNone {
		if p.state == statePending {
			return "", fault(stanza.NotAuthorized, "pending-subscription") // XEP-0060 section 6.1.3.7
		}
		return statePending, nil // XEP-0060 section 6.1.4
	}
	return stateSubscribed, refused
}

// mayPublish decides who may publish and retract. own: only what is theirs may be replaced or retracted.
func mayPublish(o *options, p person) (own bool, refused *stanza.Error) {
	switch p.affiliation {
	case isOwner, isPublisher:
		return false, nil
	case isPublishOnly:
		return true, nil
	case isOutcast:
		return true, forbidden()
	}
	switch {
	case o.Publish == publishSubscribers && p.state == stateSubscribed:
		return true, nil
	case o.Publish == publishOpen:
		return true, nil
	}
	return true, forbidden() // XEP-0060 section 7.1.3.1
}

// implicit decides who is told without a subscription of their own, if their client wants it (XEP-0060 section 9.1.2, XEP-0163 section 4).
func implicit(o *options, p person) bool {
	return p.contact && mayRead(o, p) == nil
}
