package ns

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"testing"
)

// TestConstants reads the source, because constants cannot be listed at run
// time: each one has a value of its own and says where it is specified.
func TestConstants(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "ns.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	source := regexp.MustCompile(`(RFC \d{4}|XEP-\d{4}|W3C|docs/\w+\.md)`)
	seen := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name := spec.Names[0].Name
		if !source.MatchString(spec.Doc.Text()) {
			t.Errorf("%s: comment names no specification", name)
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if other, dup := seen[value]; dup {
			t.Errorf("%s and %s are both %q", name, other, value)
		}
		if regexp.MustCompile(`[\s'"<>&]`).MatchString(value) || value == "" {
			t.Errorf("%s: %q cannot be an attribute value without escaping", name, value)
		}
		seen[value] = name
		return false
	})
	if len(seen) < 100 {
		t.Fatalf("only %d constants found", len(seen))
	}
}

// TestSpelling pins the values that are easily mistaken for a neighbour
// version or a neighbour spelling.
func TestSpelling(t *testing.T) {
	for got, want := range map[string]string{
		StreamErrors:    "urn:ietf:params:xml:ns:xmpp-streams",
		StanzaErrors:    "urn:ietf:params:xml:ns:xmpp-stanzas",
		Streams:         "http://etherx.jabber.org/streams",
		StanzaID:        "urn:xmpp:sid:0",
		ArchiveExtended: "urn:xmpp:mam:2#extended",
		SASL2:           "urn:xmpp:sasl:2",
		Bind2:           "urn:xmpp:bind:0",
		JingleMessage:   "urn:xmpp:jingle-message:0",
		OMEMOLegacy:     "eu.siacs.conversations.axolotl",
		Retract:         "urn:xmpp:message-retract:1",
		JIDEscaping:     `jid\20escaping`,
		ServerInfo:      "http://jabber.org/network/serverinfo",
		XML:             "http://www.w3.org/XML/1998/namespace",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
