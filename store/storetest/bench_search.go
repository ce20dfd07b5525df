package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stonechat/store"
)

const (
	searchOwners = 2000
	searchWords  = 20_000
)

// BenchSearch fills archives with rows messages of 12 words, reports what it costs to note them, and measures pages of 20 of frequent and rare words, for
// an owner with one message in 2,000 and for one with half of them all.
func BenchSearch(b *testing.B, open Open, rows int) {
	f := newFixture(b, open)
	f.ctx = context.Background() // filling may take minutes
	rng := rand.New(rand.NewPCG(1, 2))
	words := rand.NewZipf(rng, 1.1, 2, searchWords-1)
	began, cpu := time.Now(), cpuTime()
	var last store.Ticket
	for i := range rows {
		owner := store.Owner(1)
		if i%2 == 0 {
			owner = store.Owner(2 + rng.IntN(searchOwners))
		}
		body := make([]byte, 0, 100)
		for range 12 {
			body = fmt.Appendf(body, "word%d ", words.Uint64())
		}
		_, last = f.Archive.Append(store.Entry{
			Owner: owner, Peer: fmt.Sprintf("peer%d@example.org", i%20),
			Stanza: fmt.Appendf(nil, "<message xmlns='jabber:client' type='chat' id='m%d'><body>%s</body></message>", i, body),
		})
		if i%1000 == 0 {
			f.wait(b, last)
			f.clock.Move(time.Second)
		}
	}
	f.wait(b, last)
	kept, keptCPU := time.Since(began), cpuTime()-cpu
	for f.Search.State().Behind > 0 {
		time.Sleep(20 * time.Millisecond)
	}
	b.Logf("%d rows kept after %v, noted after %v; processor time %v and %v", rows, kept, time.Since(began), keptCPU, cpuTime()-cpu-keptCPU)
	for _, c := range []struct {
		name  string
		owner store.Owner
		q     store.SearchQuery
	}{
		{"frequent/small", 2, about("word0")},
		{"frequent/large", 1, about("word0")},
		{"rare/small", 2, about("word9000")},
		{"rare/large", 1, about("word9000")},
		{"both/large", 1, about("word0", "word500")},
		{"phrase/large", 1, about("word0 word1 word2")},
		{"without/large", 1, about("word3", "-word0", "-word1")},
	} {
		c.q.Max, c.q.Before = 20, new(string)
		b.Run(c.name, func(b *testing.B) {
			cpu := cpuTime()
			for range b.N {
				_, err := f.Search.Search(f.ctx, c.owner, c.q)
				must(b, err)
			}
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/float64(b.N), "cpu-µs/search")
		})
	}
}
