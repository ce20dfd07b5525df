package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The reference and the example are written by this test from the structs of this folder, their comments and Default.
// make generate writes them anew.
var update = flag.Bool("update", false, "write docs/config.md and docs/example.toml anew")

const (
	referencePath = "../docs/config.md"
	examplePath   = "../docs/example.toml"
)

// option is one key with what people need to know of it.
type option struct {
	key, kind, value, doc string
}

// section is one table of the file; the first has no name.
type section struct {
	name, doc string
	options   []option
}

// comments maps "Type" and "Type.Field" to the text of their comments.
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	flat := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, d := range declarations(t) {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			typ, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			out[typ.Name.Name] = flat(g.Doc)
			fields, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				for _, name := range f.Names {
					out[typ.Name.Name+"."+name.Name] = flat(f.Doc)
				}
			}
		}
	}
	return out
}

// declarations are those of all files of the package.
func declarations(t *testing.T) []ast.Decl {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatal("no files: ", err)
	}
	var all []ast.Decl
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file.Decls...)
	}
	return all
}

// sections lists every option in the order of Config. What has no comment, or no key, fails the test.
func sections(t *testing.T) []section {
	t.Helper()
	docs, top := comments(t), reflect.ValueOf(Default())
	all := []section{{}}
	for i := range top.NumField() {
		f := top.Type().Field(i)
		if f.Type.Kind() != reflect.Struct {
			all[0].options = append(all[0].options, describe(t, docs, "Config", f, top.Field(i)))
			continue
		}
		all = append(all, tables(t, docs, keyOf(t, f), f, top.Field(i))...)
	}
	return all
}

// tables is one table, followed by those within it.
func tables(t *testing.T, docs map[string]string, key string, f reflect.StructField, v reflect.Value) []section {
	t.Helper()
	s := section{name: key, doc: about(t, docs[f.Type.Name()], f.Type.Name(), key)}
	var within []section
	for i := range v.NumField() {
		inner := v.Type().Field(i)
		if inner.Type.Kind() == reflect.Struct {
			within = append(within, tables(t, docs, key+"."+keyOf(t, inner), inner, v.Field(i))...)
			continue
		}
		s.options = append(s.options, describe(t, docs, f.Type.Name(), inner, v.Field(i)))
	}
	return append([]section{s}, within...)
}

func describe(t *testing.T, docs map[string]string, typ string, f reflect.StructField, v reflect.Value) option {
	t.Helper()
	key := keyOf(t, f)
	kind, value := literal(t, v)
	return option{key, kind, value, about(t, docs[typ+"."+f.Name], f.Name, key)}
}

func keyOf(t *testing.T, f reflect.StructField) string {
	t.Helper()
	key := f.Tag.Get("toml")
	if key == "" {
		t.Errorf("%s has no key", f.Name)
	}
	return key
}

// about says key where the comment says the Go name.
func about(t *testing.T, doc, name, key string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(doc, name+" ")
	if !ok {
		t.Errorf("the comment of %s does not begin with its name: %q", name, doc)
	}
	return "`" + key + "` " + rest
}

// literal is a default as TOML, and what kind of value it is.
func literal(t *testing.T, v reflect.Value) (kind, text string) {
	t.Helper()
	switch x := v.Interface().(type) {
	case bool:
		return "true or false", strconv.FormatBool(x)
	case int:
		return "number", strconv.Itoa(x)
	case int64:
		return "number", strconv.FormatInt(x, 10)
	case string:
		return "text", strconv.Quote(x)
	case Duration:
		// "10m0s" is right, and nobody writes it.
		short := x.D().String()
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(short, zero) {
				short = short[:len(short)-2]
			}
		}
		return "time", strconv.Quote(short)
	case []string:
		quoted := make([]string, len(x))
		for i := range x {
			quoted[i] = strconv.Quote(x[i])
		}
		return "list of texts", "[" + strings.Join(quoted, ", ") + "]"
	case []CertificateFiles, []Component:
		return "list of tables", "[]"
	}
	t.Fatalf("no TOML for a %s", v.Type())
	return "", ""
}

const referenceHead = `# Configuration

This page is generated from ` + "`config/config.go`" + ` by ` + "`make generate`" + `. Do not edit it.

Stonechat needs no file: ` + "`stonechat serve --domain example.org`" + ` runs with the defaults below. A file is TOML, given by ` + "`--config FILE`" + `.
It is read strictly: an unknown key or a value of the wrong kind stops the start with a message that names it. Flags win over the file, the
file over the defaults. Sizes are in bytes, times are written as in ` + "`\"90s\"`, `\"10m\"` or `\"1h\"`" + `. The file is read at start only.

[example.toml](example.toml) has every option with its default, to copy.
`

func reference(all []section) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range all {
		if s.name == "" {
			b.WriteString("\n## Top of the file\n")
		} else {
			b.WriteString("\n## [" + s.name + "]\n\n" + s.doc + "\n")
		}
		b.WriteString("\n| option | kind | default | meaning |\n|---|---|---|---|\n")
		for _, o := range s.options {
			// The sentence goes on from the first column.
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", o.key, o.kind, o.value, strings.TrimPrefix(o.doc, "`"+o.key+"` "))
		}
	}
	return b.String()
}

const exampleHead = `# Every option of Stonechat with its default. Generated from config/config.go; see config.md.
# Only domains must be set. Take the # away from a line to change it.

`

func example(all []section) string {
	var b strings.Builder
	b.WriteString(exampleHead)
	for i, s := range all {
		if i > 0 {
			b.WriteString(wrap(s.doc) + "[" + s.name + "]\n\n")
		}
		for _, o := range s.options {
			line := "#" + o.key + " = " + o.value
			if o.key == "domains" {
				line = `domains = ["example.org"]`
			}
			b.WriteString(wrap(o.doc) + line + "\n\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// wrap is a text as comment lines of at most a hundred characters.
func wrap(text string) string {
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(strings.ReplaceAll(text, "`", "")) {
		if len(line)+1+len(word) > 100 {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

func TestReference(t *testing.T) {
	all := sections(t)
	for path, want := range map[string]string{referencePath: reference(all), examplePath: example(all)} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is stale: make generate", path)
		}
	}
}

// load reads text as a configuration file.
func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stonechat.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	// Relative paths were made relative to the file's folder.
	if rel, relErr := filepath.Rel(filepath.Dir(path), c.Data); relErr == nil {
		c.Data = rel
	}
	return c, err
}

func TestExampleIsTheDefault(t *testing.T) {
	example, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	taken := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`).ReplaceAllString(string(example), "$1")
	for name, text := range map[string]string{"as it is": string(example), "without #": taken} {
		c, err := load(t, text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := Default()
		want.Domains = []string{"example.org"}
		if !sameOptions(reflect.ValueOf(c), reflect.ValueOf(want)) {
			t.Errorf("%s:\n%+v, want\n%+v", name, c, want)
		}
	}
	for name, bad := range map[string]string{
		"unknown option": "colour = 1\n", "destination": "[limits]\ndepth = \"x\"\n", "missing unit": "[limits]\nresume = \"5\"\n",
	} {
		if _, err := load(t, bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v, want %q", bad, err, name)
		}
	}
}

// sameOptions compares; an empty list is the same as none.
func sameOptions(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameOptions(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		return a.Len() == b.Len() && (a.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface()))
	}
	return a.Interface() == b.Interface()
}
