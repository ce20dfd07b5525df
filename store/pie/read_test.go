package pie

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// outcome is what is read of a file.
type outcome struct {
	Accounts []*Account
	Left     map[string]int
}

func read(in io.Reader, folder string) (outcome, error) {
	var got outcome
	r := Reader{Each: func(a *Account) error {
		got.Accounts = append(got.Accounts, a)
		return nil
	}}
	if folder != "" {
		r.Open = func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(folder, name)) }
	}
	err := r.Read(in)
	got.Left = r.Left
	return got, err
}

// TestGolden: what other servers write.
func TestGolden(t *testing.T) {
	for _, name := range []string{"prosody.xml", "ejabberd/main.xml"} {
		path := filepath.Join("testdata", name)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := read(f, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		out := json.NewEncoder(&text)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		if err := out.Encode(got); err != nil {
			t.Fatal(err)
		}
		golden := strings.TrimSuffix(path, ".xml") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != text.String() {
			t.Errorf("%s is read as\n%s", name, text.String())
		}
	}
}

func whole(users string) string {
	return "<?xml version='1.0'?><server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'>" + users + "</host></server-data>"
}

func TestBadFiles(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "unexpected EOF"},
		{"no XML", "hello", "text where"},
		{"JSON", `{"name":"juliet"}`, "text where"},
		{"another format", "<archive xmlns='urn:example'/>", "no file of urn:xmpp:pie:0"},
		{"cut in a host", "<server-data xmlns='urn:xmpp:pie:0'><host jid='a'>", "unexpected EOF"},
		{"cut in an account", whole("<user name='a'><vCard xmlns='vcard-temp'>")[:120], "unexpected EOF"},
		{"cut in a tag", "<server-data xmlns='urn:xmpp:pie:0", "unexpected EOF"},
		{"not well-formed", whole("<user name='a'><vCard xmlns='vcard-temp'></FN></user>"), "account \"a\""},
		{"an entity", whole("<user name='a'><vCard xmlns='vcard-temp'>&x;</vCard></user>"), "account \"a\""},
		{"no name", whole("<user/>"), "a user without name"},
		{"no address", "<server-data xmlns='urn:xmpp:pie:0'><host/></server-data>", "a host without address"},
		{"more behind", whole("") + "<x/>", "more behind"},
		{"half credentials", whole("<user name='a'><scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'/></user>"), "incomplete"},
		{"a file outside", "<server-data xmlns='urn:xmpp:pie:0' xmlns:i='http://www.w3.org/2001/XInclude'><i:include href='../../etc/passwd'/></server-data>", "include of"},
		{"a tag without end", "<server-data xmlns='urn:xmpp:pie:0' x='" + strings.Repeat("x", maxTag) + "'>", "too long"},
		{"a large element", whole("<user name='a'><x xmlns='y'>" + strings.Repeat("x", maxElement) + "</x></user>"), "too big"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := read(strings.NewReader(c.in), t.TempDir()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
}

// A file that includes itself ends.
func TestIncludesEnd(t *testing.T) {
	const text = "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='main.xml'/></server-data>"
	r := Reader{Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	if err := r.Read(strings.NewReader(text)); err == nil {
		t.Error("a file that includes itself is read")
	}
}

// What does not fit into memory, such as an archive, is passed in pieces; one account does not have to wait for the end of the file.
func TestLargeFilesAreReadInPieces(t *testing.T) {
	enough := errors.New("enough")
	result := "<result xmlns='urn:xmpp:mam:2'>" + strings.Repeat("x", 1<<20) + "</result>"
	in := io.MultiReader(
		strings.NewReader("<server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'><user name='a'><archive xmlns='urn:xmpp:pie:0#mam'>"),
		strings.NewReader(strings.Repeat(result, 40)),
		strings.NewReader("</archive></user>"),
		unread{},
	)
	seen := 0
	r := Reader{Each: func(*Account) error { seen++; return enough }}
	if err := r.Read(in); !errors.Is(err, enough) || seen != 1 || r.Left["archived message"] != 40 {
		t.Errorf("%v, %d accounts, %v", err, seen, r.Left)
	}
}

// unread is never to be read.
type unread struct{}

func (unread) Read([]byte) (int, error) { panic("read further than the account") }

func FuzzRead(f *testing.F) {
	for _, name := range []string{"prosody.xml", "ejabberd/main.xml", "ejabberd/example.org.xml"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("<a:server-data xmlns:a='urn:xmpp:pie:0'><a:host jid='x'><!-- c --><a:user name='y'/></a:host></a:server-data>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(strings.NewReader(string(b)), "")
		for _, a := range got.Accounts {
			if a.Name == "" || a.Host == "" {
				t.Errorf("an account without address, %v", err)
			}
		}
		// In pieces it is the same.
		again, err2 := read(dripping{strings.NewReader(string(b))}, "")
		one, _ := json.Marshal(got)
		two, _ := json.Marshal(again)
		if string(one) != string(two) || (err == nil) != (err2 == nil) {
			t.Errorf("%s, %v; in pieces %s, %v", one, err, two, err2)
		}
	})
}

// dripping gives one byte at a time.
type dripping struct{ r io.Reader }

func (o dripping) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }
