package config

import "testing"

func TestBytestreams(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Config)
		good   bool
	}{
		"off":            {func(*Config) {}, true},
		"usual":          {func(c *Config) { c.Listen.Proxy65 = []string{":7777"} }, true},
		"elsewhere":      {func(c *Config) { c.Bytestreams.Address = "files.example.org:7777" }, true},
		"at an address":  {func(c *Config) { c.Bytestreams.Address = "[2001:db8::1]:7777" }, true},
		"without a port": {func(c *Config) { c.Bytestreams.Address = "files.example.org" }, false},
		"at port zero":   {func(c *Config) { c.Bytestreams.Address = "files.example.org:0" }, false},
		"at no host":     {func(c *Config) { c.Bytestreams.Address = ":7777" }, false},
		"of no speed":    {func(c *Config) { c.Bytestreams.BytesPerSecond = 0 }, false},
		"for ever":       {func(c *Config) { c.Bytestreams.Idle = 0 }, false},
		"another's": {func(c *Config) {
			c.Listen.Proxy65, c.Domains = []string{":7777"}, []string{"example.org", "proxy.example.org"}
		}, false},
		"where files are": {func(c *Config) { c.Listen.Proxy65, c.Upload.Domain = []string{":7777"}, "proxy.example.org" }, false},
	} {
		c := Default()
		c.Domains = []string{"example.org"}
		x.change(&c)
		if err := c.Check(); (err == nil) != x.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	for address, want := range map[string]struct {
		host string
		port int
	}{"": {"example.org", 7777}, "files.example.org:70": {"files.example.org", 70}, "[2001:db8::1]:70": {"2001:db8::1", 70}} {
		if host, port := (Bytestreams{Address: address}).Host("example.org", 7777); host != want.host || port != want.port {
			t.Errorf("%q: %s, %d", address, host, port)
		}
	}
}
