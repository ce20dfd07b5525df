package preview

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

const (
	longestTitle = 300 // in letters, as all of these
	longestText  = 1000
	longestKind  = 64
)

// page is what a page says of itself.
type page struct {
	title, description, site, kind, alt string
	canonical                           string // only within the host that said so
	picture                             string // where one is
}

// allowed is how much of a page others may show.
type allowed struct {
	letters int // of its text
	image   bool
}

// allowedBy reads what search engines are told (robots meta tag, X-Robots-Tag). What is said to one of them by name is not for us.
func allowedBy(values ...string) allowed {
	a := allowed{longestText, true}
	for _, v := range values {
		for rule := range strings.SplitSeq(strings.ToLower(v), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(rule), ":")
			value = strings.TrimSpace(value)
			switch strings.TrimSpace(name) {
			case "nosnippet":
				a.letters = 0
			case "max-snippet":
				if n, err := strconv.Atoi(value); err == nil && n >= 0 {
					a.letters = min(a.letters, n)
				}
			case "noimageindex":
				a.image = false
			case "max-image-preview":
				a.image = a.image && value != "none"
			}
		}
	}
	return a
}

// readPage reads the head of a page, or as much of it as there is. It comes from at.
func readPage(body []byte, contentType string, at *url.URL, may allowed) (p page) {
	r, err := charset.NewReader(bytes.NewReader(body), contentType)
	if err != nil {
		return p
	}
	h := head{meta: make(map[string]string)}
	for z := html.NewTokenizer(r); h.next(z); {
	}
	said := allowedBy(h.meta["robots"])
	may.letters, may.image = min(may.letters, said.letters), may.image && said.image
	p.title = clean(h.first("og:title", "twitter:title", "\x00title"), longestTitle)
	p.description = clean(h.first("og:description", "twitter:description", "description"), may.letters)
	p.site = clean(h.first("og:site_name"), longestTitle)
	p.kind = clean(h.first("og:type"), longestKind)
	p.canonical = within(at, h.first("og:url", "\x00canonical"))
	image := h.first("og:image:secure_url", "og:image:url", "og:image", "twitter:image", "twitter:image:src")
	if u, err := at.Parse(image); image != "" && may.image && err == nil {
		p.picture, p.alt = u.String(), clean(h.first("og:image:alt", "twitter:image:alt"), longestText)
	}
	return p
}

// head collects what stands in the head of a page. Names that no page can write begin with a zero.
type head struct {
	meta    map[string]string
	inTitle bool
}

// first is the first of some names that says something.
func (h *head) first(names ...string) string {
	for _, n := range names {
		if v := strings.TrimSpace(h.meta[n]); v != "" {
			return v
		}
	}
	return ""
}

// next reads one token; false: there is nothing more to find.
func (h *head) next(z *html.Tokenizer) bool {
	switch z.Next() {
	case html.ErrorToken:
		return false
	case html.TextToken:
		if h.inTitle {
			h.note("\x00title", string(z.Text()))
		}
	case html.EndTagToken:
		h.inTitle = false
		name, _ := z.TagName()
		return atom.Lookup(name) != atom.Head
	case html.StartTagToken, html.SelfClosingTagToken:
		name, more := z.TagName()
		switch atom.Lookup(name) {
		case atom.Body:
			return false
		case atom.Title:
			h.inTitle = true
		case atom.Meta:
			h.readMeta(z, more)
		case atom.Link:
			h.readLink(z, more)
		}
	}
	return true
}

// note keeps what is said first.
func (h *head) note(name, value string) {
	if _, there := h.meta[name]; !there && strings.TrimSpace(value) != "" {
		h.meta[name] = value
	}
}

func (h *head) readMeta(z *html.Tokenizer, more bool) {
	var name, content string
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "property", "name":
			name = strings.ToLower(string(value))
		case "content":
			content = string(value)
		}
	}
	switch {
	case name == "robots":
		h.meta[name] += "," + content // all of them count
	case strings.HasPrefix(name, "og:"), strings.HasPrefix(name, "twitter:"), name == "description":
		h.note(name, content)
	}
}

func (h *head) readLink(z *html.Tokenizer, more bool) {
	var rel, to string
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "rel":
			rel = strings.ToLower(string(value))
		case "href":
			to = string(value)
		}
	}
	if rel == "canonical" {
		h.note("\x00canonical", to)
	}
}

// within is an address that a page gives for itself, if it is one of the same host: it cannot speak for another.
func within(at *url.URL, s string) string {
	if s == "" {
		return ""
	}
	u, err := at.Parse(s)
	if err != nil {
		return ""
	}
	if u, err = parse(u.String()); err != nil || u.Host != at.Host {
		return ""
	}
	return u.String()
}

// clean is text in one line, without what is not seen or turns it around, of so many letters at most.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r&0xfffe == 0xfffe:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n == most {
			return strings.TrimSpace(s[:i])
		}
		n++
	}
	return s
}
