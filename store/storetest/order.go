package storetest

import (
	"testing"

	"stonechat/store"
)

// testOrder: changes of one owner take effect in the order of the calls, also those of different domains that nobody waits for in between.
func testOrder(t *testing.T, f *fixture) {
	const owners, rounds = 6, 150
	var tickets []store.Ticket
	for range rounds {
		for owner := range store.Owner(owners) {
			key, kept := f.Archive.Append(store.Entry{Owner: owner + 1, Peer: "bob@example.org", Hidden: true, Stanza: []byte("x")})
			tickets = append(tickets, kept, f.Offline.SetDelivered(owner+1, key))
		}
	}
	f.wait(t, tickets...)
	for owner := range store.Owner(owners) {
		left, err := f.Offline.After(f.ctx, owner+1, 0, store.MaxPage)
		must(t, err)
		if len(left) > 0 {
			t.Errorf("owner %d: %d messages that were delivered are still there", owner+1, len(left))
		}
	}
}
