package config

import "testing"

func TestPictures(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Pictures)
		good   bool
	}{
		"usual":        {func(*Pictures) {}, true},
		"off":          {func(p *Pictures) { p.Strip, p.Side = false, 0 }, true},
		"large":        {func(p *Pictures) { p.Side = 2001 }, false},
		"negative":     {func(p *Pictures) { p.Side = -1 }, false},
		"no memory":    {func(p *Pictures) { p.Memory = 0 }, false},
		"no time":      {func(p *Pictures) { p.Time = 0 }, false},
		"none at once": {func(p *Pictures) { p.AtOnce = 0 }, false},
	} {
		c := Default()
		c.Domains = []string{"example.org"}
		x.change(&c.Pictures)
		if err := c.Check(); (err == nil) != x.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
