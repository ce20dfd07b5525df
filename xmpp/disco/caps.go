package disco

import (
	"crypto/sha1" // XEP-0115 section 9.1 makes SHA-1 mandatory to implement
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"

	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// Caps is the note in presence that stands for a whole disco#info response
// (XEP-0115 section 4).
type Caps struct {
	Hash string // name of the hash algorithm, such as "sha-1"; empty in the legacy format
	Node string // identifies the software, not the user
	Ver  string // hash of the response in Base64
}

// QueryNode returns the node to ask for, and the one that the answer mirrors
// (XEP-0115 section 6.2).
func (c Caps) QueryNode() string { return c.Node + "#" + c.Ver }

// AppendXML appends the note as a <c/> element with its own namespace
// declaration and returns the extended slice.
func (c Caps) AppendXML(dst []byte) []byte {
	dst = append(dst, "<c xmlns='"+ns.Caps+"'"...)
	dst = appendOptional(dst, "hash", c.Hash)
	dst = xmltok.AppendAttr(dst, "node", c.Node)
	dst = xmltok.AppendAttr(dst, "ver", c.Ver)
	return append(dst, "/>"...)
}

// ParseCaps reads the <c/> element of a presence. Without node or ver it is
// ErrMissing. A note without hash is returned; Verify refuses it.
func ParseCaps(n *xmltok.Node) (Caps, error) {
	if !n.Is(ns.Caps, "c") {
		return Caps{}, ErrNotQuery
	}
	c := Caps{Hash: n.Attr("hash"), Node: n.Attr("node"), Ver: n.Attr("ver")}
	if c.Node == "" || c.Ver == "" {
		return Caps{}, ErrMissing
	}
	return c, nil
}

// Ver computes the verification string of the response (XEP-0115 section 5.1).
// hash is "sha-1", "sha-256" or "sha-512". Errors are ErrHash and ErrIllFormed.
func (i *Info) Ver(hash string) (string, error) {
	covered, err := i.covered()
	if err != nil {
		return "", err
	}
	return digest(hash, covered.canonical())
}

// Verify checks a response against the note that led to it (XEP-0115
// section 5.4). On success it returns what the hash covers: this, and not the
// response itself, may be kept and used for every address that shows the same
// Hash and Ver. Errors are ErrNoHash, ErrHash, ErrIllFormed and ErrMismatch;
// after ErrNoHash, ErrHash and ErrMismatch the response still describes the one
// address it came from.
//
// XEP-0115 section 9.3: the hash does not protect the border between features
// and forms, so a response can be cut differently and still match. Nothing that
// security depends on may rest on features learnt through another address.
func Verify(c Caps, i *Info) (*Info, error) {
	if c.Hash == "" {
		return nil, ErrNoHash
	}
	covered, err := i.covered()
	if err != nil {
		return nil, err
	}
	ver, err := digest(c.Hash, covered.canonical())
	if err != nil {
		return nil, err
	}
	if ver != c.Ver {
		return nil, ErrMismatch
	}
	return covered, nil
}

// digest hashes the canonical text.
func digest(hash, text string) (string, error) {
	var sum []byte
	switch hash {
	case "sha-1":
		s := sha1.Sum([]byte(text))
		sum = s[:]
	case "sha-256":
		s := sha256.Sum256([]byte(text))
		sum = s[:]
	case "sha-512":
		s := sha512.Sum512([]byte(text))
		sum = s[:]
	default:
		return "", ErrHash
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

// covered returns a sorted copy of the parts that enter the hash, or
// ErrIllFormed (XEP-0115 section 5.4, steps 3.3 to 3.6).
func (i *Info) covered() (*Info, error) {
	c := &Info{Identities: slices.Clone(i.Identities), Features: slices.Clone(i.Features)}
	slices.SortFunc(c.Identities, compareIdentities)
	slices.Sort(c.Features)
	if hasEqualNeighbours(c.Identities) || hasEqualNeighbours(c.Features) {
		return nil, ErrIllFormed
	}
	for _, id := range c.Identities {
		// A slash inside a part would let another identity, cut at other
		// places, give the same hash.
		if strings.Contains(id.Category+id.Type+id.Lang, "/") {
			return nil, ErrIllFormed
		}
	}
	for _, f := range i.Forms {
		kind := f.Field(form.FormTypeVar)
		if kind != nil && !sameValues(kind) {
			return nil, ErrIllFormed
		}
		// Step 3.6: such a form is ignored, and so must not be believed
		// about anybody else either.
		if kind == nil || kind.Type != form.Hidden {
			continue
		}
		if c.Form(kind.Value()) != nil {
			return nil, ErrIllFormed
		}
		c.Forms = append(c.Forms, f)
	}
	slices.SortFunc(c.Forms, func(a, b *form.Form) int {
		return strings.Compare(a.Field(form.FormTypeVar).Value(), b.Field(form.FormTypeVar).Value())
	})
	return c, nil
}

// compareIdentities orders by category, type and language (XEP-0115
// section 5.1). The name comes last only to bring equal identities together.
func compareIdentities(a, b Identity) int {
	for _, pair := range [...][2]string{
		{a.Category, b.Category}, {a.Type, b.Type}, {a.Lang, b.Lang}, {a.Name, b.Name},
	} {
		if c := strings.Compare(pair[0], pair[1]); c != 0 {
			return c
		}
	}
	return 0
}

// hasEqualNeighbours reports whether a sorted list has duplicates.
func hasEqualNeighbours[T comparable](sorted []T) bool {
	for k := 1; k < len(sorted); k++ {
		if sorted[k] == sorted[k-1] {
			return true
		}
	}
	return false
}

// sameValues reports whether all values of the field are equal.
func sameValues(f *form.Field) bool {
	for _, v := range f.Values {
		if v != f.Values[0] {
			return false
		}
	}
	return true
}

// canonical returns the text S of XEP-0115 section 5.1. i is what covered
// returned.
func (i *Info) canonical() string {
	var s strings.Builder
	add := func(part string) {
		// Sections 5.1 and 5.4, last note: an escaped '<' stays escaped, so
		// that no value can pretend to be two.
		s.WriteString(strings.ReplaceAll(part, "<", "&lt;"))
		s.WriteByte('<')
	}
	for _, id := range i.Identities {
		add(id.Category + "/" + id.Type + "/" + id.Lang + "/" + id.Name)
	}
	for _, feature := range i.Features {
		add(feature)
	}
	for _, f := range i.Forms {
		add(f.Field(form.FormTypeVar).Value())
		for _, field := range sortedFields(f) {
			add(field.Var)
			values := slices.Clone(field.Values)
			slices.Sort(values)
			for _, v := range values {
				add(v)
			}
		}
	}
	return s.String()
}

// sortedFields returns the fields other than FORM_TYPE by name.
func sortedFields(f *form.Form) []form.Field {
	fields := slices.DeleteFunc(slices.Clone(f.Fields), func(field form.Field) bool {
		return field.Var == form.FormTypeVar
	})
	slices.SortStableFunc(fields, func(a, b form.Field) int { return strings.Compare(a.Var, b.Var) })
	return fields
}
