package pubsub

import (
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file is what XEP-0503 (version 0.3.0, "Node Configuration") asks of the service: a space is a node of the type that says so. Its items are rooms, as bookmarks with
// autojoin for those that everybody is in, or other nodes, spaces among them; they are in the order of their publication. Who may what is as for any node.

// asSpace completes and checks the options of a node that is, or becomes, a space. was is what it was before; f is what its owner has said.
func asSpace(was, o options, f *form.Form) (options, *stanza.Error) {
	if o.Type != ns.Spaces {
		return o, nil
	}
	if was.Type != ns.Spaces { // what it should be, unless its owner says otherwise
		for name, option := range map[string]*bool{"pubsub#notify_sub": &o.OnSub, "pubsub#notify_config": &o.OnConfig, "pubsub#notify_delete": &o.OnDelete} {
			if !f.Has(name) {
				*option = true
			}
		}
	}
	if !o.Persist || !o.OnRetract {
		return was, stanza.NewError(stanza.NotAcceptable, "a space keeps its items and tells when one is gone")
	}
	return o, nil
}
