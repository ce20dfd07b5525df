package web

import "testing"

// XEP-0156 section 2: the address names the domain that was asked, as URLs have it (RFC 3986 section 3.2.2, RFC 5890).
func TestWebSocketURL(t *testing.T) {
	for _, x := range []struct {
		site       Site
		host, want string
	}{
		{Site{Domains: []string{"example.org"}}, "example.org", "wss://example.org/ws"},
		{Site{Domains: []string{"example.org", "example.net"}, Port: 5443}, "EXAMPLE.net:5443", "wss://example.net:5443/ws"},
		{Site{Domains: []string{"example.org", "example.net"}, Port: 443}, "forged.example", "wss://example.org/ws"},
		{Site{Domains: []string{"example.org", "example.net"}}, "example.net.", "wss://example.net/ws"},
		{Site{Domains: []string{"bücher.example"}}, "xn--bcher-kva.example", "wss://xn--bcher-kva.example/ws"},
		{Site{Domains: []string{"example.org", "bücher.example"}}, "xn--bcher-kva.example:443", "wss://xn--bcher-kva.example/ws"},
		{Site{Domains: []string{"[::1]"}, Port: 5443}, "[::1]:5443", "wss://[::1]:5443/ws"},
		{Site{Domains: []string{"[::1]"}}, "[::1]", "wss://[::1]/ws"},
		{Site{Domains: []string{"example.org"}, URL: "https://chat.example.org/x/"}, "example.org", "wss://chat.example.org/x/ws"},
	} {
		if got := x.site.webSocketURL(x.host); got != x.want {
			t.Errorf("%v asked as %s: %s, want %s", x.site.Domains, x.host, got, x.want)
		}
	}
}
