package words

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"stonechat/xmpp/xmltok"
)

// found tells whether what is looked for stands in a text, as a store has to see it.
func found(text, sought string) bool {
	have, want := Of(text), Sought(sought, 100)
	if len(want) == 0 {
		return false
	}
	for i := range len(have) - len(want) + 1 {
		if slices.EqualFunc(have[i:i+len(want)], want, func(h string, w Word) bool {
			return h == w.Text || w.Begins && strings.HasPrefix(h, w.Text)
		}) {
			return true
		}
	}
	return false
}

func TestFound(t *testing.T) {
	for _, c := range []struct {
		text, sought string
		want         bool
	}{
		{"Wherefore art thou Romeo?", "romeo", true},
		{"Wherefore art thou Romeo?", "ROMEO", true},
		{"Wherefore art thou Romeo?", "art thou", true},
		{"Wherefore art thou Romeo?", "thou art", false},
		{"Wherefore art thou Romeo?", "rome", false},
		{"Wherefore art thou Romeo?", "?", false},
		{"Wherefore art thou Romeo?", "", false},
		{"see https://example.org/a/b?c=d", "example.org", true},
		{"see https://example.org/a/b?c=d", "https://example.org/a/b", true},
		{"see https://example.org/a/b?c=d", "example.com", false},
		{"don't", "dont", false},
		{"don't", "don't", true},
		{"version 1.26.3", "1.26", true},
		{"version 1.26.3", "1.3", false},
		// Accents, letters of other forms, and vowels that may be left out.
		{"Crème brûlée", "creme brulee", true},
		{"creme brulee", "CRÈME", true},
		{"Cre\u0300me", "crème", true},
		{"Straße", "STRASSE", true},
		{"Łódź", "lodz", true},
		{"İstanbul ılık", "istanbul ilik", true},
		{"Ёлка", "елка", true},
		{"Άνθρωπος", "ανθρωπος", true},
		{"ﬁne ＦＵＬＬ", "fine full", true},
		{"مُحَمَّد", "محمد", true},
		{"شָלוֹם", "שלום", false},
		{"שָׁלוֹם", "שלום", true},
		{"soft\u00adhyphen", "softhyphen", true},
		{"हिन्दी भाषा", "हिन्दी", true},
		{"हिन्दी भाषा", "हन्द", false},
		// Scripts without spaces.
		{"我喜欢中文搜索", "中文", true},
		{"我喜欢中文搜索", "中文搜索", true},
		{"我喜欢中文搜索", "文中", false},
		{"我喜欢中文搜索", "索", true},
		{"我喜欢中文搜索", "我", true},
		{"我喜欢中文搜索", "欢", true},
		{"我喜欢中文搜索", "书", false},
		{"東京タワーに行く", "タワー", true},
		{"東京タワーに行く", "京タ", true},
		{"학교에서 만나요", "학교", true},
		{"วันนี้อากาศดี", "อากาศ", true},
		{"C言語の本", "c言語", true},
		{"日本 go", "日本 go", true},
		{"日本語 go", "語 go", true},
		{"日本語 go", "本 go", false},
		// Symbols.
		{"well done 👍🏽!", "👍", true},
		{"well done 👍", "👍🏿", true},
		{"well done 👍", "done 👍", true},
		{"well done 👍", "👎", false},
		{"👨‍👩‍👧", "👩", true},
		{"I ❤️ it", "❤", true},
		{"🇩🇪 wins", "🇩🇪", true},
		{"🇩🇪 wins", "🇫🇷", false},
		// What a database could take for its own language.
		{`a" OR "b`, `a" or "b`, true},
		{"body : x NEAR(y) * ^z", "near(y", true},
		{"x' & 'y", "x' & 'y", true},
	} {
		if got := found(c.text, c.sought); got != c.want {
			t.Errorf("%q in %q: %v; %q, %+v", c.sought, c.text, got, Of(c.text), Sought(c.sought, 100))
		}
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("é", 3*MaxLetters)
	if w := Of(long + " x"); len(w) != 2 || utf8.RuneCountInString(w[0]) != MaxLetters {
		t.Errorf("%q", w)
	}
	if !found(long, long[:2*MaxLetters+2]) {
		t.Error("a long word is not found by its beginning")
	}
	if n := len(Of(strings.Repeat("x ", 2*MaxWords))); n != MaxWords {
		t.Errorf("%d words", n)
	}
	if n := len(Sought(strings.Repeat("x ", 200), 10)); n != 11 {
		t.Errorf("%d words", n)
	}
}

// FuzzWords: whatever a text is, its words are plain, and it is found by itself.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"Crème brûlée", "我喜欢中文搜索", "👨‍👩‍👧 x", "a\"b'c\\d", "ﬁ \u0300\u200d", "학교에서", "ﷺ", "\xff\x00x", "日", "ーー", "É́́"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		have := Of(s)
		for _, w := range have {
			if w == "" || !utf8.ValidString(w) || utf8.RuneCountInString(w) > MaxLetters {
				t.Fatalf("%q has the word %q", s, w)
			}
			for _, r := range w {
				if !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark, unicode.So) || 'A' <= r && r <= 'Z' {
					t.Fatalf("%q has the word %q", s, w)
				}
			}
		}
		if len(have) > 0 && len(have) < 90 && !found(s, s) {
			t.Fatalf("%q is not found by itself: %q, %+v", s, have, Sought(s, 100))
		}
	})
}

