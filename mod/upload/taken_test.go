package upload

import (
	"slices"
	"strings"
	"testing"
)

func TestNamedIn(t *testing.T) {
	m := New(Parts{Key: []byte("key")})
	a, b := m.codes.id(), m.codes.id()
	theirs := codes{[]byte("yek")}.id()
	many := strings.Repeat("https://example.org/files/"+a+"/x ", 100)
	for inner, want := range map[string][]string{
		"":                                     nil,
		"<body>/files/</body>":                 nil,
		"<body>/files/" + a[1:] + "</body>":    nil,
		"<body>/files/" + theirs + "/x</body>": nil,
		"<body>https://example.org/files/" + a + "/a.png</body><x xmlns='jabber:x:oob'><url>https://example.org/files/" + a + "/a.png</url></x>": {a},
		"<body>/files/" + b + " and /files//files/" + a + "</body>":                                                                              {b, a},
		many: {a},
	} {
		if got := m.namedIn(inner); !slices.Equal(got, want) {
			t.Errorf("%.80q names %v, want %v", inner, got, want)
		}
	}
	var lots strings.Builder
	for range 2 * mostNamed {
		lots.WriteString(Path + m.codes.id())
	}
	if got := m.namedIn(lots.String()); len(got) != mostNamed {
		t.Errorf("one message takes %d files with it", len(got))
	}
}

// Whatever stands in a message, only ids that this server has made are found in it.
func FuzzNamedIn(f *testing.F) {
	m := New(Parts{Key: []byte("key")})
	f.Add("<body>https://example.org/files/" + m.codes.id() + "/a.png</body>")
	f.Add("/files/")
	f.Add("/files/" + strings.Repeat("/files/", 9))
	f.Fuzz(func(t *testing.T, inner string) {
		for _, id := range m.namedIn(inner) {
			if !m.codes.genuine(id) || !strings.Contains(inner, Path+id) {
				t.Errorf("%q names %q", inner, id)
			}
		}
	})
}
