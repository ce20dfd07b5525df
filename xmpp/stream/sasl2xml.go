package stream

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Bounds of what a client says of itself.
const (
	maxAgentText = 128 // bytes of software and device; the rest is cut off
	maxTag       = 256 // bytes
	maxUpgrades  = 8
)

// UserAgent is what a client says of its installation (XEP-0388 section 2.3).
type UserAgent struct {
	// ID is a UUID that stays the same for the installation; "" when there is none.
	ID string
	// Software and Device are texts for people.
	Software, Device string
}

// Authenticate is <authenticate/> of XEP-0388 section 2.3, with everything that
// may stand in it.
type Authenticate struct {
	// Mechanism is the name of the SASL mechanism.
	Mechanism string
	// Initial is the initial response, nil for none.
	Initial []byte
	// Agent is the client.
	Agent UserAgent
	// Bind is <bind/> of XEP-0386 as XML that stands alone; "" for none. Tag is
	// what stands in its <tag/>.
	Bind, Tag string
	// Resume asks to resume a session (XEP-0198 section 8.2); nil for no.
	Resume *Resumption
	// BadResume says that there is a <resume/> without its attributes.
	BadResume bool
	// RequestToken is the mechanism for which a token is wanted (XEP-0484 section 3.2).
	RequestToken string
	// Fast says how a token is used; nil when none is.
	Fast *Fast
	// Upgrades are the names of the tasks that the client would do (XEP-0480 section 2.2).
	Upgrades []string
}

// Fast is <fast/> in a request (XEP-0484 section 3.4).
type Fast struct {
	// Count goes up with every use of the token; 0 says that the client does not count.
	Count int64
	// Invalidate asks that the token be good for nothing any more.
	Invalidate bool
}

// ParseAuthenticate reads <authenticate/>. The error is a *sasl.Error. Unknown
// children are ignored; an id that is no UUID counts as none.
func ParseAuthenticate(st *stanza.Stanza) (Authenticate, error) {
	tree, err := st.Tree()
	if err != nil {
		return Authenticate{}, malformedSASL2("not readable")
	}
	a := Authenticate{Mechanism: tree.Attr("mechanism")}
	if a.Mechanism == "" {
		return a, malformedSASL2("no mechanism")
	}
	if r := tree.Child(ns.SASL2, "initial-response"); r != nil {
		if a.Initial, err = decodeSASL2(r.Text()); err != nil {
			return a, err
		}
	}
	if u := tree.Child(ns.SASL2, "user-agent"); u != nil {
		a.Agent = UserAgent{
			Software: agentText(u.Child(ns.SASL2, "software").Text()), Device: agentText(u.Child(ns.SASL2, "device").Text()),
		}
		if id := u.Attr("id"); isUUID(id) {
			a.Agent.ID = id
		}
	}
	if b := tree.Child(ns.Bind2, "bind"); b != nil {
		a.Bind, a.Tag = string(b.AppendXML(nil, "")), b.Child(ns.Bind2, "tag").Text()
		if len(a.Tag) > maxTag {
			return a, malformedSASL2("the tag is too long")
		}
	}
	if r := tree.Child(ns.StreamManagement, "resume"); r != nil {
		h, err := strconv.ParseUint(r.Attr("h"), 10, 32)
		a.Resume = &Resumption{ID: r.Attr("previd"), Handled: uint32(h)}
		a.BadResume = err != nil || a.Resume.ID == ""
	}
	return a, a.parseFast(tree)
}

