package storetest

import (
	"context"
	"fmt"
	"testing"

	"stonechat/store"
)

// BenchChats lists 1,000 chats of 20 messages each, among the archives of others: of one in ten some are unread, and one in a hundred was never read. With last
// messages they are read as a client gets them.
func BenchChats(b *testing.B, open Open) {
	f := newFixture(b, open)
	f.ctx = context.Background() // filling takes a while
	const chats, rows = 1000, 20
	owners, marks := []store.Owner{me, me + 1, me + 2}, map[string]string{}
	var last store.Ticket
	for i := range rows {
		for _, owner := range owners {
			for c := range chats {
				peer := fmt.Sprintf("peer%d@example.org", c)
				var key store.Key
				key, last = f.Archive.Append(store.Entry{
					Owner: owner, Peer: peer, Resource: "phone",
					Stanza: fmt.Appendf(nil, "<message xmlns='jabber:client' type='chat' id='m%d'><body>what was said to peer %d, line %d, of the length of most messages</body></message>", i, c, i),
				})
				if owner == me && c%100 != 0 && (c%10 != 0 || i < rows-5) {
					marks[peer] = f.Archive.ID(me, key)
				}
			}
		}
		f.wait(b, last)
	}
	for _, messages := range []bool{false, true} {
		b.Run(fmt.Sprintf("messages=%v", messages), func(b *testing.B) {
			cpu := cpuTime()
			for range b.N {
				list, err := f.Chats.Chats(f.ctx, me, store.ChatsQuery{Self: self, Marks: marks})
				must(b, err)
				if len(list) != chats {
					b.Fatalf("%d chats", len(list))
				}
				if messages {
					_, err := f.Chats.Last(f.ctx, me, list)
					must(b, err)
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/float64(b.N), "cpu-µs/list")
		})
	}
}
