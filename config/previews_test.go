package config

import (
	"testing"
	"time"
)

func TestPreviews(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Previews)
		good   bool
	}{
		"usual":         {func(*Previews) {}, true},
		"off":           {func(p *Previews) { p.PerMinute = 0 }, true},
		"no memory":     {func(p *Previews) { p.Keep, p.CacheBytes = 0, 0 }, true},
		"negative":      {func(p *Previews) { p.PerMinute = -1 }, false},
		"negative keep": {func(p *Previews) { p.Keep = -1 }, false},
		"too long":      {func(p *Previews) { p.Time = Duration(time.Minute) }, false},
		"no time":       {func(p *Previews) { p.Time = 0 }, false},
		"no page":       {func(p *Previews) { p.PageBytes = 0 }, false},
	} {
		c := Default()
		c.Domains = []string{"example.org"}
		x.change(&c.Previews)
		if err := c.Check(); (err == nil) != x.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
