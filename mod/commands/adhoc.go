package commands

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"stonechat/core"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// sessionLife is how long a form may be filled in.
const sessionLife = 30 * time.Minute

// adhoc is XEP-0050 for the commands of core.CommandTable: of one stage, or of a form and its submission. Nothing is kept of a session: its id is
// a proof, bound to requester, command and time, that the form was handed out.
type adhoc struct {
	host *core.Host
	key  []byte // of session ids; dies with the process
}

func installAdhoc(h *core.Host, module string) {
	x := &adhoc{host: h, key: make([]byte, 32)}
	rand.Read(x.key)
	// Who may run what is a right of each command, asked in run. XEP-0050 section 2.1: the feature. Some clients ask their own account, for which the server
	// answers anyway (RFC 6120 section 10.3.3): they find the same.
	for to, act := range map[core.Target]core.Action{core.ToHost: core.ActSeeHost, core.ToOwn: core.ActUseSession, core.ToService: core.ActUseNodes} {
		h.IQ.Handle(core.IQ{
			Space: ns.Commands, Local: "command", Type: stanza.Set, To: to, Action: act, Anywhere: to == core.ToService, Slow: true, Do: x.run, Module: module,
		})
	}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Commands)
	h.Disco.Nodes = append(h.Disco.Nodes, core.DiscoNode{Info: x.info, Items: x.items})
	h.Disco.AccountNodes = append(h.Disco.AccountNodes, core.DiscoNode{Info: ofOwn(x.info), Items: ofOwn(x.items)})
}

type nodeAnswer = func(e *core.Event, node string) (payload string, ok bool, err error)

// ofOwn answers who asks their own account; others have no commands there.
func ofOwn(answer nodeAnswer) nodeAnswer {
	return func(e *core.Event, node string) (string, bool, error) {
		if e.Stanza.From.Bare() != e.Account.JID {
			return "", false, nil
		}
		return answer(e, node)
	}
}

// at is where somebody asks, as commands have it: zero is the host, and whoever answers for it.
func (x *adhoc) at(e *core.Event) jid.JID {
	if to := e.Stanza.To; to.IsDomain() && to != x.host.Domain {
		return to
	}
	return jid.JID{}
}

// items is XEP-0050 section 2.2: the commands that the requester may run. A command itself has none, which is no error (XEP-0030 section 4.1).
func (x *adhoc) items(e *core.Event, node string) (string, bool, error) {
	list, actor, at := disco.Items{Node: node}, e.Actor(), x.at(e)
	if node != ns.Commands {
		c := x.host.Commands.Find(at, node)
		if c != nil && !c.Allows(actor) {
			return "", true, stanza.NewError(stanza.Forbidden, "")
		}
		return string(list.AppendXML(nil)), c != nil, nil
	}
	where := at
	if at.IsZero() {
		where = x.host.Domain
	}
	for _, c := range x.host.Commands.Rows() {
		if c.At == at && c.Allows(actor) {
			list.Items = append(list.Items, disco.Item{JID: where, Node: c.Node, Name: c.Name})
		}
	}
	return string(list.AppendXML(nil)), true, nil
}

// info is XEP-0050 section 2.2: what the list is, and what one command is.
func (x *adhoc) info(e *core.Event, node string) (string, bool, error) {
	i := disco.Info{Node: node, Features: []string{ns.Commands, ns.DataForm}}
	if node == ns.Commands {
		i.Identities = []disco.Identity{{Category: "automation", Type: "command-list", Name: "Commands"}}
		return string(i.AppendXML(nil)), true, nil
	}
	c := x.host.Commands.Find(x.at(e), node)
	if c == nil {
		return "", false, nil
	}
	if !c.Allows(e.Actor()) {
		return "", true, stanza.NewError(stanza.Forbidden, "")
	}
	i.Identities = []disco.Identity{{Category: "automation", Type: "command-node", Name: c.Name}}
	return string(i.AppendXML(nil)), true, nil
}

