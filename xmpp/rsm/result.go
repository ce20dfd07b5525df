package rsm

import (
	"strconv"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// Result describes the page that was returned. The zero value describes an
// empty page of a result of unknown size.
type Result struct {
	// First and Last are the ids of the first and last item of the page. Both
	// are empty when the page has no items.
	First, Last string
	// Index is the position of the first item in the whole result, counted
	// from 0, if HasIndex is set.
	Index    int
	HasIndex bool
	// Count is the size of the whole result, if HasCount is set. It may be
	// approximate.
	Count    int
	HasCount bool
}

// AppendXML appends the result as a <set/> element with its own namespace
// declaration and returns the extended slice.
func (r Result) AppendXML(dst []byte) []byte {
	dst = append(dst, "<set xmlns='"+ns.RSM+"'>"...)
	// XEP-0059 section 2.2: an empty page has neither <first/> nor <last/>.
	if r.First != "" && r.Last != "" {
		dst = append(dst, "<first"...)
		if r.HasIndex {
			dst = xmltok.AppendAttr(dst, "index", strconv.Itoa(r.Index))
		}
		dst = append(dst, '>')
		dst = xmltok.AppendEscaped(dst, r.First)
		dst = append(dst, "</first>"...)
		dst = appendID(dst, "last", r.Last)
	}
	if r.HasCount {
		dst = appendInt(dst, "count", r.Count)
	}
	return append(dst, "</set>"...)
}

// ParseResult reads the <set/> element of a response.
func ParseResult(n *xmltok.Node) (Result, error) {
	var r Result
	if !n.Is(ns.RSM, "set") {
		return r, ErrNotSet
	}
	var err error
	if c := n.Child(ns.RSM, "first"); c != nil {
		r.First = c.Text()
		if index := c.Attr("index"); index != "" {
			r.HasIndex = true
			if r.Index, err = parseInt(index); err != nil {
				return Result{}, err
			}
		}
	}
	r.Last = n.Child(ns.RSM, "last").Text()
	if c := n.Child(ns.RSM, "count"); c != nil {
		r.HasCount = true
		if r.Count, err = parseInt(c.Text()); err != nil {
			return Result{}, err
		}
	}
	if len(r.First) > MaxID || len(r.Last) > MaxID {
		return Result{}, ErrID
	}
	return r, nil
}

// Page cuts the requested page out of a complete, ordered list. size is the
// number of items that the page may have (see Request.Size), id gives the id of
// an item, never empty. An id in the request that no item has is ErrNotFound.
//
// After and Before may be combined: the page then starts behind the first and
// stays in front of the second.
func Page[T any](items []T, r Request, size int, id func(T) string) ([]T, Result, error) {
	from, to, err := bounds(items, r, id)
	if err != nil {
		return nil, Result{}, err
	}
	size = max(size, 0)
	if to-from > size {
		if r.fromEnd() {
			from = to - size
		} else {
			to = from + size
		}
	}
	res := Result{Count: len(items), HasCount: true}
	if from < to {
		res.First, res.Last = id(items[from]), id(items[to-1])
		res.Index, res.HasIndex = from, true
	}
	return items[from:to], res, nil
}

// fromEnd reports whether the page is the end of its range, not its start.
func (r Request) fromEnd() bool {
	return r.Last || r.Before != "" && r.After == ""
}

// bounds returns the range of items that the page is cut from.
func bounds[T any](items []T, r Request, id func(T) string) (from, to int, err error) {
	to = len(items)
	if r.HasIndex {
		from = r.Index
	}
	find := func(want string) int {
		for i := range items {
			if id(items[i]) == want {
				return i
			}
		}
		return -1
	}
	if r.After != "" {
		i := find(r.After)
		if i < 0 {
			return 0, 0, ErrNotFound
		}
		from = max(from, i+1)
	}
	if r.Before != "" {
		if to = find(r.Before); to < 0 {
			return 0, 0, ErrNotFound
		}
	}
	// XEP-0059 section 2.6: an index beyond the end gives an empty page.
	return min(from, to), to, nil
}
