package outbound

import (
	"net/netip"
	"testing"
)

func TestInside(t *testing.T) {
	for _, s := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1",
		"100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "4000::1", "5f00::1",
		"fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
	} {
		if !inside(netip.MustParseAddr(s)) {
			t.Errorf("%s is taken for an address outside", s)
		}
	}
	for _, s := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "172.15.255.255",
		"172.32.0.1", "192.0.1.1", "192.167.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "::ffff:8.8.8.8",
		"2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1",
	} {
		if inside(netip.MustParseAddr(s)) {
			t.Errorf("%s is taken for an address inside", s)
		}
	}
	if !inside(netip.Addr{}) {
		t.Error("no address is one outside")
	}
}

func TestAllowed(t *testing.T) {
	d := &Dialler{allow: prefixes("10.1.0.0/16", "64:ff9b::/96", "fd00::/8")}
	for s, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "fd00::1": true, "fd00::1%eth0": false, "fc00::1": false,
		"64:ff9b::8.8.8.8": true, "64:ff9b::10.1.2.3": true, "64:ff9b::127.0.0.1": false, "64:ff9b::a9fe:a9fe": false, "8.8.8.8": true,
	} {
		if got := d.mayReach(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
}

// FuzzInside holds the lists against what the standard library knows of addresses, and every address of IPv4 to its form in IPv6.
func FuzzInside(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "8.8.8.8", "169.254.1.1", "::1", "fe80::1", "2001:db8::1", "2606:4700::1", "::ffff:10.0.0.1"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		bad := a.Unmap()
		known := bad.IsPrivate() || bad.IsLoopback() || bad.IsMulticast() || bad.IsLinkLocalUnicast() || bad.IsUnspecified() || !bad.IsGlobalUnicast()
		if known && !inside(a) {
			t.Errorf("%s is taken for an address outside", a)
		}
		if a.Is4() && inside(a) != inside(netip.AddrFrom16(a.As16())) {
			t.Errorf("%s is judged by how it is written", a)
		}
	})
}
