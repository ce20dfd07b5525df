package push

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"stonechat/store"
	"stonechat/webpush"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// The kinds of notices.
const (
	ofMessage  = "message"
	ofCall     = "call"
	ofWithdraw = "withdraw" // what was told of the chat is of no use any more
	ofTest     = "test"
)

const (
	callLife = time.Minute // of a notification of a call: after that nobody rings any more
	maxBody  = 2048        // bytes of what was said that are told
	maxName  = 256
)

// notice is what is told to a device, as it is kept until it is sent.
type notice struct {
	Kind    string `json:"kind"`
	Account string `json:"account"`
	Chat    string `json:"chat"` // bare address of the other party, or of the room
	Room    bool   `json:"room,omitempty"`
	// Title and Sender are names for people; Body is what was said. They stand only in what goes to a device that wants them.
	Title     string `json:"title,omitempty"`
	Sender    string `json:"sender,omitempty"`
	Body      string `json:"body,omitempty"`
	Encrypted bool   `json:"encrypted,omitempty"`
	Mention   bool   `json:"mention,omitempty"`
	// Of is the kind of what is withdrawn.
	Of string `json:"of,omitempty"`
	// ID is the message's in the archive of the account, or of the room; empty: it is not kept.
	ID string    `json:"id,omitempty"`
	At time.Time `json:"at"`
}

// told is a message that a hook has shown us, for all registrations of an account.
type told struct {
	notice
	key  store.Key // in the account's archive; zero: none
	chat jid.JID
}

// hear reads a message that says something.
func hear(st *stanza.Stanza, chat jid.JID, id string, at time.Time) told {
	n := notice{Kind: ofMessage, Chat: chat.String(), ID: id, At: at, Encrypted: encrypted(st)}
	if isCall(st, "propose", "invite") {
		n.Kind = ofCall
	}
	if body, ok := st.Child(ns.Client, "body"); ok && !n.Encrypted {
		n.Body = xmltok.Clip(body.Text(), maxBody)
	}
	return told{notice: n, chat: chat}
}

// encrypted: what stands in the body is for those who cannot read what was said.
func encrypted(st *stanza.Stanza) bool {
	return st.Has(ns.OMEMO, "") || st.Has(ns.OMEMOLegacy, "") || st.Has(ns.OpenPGP, "") || st.Has(ns.OpenPGPLegacy, "") || st.Has(ns.EME, "")
}

// isCall tells whether a message is one of those steps of a call (XEP-0353, XEP-0482).
func isCall(st *stanza.Stanza, steps ...string) bool {
	for c := range st.Children() {
		if c.Space != ns.JingleMessage && c.Space != ns.CallInvites {
			continue
		}
		for _, s := range steps {
			if c.Local == s {
				return true
			}
		}
	}
	return false
}

// forTarget is what of a notice a device wants to know.
func (n notice) forTarget(t *target) notice {
	if !t.Names {
		n.Title, n.Sender = "", ""
	}
	if !t.Bodies {
		n.Body = ""
	}
	return n
}

// topicOf is by what a notice takes the place of what was told before of the chat; that of a call does not hide messages, nor the other way round.
func topicOf(s *webpush.Sender, account, chat, kind string) string {
	return s.Topic(account, chat, kind)
}

// life is how long it is worth bringing.
func (n *notice) life(usual time.Duration) time.Duration {
	if n.Kind == ofCall || n.Kind == ofTest {
		return min(callLife, usual)
	}
	return usual
}

// urgency: RFC 8030 section 5.3. Somebody waits for an answer, unless what was said is for a whole room, or nothing is said at all.
func (n *notice) urgency() webpush.Urgency {
	if n.Kind == ofWithdraw || n.Room && !n.Mention {
		return webpush.Normal
	}
	return webpush.High
}

// counts is what of an account is unread.
type counts struct {
	Unread int  `json:"unread"` // in the chat
	More   bool `json:"more,omitempty"`
	Total  int  `json:"total"` // in all chats
}

// message is what a device gets, see docs/push.md. The first four are also what clients read that were made for other servers.
type message struct {
	Title     string    `json:"title,omitempty"`
	Body      string    `json:"body,omitempty"`
	From      string    `json:"from"`
	Type      string    `json:"type"`
	Version   int       `json:"version"`
	Kind      string    `json:"kind"`
	Account   string    `json:"account"`
	Sender    string    `json:"sender,omitempty"`
	Encrypted bool      `json:"encrypted,omitempty"`
	Mention   bool      `json:"mention,omitempty"`
	Of        string    `json:"of,omitempty"`
	ID        string    `json:"id,omitempty"`
	Time      time.Time `json:"time"`
	counts
}

// text is the message in as many bytes as fit: what was said is cut first.
func (n *notice) text(c counts) ([]byte, error) {
	m := message{
		Title: n.Title, Body: n.Body, From: n.Chat, Type: "chat", Version: 1, Kind: n.Kind, Account: n.Account, Sender: n.Sender, Encrypted: n.Encrypted,
		Mention: n.Mention, Of: n.Of, ID: n.ID, Time: n.At.UTC().Truncate(time.Second), counts: c,
	}
	if n.Room {
		m.Type = "room"
	}
	for {
		b, err := m.encode()
		switch {
		case err != nil || len(b) <= webpush.MaxText:
			return b, err
		case m.Body == "" && m.Title == "":
			return nil, webpush.ErrText
		case m.Body == "":
			m.Title, m.Sender, m.ID = "", "", ""
		}
		m.Body = xmltok.Clip(m.Body, len(m.Body)/2) // escaped it was longer
	}
}

func (m *message) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it is no part of a page, and would be six times as long
	err := e.Encode(m)
	return bytes.TrimSpace(b.Bytes()), err
}

// dummyBody says that the message is important: servers of apps choose by it how to wake the device. What was said is none of their business.
const dummyBody = "New Message!"

// publication is XEP-0357 section 7.
func (n *notice) publication(t *target, c counts) string {
	f := form.New(form.Submit, ns.PushSummary,
		form.Field{Var: "message-count", Values: []string{strconv.Itoa(max(c.Total, 1))}},
		form.Field{Var: "last-message-body", Values: []string{dummyBody}})
	b := append([]byte(nil), "<pubsub xmlns='"+ns.PubSub+"'><publish"...)
	b = append(xmltok.AppendAttr(b, "node", t.Node), "><item><notification xmlns='"+ns.Push+"'>"...)
	b = append(f.AppendXML(b), "</notification></item></publish>"...)
	if t.Options != "" {
		b = append(append(append(b, "<publish-options>"...), t.Options...), "</publish-options>"...)
	}
	return string(append(b, "</pubsub>"...))
}

// titled gives a notice the names that people know.
func (x *told) titled(title, sender string) {
	x.Title, x.Sender = xmltok.Clip(title, maxName), xmltok.Clip(sender, maxName)
}
