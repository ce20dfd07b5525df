package server

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/e2e/golden"
	"stonechat/edge/c2s"
	"stonechat/edge/web"
	"stonechat/obs"
)

// declared is a standard with the part of the server that declares it.
type declared struct {
	core.Standard
	where string
}

// number is what a standard is sorted by.
func (d declared) number() int {
	n, _ := strconv.Atoi(d.ID[4:])
	return n
}

// everything is what all parts of a server with the defaults declare, RFCs first.
func everything(t *testing.T) []declared {
	t.Helper()
	s := defaults(t)
	var all []declared
	add := func(where string, list []core.Standard) {
		for _, x := range list {
			all = append(all, declared{x, where})
		}
	}
	add("core", core.Standards())
	add("edge/c2s", c2s.Standards())
	add("edge/web", web.Standards())
	mods, _ := s.modules()
	for _, m := range mods {
		if d, ok := m.(interface{ Standards() []core.Standard }); ok {
			add("mod/"+m.Name(), d.Standards())
		}
	}
	slices.SortFunc(all, func(a, b declared) int {
		return cmp.Or(cmp.Compare(a.ID[:3], b.ID[:3]), a.number()-b.number())
	})
	return all
}

func defaults(t *testing.T) *Server {
	t.Helper()
	cfg := config.Default()
	cfg.Domains, cfg.Data = []string{"example.org"}, t.TempDir()
	s, err := New(t.Context(), cfg, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Every standard is declared once, completely, and in a known form.
func TestStandardsAreDeclaredOnce(t *testing.T) {
	id := regexp.MustCompile(`^(XEP-\d{4}|RFC \d{4})$`)
	seen := map[string]string{}
	for _, d := range everything(t) {
		if !id.MatchString(d.ID) || d.Title == "" || (d.Version == "") != strings.HasPrefix(d.ID, "RFC") || d.Partial && d.Note == "" {
			t.Errorf("%s: %+v", d.where, d.Standard)
		}
		if seen[d.ID] != "" {
			t.Errorf("%s is declared by %s and %s", d.ID, seen[d.ID], d.where)
		}
		seen[d.ID] = d.where
	}
}

// What the server announces by discovery, and what plays hold it to, is declared.
func TestWhatIsAnnouncedIsDeclared(t *testing.T) {
	all := everything(t)
	known := func(id string) bool { return slices.ContainsFunc(all, func(d declared) bool { return d.ID == id }) }
	sources := namespaces(t)
	h, registered := defaults(t).hosts[0], regexp.MustCompile(`^(urn:xmpp:|jabber:|http://jabber\.org/)`)
	for _, feature := range slices.Concat(h.Disco.HostFeatures, h.Disco.AccountFeatures) {
		// A feature is a namespace, or begins with one.
		from := ""
		for at := len(feature); at > 0 && from == ""; at-- {
			from = sources[feature[:at]]
		}
		if from == "" && registered.MatchString(feature) {
			t.Errorf("the feature %s has no source in xmpp/ns", feature)
		}
		if from != "" && !known(from) {
			t.Errorf("the feature %s is of %s, which no table of standards has", feature, from)
		}
	}
	folders, err := filepath.Glob("../e2e/plays/xep*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no plays: %v", err)
	}
	for _, f := range folders {
		if id := "XEP-" + strings.TrimPrefix(filepath.Base(f), "xep"); !known(id) {
			t.Errorf("there are plays of %s, which no table of standards has", id)
		}
	}
}

// namespaces are the values of xmpp/ns with the standard that the comment of each begins with.
func namespaces(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../xmpp/ns/ns.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	source := regexp.MustCompile(`(XEP-\d{4}|RFC \d{4})`)
	out := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			if value, err := strconv.Unquote(lit.Value); err == nil {
				out[value] = source.FindString(spec.Doc.Text())
			}
		}
		return true
	})
	return out
}

// docs/xeps.md and docs/stonechat.doap say what the tables say; make generate writes them.
func TestStandardsDocsAreFresh(t *testing.T) {
	all := everything(t)
	golden.Compare(t, "../../docs/xeps.md", page(all))
	golden.Compare(t, "../../docs/stonechat.doap", doap(all))
	var any struct{}
	if err := xml.Unmarshal([]byte(doap(all)), &any); err != nil {
		t.Error(err)
	}
}

// need is a row of XEP-0479: a feature and all that provides it.
type need struct {
	suite, feature string
	basic          bool // asked of every server; else of an advanced one
	of             []string
}

