package core

import (
	"sync"
	"testing"
	"testing/synctest"

	"stonechat/config"
)

// Who waits for the budget is let go when a quarter of it is free, and not before.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget{limits: &config.Limits{WindowTotal: 400}}
		b.hold(399)
		if b.tight() != nil {
			t.Fatal("tight before it is used up")
		}
		b.hold(51)
		var gone sync.WaitGroup
		left := make(chan struct{}, 5)
		for range 5 {
			gone.Go(func() {
				<-b.tight()
				left <- struct{}{}
			})
		}
		synctest.Wait()
		b.free(100)
		b.free(50)
		b.free(0)
		synctest.Wait()
		if len(left) != 0 {
			t.Errorf("%d are let go at three quarters", len(left))
		}
		b.free(1)
		gone.Wait()
		if b.tight() != nil {
			t.Error("still tight")
		}
		b.hold(200)
		if b.tight() == nil {
			t.Error("not tight again")
		}
	})
}

// Whatever runs beside whatever, nobody waits for good: synctest tells of it.
func TestBudgetLosesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget{limits: &config.Limits{WindowTotal: 40}}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 500 {
					b.hold(10)
					b.free(10)
					if c := b.tight(); c != nil {
						<-c
					}
				}
			})
		}
		all.Wait()
		if n := b.held.Load(); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
	})
}
