package rsm

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// set parses a <set/> element with the given content.
func set(t testing.TB, content string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree("<set xmlns='http://jabber.org/protocol/rsm'>"+content+"</set>", "")
	if err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	return n
}

func TestParseRequest(t *testing.T) {
	for content, want := range map[string]Request{
		"":                                   {},
		"<max>10</max>":                      {Max: 10, HasMax: true},
		"<max>0</max>":                       {HasMax: true},
		"<max> 10\n</max>":                   {Max: 10, HasMax: true},
		"<max>2147483647</max>":              {Max: 2147483647, HasMax: true},
		"<after>peterpan@neverland</after>":  {After: "peterpan@neverland"},
		"<after/>":                           {},
		"<before/>":                          {Last: true},
		"<before></before>":                  {Last: true},
		"<before> </before>":                 {Before: " "},
		"<before>a&amp;b</before>":           {Before: "a&b"},
		"<max>5</max><before/>":              {Max: 5, HasMax: true, Last: true},
		"<index>371</index><max>10</max>":    {Max: 10, HasMax: true, Index: 371, HasIndex: true},
		"<after>x</after><before>y</before>": {After: "x", Before: "y"},
		"<other/><max xmlns='urn:x'>x</max>": {},
	} {
		got, err := ParseRequest(set(t, content))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", content, got, err, want)
		}
		again, err := xmltok.Tree(string(got.AppendXML(nil)), "")
		if err != nil {
			t.Fatalf("%s written as %s: %v", content, got.AppendXML(nil), err)
		}
		if back, err := ParseRequest(again); err != nil || back != want {
			t.Errorf("%s written and read: %+v, %v", content, back, err)
		}
	}
	if got, err := ParseRequest(nil); err != nil || got != (Request{}) {
		t.Errorf("query without paging: %+v, %v", got, err)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for content, want := range map[string]error{
		"<max>-1</max>":                 ErrNumber,
		"<max>+1</max>":                 ErrNumber,
		"<max/>":                        ErrNumber,
		"<max>ten</max>":                ErrNumber,
		"<max>1.5</max>":                ErrNumber,
		"<max>1_0</max>":                ErrNumber,
		"<max>0x10</max>":               ErrNumber,
		"<max>2147483648</max>":         ErrNumber,
		"<max>99999999999999999</max>":  ErrNumber,
		"<index>-1</index>":             ErrNumber,
		"<max>1</max><max>2</max>":      ErrTwice,
		"<before/><before>x</before>":   ErrTwice,
		"<after>a</after><after/>":      ErrTwice,
		"<after>" + long() + "</after>": ErrID,
	} {
		if got, err := ParseRequest(set(t, content)); !errors.Is(err, want) || got != (Request{}) {
			t.Errorf("%.40s: %+v, %v; want %v", content, got, err, want)
		}
	}
	for _, xml := range []string{"<set xmlns='urn:x'/>", "<sets xmlns='http://jabber.org/protocol/rsm'/>"} {
		n, err := xmltok.Tree(xml, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRequest(n); !errors.Is(err, ErrNotSet) {
			t.Errorf("%s: %v", xml, err)
		}
		if _, err := ParseResult(n); !errors.Is(err, ErrNotSet) {
			t.Errorf("%s as result: %v", xml, err)
		}
	}
}

// long is an id beyond the limit.
func long() string { return strings.Repeat("x", MaxID+1) }

func TestErrorsAreReplies(t *testing.T) {
	for err, want := range map[error]stanza.Condition{
		ErrNumber: stanza.BadRequest, ErrTwice: stanza.BadRequest, ErrNotFound: stanza.ItemNotFound,
	} {
		var reply *stanza.Error
		if !errors.As(err, &reply) || reply.Condition != want {
			t.Errorf("%v: not a reply with %s", err, want)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tc := range []struct {
		r                 Request
		usual, most, want int
	}{
		{Request{}, 50, 250, 50},
		{Request{}, 50, 20, 20},
		{Request{Max: 10, HasMax: true}, 50, 250, 10},
		{Request{Max: 1000, HasMax: true}, 50, 250, 250},
		{Request{HasMax: true}, 50, 250, 0},
	} {
		if got := tc.r.Size(tc.usual, tc.most); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc.r, got, tc.want)
		}
	}
}

func TestResult(t *testing.T) {
	for want, r := range map[string]Result{
		"<first index='10'>peter@pixyland.org</first><last>peter@rabbit.lit</last><count>800</count>": {
			First: "peter@pixyland.org", Last: "peter@rabbit.lit", Index: 10, HasIndex: true, Count: 800, HasCount: true,
		},
		"<first index='0'>a</first><last>a</last>":   {First: "a", Last: "a", HasIndex: true},
		"<first>&lt;1&gt;</first><last>&amp;</last>": {First: "<1>", Last: "&"},
		"<count>790</count>":                         {Count: 790, HasCount: true},
		"<count>0</count>":                           {HasCount: true},
		"":                                           {},
	} {
		want = "<set xmlns='http://jabber.org/protocol/rsm'>" + want + "</set>"
		got := string(r.AppendXML([]byte("head")))
		if got != "head"+want {
			t.Errorf("got  %s\nwant head%s", got, want)
		}
		n, err := xmltok.Tree(want, "")
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseResult(n); err != nil || back != r {
			t.Errorf("%s read as %+v, %v", want, back, err)
		}
	}
	for content, want := range map[string]error{
		"<first index='x'>a</first>":    ErrNumber,
		"<count>-1</count>":             ErrNumber,
		"<first>" + long() + "</first>": ErrID,
	} {
		if _, err := ParseResult(set(t, content)); !errors.Is(err, want) {
			t.Errorf("%.40s: %v, want %v", content, err, want)
		}
	}
}

func TestPage(t *testing.T) {
	items := strings.Split("a b c d e f g", " ")
	id := func(s string) string { return s }
	for _, tc := range []struct {
		r    Request
		size int
		want string
		at   int
	}{
		{Request{}, 3, "abc", 0},
		{Request{}, 10, "abcdefg", 0},
		{Request{}, 0, "", -1},
		{Request{After: "c"}, 3, "def", 3},
		{Request{After: "f"}, 3, "g", 6},
		{Request{After: "g"}, 3, "", -1},
		{Request{Before: "d"}, 2, "bc", 1},
		{Request{Before: "b"}, 2, "a", 0},
		{Request{Before: "a"}, 2, "", -1},
		{Request{Last: true}, 3, "efg", 4},
		{Request{Last: true}, 30, "abcdefg", 0},
		{Request{Index: 2, HasIndex: true}, 2, "cd", 2},
		{Request{Index: 0, HasIndex: true}, 2, "ab", 0},
		{Request{Index: 7, HasIndex: true}, 2, "", -1},
		{Request{Index: 2147483647, HasIndex: true}, 2, "", -1},
		{Request{After: "b", Before: "f"}, 2, "cd", 2},
		{Request{After: "f", Before: "b"}, 2, "", -1},
		{Request{After: "b", Last: true}, 2, "fg", 5},
		{Request{}, -1, "", -1},
	} {
		page, res, err := Page(items, tc.r, tc.size, id)
		if err != nil || strings.Join(page, "") != tc.want {
			t.Errorf("%+v: %v, %v; want %q", tc.r, page, err, tc.want)
			continue
		}
		want := Result{Count: 7, HasCount: true}
		if tc.want != "" {
			want.First, want.Last = tc.want[:1], tc.want[len(tc.want)-1:]
			want.Index, want.HasIndex = tc.at, true
		}
		if res != want {
			t.Errorf("%+v: %+v, want %+v", tc.r, res, want)
		}
	}
	for _, r := range []Request{{After: "x"}, {Before: "x"}, {After: "a", Before: "x"}} {
		if page, _, err := Page(items, r, 3, id); !errors.Is(err, ErrNotFound) || page != nil {
			t.Errorf("%+v: %v, %v", r, page, err)
		}
	}
}

// TestPagingVisitsAll walks through lists of several lengths both ways, as a
// client does.
func TestPagingVisitsAll(t *testing.T) {
	for length := range 8 {
		items := make([]int, length)
		for i := range items {
			items[i] = i
		}
		for size := 1; size < 5; size++ {
			var forth, back []int
			r := Request{}
			for {
				page, res, err := Page(items, r, size, strconv.Itoa)
				if err != nil || len(forth) > length {
					t.Fatalf("%d by %d: %v, %v", length, size, forth, err)
				}
				if len(page) == 0 {
					break
				}
				forth = append(forth, page...)
				r = Request{After: res.Last}
			}
			r = Request{Last: true}
			for {
				page, res, err := Page(items, r, size, strconv.Itoa)
				if err != nil || len(back) > length {
					t.Fatalf("%d by %d backwards: %v, %v", length, size, back, err)
				}
				if len(page) == 0 {
					break
				}
				back = append(slices.Clone(page), back...)
				r = Request{Before: res.First}
			}
			if !slices.Equal(forth, items) || !slices.Equal(back, items) {
				t.Errorf("%d by %d: %v and %v", length, size, forth, back)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"<max>10</max><before/>", "<first index='1'>a</first><last>b</last><count>3</count>", "<index>1</index>", "<after>a</after>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree("<set xmlns='http://jabber.org/protocol/rsm'>"+s+"</set>", "")
		if err != nil {
			return
		}
		if r, err := ParseRequest(n); err == nil {
			n, err := xmltok.Tree(string(r.AppendXML(nil)), "")
			if err != nil {
				t.Fatal(err)
			}
			if back, err := ParseRequest(n); err != nil || back != r {
				t.Fatalf("%+v became %+v, %v", r, back, err)
			}
		}
		if r, err := ParseResult(n); err == nil {
			if r.First == "" || r.Last == "" {
				return // described as an empty page from then on
			}
			n, err := xmltok.Tree(string(r.AppendXML(nil)), "")
			if err != nil {
				t.Fatal(err)
			}
			if back, err := ParseResult(n); err != nil || back != r {
				t.Fatalf("%+v became %+v, %v", r, back, err)
			}
		}
	})
}
