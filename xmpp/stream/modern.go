package stream

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Token is what a server gives a device in exchange for a log-in, to come back
// with (XEP-0484). Whoever has it can log in: keep it like a password, and for
// one installation only.
type Token struct {
	// Mechanism is the only one that the token is good for.
	Mechanism string
	// Secret is the token; "" for none.
	Secret string
	// Expires is when it will be refused.
	Expires time.Time
	// Resumes says that the server takes up sessions together with a log-in, so
	// that its offer need not be awaited for that.
	Resumes bool
}

// Usable says whether the token can be tried at that time.
func (t Token) Usable(now time.Time) bool { return t.Secret != "" && now.Before(t.Expires) }

// entering is one attempt by XEP-0388 on the initiating side.
type entering struct {
	*negotiation
	client *sasl.Client
	wish   Authenticate
	tasks  int
}

// maxTasks bounds what a server may ask for before it lets us in.
const maxTasks = 4

// wishes are what is wanted of the server at once, where it can do that: to
// resume, and to bind. An old session goes before a new one, so where it cannot
// resume it is not asked to bind either.
func (n *negotiation) wishes(client *sasl.Client, resume, bind bool) *entering {
	x := &entering{negotiation: n, client: client, wish: Authenticate{Mechanism: client.Mechanism(), Initial: client.Start(), Agent: n.l.Agent}}
	if n.l.Resume.ID != "" {
		r := n.l.Resume
		if !resume {
			return x
		}
		x.wish.Resume = &r
	}
	if bind && n.l.Tag != "" {
		b := append(xmltok.AppendEscaped([]byte("<bind xmlns='"+ns.Bind2+"'><tag>"), n.l.Tag), "</tag>"...)
		if n.l.Manage {
			b = append(b, "<enable xmlns='"+ns.StreamManagement+"' resume='true'/>"...)
		}
		x.wish.Bind = string(append(b, "</bind>"...))
	}
	return x
}

// byToken prepares an attempt with the token; nil when there is none that fits.
func (n *negotiation) byToken() *entering {
	if n.l.Classic || n.l.Agent.ID == "" || !n.l.Token.Usable(time.Now()) {
		return nil
	}
	login := sasl.Login{Username: n.l.JID.Local(), Bindings: n.conn.Bindings(nil)}
	client, err := sasl.NewTokenClient(n.l.Token.Mechanism, n.l.Token.Secret, login)
	if err != nil {
		return nil // the connection has not what the token is bound to
	}
	x := n.wishes(client, n.l.Token.Resumes, true)
	x.wish.Fast = &Fast{}
	return x
}

// byPassword prepares an attempt by what is offered.
func (n *negotiation) byPassword(o SASL2Offer, types []string) (*entering, error) {
	plus := slices.ContainsFunc(o.Mechanisms, func(m string) bool { return strings.HasSuffix(m, "-PLUS") })
	if plus != (len(types) > 0) {
		return nil, sasl.ErrDowngrade // XEP-0440 section 3: one of the two was taken away
	}
	login := sasl.Login{
		Username: n.l.JID.Local(), Password: n.l.Password, AllowPlain: n.l.AllowPlain,
		Bindings: n.conn.Bindings(nil), ServerBindings: types,
	}
	client, err := sasl.NewClient(o.Mechanisms, login)
	if err != nil {
		return nil, err
	}
	x := n.wishes(client, o.Resume, o.Inline != nil)
	if n.l.KeepToken && n.l.Agent.ID != "" {
		x.wish.RequestToken = sasl.PreferredToken(o.Tokens, login.Bindings)
	}
	if m, _ := sasl.ParseMechanism(client.Mechanism()); m.Plus {
		// XEP-0480 section 5: with channel binding, or somebody in between could log in by what we say.
		for _, u := range o.Upgrades {
			if _, ok := upgradeHash(u); ok {
				x.wish.Upgrades = append(x.wish.Upgrades, u)
			}
		}
	}
	return x, nil
}

// upgradeHash is the hash of a task of XEP-0480 section 3 that we can do.
func upgradeHash(task string) (sasl.Hash, bool) {
	name, ok := strings.CutPrefix(task, "UPGR-")
	m, known := sasl.ParseMechanism(name)
	return m.Hash, ok && known && m.Hash != 0 && !m.Plus
}

// run goes on behind <authenticate/>, up to the session.
func (x *entering) run() (*Session, error) {
	for {
		st, err := x.read()
		switch {
		case err != nil:
			return nil, err
		case st.Space != ns.SASL2:
			return nil, fmt.Errorf("%w: %s", ErrNegotiation, st.Local)
		}
		switch st.Local {
		case "failure":
			return nil, loginError(st)
		case "challenge":
			err = x.answer(st)
		case "continue":
			err = x.task(st)
		case "success":
			return x.succeed(st)
		default:
			err = fmt.Errorf("%w: %s", ErrNegotiation, st.Local)
		}
		if err != nil {
			return nil, err
		}
	}
}

// giveUp tells the server that it is not believed.
func (x *entering) giveUp(err error) error {
	_ = x.conn.SendXML("<abort xmlns='" + ns.SASL2 + "'/>")
	return err
}

