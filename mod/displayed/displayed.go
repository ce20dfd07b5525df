// Package displayed helps clients of an account to agree on what has been read (XEP-0490 version 1.0.1): a client says it in the message that tells the
// contact (XEP-0333), and the server publishes it on the account's node. What clients publish themselves needs no help. Of a client that knows markers
// alone the server finds out which message is meant, see markers.go.
//
// Hooks: Sending, before the archive's. Port: Publisher.
package displayed

import (
	"errors"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Module is the feature.
type Module struct {
	archive store.Archive
	obs     obs.Obs
	host    *core.Host
	marked  core.Slot[latest]
}

// New takes where messages are found, and where failures are told.
func New(a store.Archive, o obs.Obs) *Module { return &Module{archive: a, obs: o} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "displayed" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host, m.marked = h, core.NewSlot[latest](h)
	h.Hooks.Sending.Add(m.Name(), m.sending)
	// XEP-0490 section 4.5.2: on the account.
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.DisplayedAssist)
}

func isMark(c stanza.Child) bool { return c.Space == ns.Displayed && c.Local == "displayed" }

// sending takes the mark out of a message before anybody sees or keeps it, and publishes it (XEP-0490 section 4.5.3). The message goes on either way:
// what the node does not take is no fault of the message. Turn of the sender.
func (m *Module) sending(e *core.Event) core.Verdict {
	st := e.Stanza
	if st.Kind != stanza.Message {
		return core.Next
	}
	mark, ok := st.Child(ns.Displayed, "displayed")
	if !ok {
		m.conclude(e)
		return core.Next
	}
	// XEP-0490 section 5.2: before it is archived or copied, or its id would be known to the other party.
	e.Stanza = st.Without(isMark).Seal()
	tree, err := mark.Tree()
	if err != nil || e.Account.ID == 0 {
		return core.Next
	}
	e.Wait(m.publish(e, strings.Clone(st.To.String()), string(tree.AppendXML(nil, ""))))
	return core.Next
}

// publish puts the mark onto the node. The id of the item is what the message is addressed to, in the form in which addresses are compared.
func (m *Module) publish(e *core.Event, chat, mark string) store.Ticket {
	p := m.host.Ports.Publisher
	if p == nil {
		return store.Ticket{}
	}
	// XEP-0490 sections 5.2 and 7: a node that others read gets nothing from us, as publish-options would have it.
	if access := p.Access(e.Account, ns.Displayed); access != "" && access != "whitelist" {
		m.host.Metrics().Refused("displayed")
		return store.Ticket{}
	}
	out, name := new(store.Promise), e.Account.JID.String()
	p.Publish(e.Work, e.Account, ns.Displayed, chat, mark, nil).Done(func(err error) {
		var refused *stanza.Error
		if errors.As(err, &refused) {
			m.obs.Log.Debug("what was displayed is not kept", obs.JID, name, obs.Err, err)
			err = nil
		}
		out.Settle(err)
	})
	return out.Ticket()
}
