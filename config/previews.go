package config

import (
	"fmt"
	"time"
)

// Previews is for what pages say of themselves, which the server fetches for whoever is about to send a link (XEP-0511); see outbound for where it may go. Pictures of pages
// are kept as files of that account.
type Previews struct {
	// PerMinute is how many one account may ask for in a minute; 0: there are none.
	PerMinute int `toml:"per_minute"`
	// AtOnce is how many are fetched at once.
	AtOnce int `toml:"at_once"`
	// Time is how long one may take with redirects and picture. More than 25s is longer than clients are kept waiting.
	Time Duration `toml:"time"`
	// PageBytes is how much of a page is read; what it says of itself stands at its beginning.
	PageBytes int `toml:"page_bytes"`
	// ImageBytes is the size of the largest picture that is fetched.
	ImageBytes int `toml:"image_bytes"`
	// Keep is how long what was found is remembered, in memory alone, for others who send the same link. Failures are remembered for a minute at most.
	Keep Duration `toml:"keep"`
	// CacheBytes is how much is remembered.
	CacheBytes int `toml:"cache_bytes"`
}

// longestPreview leaves time to answer before core gives up.
const longestPreview = 25 * time.Second

func usualPreviews() Previews {
	return Previews{
		PerMinute: 20, AtOnce: 4, Time: Duration(10 * time.Second), PageBytes: 1 << 20, ImageBytes: 8 << 20, Keep: Duration(time.Hour), CacheBytes: 16 << 20,
	}
}

// check reports what makes no sense.
func (p Previews) check() (errs []error) {
	if p.PerMinute < 0 || p.Keep < 0 || p.CacheBytes < 0 {
		errs = append(errs, fmt.Errorf("previews: per_minute, keep or cache_bytes is negative"))
	}
	if p.Time.D() > longestPreview {
		errs = append(errs, fmt.Errorf("previews.time is longer than %s", longestPreview))
	}
	for name, v := range map[string]int{"at_once": p.AtOnce, "time": int(p.Time), "page_bytes": p.PageBytes, "image_bytes": p.ImageBytes} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("previews.%s must be positive", name))
		}
	}
	return errs
}
