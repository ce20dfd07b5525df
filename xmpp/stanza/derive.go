package stanza

import (
	"strings"

	"stonechat/xmpp/jid"
)

// copy returns a value of its own that is not sealed.
func (s *Stanza) copy() *Stanza {
	c := *s
	c.head = nil
	return &c
}

// Stamp sets the sender in place and seals; only for a value not shared yet.
// Stamped is the same for one that is.
func (s *Stanza) Stamp(from jid.JID) {
	s.From, s.FromErr, s.HasFrom, s.head = from, nil, !from.IsZero(), nil
	s.Seal()
}

// DefaultLang gives a stanza that names no language that of its stream, in
// place (RFC 6120 section 8.1.5); only for a value not shared yet, before Stamp.
func (s *Stanza) DefaultLang(lang string) {
	if s.Lang == "" && s.Kind != Nonza {
		s.Lang = lang
	}
}

// Stamped returns a sealed copy with that sender; a zero address removes it.
func (s *Stanza) Stamped(from jid.JID) *Stanza {
	c := s.copy()
	c.Stamp(from)
	return c
}

// WithTo returns a copy for another receiver; a zero address removes it. What
// is sealed stays so.
func (s *Stanza) WithTo(to jid.JID) *Stanza {
	c := *s
	c.To, c.ToErr, c.HasTo = to, nil, !to.IsZero()
	return &c
}

// WithType returns a copy of another type.
func (s *Stanza) WithType(t Type) *Stanza {
	c := s.copy()
	c.Type = t
	if c.Kind == Message {
		c.Type = t.normal()
	}
	return c
}

// WithID returns a copy with another id.
func (s *Stanza) WithID(id string) *Stanza {
	c := s.copy()
	c.ID = id
	return c
}

// WithLang returns a copy with another xml:lang, for example the default of the
// stream it came from (RFC 6120 section 8.1.5).
func (s *Stanza) WithLang(lang string) *Stanza {
	c := s.copy()
	c.Lang = lang
	return c
}

// own is a copy that shares no memory with the bytes of s, for one that gets
// other bytes: it would keep both in memory for as long as it waits somewhere.
func (s *Stanza) own() *Stanza {
	c := s.copy()
	c.Type, c.ID, c.Lang = Type(strings.Clone(string(s.Type))), strings.Clone(s.ID), strings.Clone(s.Lang)
	c.To, c.From, c.kept = s.To.Clone(), s.From.Clone(), strings.Clone(s.kept)
	if s.Kind == Nonza {
		c.Space, c.Local = strings.Clone(s.Space), strings.Clone(s.Local)
	}
	return c
}

// Without returns a copy that lacks the direct children for which drop is true.
// If there is none, it returns s itself.
func (s *Stanza) Without(drop func(Child) bool) *Stanza {
	var c *Stanza
	var b strings.Builder
	at := s.inner.Start
	for i := range s.children.n {
		r := s.children.at(i)
		if drop(s.child(r)) {
			if c == nil {
				c = s.own()
				c.children = children{}
				for k := range i {
					c.children.add(s.children.at(k).moved(-int(s.inner.Start)))
				}
			}
			b.WriteString(s.raw[at:r.outer.Start])
			at = r.outer.End
		} else if c != nil {
			c.children.add(r.moved(b.Len() - int(at)))
		}
	}
	if c == nil {
		return s
	}
	b.WriteString(s.raw[at:s.inner.End])
	c.raw = b.String()
	c.inner = span{End: uint32(len(c.raw))}
	return c
}

// WithChildren returns a copy with already encoded elements appended, in which
// jabber:client is the default namespace. It fails with an *xmltok.Error when
// xml is not well-formed.
func (s *Stanza) WithChildren(xml string) (*Stanza, error) {
	c := s.own()
	inner := s.Inner()
	c.raw = inner + xml
	c.inner = span{End: uint32(len(c.raw))}
	c.children = children{}
	for i := range s.children.n {
		c.children.add(s.children.at(i).moved(-int(s.inner.Start)))
	}
	if err := c.index(xml, len(inner)); err != nil {
		return nil, err
	}
	return c, nil
}

// WithInner returns a copy with another payload, already encoded; see New.
func (s *Stanza) WithInner(inner string) (*Stanza, error) {
	c := s.own()
	if err := c.setInner(inner); err != nil {
		return nil, err
	}
	return c, nil
}
