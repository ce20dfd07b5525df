package config

import (
	"strings"
	"testing"
)

func TestOutbound(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Outbound)
		good   bool
	}{
		"usual":           {func(*Outbound) {}, true},
		"networks":        {func(o *Outbound) { o.Allow = []string{"10.0.0.0/8", "fd00::1"} }, true},
		"a name":          {func(o *Outbound) { o.Allow = []string{"ntfy.lan"} }, false},
		"a mapped one":    {func(o *Outbound) { o.Allow = []string{"::ffff:10.0.0.1"} }, false},
		"proxy":           {func(o *Outbound) { o.Proxy = "http://user:secret@proxy.example.org:3128" }, true},
		"proxy with path": {func(o *Outbound) { o.Proxy = "http://user:secret@proxy.example.org/x" }, false},
		"other proxy":     {func(o *Outbound) { o.Proxy = "socks5://user:secret@proxy.example.org" }, false},
		"no host":         {func(o *Outbound) { o.Proxy = "http://:80" }, false},
		"no time":         {func(o *Outbound) { o.Time = 0 }, false},
		"none at once":    {func(o *Outbound) { o.AtOnce = -1 }, false},
	} {
		c := Default()
		c.Domains = []string{"example.org"}
		x.change(&c.Outbound)
		err := c.Check()
		if (err == nil) != x.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}
