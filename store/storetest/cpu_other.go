//go:build !unix

package storetest

import "time"

// cpuTime is not known here; benchmarks report zero.
func cpuTime() time.Duration { return 0 }
