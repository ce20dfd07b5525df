package outbound

import "net/netip"

// special4 are the addresses of IPv4 that are not outside. The registry of special addresses of IANA (RFC 6890) says which are not global; multicast and what
// is reserved (RFC 1112) are no place to connect to either.
var special4 = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
)

// global6 is the only part of IPv6 from which global unicast addresses are given out (RFC 4291 section 2.4). So mapped and compatible addresses, NAT64 (RFC 6052,
// RFC 8215), unique local, link-local, site-local and multicast ones are not in it.
var global6 = netip.MustParsePrefix("2000::/3")

// special6 are the parts of global6 that are not global: of the IETF, with Teredo, ORCHID and benchmarking (RFC 2928), documentation (RFC 3849, RFC 9637), and 6to4
// (RFC 3056), which carries addresses of IPv4.
var special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

// nat64 carries an address of IPv4 in its last four bytes (RFC 6052 section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// inside tells whether an address is not one of the public Internet. What cannot be read as an address is inside.
func inside(a netip.Addr) bool {
	a = a.Unmap()
	switch {
	case a.Is4():
		return within(a, special4)
	case a.Zone() != "":
		return true // RFC 4007 section 11.2: a zone means something on this machine alone
	}
	return !global6.Contains(a) || within(a, special6)
}

// mayReach tells whether the dialler connects to an address.
func (d *Dialler) mayReach(a netip.Addr) bool {
	a = a.Unmap()
	if !inside(a) {
		return true
	}
	if !within(a, d.allow) {
		return false
	}
	if nat64.Contains(a) {
		// A translator that is allowed is no way around what is refused directly.
		b := a.As16()
		return d.mayReach(netip.AddrFrom4([4]byte(b[12:])))
	}
	return true
}
