package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stonechat/store"
)

// chats implements store.Chats.
type chats struct{ db *DB }

// chatGlance is how many rows of each chat are read with the list: most chats are decided by them. The query says it once more.
const chatGlance = 8

const (
	// From one peer to the next by the order, however long the chats are, with the newest rows of each as text.
	selectChats = `WITH RECURSIVE p (peer) AS (
			SELECT MIN(f.peer) FROM archive_by_peer AS f WHERE f.owner = $1
			UNION ALL
			SELECT (SELECT MIN(x.peer) FROM archive_by_peer AS x WHERE x.owner = $1 AND x.peer > p.peer) FROM p WHERE p.peer IS NOT NULL
		)
		SELECT p.peer, COALESCE((
			SELECT string_agg(n.key || ' ' || n.flags, ',') FROM (
				SELECT o.key, o.flags FROM archive_by_peer AS o WHERE o.owner = $1 AND o.peer = p.peer AND o.key < $2 ORDER BY o.key DESC LIMIT 8
			) AS n
		), '') FROM p WHERE p.peer IS NOT NULL LIMIT $3 + 0`
	selectChat      = "SELECT o.key, o.flags FROM archive_by_peer AS o WHERE o.owner = $1 AND o.peer = $2 AND o.key < $3 ORDER BY o.key DESC LIMIT $4 + 0"
	selectChatRooms = "SELECT r.owner, r.local, r.domain, f.nick FROM room_affiliations AS f CROSS JOIN rooms AS r WHERE r.owner = f.owner AND f.jid = $1 " +
		"AND f.kind IN ('owner', 'admin', 'member') AND (f.been <> 0 OR f.nick <> '') LIMIT $2 + 0"
	// Who said it stands in the row.
	selectRoomChat = "SELECT a.key, a.flags, a.peer FROM archive_by_owner AS o CROSS JOIN archive AS a WHERE a.key = o.key AND o.owner = $1 AND o.key < $2 " +
		"ORDER BY o.key DESC LIMIT $3 + 0"
)

// chatWalk goes through a chat, newest row first, until it knows what there is to know.
type chatWalk struct {
	store.Chat
	mark    store.Key // zero: none
	newest  store.Key
	lowest  store.Key // of the rows so far
	looked  int
	counted bool // what is left was displayed
	short   bool // all its rows were seen
}

func newChatWalk(peer string, room store.Owner, mark store.Key) *chatWalk {
	return &chatWalk{Chat: store.Chat{Peer: peer, Room: room}, mark: mark, lowest: maxKey}
}

// done: no further row changes anything.
func (w *chatWalk) done() bool { return w.counted && w.Last != 0 || w.looked == store.MaxUnread }

// see looks at the next row. A mark counts where its row is met: then it is one of this chat (XEP-0490 section 5.1).
func (w *chatWalk) see(key store.Key, flags int64) {
	if w.done() {
		return
	}
	if w.looked++; w.looked == 1 {
		w.newest = key
	}
	w.lowest = key
	says := flags&flagAside == 0
	if says && w.Last == 0 {
		w.Last = key
	}
	switch {
	case w.counted:
	case key == w.mark, says && flags&flagOutgoing != 0:
		w.counted = true // who answers has read
	case says:
		if w.Unread++; w.Room != 0 && len(w.News) < store.MaxNews {
			w.News = append(w.News, key)
		}
	}
}

// chat is the result; false: nothing was ever said there.
func (w *chatWalk) chat() (store.Chat, bool) {
	full := w.looked == store.MaxUnread
	w.More = full && !w.counted
	if w.Last == 0 && full {
		w.Last = w.newest
	}
	return w.Chat, w.Last != 0
}

