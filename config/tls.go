package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// The challenges of ACME (RFC 8555 section 8, RFC 8737).
const (
	HTTP01    = "http-01"
	TLSALPN01 = "tls-alpn-01"
	DNS01     = "dns-01"
)

// paths are the options that name files.
func (t *TLS) paths() []*string {
	list := []*string{&t.Certificate, &t.Key, &t.ACME.Roots, &t.ACME.DNSHook, &t.ACME.EABKeyFile}
	for i := range t.Files {
		list = append(list, &t.Files[i].Certificate, &t.Files[i].Key)
	}
	return list
}

// ServedNames are all names that certificates are shown for: the domains, first the main one, then those of their services.
func (c *Config) ServedNames() []string {
	names := slices.Clone(c.Domains)
	if !c.TLS.ACME.Agree {
		return names
	}
	for _, service := range c.TLS.ACME.Services {
		for _, d := range c.Domains {
			names = append(names, service+"."+d)
		}
	}
	return names
}

// ACMEChallenges are the ways to prove a name: the chosen ones, or those that the rest of the configuration makes possible.
func (c *Config) ACMEChallenges() []string {
	a := &c.TLS.ACME
	if len(a.Challenges) > 0 {
		return a.Challenges
	}
	if a.DNSHook != "" {
		return []string{DNS01}
	}
	var out []string
	if len(c.Listen.ACME) > 0 {
		out = append(out, HTTP01)
	}
	if slices.ContainsFunc(c.tlsListeners(), func(addr string) bool {
		_, port, err := net.SplitHostPort(addr)
		return err == nil && (port == "443" || port == "https")
	}) {
		out = append(out, TLSALPN01)
	}
	return out
}

// tlsListeners are the addresses that begin with TLS at once. HTTP on loopback is in the clear.
func (c *Config) tlsListeners() []string {
	list := slices.Clone(c.Listen.C2STLS)
	for _, addr := range c.Listen.HTTP {
		if !allLoopback([]string{addr}) {
			list = append(list, addr)
		}
	}
	return list
}

func (c *Config) checkTLS() []error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		complain("tls.certificate and tls.key go together")
	}
	for _, f := range c.TLS.Files {
		if f.Certificate == "" || f.Key == "" {
			complain("each of tls.files has certificate and key")
		}
	}
	if c.TLS.Watch <= 0 || c.TLS.ACME.Check <= 0 || c.TLS.ACME.DNSHookTimeout <= 0 {
		complain("tls.watch, tls.acme.check and tls.acme.dns_hook_timeout must be positive")
	}
	if c.TLS.ACME.Agree {
		errs = append(errs, c.checkACME()...)
	}
	return errs
}

// isLabel tells whether s is one label of a domain name, in lower case (RFC 1123 section 2.1).
func isLabel(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= 63 && strings.Trim(s, letters+"-") == "" && strings.Trim(s[:1]+s[len(s)-1:], letters) == ""
}

func (c *Config) checkACME() []error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf("tls.acme: "+format, args...)) }
	a := &c.TLS.ACME
	if c.Local {
		complain("no authority can reach a server that is for this machine only")
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		complain("directory is %q, not an https address", a.Directory)
	}
	for _, d := range c.Domains {
		if net.ParseIP(strings.Trim(d, "[]")) != nil {
			complain("%s is no name", d)
		}
	}
	for _, s := range a.Services {
		if !isLabel(s) {
			complain("service %q is not one label of a domain name", s)
		}
	}
	if (a.EABKeyID == "") != (a.EABKeyFile == "") {
		complain("eab_key_id and eab_key_file go together")
	}
	methods := c.ACMEChallenges()
	for _, m := range methods {
		switch {
		case !oneOf(m, HTTP01, TLSALPN01, DNS01):
			complain("challenge %q is not http-01, tls-alpn-01 or dns-01", m)
		case m == HTTP01 && len(c.Listen.ACME) == 0:
			complain("http-01 needs listen.acme")
		case m == TLSALPN01 && len(c.tlsListeners()) == 0:
			complain("tls-alpn-01 needs a listener with TLS")
		case m == DNS01 && a.DNSHook == "":
			complain("dns-01 needs dns_hook")
		}
	}
	if len(methods) == 0 {
		errs = append(errs, errors.New("tls.acme: no challenge can be answered: listen.acme, a TLS listener on port 443, or dns_hook is needed"))
	}
	return errs
}
