package words

import (
	"slices"
	"strconv"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// MaxText is how many bytes of a message can be found; those behind cannot.
const MaxText = 64 << 10

// Message is what a kept message says to those who look for it.
type Message struct {
	Text     string   // what people wrote in it; empty when there is nothing, or when only others can read it
	Link     bool     // a link is in it
	Names    []string // ids by which others refer to it
	Replaces string   // name of the message that this one corrects (XEP-0308)
	Retracts string   // name of the message that this one takes back (XEP-0424)
}

// Read reads a message as archives keep it.
func Read(sc *xmltok.Scanner, text []byte) (Message, error) {
	st, err := stanza.ParseWith(sc, string(text))
	if err != nil {
		return Message{}, err
	}
	var m Message
	m.name(st.ID)
	var bodies []string
	var cuts []span
	hidden := false
	for c := range st.Children() {
		switch c.Space {
		case ns.Client:
			if c.Local == "body" {
				bodies = append(bodies, c.Text())
			}
		case ns.StanzaID:
			if id, ok := c.Attr("id"); ok && c.Local == "origin-id" {
				m.name(id)
			}
		case ns.Correct:
			m.Replaces, _ = c.Attr("id")
		case ns.Retract:
			if c.Local == "retract" {
				m.Retracts, _ = c.Attr("id")
			}
			hidden = true // the body of a retraction, or of what stays of a message, is for clients that know neither
		case ns.OMEMO, ns.OMEMOLegacy, ns.OpenPGP, ns.OpenPGPLegacy, ns.EME:
			hidden = true // the body says that one cannot read it
		case ns.OOB:
			m.Link = true
		case ns.Fallback:
			cuts = append(cuts, fallbacks(c)...)
		}
	}
	if hidden {
		m.Link = false
		return m, nil
	}
	for _, b := range bodies {
		m.add(without(b, cuts))
	}
	return m, nil
}

func (m *Message) name(id string) {
	if id != "" && !slices.Contains(m.Names, id) {
		m.Names = append(m.Names, id)
	}
}

// add takes what one body says.
func (m *Message) add(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if m.Text != "" {
		m.Text += "\n"
	}
	m.Text = strings.ToValidUTF8((m.Text + text)[:min(len(m.Text)+len(text), MaxText)], "")
	m.Link = m.Link || strings.Contains(text, "https://") || strings.Contains(text, "http://")
}

// span is a part of a body that is not the message's own, such as a quotation, in characters.
type span struct{ start, end int }

// everything is a body that is there for clients that know no better.
var everything = span{0, 1 << 30}

// fallbacks are the parts that XEP-0428 section 2.1 names.
func fallbacks(c stanza.Child) []span {
	tree, err := c.Tree()
	if err != nil {
		return nil
	}
	if len(tree.Children) == 0 {
		return []span{everything}
	}
	var out []span
	for _, n := range tree.Children {
		if n.Local != "body" {
			continue
		}
		from, to := n.Attr("start"), n.Attr("end")
		if from == "" && to == "" {
			return []span{everything}
		}
		start, err1 := strconv.Atoi(from)
		end, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && 0 <= start && start < end {
			out = append(out, span{start, end})
		}
	}
	return out
}

// without leaves parts out of a text.
func without(text string, cuts []span) string {
	if len(cuts) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, r := range text {
		if !slices.ContainsFunc(cuts, func(s span) bool { return s.start <= at && at < s.end }) {
			b.WriteRune(r)
		}
		at++
	}
	return b.String()
}
