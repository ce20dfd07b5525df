package c2s

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// header2 is a header of version 2.
func header2(command, family byte, rest string) string {
	b := append([]byte(proxySignature), command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(rest))), rest...))
}

const (
	four = "\xcb\x00\x71\x07" + "\x7f\x00\x00\x01" + "\xdc\x04" + "\x14\x66" // 203.0.113.7:56324 to 127.0.0.1:5222
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\xdc\x04" + "\x14\x66"
	// PP2_TYPE_SSL: client, verified, and inside it a version and a common name.
	ssl = "\x20\x00\x12\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x00"
)

func TestParseProxy(t *testing.T) {
	for _, c := range []struct {
		name, in, from string // "" refuses, "-" is the proxy itself
	}{
		{"IPv4", header2(0x21, 0x11, four), "203.0.113.7:56324"},
		{"IPv6", header2(0x21, 0x21, six), "[2001:db8::9]:56324"},
		{"extensions", header2(0x21, 0x11, four+"\x01\x00\x02h2"+"\x04\x00\x00"), "203.0.113.7:56324"},
		{"of a client with TLS", header2(0x21, 0x11, four+ssl), "203.0.113.7:56324"},
		{"LOCAL", header2(0x20, 0x00, ""), "-"},
		{"LOCAL with addresses", header2(0x20, 0x11, four), "-"},
		{"UNSPEC", header2(0x21, 0x00, ""), "-"},
		{"UNSPEC with something", header2(0x21, 0x00, "whatever"), "-"},
		{"extension cut short", header2(0x21, 0x11, four+"\x01\x00\x05h2"), ""},
		{"half an extension", header2(0x21, 0x11, four+"\x01\x00"), ""},
		{"UDP", header2(0x21, 0x12, four), ""},
		{"Unix socket", header2(0x21, 0x31, strings.Repeat("x", 216)), ""},
		{"addresses cut short", header2(0x21, 0x11, four[:11]), ""},
		{"IPv6 cut short", header2(0x21, 0x21, six[:35]), ""},
		{"version 3", header2(0x31, 0x11, four), ""},
		{"unknown command", header2(0x22, 0x11, four), ""},
		{"unknown family", header2(0x21, 0x41, six), ""},
		{"much too long", header2(0x21, 0x11, strings.Repeat("\x01\x00\x00", 2000)), ""},
		{"ends in the middle", header2(0x21, 0x11, four)[:20], ""},
		{"version 1", "PROXY TCP4 203.0.113.7 127.0.0.1 56324 5222\r\n", "203.0.113.7:56324"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::9 2001:db8::1 56324 5222\r\n", "[2001:db8::9]:56324"},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "-"},
		{"version 1, unknown with more", "PROXY UNKNOWN ffff::1 x y z\r\n", "-"},
		{"version 1, mixed", "PROXY TCP4 2001:db8::9 127.0.0.1 56324 5222\r\n", ""},
		{"version 1, bad port", "PROXY TCP4 203.0.113.7 127.0.0.1 65536 5222\r\n", ""},
		{"version 1, port with zeros", "PROXY TCP4 203.0.113.7 127.0.0.1 080 5222\r\n", ""},
		{"version 1, no CR", "PROXY TCP4 203.0.113.7 127.0.0.1 56324 5222\n", ""},
		{"version 1, too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", ""},
		{"version 1, two spaces", "PROXY TCP4  203.0.113.7 127.0.0.1 56324 5222\r\n", ""},
		{"a stream", header, ""},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 40), ""},
		{"nothing", "", ""},
	} {
		r := strings.NewReader(c.in + "behind")
		from, err := parseProxy(r)
		switch {
		case c.from == "":
			if err == nil {
				t.Errorf("%s: taken as %v", c.name, from)
			}
		case err != nil || c.from == "-" && from.IsValid() || c.from != "-" && from.String() != c.from:
			t.Errorf("%s: %v, %v", c.name, from, err)
		default:
			if rest, _ := io.ReadAll(r); string(rest) != "behind" {
				t.Errorf("%s: left %q", c.name, rest)
			}
		}
	}
}

