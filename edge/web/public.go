package web

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// Site is what the world may ask over HTTPS.
type Site struct {
	// Domains are the served ones, the main one first.
	Domains []string
	// URL is where browsers reach the listener, when it is not https://domain; see Port.
	URL string
	// Port is that of the listener when URL is empty; 0 or 443 is not told.
	Port int
	// WebSocket takes those who want one (RFC 7395).
	WebSocket http.HandlerFunc
	// Local is a server for a try-out: it makes browsers keep nothing.
	Local bool
	// Pages are what modules serve, by domain. Whoever asks another name is shown those of the main domain.
	Pages map[string]core.Pages
}

// webSocketPaths are where a WebSocket is found: the first is announced, the other is where many clients look by themselves.
var webSocketPaths = [...]string{"/ws", "/xmpp-websocket"}

// hsts has browsers use TLS alone for two years (RFC 6797).
const hsts = "max-age=63072000"

// Handler answers what is listed here, and nothing else.
func (s *Site) Handler(d *Door) http.Handler {
	mux := http.NewServeMux()
	for _, p := range webSocketPaths {
		mux.HandleFunc("GET "+p, s.WebSocket)
	}
	mux.HandleFunc("GET /.well-known/host-meta", s.hostMeta)
	mux.HandleFunc("GET /.well-known/host-meta.json", s.hostMetaJSON)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if !s.Local {
			h.Set("Strict-Transport-Security", hsts)
		}
		if page, ok := s.page(r); ok {
			d.page(w, r, page)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 0) // nothing here takes one
		mux.ServeHTTP(w, r)
	})
}

// link relations of XEP-0156 section 2.1.
const relWebSocket = "urn:xmpp:alt-connections:websocket"

// page that is asked for.
func (s *Site) page(r *http.Request) (core.Page, bool) {
	pages, ok := s.Pages[domainOf(r.Host)]
	if !ok {
		pages = s.Pages[s.Domains[0]]
	}
	for _, p := range pages {
		if strings.HasPrefix(r.URL.EscapedPath(), p.Path) {
			return p, true
		}
	}
	return core.Page{}, false
}

// Base is what the addresses of the site begin with for a served domain, without a slash at the end.
func (s *Site) Base(domain string) string {
	if s.URL != "" {
		return strings.TrimSuffix(s.URL, "/")
	}
	return "https://" + authority(domain, s.Port)
}

// webSocketURL is the address that is announced to whoever asked host.
func (s *Site) webSocketURL(host string) string {
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" {
		return "wss://" + u.Host + strings.TrimSuffix(u.Path, "/") + webSocketPaths[0]
	}
	domain := s.Domains[0]
	if asked := domainOf(host); slices.Contains(s.Domains, asked) {
		domain = asked
	}
	return "wss://" + authority(domain, s.Port) + webSocketPaths[0]
}

// domainOf is a Host header as domains are configured: without port, and in letters that people read (RFC 7622 section 3.2).
func domainOf(host string) string {
	if u := (&url.URL{Host: host}); u.Port() != "" {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	j, err := jid.Parse(host)
	if err != nil || !j.IsDomain() {
		return ""
	}
	return j.Domain()
}

// authority is a configured domain as URLs have it (RFC 3986 section 3.2): A-labels, and the port unless it goes without saying.
func authority(domain string, port int) string {
	if j, err := jid.Parse(domain); err == nil && domain[0] != '[' {
		if ascii, err := j.ASCIIDomain(); err == nil {
			domain = ascii
		}
	}
	if port != 0 && port != 443 {
		domain += ":" + strconv.Itoa(port)
	}
	return domain
}

// hostMeta is XEP-0156 section 2 in XML (RFC 6415 section 3).
func (s *Site) hostMeta(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	b.WriteString("<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n  <Link rel='" + relWebSocket + "' href='")
	_ = xml.EscapeText(&b, []byte(s.webSocketURL(r.Host))) // a Builder takes everything
	b.WriteString("'/>\n</XRD>\n")
	s.meta(w, "application/xrd+xml", []byte(b.String()))
}

// hostMetaJSON is the same in JSON (RFC 6415 appendix A). XEP-0487 asks for more, the addresses of the server among it, which it does not know
// behind a router or proxy; its sign, the object "xmpp", would have clients pass over DNS, so it is not given.
func (s *Site) hostMetaJSON(w http.ResponseWriter, r *http.Request) {
	type link struct {
		Rel  string `json:"rel"`
		Href string `json:"href"`
	}
	b, err := json.Marshal(map[string][]link{"links": {{relWebSocket, s.webSocketURL(r.Host)}}})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	s.meta(w, "application/json", append(b, '\n'))
}

// meta answers with what pages of every site may read, and nothing else here may be (XEP-0156 section 3).
func (s *Site) meta(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(body) // a client that left needs no answer
}

// ServeSite serves the site on l until Shutdown. Requests and answers are short, so slow ones are cut off.
func (d *Door) ServeSite(l net.Listener, h http.Handler) func() error {
	s := d.server(h)
	s.ReadTimeout, s.WriteTimeout = 20*time.Second, 20*time.Second
	return func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
