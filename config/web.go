package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
)

// Auto in Listen.HTTPS stands for the usual ports.
const Auto = "auto"

// Prefixes reads networks as in Listen.Proxies; a single address is one, too.
func Prefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	var errs []error
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if a, err2 := netip.ParseAddr(s); err2 == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			errs = append(errs, fmt.Errorf("%q is not a network such as 192.0.2.0/24", s))
			continue
		}
		out = append(out, p.Masked())
	}
	return out, errors.Join(errs...)
}

func (c *Config) checkWeb() []error {
	var errs []error
	for name, list := range map[string][]string{"listen.proxies": c.Listen.Proxies, "http.proxies": c.HTTP.Proxies} {
		if _, err := Prefixes(list); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if slices.Contains(c.Listen.HTTPS, Auto) && len(c.Listen.HTTPS) > 1 {
		errs = append(errs, errors.New("listen.https: auto stands alone"))
	}
	if c.HTTP.URL != "" {
		// XEP-0156 section 2.2: nothing but TLS may be announced.
		if u, err := url.Parse(c.HTTP.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("http.url is %q, not like https://chat.example.org", c.HTTP.URL))
		}
	}
	for _, o := range c.HTTP.Origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "") {
			errs = append(errs, fmt.Errorf("http.origins: %q is not like https://app.example.org", o))
		}
	}
	return errs
}
