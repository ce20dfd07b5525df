package push

import (
	"context"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/webpush"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// register takes what a browser, or a distributor of UnifiedPush, gives its client (docs/push.md).
func (m *Module) register(_ context.Context, e *core.Event) (core.Answer, error) {
	n, err := payload(e)
	if err != nil {
		return core.Answer{}, err
	}
	w := wants{Key: n.Attr("p256dh"), Auth: n.Attr("auth"), Identity: "web"}
	if t := n.Attr("identity-type"); t != "" {
		w.Identity = xmltok.Clip(t, 64)
	}
	rooms := true
	for name, value := range map[string]*bool{"names": &w.Names, "bodies": &w.Bodies, "withdraw": &w.Withdraw, "rooms": &rooms} {
		switch n.Attr(name) {
		case "":
		case "true", "1":
			*value = true
		case "false", "0":
			*value = false
		default:
			return core.Answer{}, stanza.NewError(stanza.BadRequest, name+" is true or false")
		}
	}
	w.NoRooms = !rooms
	return core.Answer{}, m.subscribe(e, n.Attr("endpoint"), w)
}

// subscribe keeps a registration of Web Push.
func (m *Module) subscribe(e *core.Event, endpoint string, w wants) error {
	if _, err := webpush.ParseSubscription(endpoint, w.Key, w.Auth); err != nil {
		return stanza.NewError(stanza.NotAcceptable, err.Error())
	}
	return m.keep(e, store.PushTarget{Service: endpoint, Kind: store.PushWeb}, w)
}

func (m *Module) unregister(_ context.Context, e *core.Event) (core.Answer, error) {
	n, err := payload(e)
	if err != nil {
		return core.Answer{}, err
	}
	m.forget(e, n.Attr("endpoint"), "")
	return core.Answer{}, nil
}

// p1App names our only service to clients of that protocol.
const p1App = "stonechat"

// services and the two that follow are the protocol that clients of ProcessOne speak.
func (m *Module) services(context.Context, *core.Event) (core.Answer, error) {
	b := xmltok.AppendAttr([]byte("<services xmlns='"+ns.P1WebPush+"'><service"), "vapid", m.round.sender.PublicKey())
	return core.Answer{Payload: string(append(xmltok.AppendAttr(b, "appid", p1App), "/></services>"...))}, nil
}

// p1Endpoint reads endpoint#p256dh#auth, as which such clients send a subscription. An endpoint has no fragment.
func p1Endpoint(n *xmltok.Node) (endpoint, key, auth string, err error) {
	in := n.Child(ns.P1Push, "notification")
	if in == nil || in.Child(ns.P1Push, "type").Text() != "webpush" {
		return "", "", "", stanza.NewError(stanza.FeatureNotImplemented, "notifications are of the type webpush")
	}
	endpoint, rest, _ := strings.Cut(in.Child(ns.P1Push, "id").Text(), "#")
	key, auth, _ = strings.Cut(rest, "#")
	return endpoint, key, auth, nil
}

func (m *Module) p1Register(_ context.Context, e *core.Event) (core.Answer, error) {
	n, err := payload(e)
	if err != nil {
		return core.Answer{}, err
	}
	endpoint, key, auth, err := p1Endpoint(n)
	if err != nil {
		return core.Answer{}, err
	}
	w := wants{Key: key, Auth: auth, Identity: "web"}
	if body := n.Child(ns.P1Push, "body"); body != nil {
		w.Bodies = body.Attr("send") == "all"
		w.Names = body.Attr("from") == "name" || body.Attr("from") == "username"
		w.NoRooms = body.Attr("groupchat") != "true"
	}
	return core.Answer{}, m.subscribe(e, endpoint, w)
}

func (m *Module) p1Disable(_ context.Context, e *core.Event) (core.Answer, error) {
	n, err := payload(e)
	if err != nil {
		return core.Answer{}, err
	}
	endpoint, _, _, err := p1Endpoint(n)
	if err != nil {
		return core.Answer{}, err
	}
	m.forget(e, endpoint, "")
	return core.Answer{}, nil
}
