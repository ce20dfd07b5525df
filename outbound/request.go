package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"stonechat/config"
)

const (
	maxHeaderBytes = 64 << 10         // of an answer
	idleTime       = 90 * time.Second // after which an unused connection ends
	maxHost        = 253              // RFC 1035 section 2.3.4, without the dot at the end
)

// Answer is what came back for a request. What its status means is the caller's business: a redirect is an answer, too.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool // there is more of the body: of First only
}

func (d *Dialler) newTransport(c config.Outbound) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.ConnectTime.D(),
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // a small answer could become a large one
		MaxConnsPerHost:        c.PerHost,
		MaxIdleConns:           c.AtOnce,
		MaxIdleConnsPerHost:    c.PerHost,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// Do sends a request and reads its answer, within the limits. It waits for its turn when too many are under way. Redirects are not followed; cookies and
// credentials in the address do not exist. ErrInside, ErrAddress, ErrTooLong: see there; every other error is the network's, or the context's.
func (d *Dialler) Do(req *http.Request) (Answer, error) {
	a, err := d.First(req, d.most)
	if err == nil && a.Cut {
		return Answer{}, d.refuse(ErrTooLong, "too_long")
	}
	return a, err
}

// First is Do for what is of use without its end: it reads that many bytes of the body at most, whatever the configuration says.
func (d *Dialler) First(req *http.Request, most int64) (Answer, error) {
	if err := d.check(req.URL); err != nil {
		return Answer{}, err
	}
	ctx := req.Context()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, d.time)
	defer cancel()
	// The transport itself, not a client: that one follows, remembers and logs in.
	resp, err := d.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return Answer{}, err
	}
	cut := int64(len(body)) > most
	return Answer{resp.StatusCode, resp.Header, body[:min(int64(len(body)), most)], cut}, nil
}

// check judges what can be judged before anything is looked up. Behind a proxy it is all that we judge.
func (d *Dialler) check(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Opaque != "", u.User != nil:
		return d.refuse(fmt.Errorf("not a plain http address: %w", ErrAddress), "address")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if !d.mayReach(a) {
			return d.refuse(ErrInside, "inside")
		}
		return nil
	}
	if !isName(host) {
		return d.refuse(fmt.Errorf("host: %w", ErrAddress), "address")
	}
	if d.proxied && isOwn(host) {
		return d.refuse(ErrInside, "inside")
	}
	return nil
}

// isName tells whether a host is a name of the DNS in its ASCII form (RFC 5891 section 4.4). One whose last label is a number is none: some resolvers take it
// for an address in another spelling, such as 127.1 or 0x7f000001 (inet_aton).
func isName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > maxHost {
		return false
	}
	for _, r := range host {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	digits := "0123456789"
	if rest, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = rest, "0123456789abcdef"
	}
	return strings.Trim(last, digits) != "" && !strings.Contains(host, "..")
}

// isOwn tells whether a name is always this machine's (RFC 6761 section 6.3).
func isOwn(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
