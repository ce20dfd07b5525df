package preview

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"stonechat/outbound"
	"stonechat/picture"
)

const (
	// mostRedirects: from http to https, to www, to a language, and one more.
	mostRedirects = 4
	agent         = "Mozilla/5.0 (compatible; Stonechat; link preview)"
	wantPage      = "text/html,application/xhtml+xml,image/*;q=0.5"
	wantImage     = "image/jpeg,image/png,image/webp,image/gif"
)

// found is what was found out about an address.
type found struct {
	page
	image picture.Look // Thumb is empty where there is none
}

func (f found) empty() bool { return f.title == "" && f.description == "" && len(f.image.Thumb) == 0 }

// size is how much memory it takes, about.
func (f found) size() int {
	return 512 + len(f.title) + len(f.description) + len(f.site) + len(f.kind) + len(f.alt) + len(f.canonical) + len(f.picture) + len(f.image.Thumb)
}

// fetch finds out what there is; nothing, whatever goes wrong.
func (m *Module) fetch(ctx context.Context, u *url.URL) (f found) {
	a, at, err := m.follow(ctx, u, wantPage, int64(m.Config.PageBytes))
	if err != nil || a.Status != http.StatusOK {
		return f
	}
	allowed := allowedBy(a.Header.Values("X-Robots-Tag")...)
	switch kind := mediaType(a.Header); {
	case kind == "text/html" || kind == "application/xhtml+xml":
		f.page = readPage(a.Body, a.Header.Get("Content-Type"), at, allowed)
	case strings.HasPrefix(kind, "image/") && allowed.image:
		f.picture = at.String() // the link is a picture itself
	}
	if f.picture != "" {
		f.image = m.fetchImage(ctx, f.picture)
	}
	return f
}

// fetchImage is the picture at an address, made small.
func (m *Module) fetchImage(ctx context.Context, address string) picture.Look {
	u, err := parse(address)
	if err != nil {
		return picture.Look{}
	}
	a, _, err := m.follow(ctx, u, wantImage, int64(m.Config.ImageBytes))
	if err != nil || a.Status != http.StatusOK || a.Cut {
		return picture.Look{}
	}
	l, err := m.Maker.Look(ctx, bytes.NewReader(a.Body))
	if err != nil {
		return picture.Look{}
	}
	return l
}

// follow gets what is at an address, or where that leads, and says where it was. Each address on the way is judged like the first.
func (m *Module) follow(ctx context.Context, u *url.URL, want string, most int64) (outbound.Answer, *url.URL, error) {
	for left := mostRedirects; ; left-- {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
		if err != nil {
			return outbound.Answer{}, u, err
		}
		q.Header.Set("User-Agent", agent)
		q.Header.Set("Accept", want)
		a, err := m.First(q, most)
		if err != nil || !leads(a.Status) || left == 0 {
			return a, u, err
		}
		to, err := u.Parse(a.Header.Get("Location"))
		if err == nil {
			to, err = parse(to.String())
		}
		if err != nil {
			return a, u, err
		}
		u = to
	}
}

// leads tells whether a status says that it is elsewhere.
func leads(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func mediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}
