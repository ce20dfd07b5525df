package form

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"stonechat/xmpp/xmltok"
)

// tree parses XML written in a test.
func tree(t testing.TB, xml string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree(xml, "")
	if err != nil {
		t.Fatalf("%s: %v", xml, err)
	}
	return n
}

// wrap puts the content into a form of the given type.
func wrap(kind, content string) string {
	return "<x xmlns='jabber:x:data' type='" + kind + "'>" + content + "</x>"
}

const (
	// XEP-0004 section 5.1, the submission.
	submission = `<field type='hidden' var='FORM_TYPE'><value>jabber:bot</value></field>
	<field type='text-single' var='botname'><value>The Jabber Google Bot</value></field>
	<field type='text-multi' var='description'><value>This bot enables you to send requests to</value>
	<value>Google and receive the search results right</value>
	<value>in your Jabber client. It&apos; really cool!</value></field>
	<field type='boolean' var='public'><value>0</value></field>
	<field type='list-multi' var='features'><value>news</value><value>search</value></field>
	<field var='empty'/><field var='blank'><value/></field>`

	// XEP-0004 section 5.1, the form, shortened.
	prompt = `<title>Bot Configuration</title><instructions>Fill out this form</instructions><instructions>to configure your new bot!</instructions>
	<field type='hidden' var='FORM_TYPE'><value>jabber:bot</value></field>
	<field type='fixed'><value>Section 1: Bot Info</value></field>
	<field type='fixed'><value>Section 2: Features</value></field>
	<field type='boolean' label='Public bot?' var='public'><required/></field>
	<field type='list-single' label='Maximum' var='maxsubs'><value>20</value>
	<option label='10'><value>10</value></option><option label='20'><value>20</value></option><option><value>none</value></option></field>
	<field type='jid-multi' var='invitelist'><desc>Tell your friends</desc></field>
	<field type='x-unheard-of' var='odd'/>`

	// XEP-0004 section 5.2, the search result, shortened.
	result = `<title>Search</title><reported><field var='name' type='text-single' label='Name'/><field var='url'/></reported>
	<item><field var='name'><value>A</value></field><field var='url'><value>http://a</value></field></item>
	<item><field var='name'><value>B</value></field><field var='url'><value>http://b</value></field></item>`
)

func TestParseSubmission(t *testing.T) {
	f, err := ParseSubmit(tree(t, wrap("submit", submission)))
	if err != nil {
		t.Fatal(err)
	}
	if f.FormType() != "jabber:bot" || f.Type != Submit || len(f.Fields) != 7 {
		t.Errorf("FORM_TYPE %q, type %q, %d fields", f.FormType(), f.Type, len(f.Fields))
	}
	if got := f.Field("botname").Value(); got != "The Jabber Google Bot" {
		t.Errorf("botname %q", got)
	}
	if got, want := f.Field("description").Text(),
		"This bot enables you to send requests to\nGoogle and receive the search results right\nin your Jabber client. It' really cool!"; got != want {
		t.Errorf("description %q", got)
	}
	if got := f.Field("features").Values; !reflect.DeepEqual(got, []string{"news", "search"}) {
		t.Errorf("features %q", got)
	}
	if v, err := f.Field("public").Bool(); v || err != nil {
		t.Errorf("public %v, %v", v, err)
	}
	// XEP-0004 section 3.6: a field without value is there all the same.
	if !f.Has("empty") || !f.Has("blank") || f.Has("absent") {
		t.Error("presence of fields without value")
	}
	if f.Field("empty").Values != nil || f.Field("blank").Value() != "" || f.Field("absent").Text() != "" {
		t.Error("a field without value has one")
	}
}

