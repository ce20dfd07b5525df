package c2s

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol says in front of a connection for whom a proxy has made it (HAProxy's proxy-protocol.txt, versions 1 and 2).
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyLine      = 107     // the longest header of version 1
	proxyMost      = 4 << 10 // of what follows the fixed part of version 2: addresses and extensions
	proxyTime      = 5 * time.Second
)

// errProxy says that a connection from a proxy does not begin as it must.
var errProxy = errors.New("c2s: no valid PROXY header")

// among tells whether the address is one of those that proxies connect from.
func among(list []netip.Prefix, a netip.AddrPort) bool {
	ip := a.Addr().Unmap().WithZone("")
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// readProxy reads the header in front of a connection, and not a byte more. The returned address is not valid when the proxy speaks for
// itself, as in its health checks. What else it tells is passed over: that the client used TLS (PP2_TYPE_SSL) says nothing about the
// connection that we have, and nobody is logged in for it.
func readProxy(nc net.Conn) (netip.AddrPort, error) {
	if err := nc.SetReadDeadline(time.Now().Add(proxyTime)); err != nil {
		return netip.AddrPort{}, err
	}
	a, err := parseProxy(nc)
	if err != nil {
		return a, err
	}
	return a, nc.SetReadDeadline(time.Time{})
}

// parseProxy reads a header of either version. The shortest of version 1 has 15 bytes, so the signature of version 2 can be read first.
func parseProxy(r io.Reader) (netip.AddrPort, error) {
	var head [proxyLine]byte
	n := len(proxySignature)
	if _, err := io.ReadFull(r, head[:n]); err != nil {
		return netip.AddrPort{}, err
	}
	if string(head[:n]) == proxySignature {
		return parseProxy2(r)
	}
	if !bytes.HasPrefix(head[:n], []byte("PROXY ")) {
		return netip.AddrPort{}, errProxy
	}
	for ; n < len(head); n++ { // byte by byte: what follows the line is not ours
		if _, err := io.ReadFull(r, head[n:n+1]); err != nil {
			return netip.AddrPort{}, err
		}
		if head[n] == '\n' {
			return parseProxy1(string(head[:n+1]))
		}
	}
	return netip.AddrPort{}, errProxy
}

// parseProxy1 reads the line of version 1 (section 2.1).
func parseProxy1(line string) (netip.AddrPort, error) {
	line, whole := strings.CutSuffix(line, "\r\n")
	f := strings.Split(line, " ")
	switch {
	case !whole:
		return netip.AddrPort{}, errProxy
	case len(f) >= 2 && f[1] == "UNKNOWN":
		return netip.AddrPort{}, nil // whatever follows is to be ignored
	case len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6":
		return netip.AddrPort{}, errProxy
	}
	from, err := proxyAddress(f[2], f[4])
	to, err2 := proxyAddress(f[3], f[5])
	if err != nil || err2 != nil || from.Addr().Is4() != (f[1] == "TCP4") || to.Addr().Is4() != (f[1] == "TCP4") {
		return netip.AddrPort{}, errProxy
	}
	return from, nil
}

func proxyAddress(ip, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(ip)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil || a.Zone() != "" || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, errProxy
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

// Commands, families and lengths of version 2 (section 2.2).
const (
	proxyLocal = 0x20
	proxyRelay = 0x21
	proxyTCP4  = 0x11
	proxyTCP6  = 0x21
)

// parseProxy2 reads what follows the signature of version 2.
func parseProxy2(r io.Reader) (netip.AddrPort, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return netip.AddrPort{}, err
	}
	size := int(binary.BigEndian.Uint16(fixed[2:]))
	if size > proxyMost {
		return netip.AddrPort{}, errProxy
	}
	rest := make([]byte, size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return netip.AddrPort{}, err
	}
	switch fixed[0] {
	case proxyLocal: // the connection is the proxy's own; addresses, if any, are to be ignored
		return netip.AddrPort{}, nil
	case proxyRelay:
	default:
		return netip.AddrPort{}, errProxy
	}
	var addresses int
	var from netip.AddrPort
	switch family := fixed[1]; {
	case family == proxyTCP4 && size >= 12:
		addresses = 12
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest)), binary.BigEndian.Uint16(rest[8:]))
	case family == proxyTCP6 && size >= 36:
		addresses = 36
		from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest)), binary.BigEndian.Uint16(rest[32:]))
	case family>>4 == 0: // UNSPEC: as for LOCAL
		return netip.AddrPort{}, nil
	default:
		return netip.AddrPort{}, errProxy // UDP, Unix sockets, or too short
	}
	if !wellFormed(rest[addresses:]) {
		return netip.AddrPort{}, errProxy
	}
	return from, nil
}

// wellFormed tells whether the extensions (TLVs) fill exactly what is left.
func wellFormed(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 3 || len(p)-3 < int(binary.BigEndian.Uint16(p[1:])) {
			return false
		}
		p = p[3+int(binary.BigEndian.Uint16(p[1:])):]
	}
	return true
}

// maxForwarded bounds how many addresses of X-Forwarded-For are looked at.
const maxForwarded = 32

// forwarded is whom an HTTP proxy speaks for: of the addresses in X-Forwarded-For, to which every proxy adds the one that it sees, the last
// that is no proxy of ours. What stands before it anybody may have written.
func forwarded(list []netip.Prefix, h http.Header) (netip.AddrPort, bool) {
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= max(0, len(hops)-maxForwarded); i-- {
		hop := strings.TrimSpace(hops[i])
		a, err := netip.ParseAddr(strings.Trim(hop, "[]"))
		if err != nil {
			ap, err := netip.ParseAddrPort(hop)
			if err != nil {
				return netip.AddrPort{}, false
			}
			a = ap.Addr()
		}
		if from := netip.AddrPortFrom(a.Unmap().WithZone(""), 0); !among(list, from) {
			return from, true
		}
	}
	return netip.AddrPort{}, false
}
