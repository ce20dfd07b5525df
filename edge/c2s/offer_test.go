package c2s

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/sasl"
)

// slowUpgrades counts who looks at all credentials, which takes until it is let go.
type slowUpgrades struct {
	core.Upgrades
	looks   atomic.Int32
	looking chan struct{}
	let     chan struct{}
}

func (u *slowUpgrades) Hashes(context.Context) ([]sasl.Hash, error) {
	if u.looks.Add(1) > 1 { // the first finds out what is offered at all
		u.looking <- struct{}{}
		<-u.let
	}
	return []sasl.Hash{sasl.SHA256}, nil
}

// When a password was changed one connection looks what may be offered now, and not everybody who comes meanwhile.
func TestOneLooksWhatIsOffered(t *testing.T) {
	u := &slowUpgrades{looking: make(chan struct{}, 100), let: make(chan struct{})}
	r := newRig(t, func(r *rig) { r.host.Ports.Upgrades = u })
	offered := func() { r.door.hashes.of(t.Context(), r.door, r.host) }
	offered()
	r.host.Credentials.Add(1)
	var all sync.WaitGroup
	all.Go(offered)
	<-u.looking
	meanwhile := make(chan struct{})
	all.Go(func() { offered(); close(meanwhile) })
	select {
	case <-u.looking:
		t.Error("two look at once")
	case <-meanwhile:
	}
	close(u.let)
	all.Wait()
	if n := u.looks.Load(); n != 2 {
		t.Errorf("%d have looked", n)
	}
	r.host.Credentials.Add(1)
	offered()
	if n := u.looks.Load(); n != 3 {
		t.Errorf("%d have looked after another change", n)
	}
}
