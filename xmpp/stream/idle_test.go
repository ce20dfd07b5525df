package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"stonechat/xmpp/stanza"
)

// idleServer in the environment makes the test program the server of the idle
// tests: "plain", "tls" or "websocket".
const idleServer = "STONECHAT_TEST_IDLE_SERVER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(idleServer); mode != "" {
		if err := serveIdle(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveIdle echoes stanzas, and tells its memory for each line of input.
func serveIdle(mode string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	cfg, _ := certificate(&testing.T{})
	p, err := NewPoller()
	if err != nil {
		return err
	}
	if mode == "websocket" {
		go func() {
			_ = http.Serve(handshaken{l, cfg}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echoFramed(p, w, r) }))
		}()
	} else {
		go func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				go echo(p, nc, mode == "tls", cfg)
			}
		}()
	}
	fmt.Println(l.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		asIs := residentBytes()
		for range 3 {
			runtime.GC()
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapAlloc, m.StackInuse, asIs, residentBytes())
	}
	return nil
}

func echo(p *Poller, nc net.Conn, encrypted bool, cfg *tls.Config) {
	t := NewTransport(nc)
	c := (*Conn)(nil)
	if encrypted {
		tc, err := ServerTLS(context.Background(), t, cfg)
		if err != nil {
			nc.Close()
			return
		}
		c = NewConn(tc, Options{})
	} else {
		c = NewConn(t, Options{})
	}
	echoAll(p, c)
}

// handshaken is a listener behind TLS.
type handshaken struct {
	net.Listener
	cfg *tls.Config
}

func (h handshaken) Accept() (net.Conn, error) {
	nc, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return ServerTLS(context.Background(), NewTransport(nc), h.cfg)
}

func echoFramed(p *Poller, w http.ResponseWriter, r *http.Request) {
	nc, early, err := Upgrade(w, r)
	if err != nil {
		panic(err)
	}
	echoAll(p, NewConn(nc, Options{WebSocket: true, Early: early}))
}

func echoAll(p *Poller, c *Conn) {
	if _, err := c.ReadHeader(); err != nil || c.SendHeader(Header{ID: NewID()}, "") != nil {
		c.Close()
		return
	}
	c.SetLimits(AfterLogin())
	p.Serve(c, func(st *stanza.Stanza, err error) bool {
		if st != nil {
			err = c.Send(st)
		}
		if err != nil {
			c.Close()
		}
		return err == nil
	}, func() {})
}

// residentBytes returns the resident memory of this process, 0 where the system
// does not tell.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// idleMemory is what the server process uses.
type idleMemory struct{ heap, stack, asIs, free int64 }

func (m idleMemory) minus(o idleMemory, n int) idleMemory {
	k := int64(n)
	return idleMemory{(m.heap - o.heap) / k, (m.stack - o.stack) / k, (m.asIs - o.asIs) / k, (m.free - o.free) / k}
}

// measureIdle returns the memory per connection of n connections that have each
// echoed a stanza and are idle.
func measureIdle(t testing.TB, mode string, n int) idleMemory {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), idleServer+"="+mode)
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); cmd.Wait() }()
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	address := lines.Text()
	report := func() (m idleMemory) {
		fmt.Fprintln(stdin)
		lines.Scan()
		if _, err := fmt.Sscan(lines.Text(), &m.heap, &m.stack, &m.asIs, &m.free); err != nil {
			t.Fatal(err)
		}
		return m
	}
	// Pools and tables that the first connections fill do not count.
	for range 20 {
		idlePeer(t, address, mode).Close()
	}
	before := report()
	peers := make([]net.Conn, n)
	for i := range peers {
		peers[i] = idlePeer(t, address, mode)
	}
	after := report()
	for _, p := range peers {
		p.Close()
	}
	return after.minus(before, n)
}

// idlePeer connects and exchanges one stanza of 500 bytes.
func idlePeer(t testing.TB, address, mode string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := net.Conn(nc)
	if mode != "plain" {
		c = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	body := "<message><body>" + string(letters(470)) + "</body></message>"
	head := string(appendHeader(nil, Header{}, "jabber:client"))
	said := []string{head + body}
	if mode == "websocket" {
		said = []string{"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n", text("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>") + text(body)}
	}
	for _, s := range said {
		if _, err := c.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	p := make([]byte, 2048)
	for got := 0; !strings.Contains(string(p[:got]), "</message>"); {
		n, err := c.Read(p[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	return c
}

func TestIdleMemory(t *testing.T) {
	for mode, bar := range map[string]int64{"plain": 2000, "tls": 6500, "websocket": 6800} {
		if raceDetector {
			bar += 2048
		}
		m := measureIdle(t, mode, 300)
		t.Logf("%s: heap %d, stack %d, resident %d, freed %d bytes per connection", mode, m.heap, m.stack, m.asIs, m.free)
		if m.heap+m.stack > bar {
			t.Errorf("%s: %d bytes of heap and stack per idle connection, more than %d", mode, m.heap+m.stack, bar)
		}
	}
}

func BenchmarkIdle(b *testing.B) {
	for _, mode := range []string{"plain", "tls", "websocket"} {
		b.Run(mode, func(b *testing.B) {
			for range b.N {
				m := measureIdle(b, mode, 2000)
				b.ReportMetric(float64(m.heap), "heap-B/conn")
				b.ReportMetric(float64(m.stack), "stack-B/conn")
				b.ReportMetric(float64(m.asIs), "rss-B/conn")
				b.ReportMetric(float64(m.free), "freed-rss-B/conn")
			}
		})
	}
}

func BenchmarkEcho(b *testing.B) {
	near, far := sockets(b)
	p, err := NewPoller()
	if err != nil {
		b.Fatal(err)
	}
	go echo(p, far, false, nil)
	c := NewConn(near, Options{Initiating: true})
	if err := c.SendHeader(Header{}, ""); err != nil {
		b.Fatal(err)
	}
	if _, err := c.ReadHeader(); err != nil {
		b.Fatal(err)
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message}, "<body>"+string(letters(300))+"</body>")
	if err != nil {
		b.Fatal(err)
	}
	c.SetLimits(AfterLogin())
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Send(st); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
