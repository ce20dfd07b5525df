package config

import (
	"fmt"
	"time"
)

// Pictures is for pictures among uploaded files: JPEG, PNG, GIF and WebP, when their client says that they are such. What was closed end to end never is.
type Pictures struct {
	// Strip takes out what they tell beside what is seen, such as where and when they were taken, while they arrive. It becomes zeros: the length stays, the hash does
	// not. What is uploaded as application/octet-stream is never touched.
	Strip bool `toml:"strip"`
	// Side is the longer side of thumbnails in pixels; 0: none are made.
	Side int `toml:"side"`
	// Memory is how many bytes decoding one may take, judged from its head; larger ones have no thumbnail.
	Memory int64 `toml:"memory"`
	// Time is how long one may take, waiting for its turn included.
	Time Duration `toml:"time"`
	// AtOnce is how many are decoded at once.
	AtOnce int `toml:"at_once"`
}

func usualPictures() Pictures {
	return Pictures{Strip: true, Side: 400, Memory: 128 << 20, Time: Duration(10 * time.Second), AtOnce: 2}
}

// largestSide is that of a thumbnail that still is one.
const largestSide = 2000

// check reports what makes no sense.
func (p Pictures) check() (errs []error) {
	if p.Side < 0 || p.Side > largestSide {
		errs = append(errs, fmt.Errorf("pictures.side is %d, not from 0 to %d", p.Side, largestSide))
	}
	for name, v := range map[string]int64{"memory": p.Memory, "time": int64(p.Time), "at_once": int64(p.AtOnce)} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("pictures.%s must be positive", name))
		}
	}
	return errs
}
