package outbound

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"stonechat/config"
	"stonechat/obs"
)

// dialler is one with an in-house DNS.
func dialler(t *testing.T, names *dns, change func(*config.Outbound)) *Dialler {
	t.Helper()
	c := config.Default().Outbound
	if change != nil {
		change(&c)
	}
	d, err := New(c, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	d.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: names.dial}
	t.Cleanup(d.Close)
	return d
}

// dns answers for names: one list of addresses for each time it is asked for those of a kind, the last one for ever.
type dns struct {
	mu    sync.Mutex
	names map[string][][]string
	asked map[string]int
}

func (x *dns) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go x.serve(theirs)
	return ours, nil
}

// serve answers questions in the framing of TCP (RFC 1035 section 4.2.2) until the other side closes.
func (x *dns) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		answer, err := x.answer(b)
		if err != nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (x *dns) answer(b []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil || len(m.Questions) != 1 {
		return nil, errors.Join(err, errors.New("no question"))
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	x.mu.Lock()
	defer x.mu.Unlock()
	lists, known := x.names[strings.TrimSuffix(q.Name.String(), ".")]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	key := q.Name.String() + q.Type.String()
	list := lists[min(x.asked[key], len(lists)-1)]
	x.asked[key]++
	for _, s := range list {
		a := netip.MustParseAddr(s)
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return m.Pack()
}

func names(x map[string][][]string) *dns { return &dns{names: x, asked: map[string]int{}} }

// counted is a web server that counts the connections it gets.
type counted struct {
	*httptest.Server
	connections atomic.Int32
}

func serve(t *testing.T, address string, handler http.HandlerFunc) *counted {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this machine has no %s to listen at: %v", address, err)
	}
	s := &counted{Server: httptest.NewUnstartedServer(handler)}
	s.Listener.Close()
	s.Listener = l
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	t.Cleanup(s.Close)
	return s
}

func portOf(t *testing.T, address net.Addr) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func get(t *testing.T, d *Dialler, address string) (Answer, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrAddress, err) // nobody could ask for it
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return d.Do((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}, Host: u.Host}).WithContext(ctx))
}

// spellings of inside addresses, as hosts of URLs.
var spellings = []string{
	"127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.0.0.2", "127.255.255.254", "2130706433", "017700000001", "0177.0.0.1", "0177.0.0.01", "0x7f000001", "0x7f.1", "0X7F.0.0.1",
	"127.0.0.0x1", "127.000.000.001", "00127.0.0.1", "0", "0.0.0.0", "000.000.000.000", "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
	"[0000:0000:0000:0000:0000:0000:0000:0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]",
	"[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]",
	"１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "127%2e0%2e0%2e1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fd00:ec2::254]", "[fe80::1]",
	"224.0.0.1", "255.255.255.255", "4294967295", "a@127.0.0.1", "127.0.0.1@", "ex.example@127.0.0.1",
	"four.test", "six.test", "mapped.test", "private.test", "meta.test", "both.test", "any.test", "FOUR.test",
}

func inHouse() *dns {
	return names(map[string][][]string{
		"four.test": {{"127.0.0.1"}}, "FOUR.test": {{"127.0.0.1"}}, "six.test": {{"::1"}}, "mapped.test": {{"::ffff:127.0.0.1"}}, "private.test": {{"10.0.0.1", "192.168.0.1"}},
		"meta.test": {{"169.254.169.254"}}, "both.test": {{"127.0.0.1", "::1"}}, "any.test": {{"0.0.0.0", "::"}},
	})
}