// parseFast reads what XEP-0484 and XEP-0480 add.
func (a *Authenticate) parseFast(tree *xmltok.Node) error {
	if t := tree.Child(ns.Fast, "request-token"); t != nil {
		a.RequestToken = t.Attr("mechanism")
	}
	if f := tree.Child(ns.Fast, "fast"); f != nil {
		a.Fast = &Fast{Invalidate: f.Attr("invalidate") == "true" || f.Attr("invalidate") == "1"}
		if c, ok := f.Lookup("", "count"); ok {
			n, err := strconv.ParseUint(c, 10, 62)
			if err != nil {
				return malformedSASL2("count is no number")
			}
			a.Fast.Count = int64(n)
		}
	}
	for _, u := range tree.All(ns.SASLUpgrade, "upgrade") {
		if len(a.Upgrades) < maxUpgrades {
			a.Upgrades = append(a.Upgrades, u.Text())
		}
	}
	return nil
}

// AppendXML appends the element.
func (a *Authenticate) AppendXML(dst []byte) []byte {
	dst = append(dst, "<authenticate xmlns='"+ns.SASL2+"'"...)
	dst = append(xmltok.AppendAttr(dst, "mechanism", a.Mechanism), '>')
	for _, u := range a.Upgrades {
		dst = append(xmltok.AppendEscaped(append(dst, "<upgrade xmlns='"+ns.SASLUpgrade+"'>"...), u), "</upgrade>"...)
	}
	if a.Initial != nil {
		dst = appendData(dst, "initial-response", a.Initial)
	}
	if a.Agent != (UserAgent{}) {
		dst = a.Agent.append(dst)
	}
	if a.Resume != nil {
		dst = append(dst, resumeRequest(*a.Resume)...)
	}
	dst = append(dst, a.Bind...)
	if a.RequestToken != "" {
		dst = append(xmltok.AppendAttr(append(dst, "<request-token xmlns='"+ns.Fast+"'"...), "mechanism", a.RequestToken), "/>"...)
	}
	if f := a.Fast; f != nil {
		dst = append(dst, "<fast xmlns='"+ns.Fast+"'"...)
		if f.Count > 0 {
			dst = xmltok.AppendAttr(dst, "count", strconv.FormatInt(f.Count, 10))
		}
		if f.Invalidate {
			dst = append(dst, " invalidate='true'"...)
		}
		dst = append(dst, "/>"...)
	}
	return append(dst, "</authenticate>"...)
}

func (u UserAgent) append(dst []byte) []byte {
	dst = append(dst, "<user-agent"...)
	if u.ID != "" {
		dst = xmltok.AppendAttr(dst, "id", u.ID)
	}
	dst = append(dst, '>')
	for _, t := range []struct{ name, text string }{{"software", u.Software}, {"device", u.Device}} {
		if t.text != "" {
			dst = append(append(append(dst, '<'), t.name...), '>')
			dst = append(append(append(xmltok.AppendEscaped(dst, t.text), "</"...), t.name...), '>')
		}
	}
	return append(dst, "</user-agent>"...)
}

func malformedSASL2(text string) error {
	return &sasl.Error{Condition: sasl.MalformedRequest, Text: text}
}

// decodeSASL2 decodes the text of an element: empty text is data of no length
// (XEP-0388 section 2.2). White space around it stands in the examples.
func decodeSASL2(text string) ([]byte, error) {
	if text = strings.TrimSpace(text); text == "" {
		return []byte{}, nil
	}
	return decodeText(text)
}

// appendData appends an element with data, inside or with the namespace of the profile.
func appendData(dst []byte, start string, data []byte) []byte {
	name, _, _ := strings.Cut(start, " ")
	dst = append(append(append(dst, '<'), start...), '>')
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(append(append(dst, "</"...), name...), '>')
}

// agentText is a text for people, no longer than anybody reads.
func agentText(s string) string { return xmltok.Clip(strings.TrimSpace(s), maxAgentText) }

// isUUID checks the pattern of the schema of XEP-0388. The version is for the
// client to keep: nothing here rests on it.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'f':
		default:
			return false
		}
	}
	return true
}