// run is XEP-0050 section 2.4.
func (x *adhoc) run(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	c, actor := x.host.Commands.Find(x.at(e), tree.Attr("node")), e.Actor()
	switch {
	case c == nil:
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no such command")
	case !c.Allows(actor):
		return core.Answer{}, stanza.NewError(stanza.Forbidden, "")
	}
	id, given := tree.Lookup("", "sessionid")
	action := tree.Attr("action")
	if given {
		if err := x.check(id, c.Node, e.Stanza.From); err != nil {
			return core.Answer{}, err
		}
	}
	submitted := tree.Child(ns.DataForm, "x")
	switch {
	case action == "cancel":
		return answer(c, id, "canceled", ""), nil // XEP-0050 section 2.4.3
	case given && c.Form == nil:
		// XEP-0050 section 3.3: the session ended with its only answer, and running the command again is a new one.
		return core.Answer{}, expired("the session has ended")
	case action != "" && action != "execute" && action != "complete" && action != "next" && action != "prev":
		return core.Answer{}, refusedAction("malformed-action", "")
	case action == "prev" || (action == "next" && given) || (!given && action == "complete" && submitted == nil):
		return core.Answer{}, refusedAction("bad-action", "the last stage is executed or completed")
	case !given && c.Form != nil:
		// XEP-0050 section 2.4.2: the form; its only action is the last one.
		asked, err := c.Form(ctx, actor)
		return answer(c, x.id(c.Node, e.Stanza.From), "executing", "<actions execute='complete'><complete/></actions>"+asked), err
	case c.Form != nil && submitted == nil:
		return core.Answer{}, refusedAction("bad-payload", "the form is missing")
	}
	payload, err := c.Do(ctx, e, submitted)
	if err != nil {
		return core.Answer{}, err
	}
	if !given {
		id = x.id(c.Node, e.Stanza.From)
	}
	return answer(c, id, "completed", payload), nil
}

// answer tells its language, as everything that commands say is in one (XEP-0050 section 3.7).
func answer(c *core.Command, id, status, payload string) core.Answer {
	b := xmltok.AppendAttr([]byte("<command xmlns='"+ns.Commands+"'"), "node", c.Node)
	if id != "" {
		b = xmltok.AppendAttr(b, "sessionid", id)
	}
	b = append(xmltok.AppendAttr(b, "status", status), " xml:lang='en'>"...)
	b = append(b, payload...)
	return core.Answer{Payload: string(append(b, "</command>"...))}
}

// refusedAction is an error of XEP-0050 section 4.4.
func refusedAction(specific, text string) *stanza.Error {
	err := stanza.NewError(stanza.BadRequest, text)
	err.App = "<" + specific + " xmlns='" + ns.Commands + "'/>"
	return err
}

// id makes a session id: time, and a proof of it.
func (x *adhoc) id(node string, of jid.JID) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(x.host.Now().UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, x.proof(b, node, of)...))
}

func (x *adhoc) proof(stamp []byte, node string, of jid.JID) []byte {
	m := hmac.New(sha256.New, x.key)
	m.Write(stamp)
	m.Write([]byte(node + "\x00" + of.String()))
	return m.Sum(nil)[:16]
}

var errSession = errors.New("not a session id")

// check tells whether a session id was given to this requester for this command, not too long ago.
func (x *adhoc) check(id, node string, of jid.JID) *stanza.Error {
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err == nil && (len(b) != 24 || !hmac.Equal(b[8:], x.proof(b[:8], node, of))) {
		err = errSession
	}
	if err != nil {
		return refusedAction("bad-sessionid", "")
	}
	since := time.UnixMicro(int64(binary.BigEndian.Uint64(b)))
	if x.host.Now().Sub(since) > sessionLife {
		return expired("the form was handed out too long ago")
	}
	return nil
}

// expired is the error of XEP-0050 section 4.4 for a session that was one.
func expired(text string) *stanza.Error {
	err := stanza.NewError(stanza.NotAllowed, text)
	err.App = "<session-expired xmlns='" + ns.Commands + "'/>"
	return err
}