// suites are the rows of XEP-0479 0.1.0 sections 2.1 to 2.5 that are about servers.
var suites = []need{
	{"Core", "Core features", true, []string{"RFC 6120"}},
	{"Core", "TLS", true, []string{"RFC 7590"}},
	{"Core", "Direct TLS", false, []string{"XEP-0368"}},
	{"Core", "Feature discovery", true, []string{"XEP-0030"}},
	{"Core", "Feature broadcasts", false, []string{"XEP-0115"}},
	{"Core", "Server extensibility", true, []string{"XEP-0114"}},
	{"Core", "Event publishing", false, []string{"XEP-0163"}},
	{"Web", "Web connection mechanisms", true, []string{"RFC 7395", "XEP-0206"}},
	{"IM", "Core features", true, []string{"RFC 6121"}},
	{"IM", "User avatar compatibility", false, []string{"XEP-0398", "XEP-0153"}},
	{"IM", "vcard-temp", true, []string{"XEP-0054"}},
	{"IM", "Outbound message synchronization", true, []string{"XEP-0280"}},
	{"IM", "User blocking", false, []string{"XEP-0191"}},
	{"IM", "Group chat", true, []string{"XEP-0045", "XEP-0249"}},
	{"IM", "Advanced group chat", false, []string{"XEP-0048", "XEP-0313", "XEP-0402", "XEP-0410"}},
	{"IM", "Persistent storage of private data via PubSub", false, []string{"XEP-0223"}},
	{"IM", "Private XML storage", false, []string{"XEP-0049"}},
	{"IM", "Stream management", false, []string{"XEP-0198"}},
	{"IM", "History storage and retrieval", false, []string{"XEP-0313"}},
	{"IM", "File upload", true, []string{"XEP-0363"}},
	{"Mobile", "Stream management", true, []string{"XEP-0198"}},
	{"Mobile", "Client state indication", true, []string{"XEP-0352"}},
	{"Mobile", "Third party push notifications", false, []string{"XEP-0357"}},
	{"A/V calling", "STUN and TURN server discovery", true, []string{"XEP-0215"}},
}

// state is what there is of a standard.
func state(all []declared, id string) string {
	i := slices.IndexFunc(all, func(d declared) bool { return d.ID == id })
	switch {
	case i < 0:
		return "missing"
	case all[i].Partial:
		return "partial"
	}
	return "complete"
}

// page is docs/xeps.md.
func page(all []declared) string {
	var b strings.Builder
	b.WriteString("# Standards\n\nMade by `make generate` of what each part of the server declares beside its code (`standards.go`). A note on a complete standard says what of its\n" +
		"options is left out, or in which way it is done. `stonechat.doap` beside this page says the same to machines.\n\n")
	b.WriteString("| standard | | version | state | where | |\n|---|---|---|---|---|---|\n")
	for _, d := range all {
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s | `%s` | %s |\n", d.ID, link(d.ID), d.Title, d.Version, state(all, d.ID), d.where, d.Note)
	}
	b.WriteString("\n## Compliance suite\n\nWhat [XEP-0479](https://xmpp.org/extensions/xep-0479.html) 0.1.0 (2023, the newest) asks of servers. Web, IM, Mobile and A/V calling ask for Core as well.\n\n")
	b.WriteString("| suite | feature | level | provided by |\n|---|---|---|---|\n")
	for _, n := range suites {
		var by []string
		for _, id := range n.of {
			by = append(by, id+" "+state(all, id))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", n.suite, n.feature, level(n.basic), strings.Join(by, ", "))
	}
	b.WriteString("\n")
	for _, suite := range []string{"Core", "Web", "IM", "Mobile", "A/V calling"} {
		for _, basic := range []bool{true, false} {
			lacks := lacking(all, suite, basic)
			if suite != "Core" && len(lacking(all, "Core", basic)) > 0 {
				lacks = append(lacks, "Core")
			}
			said := "complete"
			if len(lacks) > 0 {
				said = "not claimed, for want of " + strings.Join(lacks, ", ")
			}
			fmt.Fprintf(&b, "- %s, %s: %s\n", suite, level(basic), said)
		}
	}
	return b.String()
}

func level(basic bool) string {
	if basic {
		return "server"
	}
	return "advanced server"
}

// lacking is what a suite asks for and we have not whole.
func lacking(all []declared, suite string, basic bool) (out []string) {
	for _, n := range suites {
		if n.suite != suite || basic && !n.basic {
			continue
		}
		for _, id := range n.of {
			if state(all, id) != "complete" && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

func link(id string) string {
	kind, n, _ := strings.Cut(strings.ToLower(strings.Replace(id, " ", "-", 1)), "-")
	if kind == "rfc" {
		return "https://www.rfc-editor.org/rfc/rfc" + n
	}
	return "https://xmpp.org/extensions/xep-" + n + ".html"
}

// doap is docs/stonechat.doap (XEP-0453 0.1.2).
func doap(all []declared) string {
	var b strings.Builder
	b.WriteString(xml.Header + `<!-- Made by make generate: see docs/xeps.md. -->
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://usefulinc.com/ns/doap#' xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>
  <Project>
    <name>Stonechat</name>
    <shortdesc xml:lang='en'>Chat server that you run yourself</shortdesc>
    <description xml:lang='en'>XMPP server in one static program with its database built in</description>
    <license rdf:resource='https://www.apache.org/licenses/LICENSE-2.0'/>
    <language>en</language>
    <programming-language>Go</programming-language>
    <os>Linux</os>
    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-server'/>
`)
	for _, d := range all {
		if strings.HasPrefix(d.ID, "RFC") {
			fmt.Fprintf(&b, "    <implements rdf:resource='%s'/>\n", link(d.ID))
			continue
		}
		fmt.Fprintf(&b, "    <implements>\n      <xmpp:SupportedXep>\n        <xmpp:xep rdf:resource='%s'/>\n        <xmpp:status>%s</xmpp:status>\n        <xmpp:version>%s</xmpp:version>\n",
			link(d.ID), state(all, d.ID), d.Version)
		if d.Note != "" {
			b.WriteString("        <xmpp:note xml:lang='en'>")
			if err := xml.EscapeText(&b, []byte(d.Note)); err != nil {
				return err.Error()
			}
			b.WriteString("</xmpp:note>\n")
		}
		b.WriteString("      </xmpp:SupportedXep>\n    </implements>\n")
	}
	b.WriteString("  </Project>\n</rdf:RDF>\n")
	return b.String()
}
