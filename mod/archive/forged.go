package archive

import (
	"strings"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// cleaner removes what a message says in our name.
type cleaner struct {
	router *core.Router
	domain jid.JID
	own    jid.JID // bare address of the account whose turn it is
	// client: the message comes right from a client, which is no archive, so nothing in it can be of any address of ours.
	client bool
	// speaker: in a room somebody may say of themselves when something was said before (XEP-0045 section 7.9), and so may a component.
	speaker jid.JID
}

// clean returns the message, sealed, without what is forged.
func (c cleaner) clean(st *stanza.Stanza) *stanza.Stanza {
	out := st.Without(c.forged)
	if out != st {
		out.Seal()
	}
	return out
}

func (c cleaner) forged(child stanza.Child) bool {
	switch {
	case child.Space == ns.StanzaID && child.Local == "stanza-id":
		// XEP-0359 section 3, rules 2 and 5: what we would set ourselves goes, all of it; so does what says of nobody that it did.
		by, err := jid.Parse(attr(child, "by"))
		return err != nil || by.Bare() == c.own || by.Domain() == c.domain.Domain() && by.IsDomain() || c.client && c.ours(by.Domain())
	case child.Space == ns.Delay && child.Local == "delay":
		// XEP-0203 section 5: what names this server was not noted by it.
		from, err := jid.Parse(attr(child, "from"))
		if err == nil && from.Bare() == c.speaker {
			return false
		}
		return err == nil && (from.Bare() == c.own || c.router.Serves(from.Domain()) && (from.IsDomain() || c.client))
	case child.Space == ns.Archive && child.Local == "result":
		return c.client
	case child.Space == ns.Carbons:
		// XEP-0280 section 11: copies come from the account itself, and those never pass here.
		return child.Local == "sent" || child.Local == "received"
	}
	return false
}

// ours: a served domain, or one below it, where our services live.
func (c cleaner) ours(domain string) bool {
	return c.router.Serves(domain) || strings.HasSuffix(domain, "."+c.domain.Domain())
}

func attr(c stanza.Child, name string) string {
	v, _ := c.Attr(name)
	return v
}

// ownID is the id that the archive of own gave the message; forged ones are gone when it is asked.
func ownID(st *stanza.Stanza, own jid.JID) string {
	for c := range st.Children() {
		if c.Space == ns.StanzaID && c.Local == "stanza-id" {
			if by, err := jid.Parse(attr(c, "by")); err == nil && by == own {
				return attr(c, "id")
			}
		}
	}
	return ""
}
