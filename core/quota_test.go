package core

import (
	"fmt"
	"testing"
	"time"
)

func TestQuota(t *testing.T) {
	var q Quota
	now := time.Unix(1_000_000, 0)
	take := func(key string) bool { return q.Take(now, key, 2, time.Hour) }
	for i, want := range []bool{true, true, false, false} {
		if take("a") != want {
			t.Errorf("take %d: not %v", i, want)
		}
	}
	if !take("b") {
		t.Error("another key is counted with the first")
	}
	q.Give("a")
	if !take("a") || take("a") {
		t.Error("what was given back is not there once")
	}
	now = now.Add(59 * time.Minute)
	if take("a") {
		t.Error("within the hour")
	}
	if now = now.Add(time.Minute); !take("a") {
		t.Error("after the hour")
	}
	if q.Take(now, "nothing", 0, time.Hour) {
		t.Error("a quota of none")
	}
	q.Give("unknown")
	for i := range 3 * maxQuotaKeys {
		q.Take(now, fmt.Sprint(i), 2, time.Hour)
	}
	if len(q.spent) > maxQuotaKeys {
		t.Errorf("%d keys are remembered", len(q.spent))
	}
}
