package stanza

import (
	"errors"
	"sync"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// errNoElement says that Decode was called at the wrong moment.
var errNoElement = errors.New("stanza: the scanner has not found an element")

// Decode makes a Stanza of the element that sc has just found at the start of
// buf, and copies its bytes once. It fails when sc has found none, and with an
// *xmltok.Error when declarations outside of an element cannot be moved into it
// within the limits.
func Decode(sc *xmltok.Scanner, buf []byte) (*Stanza, error) {
	out := sc.Outline()
	if out.Outer.Len() == 0 || int(out.Outer.End) > len(buf) {
		return nil, errNoElement
	}
	d := decoder{s: &Stanza{}, out: out, content: sc.ContentSpace()}
	return d.decode(string(buf[:out.Outer.End]))
}

// Parse makes a Stanza of a standalone text, for example from the archive.
// Without a declaration the default namespace is jabber:client. The limits are
// xmltok.TreeLimits. The error is an *xmltok.Error.
func Parse(text string) (*Stanza, error) {
	return ParseWith(xmltok.NewScanner(xmltok.TreeLimits), text)
}

// ParseWith is Parse with a scanner, its memory and limits, that can be used
// for one text after another.
func ParseWith(sc *xmltok.Scanner, text string) (*Stanza, error) {
	sc.Inherit(ns.Client, nil)
	if err := sc.Document(xmltok.View(text)); err != nil {
		return nil, err
	}
	d := decoder{s: &Stanza{}, out: sc.Outline(), content: ns.Client}
	return d.decode(text)
}

// New makes a stanza with already encoded payload, in which jabber:client is the
// default namespace. It fails with an *xmltok.Error when inner is not well-formed.
func New(h Head, inner string) (*Stanza, error) {
	s := h.stanza()
	if err := s.setInner(inner); err != nil {
		return nil, err
	}
	return s, nil
}

// setInner gives a new stanza its content.
func (s *Stanza) setInner(inner string) error {
	s.raw, s.inner, s.children = inner, span{End: uint32(len(inner))}, children{}
	return s.index(inner, 0)
}

// index adds the elements of fragment, which lies at offset in raw.
func (s *Stanza) index(fragment string, offset int) error {
	if fragment == "" {
		return nil
	}
	sc := scanners.Get().(*xmltok.Scanner)
	sc.Inherit(s.Space, nil)
	if err := sc.Fragment(xmltok.View(fragment)); err != nil {
		return err // the scanner is left to the collector: what is wrong may have made its memory large
	}
	list := sc.Outline().Children
	for i := range list {
		s.children.add(refOf(&list[i], 0).moved(offset))
	}
	scanners.Put(sc)
	return nil
}

// scanners are reused: adding one small element to a message is done for every message that an archive keeps.
var scanners = sync.Pool{New: func() any { return xmltok.NewScanner(xmltok.TreeLimits) }}

// refOf makes the index entry for what the scanner found. A namespace that is
// declared at root, the offset of the value, is that of the stanza.
func refOf(c *xmltok.Child, root uint32) ref {
	r := ref{outer: c.Outer, inner: c.Content, local: c.Local}
	if c.Space.Start != root {
		r.space = c.Space.Span
	}
	return r
}

// decoder fills one Stanza.
type decoder struct {
	s       *Stanza
	out     *xmltok.Outline
	content string // content namespace of the stream, if known
	raw     string
	kept    []byte
	uneven  bool // children depend on declarations outside of them
}

// contents says whether space can be the content namespace of a stream (RFC
// 6120 section 4.8.2, XEP-0114).
func contents(space string) bool {
	return space == ns.Client || space == ns.Server || space == ns.ComponentAccept
}

func (d *decoder) decode(raw string) (*Stanza, error) {
	s, out := d.s, d.out
	d.raw, s.raw, s.inner = raw, raw, out.Content
	s.Space, s.Local = out.Space.In(raw), out.Local.In(raw)
	if contents(s.Space) && (d.content == s.Space || !contents(d.content)) {
		s.Kind = kindOf(s.Local)
	}
	space := s.Space
	if s.Kind != Nonza {
		s.Space, s.Local = ns.Client, s.Kind.String()
	}
	d.uneven = out.Name != out.Local || len(out.Inherited) > 0
	for i := range out.Attrs {
		d.attr(&out.Attrs[i])
	}
	if s.Kind == Message {
		s.Type = s.Type.normal()
	}
	for i := range out.Children {
		r := refOf(&out.Children[i], out.Space.Start)
		// What a child says of the content namespace changes with the stream.
		d.uneven = d.uneven || space != s.Space && r.space.Start > 0 && r.space.In(raw) == space
		s.children.add(r)
	}
	if !d.uneven {
		s.kept = string(d.kept)
		return s, nil
	}
	if err := d.even(space); err != nil {
		return nil, err
	}
	return s, nil
}

// attr takes over one attribute of the element.
func (d *decoder) attr(a *xmltok.Attr) {
	s, name := d.s, a.Name.In(d.raw)
	switch {
	case name == "xmlns":
		return
	case len(name) > 6 && name[:6] == "xmlns:":
		d.uneven = true
	case s.Kind == Nonza:
	case name == "to":
		s.HasTo = true
		s.To, s.ToErr = jid.Parse(a.Value.In(d.raw))
		return
	case name == "from":
		s.HasFrom = true
		s.From, s.FromErr = jid.Parse(a.Value.In(d.raw))
		return
	case name == "id":
		s.ID = a.Value.In(d.raw)
		return
	case name == "type":
		s.Type = Type(a.Value.In(d.raw))
		return
	case name == "xml:lang":
		s.Lang = a.Value.In(d.raw)
		return
	}
	d.kept = append(d.kept, ' ')
	d.kept = append(d.kept, d.raw[a.Name.Start:a.Value.End+1]...)
}

// even rewrites an element whose children depend on declarations of the
// element or of the stream, so that each of them stands alone where Space is
// the default namespace. This is rare. space is the name of the element's own
// namespace on the wire.
func (d *decoder) even(space string) error {
	s := d.s
	e := evener{wire: space, ours: s.Space}
	e.around(d)
	var inner []byte
	at := s.inner.Start
	for i := range s.children.n {
		r := s.children.at(i)
		inner = append(inner, s.raw[at:r.outer.Start]...)
		if inner = e.child(inner, s.child(r)); len(inner) > xmltok.TreeLimits.Bytes {
			return &xmltok.Error{Condition: xmltok.PolicyViolation, Text: "too many namespaces"}
		}
		at = r.outer.End
	}
	inner = append(inner, s.raw[at:s.inner.End]...)
	s.kept = string(e.keep(d.kept, d))
	return s.setInner(string(inner))
}
