// Package disco reads and writes service discovery (XEP-0030 version 2.5) with
// extended information (XEP-0128), and entity capabilities with their
// verification (XEP-0115 version 1.6). The legacy format of XEP-0115 without
// the attribute hash is not verified, so nothing learnt from it may be shared
// between addresses.
package disco

import (
	"errors"
	"slices"

	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/xmltok"
)

// Limits for responses that are read.
const (
	MaxIdentities = 64
	MaxFeatures   = 1024
	MaxForms      = 32
	MaxItems      = 4096
)

// Reasons for refusing a response.
var (
	ErrNotQuery  = errors.New("disco: not a discovery response")
	ErrMissing   = errors.New("disco: required attribute is missing")
	ErrTooLarge  = errors.New("disco: too many elements")
	ErrNoHash    = errors.New("disco: capabilities in the legacy format cannot be verified")
	ErrHash      = errors.New("disco: hash algorithm is not supported")
	ErrIllFormed = errors.New("disco: response is ill-formed")
	ErrMismatch  = errors.New("disco: response does not match the hash")
)

// Identity says what an entity is (XEP-0030 section 3.1). Category and Type are
// never empty.
type Identity struct {
	Category string
	Type     string
	Lang     string // xml:lang of Name, may be empty
	Name     string // for people, may be empty
}

// Info is what an entity says about itself: a disco#info response.
type Info struct {
	Node       string // mirrored from the request, may be empty
	Identities []Identity
	Features   []string
	Forms      []*form.Form // extended information (XEP-0128)
}

// Has reports whether the feature is among those listed.
func (i *Info) Has(feature string) bool { return slices.Contains(i.Features, feature) }

// HasIdentity reports whether an identity of that category and type is listed.
func (i *Info) HasIdentity(category, kind string) bool {
	return slices.ContainsFunc(i.Identities, func(id Identity) bool {
		return id.Category == category && id.Type == kind
	})
}

// Form returns the extended information of that FORM_TYPE, or nil.
func (i *Info) Form(formType string) *form.Form {
	for _, f := range i.Forms {
		if f.FormType() == formType {
			return f
		}
	}
	return nil
}

// AppendXML appends the response as a <query/> element with its own namespace
// declaration and returns the extended slice.
func (i *Info) AppendXML(dst []byte) []byte {
	dst = append(dst, "<query xmlns='"+ns.DiscoInfo+"'"...)
	dst = appendOptional(dst, "node", i.Node)
	dst = append(dst, '>')
	for _, id := range i.Identities {
		dst = append(dst, "<identity"...)
		dst = appendOptional(dst, "xml:lang", id.Lang)
		dst = xmltok.AppendAttr(dst, "category", id.Category)
		dst = xmltok.AppendAttr(dst, "type", id.Type)
		dst = appendOptional(dst, "name", id.Name)
		dst = append(dst, "/>"...)
	}
	for _, feature := range i.Features {
		dst = append(dst, "<feature"...)
		dst = xmltok.AppendAttr(dst, "var", feature)
		dst = append(dst, "/>"...)
	}
	for _, f := range i.Forms {
		dst = f.AppendXML(dst)
	}
	return append(dst, "</query>"...)
}

// appendOptional appends an attribute unless its value is empty.
func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return xmltok.AppendAttr(dst, name, value)
}

// ParseInfo reads a disco#info response. n is its <query/> element. Errors are
// those of this package and of package form.
func ParseInfo(n *xmltok.Node) (*Info, error) {
	if !n.Is(ns.DiscoInfo, "query") {
		return nil, ErrNotQuery
	}
	i := &Info{Node: n.Attr("node")}
	for _, c := range n.Children {
		if err := i.add(c); err != nil {
			return nil, err
		}
	}
	if len(i.Identities) > MaxIdentities || len(i.Features) > MaxFeatures || len(i.Forms) > MaxForms {
		return nil, ErrTooLarge
	}
	return i, nil
}

// add takes one child of the response.
func (i *Info) add(c *xmltok.Node) error {
	switch {
	case c.Is(ns.DiscoInfo, "identity"):
		id := Identity{Category: c.Attr("category"), Type: c.Attr("type"), Lang: c.Lang(), Name: c.Attr("name")}
		// XEP-0030 section 3.1: both attributes are required and not empty.
		if id.Category == "" || id.Type == "" {
			return ErrMissing
		}
		i.Identities = append(i.Identities, id)
	case c.Is(ns.DiscoInfo, "feature"):
		feature := c.Attr("var")
		if feature == "" {
			return ErrMissing
		}
		i.Features = append(i.Features, feature)
	case c.Is(ns.DataForm, "x"):
		f, err := form.Parse(c)
		if err != nil {
			return err
		}
		i.Forms = append(i.Forms, f)
	}
	return nil
}

// Item is something associated with an entity (XEP-0030 section 4.1).
type Item struct {
	JID  jid.JID // never zero
	Node string  // may be empty
	Name string  // for people, may be empty
}

// Items is a disco#items response.
type Items struct {
	Node  string // mirrored from the request, may be empty
	Items []Item
	Page  *rsm.Result // which page this is, nil when paging is not in use
}

// AppendXML appends the response as a <query/> element with its own namespace
// declaration and returns the extended slice.
func (i *Items) AppendXML(dst []byte) []byte {
	dst = append(dst, "<query xmlns='"+ns.DiscoItems+"'"...)
	dst = appendOptional(dst, "node", i.Node)
	dst = append(dst, '>')
	for _, item := range i.Items {
		dst = append(dst, "<item"...)
		dst = xmltok.AppendAttr(dst, "jid", item.JID.String())
		dst = appendOptional(dst, "node", item.Node)
		dst = appendOptional(dst, "name", item.Name)
		dst = append(dst, "/>"...)
	}
	if i.Page != nil {
		dst = i.Page.AppendXML(dst)
	}
	return append(dst, "</query>"...)
}

// ParseItems reads a disco#items response. n is its <query/> element. Errors
// are those of this package, of package rsm and of jid.Parse.
func ParseItems(n *xmltok.Node) (*Items, error) {
	if !n.Is(ns.DiscoItems, "query") {
		return nil, ErrNotQuery
	}
	i := &Items{Node: n.Attr("node")}
	for _, c := range n.All(ns.DiscoItems, "item") {
		if len(i.Items) == MaxItems {
			return nil, ErrTooLarge
		}
		address, err := jid.Parse(c.Attr("jid"))
		if err != nil {
			return nil, err
		}
		i.Items = append(i.Items, Item{JID: address, Node: c.Attr("node"), Name: c.Attr("name")})
	}
	if set := n.Child(ns.RSM, "set"); set != nil {
		page, err := rsm.ParseResult(set)
		if err != nil {
			return nil, err
		}
		i.Page = &page
	}
	return i, nil
}
