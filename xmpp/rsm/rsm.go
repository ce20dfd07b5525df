// Package rsm reads and writes the paging elements of result set management
// (XEP-0059 version 1.0) and cuts pages out of lists.
package rsm

import (
	"strconv"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// MaxID is the greatest size in bytes of an item's id in a request. A full JID
// is the longest id in use.
const MaxID = 4096

// Reasons for refusing a request. They are stanza errors, so that a handler may
// return them as they are.
var (
	ErrNotSet = stanza.NewError(stanza.BadRequest, "not a result set element")
	ErrNumber = stanza.NewError(stanza.BadRequest, "paging: not a number from 0 to 2147483647")
	ErrID     = stanza.NewError(stanza.BadRequest, "paging: item id is too long")
	ErrTwice  = stanza.NewError(stanza.BadRequest, "paging: element given twice")
	// ErrNotFound: XEP-0059 section 2.4, the item to page from does not exist.
	ErrNotFound = stanza.NewError(stanza.ItemNotFound, "paging: no such item")
)

// Request says which page of a result is wanted. The zero value asks for the
// first page of a size that the responder chooses.
type Request struct {
	// Max is the greatest number of items wanted, if HasMax is set. Zero asks
	// for the size of the whole result alone (XEP-0059 section 2.7).
	Max    int
	HasMax bool
	// After asks for the items behind the one with this id; empty: no wish.
	After string
	// Before asks for the items that immediately precede the one with this id;
	// empty: no wish.
	Before string
	// Last asks for the last page: an empty <before/> (XEP-0059 section 2.5).
	Last bool
	// Index is the position of the first item wanted, counted from 0, if
	// HasIndex is set (XEP-0059 section 2.6).
	Index    int
	HasIndex bool
}

// ParseRequest reads a <set/> element. A nil n, a query without paging, gives
// the zero Request. What After and Before mean together is left to the feature
// that pages; XEP-0059 does not say.
func ParseRequest(n *xmltok.Node) (Request, error) {
	var r Request
	if n == nil {
		return r, nil
	}
	if !n.Is(ns.RSM, "set") {
		return r, ErrNotSet
	}
	seen := map[string]bool{}
	for _, c := range n.Children {
		if c.Space != ns.RSM {
			continue
		}
		// XEP-0059 section 8 (schema): each child at most once.
		if seen[c.Local] {
			return Request{}, ErrTwice
		}
		seen[c.Local] = true
		if err := r.set(c.Local, c.Text()); err != nil {
			return Request{}, err
		}
	}
	return r, nil
}

// set takes the child element name with its text.
func (r *Request) set(name, text string) (err error) {
	switch name {
	case "max":
		r.HasMax = true
		r.Max, err = parseInt(text)
	case "index":
		r.HasIndex = true
		r.Index, err = parseInt(text)
	case "after":
		r.After, err = parseID(text)
	case "before":
		// XEP-0059 section 2.5: an empty element asks for the last page.
		r.Before, err = parseID(text)
		r.Last = text == ""
	}
	return err
}

// parseInt reads an xs:int that is not negative.
func parseInt(text string) (int, error) {
	v, err := strconv.ParseUint(strings.Trim(text, " \t\r\n"), 10, 31)
	if err != nil {
		return 0, ErrNumber
	}
	return int(v), nil
}

// parseID checks the size of an id. Ids are opaque and may hold any text.
func parseID(text string) (string, error) {
	if len(text) > MaxID {
		return "", ErrID
	}
	return text, nil
}

// Size returns how many items the page may have: what was asked for, but never
// more than most, and usual if nothing was asked.
func (r Request) Size(usual, most int) int {
	if !r.HasMax {
		return min(usual, most)
	}
	return min(r.Max, most)
}

// AppendXML appends the request as a <set/> element with its own namespace
// declaration and returns the extended slice.
func (r Request) AppendXML(dst []byte) []byte {
	dst = append(dst, "<set xmlns='"+ns.RSM+"'>"...)
	if r.HasMax {
		dst = appendInt(dst, "max", r.Max)
	}
	if r.After != "" {
		dst = appendID(dst, "after", r.After)
	}
	if r.Last {
		dst = append(dst, "<before/>"...)
	} else if r.Before != "" {
		dst = appendID(dst, "before", r.Before)
	}
	if r.HasIndex {
		dst = appendInt(dst, "index", r.Index)
	}
	return append(dst, "</set>"...)
}

// appendInt appends an element that holds a number.
func appendInt(dst []byte, name string, v int) []byte {
	return appendID(dst, name, strconv.Itoa(v))
}

// appendID appends an element that holds text.
func appendID(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = xmltok.AppendEscaped(dst, text)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}
