package wire

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const stream = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id=\"a>b\">"

func all(r io.Reader, size int) ([]string, error) {
	s := NewScanner(r, size)
	var elements []string
	for {
		element, err := s.Next()
		if err != nil {
			return elements, err
		}
		elements = append(elements, string(element))
	}
}

func TestScanner(t *testing.T) {
	header := stream[len("<?xml version='1.0'?>"):]
	tests := []struct {
		name string
		in   string
		want []string
		err  error
	}{
		{"empty", "", nil, io.EOF},
		{"header", stream, []string{header}, io.EOF},
		{"closed", stream + " </stream:stream>", []string{header}, ErrStreamEnd},
		{"two children", stream + "<a/>\n<b x='1'><c/>t<d>u</d></b>", []string{header, "<a/>", "<b x='1'><c/>t<d>u</d></b>"}, io.EOF},
		{"bracket in a value", "<m a='>' b=\"/>'\"><n/></m><o/>", []string{"<m a='>' b=\"/>'\"><n/></m>", "<o/>"}, io.EOF},
		{"same name inside", "<m><m/><m></m></m>", []string{"<m><m/><m></m></m>"}, io.EOF},
		{"cut short", "<m><n>", nil, io.EOF},
		{"document type", stream + "<!DOCTYPE x>", []string{header}, ErrSyntax},
	}
	for _, test := range tests {
		for _, size := range []int{8, 4096} {
			for kind, r := range map[string]io.Reader{
				"whole": strings.NewReader(test.in), "by bytes": iotest.OneByteReader(strings.NewReader(test.in)),
			} {
				got, err := all(r, size)
				if !slices.Equal(got, test.want) || !errors.Is(err, test.err) {
					t.Errorf("%s, %s, buffer %d: %q, %v; want %q, %v", test.name, kind, size, got, err, test.want, test.err)
				}
			}
		}
	}
}

func TestScannerBound(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("<m>"), neverEnding('x'))
	if _, err := all(endless, 4096); !errors.Is(err, ErrSyntax) {
		t.Fatalf("an endless element ended with %v", err)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestLookups(t *testing.T) {
	element := []byte("<iq xid='no' id='7' type=\"error\"><error id='8'>text</error></iq>")
	for name, want := range map[string]string{"id": "7", "type": "error", "to": "", "xid": "no"} {
		if got := string(Attr(element, name)); got != want {
			t.Errorf("Attr(%q) = %q, want %q", name, got, want)
		}
	}
	if got := string(Between(element, ">", "</error>")); got != "<error id='8'>text" {
		t.Errorf("Between = %q", got)
	}
	if Between(element, "<x>", "</x>") != nil {
		t.Error("Between found what is not there")
	}
	if !Named(element, "iq") || Named(element, "i") || Named([]byte("<r/>"), "resume") || !Named([]byte("<r/>"), "r") {
		t.Error("Named mistakes names")
	}
}

// Whatever the bytes and however they arrive, the same elements come out, each
// starts with a bracket and none is invented.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{stream + "<a/><b>c</b>", "<a b='>'/>", "</x>", "<<>>", "<?p?><a>", "<", "<>", "<a></a></b>", "< />", "</>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		whole, first := all(strings.NewReader(in), 64)
		pieces, second := all(iotest.OneByteReader(strings.NewReader(in)), 8)
		if !slices.Equal(whole, pieces) || !errors.Is(second, first) {
			t.Fatalf("%q read whole: %q, %v; by bytes: %q, %v", in, whole, first, pieces, second)
		}
		at := 0
		for _, element := range whole {
			i := strings.Index(in[at:], element)
			if i < 0 || element[0] != '<' || element[len(element)-1] != '>' {
				t.Fatalf("%q gave %q", in, element)
			}
			at += i + len(element)
		}
	})
}

// The generator's own cost per received message has to stay far below a
// server's.
func BenchmarkScanner(b *testing.B) {
	const message = "<message to='u1@bench.local/load' from='u0@bench.local/load' type='chat' id='0000000100000017' xml:lang='en'>" +
		"<body>00000003.0000000412345678.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</body>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' by='u1@bench.local' id='1763640000000000'/></message><r xmlns='urn:xmpp:sm:3'/>"
	s := NewScanner(repeating(message), 4096)
	b.ReportAllocs()
	for b.Loop() {
		for range 2 {
			if _, err := s.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// repeating is a reader that gives the same text at each read.
type repeating string

func (r repeating) Read(p []byte) (int, error) { return copy(p, r), nil }