// FuzzProxy: no header panics, reads more than it may, or invents an address.
func FuzzProxy(f *testing.F) {
	f.Add([]byte(header2(0x21, 0x11, four+ssl)))
	f.Add([]byte(header2(0x21, 0x21, six)))
	f.Add([]byte(header2(0x20, 0x00, "")))
	f.Add([]byte("PROXY TCP6 2001:db8::9 2001:db8::1 56324 5222\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		from, err := parseProxy(r)
		read := len(in) - r.Len()
		if read > len(proxySignature)+4+proxyMost {
			t.Fatalf("read %d bytes", read)
		}
		if err != nil && from.IsValid() {
			t.Fatalf("%v beside %v", from, err)
		}
		if err == nil && from.IsValid() && from.Addr().Zone() != "" {
			t.Fatalf("%v", from)
		}
	})
}

func TestForwarded(t *testing.T) {
	list := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		header []string
		want   string
	}{
		{nil, ""},
		{[]string{"203.0.113.7"}, "203.0.113.7"},
		{[]string{"1.2.3.4, 203.0.113.7"}, "203.0.113.7"},
		{[]string{"1.2.3.4", "203.0.113.7, 10.1.1.1"}, "203.0.113.7"},
		{[]string{"forged, 203.0.113.7"}, "203.0.113.7"},
		{[]string{"203.0.113.7, forged"}, ""},
		{[]string{"2001:db8::9"}, "2001:db8::9"},
		{[]string{"[2001:db8::9]:1234, ::1"}, "2001:db8::9"},
		{[]string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{[]string{"10.1.1.1"}, ""},
		{[]string{"1.2.3.4" + strings.Repeat(",10.0.0.1", 100)}, ""},
	} {
		got, ok := forwarded(list, http.Header{"X-Forwarded-For": c.header})
		if ok != (c.want != "") || ok && got.Addr().String() != c.want {
			t.Errorf("%q: %v, %v", c.header, got, ok)
		}
	}
}

// A connection from a proxy must say for whom it is, and counts for that address; one from elsewhere is never asked.
func TestProxied(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Listen.Proxies = []string{"127.0.0.1"} })
	admit := func(in string) (netip.AddrPort, bool) {
		t.Helper()
		client, server := sockets(t)
		if _, err := io.WriteString(client, in); err != nil {
			t.Fatal(err)
		}
		b, ok := r.door.admit(server)
		from := source(b.addr)
		if ok {
			r.door.connections.mu.Lock()
			n := r.door.connections.sources[from]
			r.door.connections.mu.Unlock()
			if n == 0 {
				t.Errorf("%v does not count", from)
			}
		}
		if n := r.door.handshakes.sources[netip.Prefix{}]; n != 0 {
			t.Errorf("%d handshakes of nobody are left", n)
		}
		return b.addr, ok
	}
	if addr, ok := admit(header2(0x21, 0x11, four) + header); !ok || addr.String() != "203.0.113.7:56324" {
		t.Errorf("%v, %v", addr, ok)
	}
	if addr, ok := admit(header2(0x20, 0, "") + header); !ok || addr.Addr().String() != "127.0.0.1" {
		t.Errorf("%v, %v", addr, ok)
	}
	if addr, ok := admit(header + strings.Repeat(" ", 40)); ok {
		t.Errorf("%v came without a header", addr)
	}
	r.door.proxies = nil
	if addr, ok := admit(header2(0x21, 0x11, four)); !ok || addr.Addr().String() != "127.0.0.1" {
		t.Errorf("%v was believed a header: %v", addr, ok)
	}
}

// A proxy that says nothing is not waited for long, and gives its bytes back.
func TestSilentProxy(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		time.Sleep(time.Millisecond)
		server.Close()
	}()
	if _, err := readProxy(server); err == nil || errors.Is(err, errProxy) {
		t.Error(err)
	}
}