func (x *entering) answer(st *stanza.Stanza) error {
	data, err := decodeSASL2(xmltok.UnescapeText(st.Inner()))
	if err == nil {
		data, err = x.client.Next(data)
	}
	if err != nil {
		return x.giveUp(err)
	}
	_, err = x.conn.Write(appendData(nil, "response xmlns='"+ns.SASL2+"'", data))
	return err
}

// additional takes the server's proof, which comes with the first element behind the exchange.
func (x *entering) additional(tree *xmltok.Node) error {
	var data []byte
	if n := tree.Child(ns.SASL2, "additional-data"); n != nil {
		var err error
		if data, err = decodeSASL2(n.Text()); err != nil {
			return err
		}
	}
	return x.client.Finish(data)
}

// task does the one task that is asked for (XEP-0388 section 2.6.3): to say what a stronger credential needs (XEP-0480 section 3).
func (x *entering) task(st *stanza.Stanza) error {
	tree, err := st.Tree()
	if err != nil {
		return err
	}
	if x.tasks++; x.tasks > maxTasks {
		return x.giveUp(fmt.Errorf("%w: too many tasks", ErrNegotiation))
	}
	if err := x.additional(tree); err != nil {
		return x.giveUp(err)
	}
	name := tree.Child(ns.SASL2, "tasks").Child(ns.SASL2, "task").Text()
	h, known := upgradeHash(name)
	if !known || !slices.Contains(x.wish.Upgrades, name) {
		return x.giveUp(fmt.Errorf("%w: task %s", ErrNegotiation, name))
	}
	next := xmltok.AppendAttr([]byte("<next xmlns='"+ns.SASL2+"'"), "task", name)
	if _, err := x.conn.Write(append(next, "/>"...)); err != nil {
		return err
	}
	asked, err := x.expect(ns.SASL2, "task-data")
	if err != nil {
		return err
	}
	if tree, err = asked.Tree(); err != nil {
		return err
	}
	salt := tree.Child(ns.SCRAMUpgrade, "salt")
	raw, err := decodeSASL2(salt.Text())
	iterations, bad := strconv.Atoi(salt.Attr("iterations"))
	if err != nil || bad != nil {
		return x.giveUp(fmt.Errorf("%w: salt", ErrNegotiation))
	}
	salted, err := sasl.SaltPassword(h, x.l.Password, raw, iterations)
	if err != nil {
		return x.giveUp(err)
	}
	return x.conn.SendXML("<task-data xmlns='" + ns.SASL2 + "'><hash xmlns='" + ns.SCRAMUpgrade + "'>" +
		base64.StdEncoding.EncodeToString(salted) + "</hash></task-data>")
}

// succeed reads <success/> and, unless a session goes on, the features behind it (XEP-0388 section 2.6.1, XEP-0198 section 8.2).
func (x *entering) succeed(st *stanza.Stanza) (*Session, error) {
	tree, err := st.Tree()
	if err != nil {
		return nil, err
	}
	if err := x.additional(tree); err != nil {
		return nil, err
	}
	s := &Session{Conn: x.conn, Token: newToken(tree.Child(ns.Fast, "token"), &x.wish)}
	if o, ok := ParseSASL2Offer(x.features); ok && s.Token != nil {
		s.Token.Resumes = o.Resume
	}
	who, err := jid.Parse(strings.TrimSpace(tree.Child(ns.SASL2, "authorization-identifier").Text()))
	if err != nil || who.Bare() != x.l.JID.Bare() {
		return nil, fmt.Errorf("%w: logged in as somebody else", ErrNegotiation)
	}
	for _, name := range []string{"resumed", "failed"} {
		if r := tree.Child(ns.StreamManagement, name); r != nil && x.wish.Resume != nil {
			h, err := strconv.ParseUint(r.Attr("h"), 10, 32)
			s.PeerHandled, s.PeerCounted = uint32(h), err == nil
			s.Resumed = name == "resumed" && s.PeerCounted
		}
	}
	if s.Resumed {
		s.Managed, s.Resumption, s.Features = true, x.l.Resume, x.features
		return s, nil
	}
	if s.Features, err = x.expect(ns.Streams, "features"); err != nil {
		return nil, err
	}
	bound := tree.Child(ns.Bind2, "bound")
	if bound == nil {
		return s, x.begin(s, x.wish.Resume == nil)
	}
	if !who.IsFull() || x.wish.Bind == "" {
		return nil, fmt.Errorf("%w: bound address without resource", ErrNegotiation)
	}
	s.JID = who
	if e := bound.Child(ns.StreamManagement, "enabled"); e != nil {
		s.Managed, s.Resumption = true, enabled(e.Attr)
		return s, nil
	}
	if x.l.Manage && bound.Child(ns.StreamManagement, "failed") == nil && s.Features.Has(ns.StreamManagement, "sm") {
		return s, x.enable(s) // it was not understood inline
	}
	return s, nil
}

// newToken reads <token/> (XEP-0484 section 3.3). It is for the mechanism that was asked for, or for the one that was used.
func newToken(n *xmltok.Node, wish *Authenticate) *Token {
	t := &Token{Mechanism: wish.RequestToken, Secret: n.Attr("token")}
	if t.Mechanism == "" && wish.Fast != nil {
		t.Mechanism = wish.Mechanism
	}
	var err error
	if t.Expires, err = time.Parse(time.RFC3339, n.Attr("expiry")); err != nil || t.Secret == "" || t.Mechanism == "" {
		return nil
	}
	return t
}