func TestNothingLeadsInside(t *testing.T) {
	server := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	server.Start()
	port := portOf(t, server.Listener.Addr())
	six, err := net.Listen("tcp", "[::1]:"+port)
	if err == nil {
		defer six.Close()
		go func() {
			for {
				c, err := six.Accept()
				if err != nil {
					return
				}
				server.connections.Add(1)
				c.Close()
			}
		}()
	}
	d := dialler(t, inHouse(), nil)
	if len(spellings) < 40 {
		t.Fatalf("%d spellings", len(spellings))
	}
	for _, scheme := range []string{"http", "https"} {
		for _, host := range spellings {
			_, err := get(t, d, scheme+"://"+host+":"+port+"/")
			var unknown *net.DNSError // some resolvers know no localhost.
			if !errors.Is(err, ErrInside) && !errors.Is(err, ErrAddress) && (!errors.As(err, &unknown) || !unknown.IsNotFound || host != "localhost.") {
				t.Errorf("%s://%s: %v", scheme, host, err)
			}
		}
	}
	for _, address := range []string{"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "", "[::ffff:127.0.0.1]", "four.test", "both.test", "any.test"} {
		if c, err := d.DialContext(t.Context(), "tcp", address+":"+port); !errors.Is(err, ErrInside) {
			t.Errorf("dialling %s: %v", address, err)
			if err == nil {
				c.Close()
			}
		}
	}
	if n := server.connections.Load(); n != 0 {
		t.Errorf("%d connections inside", n)
	}
	// The same ways lead there when they may.
	d = dialler(t, inHouse(), func(c *config.Outbound) { c.Allow = []string{"127.0.0.0/8", "0.0.0.0", "::1", "::"} })
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "localhost", "[::ffff:127.0.0.1]", "four.test", "mapped.test"} {
		if a, err := get(t, d, "http://"+host+":"+port+"/"); err != nil || a.Status != http.StatusOK {
			t.Errorf("%s is allowed: %v", host, err)
		}
	}
	if server.connections.Load() == 0 {
		t.Error("the server counts nothing")
	}
}

func TestWhatIsNoWeb(t *testing.T) {
	d := dialler(t, inHouse(), func(c *config.Outbound) { c.Allow = []string{"127.0.0.0/8"} })
	for _, address := range []string{"ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:1/", "unix:///x", "http:opaque", "//127.0.0.1/", "http://", "http://:80/", "http://a..b/"} {
		if _, err := get(t, d, address); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, network := range []string{"udp", "unix", "ip"} {
		if _, err := d.DialContext(t.Context(), network, "127.0.0.1:1"); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// Outside is 127.0.0.2 here, and inside 127.0.0.1 with the same port.
func TestRedirectsAndRebinding(t *testing.T) {
	outside := serve(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		http.Redirect(w, r, "http://127.0.0.1:"+portOfHost(r.Host)+"/secret", http.StatusTemporaryRedirect)
	})
	outside.Start()
	port := portOf(t, outside.Listener.Addr())
	inside := serve(t, "127.0.0.1:"+port, func(http.ResponseWriter, *http.Request) {})
	inside.Start()
	d := dialler(t, names(map[string][][]string{
		"turns.test": {{"127.0.0.2"}, {"127.0.0.1"}}, "mixed.test": {{"127.0.0.1", "127.0.0.2"}}, "mixed2.test": {{"::1", "127.0.0.2", "127.0.0.1"}},
	}), func(c *config.Outbound) { c.Allow = []string{"127.0.0.2"} })
	for _, host := range []string{"127.0.0.2", "turns.test", "mixed.test", "mixed2.test"} {
		if a, err := get(t, d, "http://"+host+":"+port+"/"); err != nil || a.Status != http.StatusTemporaryRedirect {
			t.Errorf("%s: %d, %v", host, a.Status, err)
		}
	}
	if _, err := get(t, d, "http://turns.test:"+port+"/"); !errors.Is(err, ErrInside) {
		t.Errorf("a name that leads inside from the second time on: %v", err)
	}
	if n, out := inside.connections.Load(), outside.connections.Load(); n != 0 || out != 4 {
		t.Errorf("%d connections inside, %d outside, want 0 and 4", n, out)
	}
}

func portOfHost(host string) string { return host[strings.LastIndexByte(host, ':')+1:] }

func TestProxy(t *testing.T) {
	var asked []string
	var mu sync.Mutex
	proxy := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusTeapot)
	})
	proxy.Start()
	d := dialler(t, inHouse(), func(c *config.Outbound) { c.Proxy = proxy.URL })
	if a, err := get(t, d, "http://push.example.org/x"); err != nil || a.Status != http.StatusTeapot {
		t.Errorf("by the proxy: %d, %v", a.Status, err)
	}
	if _, err := get(t, d, "https://push.example.org/x"); err == nil {
		t.Error("a proxy that refuses")
	}
	for _, host := range spellings {
		if strings.HasSuffix(host, ".test") {
			continue // names are the proxy's to look up
		}
		if _, err := get(t, d, "http://"+host+"/"); !errors.Is(err, ErrInside) && !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "GET push.example.org,CONNECT push.example.org:443"; strings.Join(asked, ",") != want {
		t.Errorf("the proxy was asked %q", asked)
	}
}