func TestParsePrompt(t *testing.T) {
	f, err := Parse(tree(t, wrap("form", prompt)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Form{
		Type:         Prompt,
		Title:        "Bot Configuration",
		Instructions: []string{"Fill out this form", "to configure your new bot!"},
		Fields: []Field{
			{Var: "FORM_TYPE", Type: Hidden, Values: []string{"jabber:bot"}},
			{Type: Fixed, Values: []string{"Section 1: Bot Info"}},
			{Type: Fixed, Values: []string{"Section 2: Features"}},
			{Var: "public", Type: Boolean, Label: "Public bot?", Required: true},
			{
				Var: "maxsubs", Type: ListSingle, Label: "Maximum", Values: []string{"20"},
				Options: []Option{{"10", "10"}, {"20", "20"}, {"", "none"}},
			},
			{Var: "invitelist", Type: JIDMulti, Desc: "Tell your friends"},
			{Var: "odd", Type: TextSingle},
		},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
	if _, err := ParseSubmit(tree(t, wrap("form", prompt))); !errors.Is(err, ErrType) {
		t.Errorf("a prompt taken as submission: %v", err)
	}
	if f, err := ParseSubmit(tree(t, "<x xmlns='jabber:x:data'/>")); err != nil || f.Type != Submit {
		t.Errorf("a submission without a type: %v, %v", f, err)
	}
}

func TestParseResult(t *testing.T) {
	f, err := Parse(tree(t, wrap("result", result)))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Reported) != 2 || f.Reported[0].Label != "Name" || len(f.Items) != 2 || len(f.Fields) != 0 {
		t.Fatalf("%+v", f)
	}
	if row := f.Items[1]; row[0].Value() != "B" || row[1].Value() != "http://b" {
		t.Errorf("second row %+v", row)
	}
}

func TestFormType(t *testing.T) {
	// XEP-0068 sections 4.1 and 4.3.
	field := func(kind string) string {
		return "<field var='FORM_TYPE'" + kind + "><value>urn:x</value></field>"
	}
	for _, tc := range []struct{ kind, content, want string }{
		{"submit", field(""), "urn:x"},
		{"submit", field(" type='text-single'"), "urn:x"},
		{"form", field(" type='hidden'"), "urn:x"},
		{"form", field(""), ""},
		{"result", field(" type='text-single'"), ""},
		{"submit", "<field var='other'><value>urn:x</value></field>", ""},
		{"submit", "<field var='FORM_TYPE'/>", ""},
	} {
		f, err := Parse(tree(t, wrap(tc.kind, tc.content)))
		if err != nil || f.FormType() != tc.want {
			t.Errorf("%s %s: %q, %v; want %q", tc.kind, tc.content, f.FormType(), err, tc.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, tc := range []struct {
		name, xml string
		want      error
	}{
		{"other element", "<y xmlns='jabber:x:data' type='submit'/>", ErrNotForm},
		{"other namespace", "<x xmlns='jabber:x:oob' type='submit'/>", ErrNotForm},
		{"no type", "<x xmlns='jabber:x:data'/>", ErrType},
		{"unknown type", wrap("error", ""), ErrType},
		{"no name", wrap("submit", "<field><value>1</value></field>"), ErrNoVar},
		{"same name", wrap("submit", "<field var='a'/><field var='b'/><field var='a'/>"), ErrDuplicate},
		{"same name in a row", wrap("result", "<item><field var='a'/><field var='a'/></item>"), ErrDuplicate},
		{"no name in a row", wrap("result", "<reported><field/></reported>"), ErrNoVar},
		{"fields", wrap("submit", many(MaxFields+1, "<field var='f%d'/>")), ErrTooLarge},
		{"fields of rows", wrap("result", many(MaxFields/2+1, "<item><field var='a%d'/></item>")), ErrTooLarge},
		{"values", wrap("submit", "<field var='a'>"+many(MaxValues+1, "<value>%d</value>")+"</field>"), ErrTooLarge},
		{"options", wrap("form", "<field var='a'>"+many(MaxValues+1, "<option label='%d'/>")+"</field>"), ErrTooLarge},
		{"instructions", wrap("form", many(MaxValues+1, "<instructions>%d</instructions>")), ErrTooLarge},
	} {
		if f, err := Parse(tree(t, tc.xml)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v; want %v", tc.name, f, err, tc.want)
		}
	}
	if _, err := Parse(nil); !errors.Is(err, ErrNotForm) {
		t.Errorf("nil: %v", err)
	}
}

func TestParseAcceptsTheLimits(t *testing.T) {
	n := &xmltok.Node{Space: "jabber:x:data", Local: "x", Attrs: []xmltok.NodeAttr{{Local: "type", Value: "submit"}}}
	for i := range MaxFields {
		field := &xmltok.Node{Space: n.Space, Local: "field", Attrs: []xmltok.NodeAttr{{Local: "var", Value: fmt.Sprint(i)}}}
		for range MaxValues / MaxFields {
			field.Children = append(field.Children, &xmltok.Node{Space: n.Space, Local: "value", Lead: "v"})
		}
		n.Children = append(n.Children, field)
	}
	if f, err := Parse(n); err != nil || len(f.Fields) != MaxFields {
		t.Errorf("largest form refused: %v", err)
	}
	n.Children[0].Children = append(n.Children[0].Children, &xmltok.Node{Space: n.Space, Local: "value"})
	if _, err := Parse(n); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one value more: %v", err)
	}
}

func TestCancelAndForeignChildren(t *testing.T) {
	f, err := ParseSubmit(tree(t, wrap("cancel", "<field var='a'/>")))
	if err != nil || f.Type != Cancel || f.Fields != nil {
		t.Errorf("cancel: %+v, %v", f, err)
	}
	f, err = Parse(tree(t, wrap("submit",
		"<field xmlns='urn:x' var='a'/><field var='b'><validate xmlns='http://jabber.org/protocol/xdata-validate'/><value xmlns='urn:x'>no</value><value>yes</value></field>")))
	if err != nil || len(f.Fields) != 1 || !reflect.DeepEqual(f.Field("b").Values, []string{"yes"}) {
		t.Errorf("foreign children: %+v, %v", f, err)
	}
}

func TestBool(t *testing.T) {
	for value, want := range map[string]struct {
		v  bool
		ok bool
	}{
		"1": {true, true}, "true": {true, true}, "0": {false, true}, "false": {false, true}, "": {false, true},
		"yes": {false, false}, "TRUE": {false, false}, " 1": {false, false},
	} {
		v, err := (&Field{Values: []string{value}}).Bool()
		if v != want.v || (err == nil) != want.ok {
			t.Errorf("%q: %v, %v", value, v, err)
		}
	}
	for _, v := range []bool{true, false} {
		if got, err := (&Field{Values: []string{FormatBool(v)}}).Bool(); got != v || err != nil {
			t.Errorf("FormatBool(%v) reads as %v, %v", v, got, err)
		}
	}
	if v, err := (*Field)(nil).Bool(); v || err != nil {
		t.Errorf("absent field: %v, %v", v, err)
	}
}

func TestAppendXML(t *testing.T) {
	f := New(Prompt, "urn:x",
		Field{Var: "a", Type: TextMulti, Label: "L'", Desc: "<d>", Required: true, Values: []string{"one\r\ntwo\nthree"}},
		Field{Var: "b", Type: ListSingle, Values: []string{"&"}, Options: []Option{{"Amp", "&"}, {"", "x"}}},
		Field{Type: Fixed, Values: []string{"note"}},
		Field{Var: "c"},
	)
	f.Title, f.Instructions = "T&T", []string{"i1", "i2"}
	want := `<x xmlns='jabber:x:data' type='form'><title>T&amp;T</title><instructions>i1</instructions><instructions>i2</instructions>` +
		`<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>` +
		`<field var='a' type='text-multi' label='L&apos;'><desc>&lt;d&gt;</desc><required/><value>one</value><value>two</value><value>three</value></field>` +
		`<field var='b' type='list-single'><value>&amp;</value><option label='Amp'><value>&amp;</value></option><option><value>x</value></option></field>` +
		`<field type='fixed'><value>note</value></field><field var='c'/></x>`
	if got := string(f.AppendXML([]byte("head"))); got != "head"+want {
		t.Errorf("got  %s\nwant %s", got, "head"+want)
	}
	if got := New(Cancel, ""); len(got.Fields) != 0 {
		t.Errorf("empty FORM_TYPE gives %+v", got.Fields)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, xml := range []string{wrap("submit", submission), wrap("form", prompt), wrap("result", result)} {
		f, err := Parse(tree(t, xml))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(tree(t, string(f.AppendXML(nil))))
		if err != nil || !reflect.DeepEqual(again, f) {
			t.Errorf("read %+v\nback %+v, %v", f, again, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{wrap("submit", submission), wrap("form", prompt), wrap("result", result), wrap("cancel", "")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree(s, "")
		if err != nil {
			return
		}
		form, err := Parse(n)
		if err != nil {
			return
		}
		out := string(form.AppendXML(nil))
		n, err = xmltok.Tree(out, "")
		if err != nil {
			t.Fatalf("wrote %q: %v", out, err)
		}
		again, err := Parse(n)
		if err != nil {
			t.Fatalf("wrote %q: %v", out, err)
		}
		if second := string(again.AppendXML(nil)); second != out {
			t.Fatalf("not stable:\n%q\n%q", out, second)
		}
	})
}
