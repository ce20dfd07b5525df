package core_test

import (
	"testing"
	"time"

	"stonechat/core"
)

// A clock that is put back does not keep anybody waiting until it is where it was.
func TestQuotaWhenTheClockGoesBack(t *testing.T) {
	var q core.Quota
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for range 3 {
		q.Take(at, "a", 3, time.Minute)
	}
	if q.Take(at, "a", 3, time.Minute) {
		t.Error("no bound")
	}
	if at = at.Add(-time.Hour); !q.Take(at, "a", 3, time.Minute) || !q.Take(at.Add(time.Minute), "a", 3, time.Minute) {
		t.Error("waits for the clock")
	}
}