// Chats implements store.Chats.
func (c chats) Chats(ctx context.Context, owner store.Owner, q store.ChatsQuery) ([]store.Chat, error) {
	walks, err := c.people(ctx, owner, &q)
	if err != nil {
		return nil, err
	}
	rooms, err := c.rooms(ctx, &q)
	if err != nil {
		return nil, err
	}
	out := make([]store.Chat, 0, len(walks)+len(rooms))
	for _, w := range append(walks, rooms...) {
		chat, ok := w.chat()
		if !ok {
			continue
		}
		of := owner
		if chat.Room != 0 {
			of = chat.Room
		}
		chat.LastID = c.db.publicID(of, chat.Last)
		out = append(out, chat)
	}
	slices.SortFunc(out, func(a, b store.Chat) int { return cmp.Compare(b.Last, a.Last) })
	return out[:min(len(out), store.MaxChats)], nil
}

// wanted tells whether a query is for a chat.
func wanted(q *store.ChatsQuery, peer string) bool {
	return len(q.Only) == 0 || slices.Contains(q.Only, peer)
}

// people walks through the chats of an owner's archive.
func (c chats) people(ctx context.Context, owner store.Owner, q *store.ChatsQuery) ([]*chatWalk, error) {
	var all []*chatWalk
	by := map[string]*chatWalk{}
	walk := func(peer string) *chatWalk {
		w := by[peer]
		if w == nil {
			mark, _ := c.db.keyOf(owner, q.Marks[peer])
			w = newChatWalk(peer, 0, mark)
			w.counted = peer == q.Self // notes to self are no news
			by[peer], all = w, append(all, w)
		}
		return w
	}
	tail := c.db.laneOf(owner).tail.view(owner)
	tail.each(&choice{owner: owner, hi: maxKey}, func(r *row) bool {
		if wanted(q, r.peer) {
			walk(r.peer).see(r.key, r.flags)
		}
		return true
	})
	for _, peer := range q.Only {
		walk(peer)
	}
	if len(q.Only) == 0 {
		err := c.db.reads.each(ctx, selectChats, func(rows *sql.Rows) error {
			var peer, glance string
			if err := rows.Scan(&peer, &glance); err != nil {
				return err
			}
			return walk(peer).glance(glance)
		}, int64(owner), int64(tail.horizon+1), store.MaxChats)
		if err != nil {
			return nil, err
		}
	}
	for _, w := range all {
		if w.done() || w.short {
			continue
		}
		err := c.walk(ctx, w, selectChat, func(rows *sql.Rows) (key store.Key, flags int64, err error) {
			err = rows.Scan(&key, &flags)
			return key, flags, err
		}, int64(owner), w.Peer, int64(min(w.lowest, tail.horizon+1)), store.MaxUnread-w.looked)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// glance looks at the rows that came with the list, which are in no order.
func (w *chatWalk) glance(text string) error {
	type seen struct {
		key   store.Key
		flags int64
	}
	var rows []seen
	for text != "" {
		var one string
		one, text, _ = strings.Cut(text, ",")
		var s seen
		key, flags, _ := strings.Cut(one, " ")
		place, bad := strconv.ParseInt(key, 10, 64)
		s.key = store.Key(place)
		var worse error
		if s.flags, worse = strconv.ParseInt(flags, 10, 64); bad != nil || worse != nil {
			return fmt.Errorf("row of a chat: %w", errors.Join(bad, worse))
		}
		rows = append(rows, s)
	}
	slices.SortFunc(rows, func(a, b seen) int { return cmp.Compare(b.key, a.key) })
	for _, s := range rows {
		w.see(s.key, s.flags)
	}
	w.short = len(rows) < chatGlance
	return nil
}

// walk looks at the rows of a query until the walk is done.
func (c chats) walk(ctx context.Context, w *chatWalk, query string, scan func(*sql.Rows) (store.Key, int64, error), args ...any) error {
	err := c.db.reads.each(ctx, query, func(rows *sql.Rows) error {
		key, flags, err := scan(rows)
		if err != nil {
			return err
		}
		if w.see(key, flags); w.done() {
			return errPageFull
		}
		return nil
	}, args...)
	if errors.Is(err, errPageFull) {
		return nil
	}
	return err
}

// rooms walks through the archives of the rooms that an address belongs to.
func (c chats) rooms(ctx context.Context, q *store.ChatsQuery) ([]*chatWalk, error) {
	var all []*chatWalk
	err := c.db.reads.each(ctx, selectChatRooms, func(rows *sql.Rows) error {
		var room store.Owner
		var local, domain, nick string
		err := rows.Scan(&room, &local, &domain, &nick)
		peer := local + "@" + domain
		if !wanted(q, peer) {
			return err
		}
		mark, _ := c.db.keyOf(room, q.Marks[peer])
		w := newChatWalk(peer, room, mark)
		w.Nick = nick
		all = append(all, w)
		return err
	}, q.Self, store.MaxChats)
	if err != nil {
		return nil, err
	}
	mine := func(flags int64, peer string) int64 {
		if peer == q.Self {
			flags |= flagOutgoing
		}
		return flags
	}
	for _, w := range all {
		tail := c.db.laneOf(w.Room).tail.view(w.Room)
		tail.each(&choice{owner: w.Room, hi: maxKey}, func(r *row) bool {
			w.see(r.key, mine(r.flags, r.peer))
			return !w.done()
		})
		if w.done() {
			continue
		}
		err := c.walk(ctx, w, selectRoomChat, func(rows *sql.Rows) (key store.Key, flags int64, err error) {
			var peer string
			err = rows.Scan(&key, &flags, &peer)
			return key, mine(flags, peer), err
		}, int64(w.Room), int64(tail.horizon+1), store.MaxUnread-w.looked)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Last implements store.Chats.
func (c chats) Last(ctx context.Context, owner store.Owner, list []store.Chat) ([]store.Row, error) {
	out := make([]store.Row, len(list))
	at := map[store.Owner][]int{} // which rows of out are in whose archive
	for i := range list {
		of := owner
		if list[i].Room != 0 {
			of = list[i].Room
		}
		at[of] = append(at[of], i)
	}
	bytes := 0
	for of, places := range at {
		for part := range slices.Chunk(places, fetchSizes[len(fetchSizes)-1]) {
			keys := make([]row, len(part))
			for i, place := range part {
				keys[i].key = list[place].Last
			}
			size := fetchSizes[0]
			if len(keys) > 1 {
				size = fetchSizes[len(fetchSizes)-1]
			}
			found, err := c.db.fetch(ctx, of, keys, size)
			if err != nil {
				return nil, err
			}
			for _, place := range part {
				r, ok := found[list[place].Last]
				if !ok {
					continue
				}
				r.ID = list[place].LastID
				if bytes += len(r.Stanza); bytes > store.MaxPageBytes {
					r.Stanza = nil
				}
				out[place] = r
			}
		}
	}
	return out, nil
}

// News implements store.Chats. Keys belong to one owner each, so rows of many rooms are read at once.
func (c chats) News(ctx context.Context, list []store.Chat) ([][]store.Row, error) {
	var keys []row
	for i := range list {
		for _, k := range list[i].News[:min(len(list[i].News), store.MaxRecent-len(keys))] {
			keys = append(keys, row{key: k})
		}
	}
	found, bytes := make(map[store.Key]store.Row, len(keys)), 0
	for part := range slices.Chunk(keys, fetchSizes[len(fetchSizes)-1]) {
		if bytes > store.MaxPageBytes {
			break
		}
		n := fetchSizes[0]
		for _, size := range fetchSizes {
			if len(part) > n {
				n = size
			}
		}
		args := make([]any, n)
		for i := range args {
			args[i] = int64(part[min(i, len(part)-1)].key)
		}
		err := c.db.reads.each(ctx, c.db.newsQuery(n), func(rows *sql.Rows) error {
			r, err := scanRow(rows)
			found[r.Key] = r
			bytes += len(r.Stanza)
			return err
		}, args...)
		if err != nil {
			return nil, err
		}
	}
	out := make([][]store.Row, len(list))
	for i := range list {
		for _, k := range list[i].News {
			if r, ok := found[k]; ok {
				r.ID = c.db.publicID(list[i].Room, k)
				out[i] = append(out[i], r)
			}
		}
	}
	return out, nil
}

// newsQuery reads n rows by key, whoever they belong to.
func (db *DB) newsQuery(n int) string {
	return selectRow + "archive AS a WHERE a.key IN " + db.dialect.list(n, 1)
}