// SASL2Failure is <failure/> (XEP-0388 section 2.6.2). An error that is no
// *sasl.Error becomes temporary-auth-failure without text.
func SASL2Failure(err error) string {
	e := &sasl.Error{Condition: sasl.TemporaryAuthFailure}
	errors.As(err, &e)
	b := []byte("<failure xmlns='" + ns.SASL2 + "'><" + string(e.Condition) + " xmlns='" + ns.SASL + "'/>")
	if e.Text != "" {
		b = append(xmltok.AppendEscaped(append(b, "<text>"...), e.Text), "</text>"...)
	}
	return string(append(b, "</failure>"...))
}

// SASL2Offer is what a server offers by XEP-0388.
type SASL2Offer struct {
	// Mechanisms are the names that may be used with a password.
	Mechanisms []string
	// Tokens are those that may be used with a token (XEP-0484); none: it is not offered.
	Tokens []string
	// Inline are the features that a client may have at once with a resource by
	// XEP-0386; none: it is not offered.
	Inline []string
	// Resume says that sessions can be resumed at once (XEP-0198 section 8.2).
	Resume bool
	// Upgrades are the tasks of XEP-0480.
	Upgrades []string
}

// Feature is the stream feature <authentication/> (XEP-0388 section 2.1).
func (o SASL2Offer) Feature() string {
	b := appendEach([]byte("<authentication xmlns='"+ns.SASL2+"'>"), "mechanism", o.Mechanisms)
	b = append(b, "<inline>"...)
	if len(o.Inline) > 0 {
		b = append(b, "<bind xmlns='"+ns.Bind2+"'><inline>"...)
		for _, f := range o.Inline {
			b = append(xmltok.AppendAttr(append(b, "<feature"...), "var", f), "/>"...)
		}
		b = append(b, "</inline></bind>"...)
	}
	if o.Resume {
		b = append(b, "<sm xmlns='"+ns.StreamManagement+"'/>"...)
	}
	if len(o.Tokens) > 0 {
		// XEP-0484 section 3.1: without tls-0rtt, since early data is not taken.
		b = appendEach(append(b, "<fast xmlns='"+ns.Fast+"'>"...), "mechanism", o.Tokens)
		b = append(b, "</fast>"...)
	}
	b = append(b, "</inline>"...)
	for _, u := range o.Upgrades {
		b = append(xmltok.AppendEscaped(append(b, "<upgrade xmlns='"+ns.SASLUpgrade+"'>"...), u), "</upgrade>"...)
	}
	return string(append(b, "</authentication>"...))
}

func appendEach(b []byte, name string, texts []string) []byte {
	for _, t := range texts {
		b = append(xmltok.AppendEscaped(append(b, "<"+name+">"...), t), "</"+name+">"...)
	}
	return b
}

// ParseSASL2Offer reads the feature among the stream features; ok is false when
// the server does not offer XEP-0388.
func ParseSASL2Offer(features *stanza.Stanza) (o SASL2Offer, ok bool) {
	child, found := features.Child(ns.SASL2, "authentication")
	tree, err := child.Tree()
	if !found || err != nil {
		return o, false
	}
	texts := func(nodes []*xmltok.Node) (out []string) {
		for _, n := range nodes {
			out = append(out, n.Text())
		}
		return out
	}
	o.Mechanisms, o.Upgrades = texts(tree.All(ns.SASL2, "mechanism")), texts(tree.All(ns.SASLUpgrade, "upgrade"))
	inline := tree.Child(ns.SASL2, "inline")
	o.Tokens = texts(inline.Child(ns.Fast, "fast").All(ns.Fast, "mechanism"))
	o.Resume = inline.Child(ns.StreamManagement, "sm") != nil
	if b := inline.Child(ns.Bind2, "bind"); b != nil {
		o.Inline = []string{} // a resource can be had, whatever comes with it
		for _, f := range b.Child(ns.Bind2, "inline").All(ns.Bind2, "feature") {
			o.Inline = append(o.Inline, f.Attr("var"))
		}
	}
	return o, len(o.Mechanisms) > 0
}