func TestLimits(t *testing.T) {
	server := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = w.Write(make([]byte, 1001))
		case "/most":
			if r.Header.Get("Accept-Encoding") != "" {
				t.Error("asks for what is packed")
			}
			_, _ = w.Write(make([]byte, 1000))
		case "/head":
			w.Header().Set("X", strings.Repeat("x", maxHeaderBytes+1000))
		case "/hang":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	server.EnableHTTP2, server.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	server.StartTLS()
	d := dialler(t, inHouse(), func(c *config.Outbound) { c.Allow, c.AnswerBytes = []string{"127.0.0.1"}, 1000 })
	if _, err := get(t, d, server.URL+"/"); err == nil {
		t.Error("a certificate that nobody knows is taken")
	}
	d.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	d.transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	if a, err := get(t, d, server.URL+"/most"); err != nil || len(a.Body) != 1000 {
		t.Errorf("as much as may be: %d, %v", len(a.Body), err)
	}
	first, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/long", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := d.First(first, 10); err != nil || len(a.Body) != 10 || !a.Cut {
		t.Errorf("the beginning: %d, %v, %v", len(a.Body), a.Cut, err)
	}
	if _, err := get(t, d, server.URL+"/long"); !errors.Is(err, ErrTooLong) {
		t.Errorf("too much: %v", err)
	}
	if _, err := get(t, d, server.URL+"/head"); err == nil {
		t.Error("a header of any size is read")
	}
	d.time = 100 * time.Millisecond
	if _, err := get(t, d, server.URL+"/hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer without an end: %v", err)
	}
}

func TestAtOnce(t *testing.T) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	server := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	server.Start()
	d := dialler(t, inHouse(), func(c *config.Outbound) { c.Allow, c.AtOnce = []string{"127.0.0.1"}, 2 })
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := get(t, d, server.URL); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(req); !errors.Is(err, context.DeadlineExceeded) || len(arrived) != 0 {
		t.Errorf("a third one: %v, %d arrived", err, len(arrived))
	}
	close(release)
	all.Wait()
	if _, err := get(t, d, server.URL); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// FuzzName: what is taken for a name is one to everybody, never an address in some spelling.
func FuzzName(f *testing.F) {
	for _, s := range append([]string{"example.org", "a.b-c.example.", "xn--bcher-kva.example", "0x.org", "1.2.3.4.5", "0xg", "1e3"}, spellings...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isName(s) {
			return
		}
		last := strings.TrimSuffix(s, ".")
		last = strings.ToLower(last[strings.LastIndexByte(last, '.')+1:])
		if _, err := netip.ParseAddr(s); err == nil {
			t.Errorf("%q is an address", s)
		}
		_, decimal := strconv.ParseUint(last, 10, 64)
		_, hex := strconv.ParseUint(strings.TrimPrefix(last, "0x"), 16, 64)
		if decimal == nil || hex == nil && strings.HasPrefix(last, "0x") {
			t.Errorf("%q ends in a number", s)
		}
	})
}
