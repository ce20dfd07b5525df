package stream

import (
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// ReadTight is Read for a place where the peer may send nothing but elements,
// not even white space (XEP-0388 section 2.4).
func (c *Conn) ReadTight() (*stanza.Stanza, error) {
	c.tight = true
	defer func() { c.tight = false }()
	return c.Read()
}

// errLoose ends a stream whose peer sends something else while it logs in.
func errLoose(st *stanza.Stanza) error {
	if st != nil && st.Kind == stanza.Nonza && st.Space != ns.SASL2 && st.Space != ns.SASL && st.Space != ns.StreamManagement {
		return &stanza.StreamError{Condition: stanza.StreamUnsupportedStanzaType}
	}
	return &stanza.StreamError{Condition: stanza.StreamNotAuthorized, Text: "nothing else may be sent during a log-in"}
}

// AnswerSASL2 drives the receiving side of one attempt of XEP-0388 up to the
// proof, after which the caller sends <success/>, or <continue/> by Task: data
// belongs into its <additional-data/>, if it is not nil. A *sasl.Error says that
// the attempt failed; the client has not been told yet. After any other error
// the stream is of no use.
func (c *Conn) AnswerSASL2(initial []byte, srv *sasl.Server) (data []byte, err error) {
	response := initial
	for {
		challenge, done, err := srv.Next(response)
		if done || err != nil {
			return challenge, err
		}
		if _, err := c.Write(appendData(nil, "challenge xmlns='"+ns.SASL2+"'", challenge)); err != nil {
			return nil, err
		}
		st, err := c.answerOf("response")
		if err != nil {
			return nil, err
		}
		if response, err = decodeSASL2(xmltok.UnescapeText(st.Inner())); err != nil {
			return nil, err
		}
	}
}

// answerOf reads the next element of the client, which must be this one.
func (c *Conn) answerOf(local string) (*stanza.Stanza, error) {
	st, err := c.ReadTight()
	switch {
	case err != nil:
		return nil, err
	case st.Space == ns.SASL2 && st.Local == "abort":
		return nil, &sasl.Error{Condition: sasl.Aborted} // XEP-0388 section 4.5
	case st.Space != ns.SASL2 || st.Local != local:
		return nil, errLoose(st)
	}
	return st, nil
}

// Task has the client do a task before it is logged in (XEP-0388 section 2.6.3):
// it sends <continue/>, with data of the mechanism that has just completed, and
// reads <next/>. Errors are those of AnswerSASL2.
func (c *Conn) Task(name string, data []byte) error {
	b := []byte("<continue xmlns='" + ns.SASL2 + "'>")
	if data != nil {
		b = appendData(b, "additional-data", data)
	}
	b = append(xmltok.AppendEscaped(append(b, "<tasks><task>"...), name), "</task></tasks></continue>"...)
	if _, err := c.Write(b); err != nil {
		return err
	}
	st, err := c.answerOf("next")
	if err != nil {
		return err
	}
	if task, _ := st.Attr("task"); task != name {
		return malformedSASL2("not the task that was asked for")
	}
	return nil
}

// TaskData sends data of a task and reads what the client says to it. Errors are
// those of AnswerSASL2.
func (c *Conn) TaskData(xml string) (*xmltok.Node, error) {
	if err := c.SendXML("<task-data xmlns='" + ns.SASL2 + "'>" + xml + "</task-data>"); err != nil {
		return nil, err
	}
	st, err := c.answerOf("task-data")
	if err != nil {
		return nil, err
	}
	tree, err := st.Tree()
	if err != nil {
		return nil, malformedSASL2("not readable")
	}
	return tree, nil
}

// SASL2Success is the start of <success/> up to the address that was proven
// (XEP-0388 section 2.6.1); "</authorization-identifier>", the answers to what
// was wanted inline, and "</success>" follow.
func SASL2Success(data []byte) string {
	b := []byte("<success xmlns='" + ns.SASL2 + "'>")
	if data != nil {
		b = appendData(b, "additional-data", data)
	}
	return string(append(b, "<authorization-identifier>"...))
}
