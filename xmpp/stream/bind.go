package stream

import (
	"fmt"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// bindID is the id of the only request of a negotiation.
const bindID = "bind"

// bind asks for a resource (RFC 6120 section 7.6 and 7.7).
func (n *negotiation) bind(s *Session) error {
	wish := ""
	if r := n.l.JID.Resource(); r != "" {
		wish = "<resource>" + string(xmltok.AppendEscaped(nil, r)) + "</resource>"
	}
	iq := "<iq type='set' id='" + bindID + "'><bind xmlns='" + ns.Bind + "'>" + wish + "</bind></iq>"
	if err := n.conn.SendXML(iq); err != nil {
		return err
	}
	st, err := n.read()
	if err != nil {
		return err
	}
	if st.Kind != stanza.IQ || st.ID != bindID {
		return fmt.Errorf("%w: %s instead of the bound address", ErrNegotiation, st.Local)
	}
	if e := stanza.ParseError(st); e != nil {
		return e
	}
	payload, _ := st.Child(ns.Bind, "bind")
	tree, err := payload.Tree()
	if err != nil {
		return fmt.Errorf("%w: bind result", ErrNegotiation)
	}
	j, err := jid.Parse(tree.Child(ns.Bind, "jid").Text())
	if err != nil {
		return fmt.Errorf("%w: bound address: %w", ErrNegotiation, err)
	}
	if !j.IsFull() {
		return fmt.Errorf("%w: bound address without resource", ErrNegotiation)
	}
	s.JID = j
	return nil
}

// enable turns acknowledgements on (XEP-0198 section 3). A refusal is no error.
func (n *negotiation) enable(s *Session) error {
	if err := n.conn.SendXML("<enable xmlns='" + ns.StreamManagement + "' resume='true'/>"); err != nil {
		return err
	}
	for {
		st, err := n.read()
		switch {
		case err != nil:
			return err
		case st.Space == ns.StreamManagement && st.Local == "enabled":
			s.Managed, s.Resumption = true, enabled(attrOf(st))
			return nil
		case st.Space == ns.StreamManagement && st.Local == "failed":
			return nil
		case st.Kind == stanza.Nonza || len(s.Early) == maxEarly:
			return fmt.Errorf("%w: %s instead of enabled", ErrNegotiation, st.Local)
		}
		s.Early = append(s.Early, st)
	}
}

// offered reads the mechanisms and channel bindings among the features.
func offered(features *stanza.Stanza) (mechanisms, bindings []string, err error) {
	tree, err := features.Tree()
	if err != nil {
		return nil, nil, err
	}
	for _, m := range tree.Child(ns.SASL, "mechanisms").All(ns.SASL, "mechanism") {
		mechanisms = append(mechanisms, m.Text())
	}
	for _, b := range tree.Child(ns.SASLChannelBinding, "sasl-channel-binding").All(ns.SASLChannelBinding, "channel-binding") {
		bindings = append(bindings, b.Attr("type"))
	}
	return mechanisms, bindings, nil
}

func appendAuth(dst []byte, mechanism string, initial []byte) []byte {
	dst = append(dst, "<auth xmlns='"+ns.SASL+"'"...)
	dst = xmltok.AppendAttr(dst, "mechanism", mechanism)
	body := AppendSASL(nil, "auth", initial)
	// Everything behind the start tag is the same as in the other elements.
	return append(dst, body[len("<auth xmlns='"+ns.SASL+"'"):]...)
}

// loginError reads <failure/>.
func loginError(st *stanza.Stanza) error {
	e := &LoginError{Condition: sasl.NotAuthorized}
	for ch := range st.Children() {
		switch {
		case ch.Space != ns.SASL && ch.Space != ns.SASL2:
		case ch.Local == "text":
			e.Text = ch.Text()
		case ch.Space == ns.SASL:
			e.Condition = sasl.Condition(ch.Local)
		}
	}
	return e
}
