package config

import "testing"

func TestUpload(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Config)
		good   bool
	}{
		"usual":           {func(*Config) {}, true},
		"off":             {func(c *Config) { c.Upload.FileBytes = 0 }, true},
		"origin":          {func(c *Config) { c.Upload.URL = "https://upload.example.org" }, true},
		"own domain":      {func(c *Config) { c.Upload.Domain = "files.example.org" }, true},
		"in the clear":    {func(c *Config) { c.Upload.URL = "http://upload.example.org" }, false},
		"with a query":    {func(c *Config) { c.Upload.URL = "https://upload.example.org/?x" }, false},
		"no domain":       {func(c *Config) { c.Upload.Domain = "a@b" }, false},
		"where rooms are": {func(c *Config) { c.Upload.Domain = "rooms.example.org" }, false},
		"where nodes are": {func(c *Config) { c.Upload.Domain = "pubsub.example.org" }, false},
		"the host itself": {func(c *Config) { c.Upload.Domain = "EXAMPLE.org" }, false},
		"one of several": {func(c *Config) {
			c.Domains, c.Upload.Domain = []string{"example.org", "example.net"}, "files.example.org"
		}, false},
		"another's":    {func(c *Config) { c.Domains = []string{"example.org", "upload.example.org"} }, false},
		"no quota":     {func(c *Config) { c.Upload.Quota = 0 }, false},
		"no time":      {func(c *Config) { c.Upload.SlotTime = 0 }, false},
		"negative":     {func(c *Config) { c.Upload.Keep = -1 }, false},
		"none at once": {func(c *Config) { c.Upload.AtOnce = 0 }, false},
	} {
		c := Default()
		c.Domains = []string{"example.org"}
		x.change(&c)
		if err := c.Check(); (err == nil) != x.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
