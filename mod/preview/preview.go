// Package preview finds out what a page says of itself, for a client that is about to send a link to it: XEP-0511 0.1.1, with OpenGraph.
//
// Hooks: none. The server of the sender fetches, once, and whoever receives the message fetches nothing; see docs/previews.md. Left out: oEmbed, players, whatever only
// a browser would see; robots.txt, which is for programs that nobody has asked to fetch a page.
package preview

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/outbound"
	"stonechat/picture"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Space is the namespace of the request.
const Space = "urn:stonechat:preview:1"

const (
	span = time.Minute // what Previews.PerMinute counts in
	// countedFor is longer than any fetch takes: what is under way is counted down when it ends.
	countedFor  = 24 * time.Hour
	longestURL  = 2048
	failedFor   = time.Minute // a failure is remembered, unless all is for less
	pictureName = "preview"
)

// Parts are what the module is made of.
type Parts struct {
	Config config.Previews
	// First sends a request to where others want, within the limits of outbound, and reads the beginning of its answer.
	First func(req *http.Request, most int64) (outbound.Answer, error)
	// Maker makes pictures of pages small.
	Maker *picture.Maker
	// Keep keeps a picture as a file of an account and returns its address.
	Keep  func(ctx context.Context, owner *core.Account, name, mediaType string, content []byte, look store.Look) (string, error)
	Asked *prometheus.CounterVec // by outcome
	Obs   obs.Obs
}

// Metric registers the count of what was asked for.
func Metric(o obs.Obs) *prometheus.CounterVec {
	return o.CounterVec("previews_total", "Previews of links that clients asked for: fetched, remembered, nothing, refused.", "outcome")
}

// Module is the feature.
type Module struct {
	Parts
	host     *core.Host
	asked    core.Quota // within a minute, by account
	underway core.Quota // by account, and under "" all
	cache    cache
}

// New returns the module.
func New(p Parts) *Module {
	return &Module{Parts: p, cache: newCache(p.Config.CacheBytes)}
}

// Name of the module.
func (m *Module) Name() string { return "preview" }

// Install registers the row.
func (m *Module) Install(h *core.Host) {
	m.host = h
	if m.Config.PerMinute == 0 {
		return
	}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, Space)
	// Whoever may upload a file may have one made.
	h.IQ.Handle(core.IQ{Space: Space, Local: "preview", Type: stanza.Get, To: core.ToHost, Action: core.ActUpload, Slow: true, Do: m.answer, Module: m.Name()})
}

// answer runs outside turns.
func (m *Module) answer(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	about, _ := p.Attr("url")
	u, err := parse(about)
	if err != nil {
		return core.Answer{}, m.refused(stanza.NewError(stanza.BadRequest, "url is no address of the web"))
	}
	account := strconv.FormatInt(int64(e.Account.ID), 10)
	if !m.asked.Take(m.host.Now(), account, m.Config.PerMinute, span) {
		return core.Answer{}, m.refused(stanza.NewError(stanza.ResourceConstraint, "you ask too often"))
	}
	f, err := m.find(ctx, u, account)
	if err != nil {
		return core.Answer{}, err
	}
	if f.empty() {
		// Whatever the reason was: whoever chose the address learns nothing of what the server can reach.
		m.Asked.WithLabelValues("nothing").Inc()
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no preview")
	}
	image := m.keepImage(ctx, e.Account, f)
	b := appendDescription([]byte("<preview xmlns='"+Space+"'>"), about, f, image)
	return core.Answer{Payload: string(append(b, "</preview>"...))}, nil
}

func (m *Module) refused(err *stanza.Error) error {
	m.Asked.WithLabelValues("refused").Inc()
	return err
}

// parse reads an address that a client wants to link to. What is behind # is the page's own business.
func parse(s string) (*url.URL, error) {
	if len(s) > longestURL {
		return nil, errors.New("too long")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Opaque != "" {
		return nil, errors.New("no address of the web")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// find is what is remembered of an address, or can be found out.
func (m *Module) find(ctx context.Context, u *url.URL, account string) (found, error) {
	key := u.String()
	if f, ok := m.cache.get(key, m.host.Now()); ok {
		m.Asked.WithLabelValues("remembered").Inc()
		return f, nil
	}
	now := m.host.Now()
	if !m.underway.Take(now, account, max(1, m.Config.AtOnce/2), countedFor) {
		return found{}, m.refused(busy())
	}
	defer m.underway.Give(account)
	if !m.underway.Take(now, "", m.Config.AtOnce, countedFor) {
		return found{}, m.refused(busy())
	}
	defer m.underway.Give("")
	ctx, cancel := context.WithTimeout(ctx, m.Config.Time.D())
	defer cancel()
	f := m.fetch(ctx, u)
	while := m.Config.Keep.D()
	if f.empty() {
		while = min(while, failedFor)
	} else {
		m.Asked.WithLabelValues("fetched").Inc()
	}
	m.cache.put(key, f, m.host.Now(), while)
	return f, nil
}

func busy() *stanza.Error {
	return stanza.NewError(stanza.ResourceConstraint, "too many previews are being fetched")
}

// keepImage keeps the picture of a page as a file of the account; empty: there is none, or no room for it.
func (m *Module) keepImage(ctx context.Context, owner *core.Account, f found) string {
	l := f.image
	if len(l.Thumb) == 0 {
		return ""
	}
	name := pictureName + ".jpg"
	if l.Type == "image/png" {
		name = pictureName + ".png"
	}
	address, err := m.Keep(ctx, owner, name, l.Type, l.Thumb, store.Look{Width: l.ThumbWidth, Height: l.ThumbHeight, Blurhash: l.Blurhash})
	if err != nil && !errors.Is(err, store.ErrQuota) && !errors.Is(err, store.ErrTooMany) {
		m.Obs.Log.Warn("picture of a page not kept", obs.Err, err)
	}
	return address
}

// appendDescription is XEP-0511 section 3.1, in the words of OpenGraph.
func appendDescription(b []byte, about string, f found, image string) []byte {
	b = append(b, "<rdf:Description xmlns:rdf='"+ns.RDF+"' xmlns:og='"+ns.OpenGraph+"' xmlns:ogi='"+ns.OpenGraph+"image:'"...)
	b = append(xmltok.AppendAttr(b, "rdf:about", about), '>')
	text := func(name, value string) {
		if value != "" {
			b = append(b, "<"+name+">"...)
			b = append(xmltok.AppendEscaped(b, value), "</"+name+">"...)
		}
	}
	text("og:title", f.title)
	text("og:description", f.description)
	text("og:url", f.canonical)
	text("og:site_name", f.site)
	text("og:type", f.kind)
	if image != "" {
		text("og:image", image)
		text("ogi:type", f.image.Type)
		text("ogi:width", strconv.Itoa(f.image.ThumbWidth))
		text("ogi:height", strconv.Itoa(f.image.ThumbHeight))
		text("ogi:alt", f.alt)
	}
	return append(b, "</rdf:Description>"...)
}
