package profile

import (
	"slices"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// field is one that both forms of a vCard know (XEP-0292 section 11). Of its name there may be several in a vCard.
type field struct {
	temp, four string
	// fromFour makes the form of XEP-0054 of one of XEP-0292, and toFour the other; nil: there is nothing in it that both know.
	fromFour, toFour func(*xmltok.Node) *xmltok.Node
}

// fields are the mapped ones. The picture is not among them: it is the avatar (avatar.go), and would go out to every contact with each change of a word.
func fields() []field {
	out := []field{
		{"N", "n", named, name4},
		{"ADR", "adr", address, address4},
		{"TEL", "tel", func(n *xmltok.Node) *xmltok.Node { return typed(n, "TEL", "NUMBER", "tel:", phoneTypes) }, phone4},
		{"EMAIL", "email", func(n *xmltok.Node) *xmltok.Node { return typed(n, "EMAIL", "USERID", "mailto:", placeTypes) }, email4},
		{"GEO", "geo", place, place4},
		{"ORG", "org", organisation, organisation4},
	}
	for _, x := range []struct{ temp, four, value, scheme string }{
		{"FN", "fn", "text", ""},
		{"NICKNAME", "nickname", "text", ""},
		{"BDAY", "bday", "date", ""},
		{"JABBERID", "impp", "uri", "xmpp:"},
		{"TZ", "tz", "text", ""},
		{"TITLE", "title", "text", ""},
		{"ROLE", "role", "text", ""},
		{"DESC", "note", "text", ""}, // XEP-0292 section 11.1.1
		{"URL", "url", "uri", ""},
	} {
		out = append(out, field{
			x.temp, x.four,
			func(n *xmltok.Node) *xmltok.Node {
				return leaf(ns.VCardTemp, x.temp, strings.TrimPrefix(value(n), x.scheme))
			},
			func(n *xmltok.Node) *xmltok.Node {
				text := strings.TrimSpace(n.Text())
				if text == "" {
					return nil
				}
				return four(x.four, leaf(ns.VCard4Element, x.value, x.scheme+text))
			},
		})
	}
	return out
}

// Types of addresses and numbers that both forms know.
var (
	placeTypes = []string{"home", "work"}
	phoneTypes = []string{"home", "work", "voice", "fax", "pager", "cell", "video", "text"}
)

// leaf is an element with text, nil without.
func leaf(space, local, text string) *xmltok.Node {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return &xmltok.Node{Space: space, Local: local, Lead: strings.Clone(text)}
}

// element is one with those of the children that there are, nil without any.
func element(space, local string, children ...*xmltok.Node) *xmltok.Node {
	children = slices.DeleteFunc(children, func(n *xmltok.Node) bool { return n == nil })
	if len(children) == 0 {
		return nil
	}
	return &xmltok.Node{Space: space, Local: local, Children: children}
}

func four(local string, children ...*xmltok.Node) *xmltok.Node {
	return element(ns.VCard4Element, local, children...)
}

// value is the first value of a property of XEP-0292, of whatever kind.
func value(n *xmltok.Node) string {
	for _, c := range n.Children {
		if c.Space == ns.VCard4Element && c.Local != "parameters" {
			return strings.TrimSpace(c.Text())
		}
	}
	return ""
}

// typesOf are the types of a property of XEP-0292 (RFC 6351 section 5).
func typesOf(n *xmltok.Node) (out []string) {
	for _, t := range n.Child(ns.VCard4Element, "parameters").Child(ns.VCard4Element, "type").All(ns.VCard4Element, "text") {
		out = append(out, strings.ToLower(strings.TrimSpace(t.Text())))
	}
	return out
}

// flags are the types of one of XEP-0292 as empty elements of XEP-0054.
func flags(n *xmltok.Node, known []string) (out []*xmltok.Node) {
	said := typesOf(n)
	for _, t := range known {
		if slices.Contains(said, t) {
			out = append(out, &xmltok.Node{Space: ns.VCardTemp, Local: strings.ToUpper(t)})
		}
	}
	return out
}

// parameters are the types of one of XEP-0054 as parameters of XEP-0292.
func parameters(n *xmltok.Node, known []string) *xmltok.Node {
	var types []*xmltok.Node
	for _, t := range known {
		if n.Child(ns.VCardTemp, strings.ToUpper(t)) != nil {
			types = append(types, leaf(ns.VCard4Element, "text", t))
		}
	}
	return four("parameters", four("type", types...))
}

// typed reads a number or an address of mail.
func typed(n *xmltok.Node, local, inner, scheme string, known []string) *xmltok.Node {
	text := leaf(ns.VCardTemp, inner, strings.TrimPrefix(value(n), scheme))
	if text == nil {
		return nil
	}
	return element(ns.VCardTemp, local, append(flags(n, known), text)...)
}

func phone4(n *xmltok.Node) *xmltok.Node {
	number := strings.TrimSpace(n.Child(ns.VCardTemp, "NUMBER").Text())
	if number == "" {
		return nil
	}
	return four("tel", parameters(n, phoneTypes), leaf(ns.VCard4Element, "text", number))
}

func email4(n *xmltok.Node) *xmltok.Node {
	text := leaf(ns.VCard4Element, "text", n.Child(ns.VCardTemp, "USERID").Text())
	if text == nil {
		return nil
	}
	return four("email", parameters(n, placeTypes), text)
}

// parts are the names of the parts of a name and of an address, in XEP-0054 and in XEP-0292.
var (
	nameParts    = [][2]string{{"FAMILY", "surname"}, {"GIVEN", "given"}, {"MIDDLE", "additional"}, {"PREFIX", "prefix"}, {"SUFFIX", "suffix"}}
	addressParts = [][2]string{
		{"POBOX", "pobox"}, {"EXTADD", "ext"}, {"STREET", "street"}, {"LOCALITY", "locality"}, {"REGION", "region"}, {"PCODE", "code"}, {"CTRY", "country"},
	}
)

func structured(n *xmltok.Node, parts [][2]string) (out []*xmltok.Node) {
	for _, p := range parts {
		out = append(out, leaf(ns.VCardTemp, p[0], n.Child(ns.VCard4Element, p[1]).Text()))
	}
	return out
}

func structured4(n *xmltok.Node, parts [][2]string) (out []*xmltok.Node) {
	for _, p := range parts {
		out = append(out, leaf(ns.VCard4Element, p[1], n.Child(ns.VCardTemp, p[0]).Text()))
	}
	return out
}

func named(n *xmltok.Node) *xmltok.Node {
	return element(ns.VCardTemp, "N", structured(n, nameParts)...)
}
func name4(n *xmltok.Node) *xmltok.Node { return four("n", structured4(n, nameParts)...) }

func address(n *xmltok.Node) *xmltok.Node {
	inner := element(ns.VCardTemp, "ADR", structured(n, addressParts)...)
	if inner != nil {
		inner.Children = append(flags(n, placeTypes), inner.Children...)
	}
	return inner
}

func address4(n *xmltok.Node) *xmltok.Node {
	inner := four("adr", structured4(n, addressParts)...)
	if p := parameters(n, placeTypes); inner != nil && p != nil {
		inner.Children = append([]*xmltok.Node{p}, inner.Children...)
	}
	return inner
}

func place(n *xmltok.Node) *xmltok.Node {
	lat, lon, ok := strings.Cut(strings.TrimPrefix(value(n), "geo:"), ",")
	lon, _, _ = strings.Cut(lon, ";")
	if lat, lon = strings.TrimSpace(lat), strings.TrimSpace(lon); !ok || lat == "" || lon == "" {
		return nil
	}
	return element(ns.VCardTemp, "GEO", leaf(ns.VCardTemp, "LAT", lat), leaf(ns.VCardTemp, "LON", lon))
}

func place4(n *xmltok.Node) *xmltok.Node {
	lat, lon := strings.TrimSpace(n.Child(ns.VCardTemp, "LAT").Text()), strings.TrimSpace(n.Child(ns.VCardTemp, "LON").Text())
	if lat == "" || lon == "" {
		return nil
	}
	return four("geo", leaf(ns.VCard4Element, "uri", "geo:"+lat+","+lon))
}

func organisation(n *xmltok.Node) *xmltok.Node {
	var out []*xmltok.Node
	for i, t := range n.All(ns.VCard4Element, "text") {
		local := "ORGUNIT"
		if i == 0 {
			local = "ORGNAME"
		}
		out = append(out, leaf(ns.VCardTemp, local, t.Text()))
	}
	return element(ns.VCardTemp, "ORG", out...)
}

func organisation4(n *xmltok.Node) *xmltok.Node {
	out := []*xmltok.Node{leaf(ns.VCard4Element, "text", n.Child(ns.VCardTemp, "ORGNAME").Text())}
	for _, u := range n.All(ns.VCardTemp, "ORGUNIT") {
		out = append(out, leaf(ns.VCard4Element, "text", u.Text()))
	}
	return four("org", out...)
}

// said is what elements of one field say, as far as both forms know it, in the order in which they stand.
func (f *field) said(all []*xmltok.Node, ofFour bool) string {
	var b []byte
	for _, n := range all {
		if !ofFour {
			if n = f.toFour(n); n == nil {
				continue
			}
		}
		if n = f.fromFour(n); n != nil {
			b = n.AppendXML(b, "")
		}
	}
	return string(b)
}

// asTemp is the vCard of XEP-0054 when the other form becomes what next is; what that cannot say, or says as before, stays as it stands. A field for
// which stays is true stays if next says nothing of it.
func asTemp(card, next *xmltok.Node, stays func(string) bool) *xmltok.Node {
	out := &xmltok.Node{Space: ns.VCardTemp, Local: "vCard", Attrs: card.Attrs, Lead: card.Lead, Children: slices.Clone(card.Children)}
	for _, f := range fields() {
		was, want := card.All(ns.VCardTemp, f.temp), next.All(ns.VCard4Element, f.four)
		if f.said(was, false) == f.said(want, true) || len(want) == 0 && stays(f.temp) {
			continue
		}
		var made []*xmltok.Node
		for _, n := range want {
			made = append(made, f.fromFour(n))
		}
		out.Children = replaced(out.Children, ns.VCardTemp, f.temp, made)
	}
	return out
}

// asFour is asTemp the other way.
func asFour(was, card *xmltok.Node) *xmltok.Node {
	out := &xmltok.Node{Space: ns.VCard4Element, Local: "vcard", Attrs: was.Attrs, Lead: was.Lead, Children: slices.Clone(was.Children)}
	for _, f := range fields() {
		want := card.All(ns.VCardTemp, f.temp)
		if f.said(was.All(ns.VCard4Element, f.four), true) == f.said(want, false) {
			continue
		}
		var made []*xmltok.Node
		for _, n := range want {
			made = append(made, f.toFour(n))
		}
		out.Children = replaced(out.Children, ns.VCard4Element, f.four, made)
	}
	return out
}

// replaced are children with others of one name, where the first of them stood, or at the end.
func replaced(children []*xmltok.Node, space, local string, with []*xmltok.Node) []*xmltok.Node {
	at := slices.IndexFunc(children, func(n *xmltok.Node) bool { return n.Is(space, local) })
	if at < 0 {
		at = len(children)
	}
	rest := slices.DeleteFunc(slices.Clone(children[at:]), func(n *xmltok.Node) bool { return n.Is(space, local) })
	out := slices.Clone(children[:at])
	for _, n := range with {
		if n != nil {
			out = append(out, n)
		}
	}
	return append(out, rest...)
}
