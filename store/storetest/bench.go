package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"stonechat/store"
)

// Bench measures appends with 1, 16 and 256 producers who wait for their tickets ("x4": with four messages on their way each; "Spread":
// over 10,000 owners with 20 peers each), and pages of 50 in an archive of rows rows.
func Bench(b *testing.B, open Open, rows int) {
	for _, load := range []struct {
		name             string
		producers, depth int
		owners, peers    int
	}{
		{"1", 1, 1, 2, 1}, {"16", 16, 1, 32, 1}, {"256", 256, 1, 512, 1}, {"256x4", 256, 4, 512, 1}, {"256x4Spread", 256, 4, 10000, 20},
	} {
		b.Run("Append/producers="+load.name, func(b *testing.B) {
			benchAppend(b, open, load.producers, load.depth, load.owners, load.peers)
		})
	}
	b.Run(fmt.Sprintf("Page/rows=%d", rows), func(b *testing.B) { benchPage(b, open, rows) })
}

// benchAppend: every producer keeps depth messages on their way; a message is two rows, as a chat message between two local users is.
func benchAppend(b *testing.B, open Open, producers, depth, owners, peers int) {
	f := newFixture(b, open)
	stanza := make([]byte, 500)
	for i := range stanza {
		stanza[i] = byte('a' + rand.IntN(26))
	}
	names := make([]string, owners+peers+1)
	for i := range names {
		names[i] = fmt.Sprintf("user%d@example.org", i)
	}
	var wg sync.WaitGroup
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime()
	for p := range producers {
		n := b.N / producers
		if p < b.N%producers {
			n++
		}
		wg.Go(func() {
			window := make(chan struct{}, depth)
			for range n {
				window <- struct{}{}
				owner := rand.IntN(owners)
				e := store.Entry{Owner: store.Owner(owner + 1), Peer: names[owner+1+rand.IntN(peers)], Resource: "phone", Origin: rand.Uint64(), Stanza: stanza}
				f.Archive.Append(e)
				e.Owner, e.Direction = store.Owner(rand.IntN(owners)+1), store.Outgoing
				_, ticket := f.Archive.Append(e)
				ticket.Done(func(err error) {
					if err != nil {
						b.Error(err)
					}
					<-window
				})
			}
			for range depth {
				window <- struct{}{}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	total := float64(2 * b.N)
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/total, "cpu-µs/row")
	b.ReportMetric(total/time.Since(began).Seconds(), "rows/s")
}

func benchPage(b *testing.B, open Open, rows int) {
	f := newFixture(b, open)
	f.ctx = context.Background() // filling may take minutes
	var ids []string
	var last store.Ticket
	for i := range rows {
		peer := fmt.Sprintf("peer%d@example.org", i%20)
		key, ticket := f.Archive.Append(store.Entry{Owner: me, Peer: peer, Stanza: make([]byte, 500)})
		if i%(rows/100) == 0 {
			ids = append(ids, f.Archive.ID(me, key))
		}
		last = ticket
		if i%1000 == 0 {
			f.wait(b, ticket)
		}
	}
	f.wait(b, last)
	for name, q := range map[string]store.Query{
		"newest":       {Max: 50, Before: new(string)},
		"forwards":     {Max: 50},
		"withNewest":   {Max: 50, With: "peer7@example.org", Before: new(string)},
		"withForwards": {Max: 50, With: "peer7@example.org"},
	} {
		b.Run(name, func(b *testing.B) {
			cpu := cpuTime()
			for i := range b.N {
				if q.Before == nil {
					q.After = ids[i%(len(ids)-20)]
				}
				res, err := f.Archive.Page(f.ctx, me, q)
				must(b, err)
				if len(res.Rows) != 50 {
					b.Fatalf("%d rows", len(res.Rows))
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/float64(b.N), "cpu-µs/page")
		})
	}
}
