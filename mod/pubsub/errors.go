package pubsub

import (
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// fault is an error with a condition of XEP-0060 beside that of XMPP.
func fault(c stanza.Condition, specific string) *stanza.Error {
	e := stanza.NewError(c, "")
	e.App = "<" + specific + " xmlns='" + ns.PubSubErrors + "'/>"
	switch specific {
	case "too-many-subscriptions":
		e.Type = stanza.Wait // XEP-0060 section 6.1.3.9
	case "not-subscribed":
		if c == stanza.UnexpectedRequest {
			e.Type = stanza.Cancel // XEP-0060 section 6.2.3.2
		}
	}
	return e
}

// unsupported names a feature of XEP-0060 that is not there.
func unsupported(feature string) *stanza.Error {
	e := stanza.NewError(stanza.FeatureNotImplemented, "")
	e.App = string(append(xmltok.AppendAttr([]byte("<unsupported xmlns='"+ns.PubSubErrors+"'"), "feature", feature), "/>"...))
	return e
}

func noNode() *stanza.Error { return stanza.NewError(stanza.ItemNotFound, "") }

func forbidden() *stanza.Error { return stanza.NewError(stanza.Forbidden, "") }