func TestMessages(t *testing.T) {
	const id = " xmlns='jabber:client' id='m1'"
	for name, c := range map[string]struct {
		inner string
		want  Message
	}{
		"plain":       {"<body>one &amp; two</body>", Message{Text: "one & two", Names: []string{"m1"}}},
		"languages":   {"<body xml:lang='de'>eins</body><body xml:lang='en'>one</body>", Message{Text: "eins\none", Names: []string{"m1"}}},
		"origin":      {"<body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='o'/>", Message{Text: "x", Names: []string{"m1", "o"}}},
		"link":        {"<body>see https://example.org</body>", Message{Text: "see https://example.org", Link: true, Names: []string{"m1"}}},
		"file":        {"<body>x</body><x xmlns='jabber:x:oob'><url>y</url></x>", Message{Text: "x", Link: true, Names: []string{"m1"}}},
		"encrypted":   {"<body>no OMEMO https://x</body><encrypted xmlns='eu.siacs.conversations.axolotl'/>", Message{Names: []string{"m1"}}},
		"encrypted 2": {"<encrypted xmlns='urn:xmpp:omemo:2'/><body>no OMEMO</body>", Message{Names: []string{"m1"}}},
		"named":       {"<encryption xmlns='urn:xmpp:eme:0' namespace='x'/><body>no</body>", Message{Names: []string{"m1"}}},
		"OpenPGP":     {"<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp><body>no</body>", Message{Names: []string{"m1"}}},
		"correction":  {"<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>", Message{Text: "y", Names: []string{"m1"}, Replaces: "m0"}},
		"retraction":  {"<body>gone</body><retract xmlns='urn:xmpp:message-retract:1' id='m0'/>", Message{Names: []string{"m1"}, Retracts: "m0"}},
		"tombstone":   {"<retracted xmlns='urn:xmpp:message-retract:1' id='r'/>", Message{Names: []string{"m1"}}},
		"quotation": {
			"<body>&gt; old\nnew</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='6'/></fallback>",
			Message{Text: "new", Names: []string{"m1"}},
		},
		"fallback": {"<body>no</body><fallback xmlns='urn:xmpp:fallback:0'/>", Message{Names: []string{"m1"}}},
		"subject":  {"<subject>x</subject>", Message{Names: []string{"m1"}}},
		"no text":  {"<body> \n</body>", Message{Names: []string{"m1"}}},
	} {
		m, err := Read(xmltok.NewScanner(xmltok.TreeLimits), []byte("<message"+id+">"+c.inner+"</message>"))
		if err != nil || m.Text != c.want.Text || m.Link != c.want.Link || !slices.Equal(m.Names, c.want.Names) ||
			m.Replaces != c.want.Replaces || m.Retracts != c.want.Retracts {
			t.Errorf("%s: %+v, %v; want %+v", name, m, err, c.want)
		}
	}
	m, err := Read(xmltok.NewScanner(xmltok.TreeLimits), []byte("<message xmlns='jabber:client'><body>"+strings.Repeat("é", MaxText)+"</body></message>"))
	if err != nil || len(m.Text) > MaxText || !utf8.ValidString(m.Text) {
		t.Errorf("%d bytes, %v", len(m.Text), err)
	}
}

func BenchmarkOf(b *testing.B) {
	for name, text := range map[string]string{
		"ascii": "Call me but love, and I will be new baptized; henceforth I never will be Romeo",
		"latin": "Ce que j'ai écrit à l'été dernier, c'était déjà oublié par Hélène et François",
		"han":   "我喜欢中文搜索因为它很好用而且速度也很快",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Of(text)
			}
		})
	}
}
