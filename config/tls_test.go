package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCertificateOptions(t *testing.T) {
	acme := func(change func(*Config)) func(*Config) {
		return func(c *Config) {
			c.TLS.ACME.Agree = true
			if change != nil {
				change(c)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*Config)
		says   string // of the complaint; empty: none
	}{
		"nothing":               {func(*Config) {}, ""},
		"half a pair":           {func(c *Config) { c.TLS.Key = "k" }, "go together"},
		"half of one of many":   {func(c *Config) { c.TLS.Files = []CertificateFiles{{Certificate: "c"}} }, "certificate and key"},
		"never looked at":       {func(c *Config) { c.TLS.Watch = 0 }, "positive"},
		"acme":                  {acme(nil), ""},
		"acme, in the clear":    {acme(func(c *Config) { c.TLS.ACME.Directory = "http://ca.example/dir" }), "https"},
		"acme, local":           {acme(func(c *Config) { c.Local = true }), "this machine only"},
		"acme, an address":      {acme(func(c *Config) { c.Domains = []string{"192.0.2.1"} }), "no name"},
		"acme, a service":       {acme(func(c *Config) { c.TLS.ACME.Services = []string{"upload"} }), ""},
		"acme, no service":      {acme(func(c *Config) { c.TLS.ACME.Services = []string{"up.load"} }), "one label"},
		"acme, dash service":    {acme(func(c *Config) { c.TLS.ACME.Services = []string{"up-load", "a", "0"} }), ""},
		"acme, dash first":      {acme(func(c *Config) { c.TLS.ACME.Services = []string{"-upload"} }), "one label"},
		"acme, dash last":       {acme(func(c *Config) { c.TLS.ACME.Services = []string{"upload-"} }), "one label"},
		"acme, large letters":   {acme(func(c *Config) { c.TLS.ACME.Services = []string{"Upload"} }), "one label"},
		"acme, empty service":   {acme(func(c *Config) { c.TLS.ACME.Services = []string{""} }), "one label"},
		"acme, 63 in a label":   {acme(func(c *Config) { c.TLS.ACME.Services = []string{strings.Repeat("x", 63)} }), ""},
		"acme, 64 in a label":   {acme(func(c *Config) { c.TLS.ACME.Services = []string{strings.Repeat("x", 64)} }), "one label"},
		"acme, half an account": {acme(func(c *Config) { c.TLS.ACME.EABKeyID = "k" }), "go together"},
		"acme, no way":          {acme(func(c *Config) { c.Listen.ACME = nil }), "no challenge"},
		"acme, unknown way":     {acme(func(c *Config) { c.TLS.ACME.Challenges = []string{"http-02"} }), "http-02"},
		"acme, no listener":     {acme(func(c *Config) { c.Listen.ACME, c.TLS.ACME.Challenges = nil, []string{HTTP01} }), "listen.acme"},
		"acme, no TLS":          {acme(func(c *Config) { c.Listen.C2STLS, c.TLS.ACME.Challenges = nil, []string{TLSALPN01} }), "with TLS"},
		"acme, no hook":         {acme(func(c *Config) { c.TLS.ACME.Challenges = []string{DNS01} }), "dns_hook"},
	} {
		cfg := Default()
		cfg.Domains = []string{"example.org"}
		c.change(&cfg)
		err := cfg.Check()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func TestChallenges(t *testing.T) {
	for _, c := range []struct {
		clear, tls, http []string
		hook             string
		want             []string
	}{
		{[]string{":80"}, []string{":5223"}, nil, "", []string{HTTP01}},
		{[]string{":80"}, []string{":5223", "[::]:443"}, nil, "", []string{HTTP01, TLSALPN01}},
		{nil, []string{":5223"}, []string{":443"}, "", []string{TLSALPN01}},
		{nil, []string{":5223"}, []string{"127.0.0.1:443"}, "", nil},
		{[]string{":80"}, []string{":443"}, nil, "hook", []string{DNS01}},
	} {
		cfg := Default()
		cfg.Listen.ACME, cfg.Listen.C2STLS, cfg.Listen.HTTP, cfg.TLS.ACME.DNSHook = c.clear, c.tls, c.http, c.hook
		if got := cfg.ACMEChallenges(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestCertificateFilesAreRelativeToTheFile(t *testing.T) {
	c, err := load(t, "[tls]\nfiles = [{certificate = \"a.pem\", key = \"/k/a.key\", domains = [\"a.example\"]}]\n[tls.acme]\ndns_hook = \"hook\"\nservices = [\"upload\"]\nagree = true\n")
	if err != nil {
		t.Fatal(err)
	}
	f := c.TLS.Files[0]
	if !filepath.IsAbs(f.Certificate) || f.Key != "/k/a.key" || !filepath.IsAbs(c.TLS.ACME.DNSHook) {
		t.Errorf("%+v", c.TLS)
	}
	c.Domains = []string{"example.org", "a.example"}
	if got := c.ServedNames(); !slices.Equal(got, []string{"example.org", "a.example", "upload.example.org", "upload.a.example"}) {
		t.Errorf("names: %v", got)
	}
}
