package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// nodes implements store.Nodes.
type nodes struct{ db *DB }

const (
	selectNodes             = "SELECT node, created, creator, config FROM nodes WHERE owner = $1 ORDER BY node"
	selectNodeSizes         = "SELECT node, COUNT(*), CAST(SUM(bytes) AS BIGINT) FROM node_items WHERE owner = $1 GROUP BY node"
	selectNodeAffiliations  = "SELECT node, jid, affiliation FROM node_affiliations WHERE owner = $1 ORDER BY node, jid"
	selectNodeSubscriptions = "SELECT node, jid, state FROM node_subscriptions WHERE owner = $1 ORDER BY node, jid"
	countNodeItems          = "SELECT COUNT(*) FROM node_items WHERE owner = $1 AND node = $2 AND seq >= $3"
	sumNodeItems            = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM node_items WHERE owner = $1 AND node = $2"
	newestNodeSeq           = "SELECT MAX(seq) FROM node_items WHERE owner = $1 AND node = $2"
	selectNodeSeq           = "SELECT seq FROM node_items WHERE owner = $1 AND node = $2 AND item = $3"
	selectNodePublisher     = "SELECT publisher FROM node_items WHERE owner = $1 AND node = $2 AND item = $3"
	selectExpiredItems      = "SELECT item FROM node_items WHERE owner = $1 AND node = $2 AND seq < $3 ORDER BY seq"
	selectOldestItems       = "SELECT item FROM node_items WHERE owner = $1 AND node = $2 ORDER BY seq LIMIT $3 + 0"
	selectNodeItem          = "SELECT item, seq, publisher, payload FROM node_items WHERE owner = $1 AND node = $2 AND item = $3"
	selectNewestItem        = "SELECT item, seq, publisher, payload FROM node_items WHERE owner = $1 AND node = $2 ORDER BY seq DESC LIMIT 1"
	selectNodeItems         = "SELECT item, seq, publisher, payload FROM node_items WHERE owner = $1 AND node = $2 AND seq > $3 AND seq < $4 ORDER BY seq LIMIT $5 + 0 OFFSET $6 + 0"
	selectNodeItemsBack     = "SELECT item, seq, publisher, payload FROM node_items WHERE owner = $1 AND node = $2 AND seq > $3 AND seq < $4 ORDER BY seq DESC LIMIT $5 + 0 OFFSET $6 + 0"
	selectNodeItemNames     = "SELECT item, seq FROM node_items WHERE owner = $1 AND node = $2 AND seq > $3 AND seq < $4 ORDER BY seq LIMIT $5 + 0 OFFSET $6 + 0"
	selectTiedAffiliations  = "SELECT n.owner, n.node, n.created, n.creator, n.config, a.jid, a.affiliation FROM node_affiliations AS a " +
		"JOIN rooms AS r ON r.owner = a.owner JOIN nodes AS n ON n.owner = a.owner AND n.node = a.node WHERE a.jid = $1 AND r.domain = $2"
	selectTiedSubscriptions = "SELECT n.owner, n.node, n.created, n.creator, n.config, s.jid, s.state FROM node_subscriptions AS s " +
		"JOIN rooms AS r ON r.owner = s.owner JOIN nodes AS n ON n.owner = s.owner AND n.node = s.node WHERE s.bare = $1 AND r.domain = $2"
	deleteNodeItem = "DELETE FROM node_items WHERE owner = $1 AND node = $2 AND item = $3"
)

// Nodes implements store.Nodes.
func (n nodes) Nodes(ctx context.Context, owner store.Owner) ([]store.Node, error) {
	var out []store.Node
	at := make(map[string]int)
	err := n.db.reads.snapshot(ctx, func(s *snapshot) error {
		out, at = nil, make(map[string]int)
		err := s.each(selectNodes, func(rows *sql.Rows) error {
			var x store.Node
			var created int64
			var creator string
			if err := rows.Scan(&x.Name, &created, &creator, &x.Config); err != nil {
				return err
			}
			x.Created = time.UnixMicro(created).UTC()
			x.Creator, _ = n.db.address(creator)
			at[x.Name] = len(out)
			out = append(out, x)
			return nil
		}, int64(owner))
		if err != nil || len(out) == 0 {
			return err
		}
		return n.fill(s, owner, out, at)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Ties implements store.Nodes.
func (n nodes) Ties(ctx context.Context, domain string, bare jid.JID) ([]store.Node, error) {
	var out []store.Node
	type place struct {
		owner int64
		node  string
	}
	err := n.db.reads.snapshot(ctx, func(s *snapshot) error {
		out = nil
		at := make(map[place]int)
		read := func(query string, add func(node *store.Node, j jid.JID, text string)) error {
			return s.each(query, func(rows *sql.Rows) error {
				var p place
				var x store.Node
				var created int64
				var creator, address, text string
				if err := rows.Scan(&p.owner, &p.node, &created, &creator, &x.Config, &address, &text); err != nil {
					return err
				}
				i, ok := at[p]
				if !ok {
					x.Name, x.Created = p.node, time.UnixMicro(created).UTC()
					x.Creator, _ = n.db.address(creator)
					i, at[p] = len(out), len(out)
					out = append(out, x)
				}
				if j, readable := n.db.address(address); readable {
					add(&out[i], j, text)
				}
				return nil
			}, bare.String(), domain)
		}
		err := read(selectTiedAffiliations, func(node *store.Node, j jid.JID, text string) {
			node.Affiliations = append(node.Affiliations, store.NodeAffiliation{JID: j, Is: text})
		})
		if err != nil {
			return err
		}
		return read(selectTiedSubscriptions, func(node *store.Node, j jid.JID, text string) {
			node.Subscriptions = append(node.Subscriptions, store.NodeSubscription{JID: j, State: text})
		})
	})
	slices.SortFunc(out, func(x, y store.Node) int { return strings.Compare(x.Name, y.Name) })
	for _, x := range out {
		slices.SortFunc(x.Subscriptions, func(p, q store.NodeSubscription) int { return strings.Compare(p.JID.String(), q.JID.String()) })
	}
	return out, err
}

// fill reads what belongs to the nodes.
func (n nodes) fill(s *snapshot, owner store.Owner, out []store.Node, at map[string]int) error {
	err := s.each(selectNodeSizes, func(rows *sql.Rows) error {
		var name string
		var items, bytes int
		if err := rows.Scan(&name, &items, &bytes); err != nil {
			return err
		}
		if i, ok := at[name]; ok {
			out[i].Items, out[i].Bytes = items, bytes
		}
		return nil
	}, int64(owner))
	for _, x := range []struct {
		query string
		add   func(node *store.Node, j jid.JID, text string)
	}{
		{selectNodeAffiliations, func(node *store.Node, j jid.JID, text string) {
			node.Affiliations = append(node.Affiliations, store.NodeAffiliation{JID: j, Is: text})
		}},
		{selectNodeSubscriptions, func(node *store.Node, j jid.JID, text string) {
			node.Subscriptions = append(node.Subscriptions, store.NodeSubscription{JID: j, State: text})
		}},
	} {
		if err != nil {
			return err
		}
		err = s.each(x.query, func(rows *sql.Rows) error {
			var name, address, text string
			if err := rows.Scan(&name, &address, &text); err != nil {
				return err
			}
			j, readable := n.db.address(address)
			if i, ok := at[name]; ok && readable {
				x.add(&out[i], j, text)
			}
			return nil
		}, int64(owner))
	}
	return err
}

// fits tells whether names and addresses fit into their indexes.
func fits(node, item string, peers ...jid.JID) error {
	if len(node) > store.MaxNodeName || len(item) > store.MaxItemID {
		return fmt.Errorf("name of %d and %d bytes: %w", len(node), len(item), store.ErrInvalid)
	}
	for _, j := range peers {
		if n := len(j.String()); n > store.MaxNodePeer {
			return fmt.Errorf("address of %d bytes: %w", n, store.ErrInvalid)
		}
	}
	return nil
}

// ChangeNode implements store.Nodes.
func (n nodes) ChangeNode(owner store.Owner, c store.NodeChange) store.Ticket {
	size := len(c.Node) + len(c.Config)
	var peers []jid.JID
	for _, a := range c.Affiliations {
		peers = append(peers, a.JID)
	}
	for _, s := range c.Subscriptions {
		peers = append(peers, s.JID)
	}
	for _, j := range peers {
		size += len(j.String()) + opOverhead
	}
	if err := fits(c.Node, "", peers...); err != nil {
		return store.Settled(err)
	}
	now := n.db.options.Now()
	return n.db.queueOf(owner).change(size, func(w *writer) error {
		if c.Delete {
			return deleteNode(w, owner, c.Node)
		}
		err := makeNode(w, owner, c.Node, c.Make, now)
		if err == nil && c.Config != "" {
			_, err = w.change("UPDATE nodes SET config = $3 WHERE owner = $1 AND node = $2", int64(owner), c.Node, c.Config)
		}
		if err == nil && c.Purge {
			_, err = w.change("DELETE FROM node_items WHERE owner = $1 AND node = $2", int64(owner), c.Node)
		}
		if err == nil && c.Keep > 0 {
			_, err = trim(w, owner, c.Node, c.Keep)
		}
		if err == nil {
			err = changePeers(w, owner, &c)
		}
		return err
	})
}

func deleteNode(w *writer, owner store.Owner, node string) error {
	for _, table := range []string{"node_items", "node_affiliations", "node_subscriptions", "nodes"} {
		if _, err := w.change("DELETE FROM "+table+" WHERE owner = $1 AND node = $2", int64(owner), node); err != nil {
			return err
		}
	}
	return nil
}

func makeNode(w *writer, owner store.Owner, node string, m *store.NewNode, now time.Time) error {
	if m == nil {
		return nil
	}
	_, err := w.change("INSERT INTO nodes (owner, node, created, creator, config) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner, node) DO NOTHING",
		int64(owner), node, now.UnixMicro(), m.Creator.String(), m.Config)
	return err
}

func changePeers(w *writer, owner store.Owner, c *store.NodeChange) error {
	for _, a := range c.Affiliations {
		var err error
		if a.Is == "" {
			_, err = w.change("DELETE FROM node_affiliations WHERE owner = $1 AND node = $2 AND jid = $3", int64(owner), c.Node, a.JID.String())
		} else {
			_, err = w.change(`INSERT INTO node_affiliations (owner, node, jid, affiliation) VALUES ($1, $2, $3, $4)
				ON CONFLICT (owner, node, jid) DO UPDATE SET affiliation = excluded.affiliation`, int64(owner), c.Node, a.JID.String(), a.Is)
		}
		if err != nil {
			return err
		}
	}
	for _, s := range c.Subscriptions {
		var err error
		if s.State == "" {
			_, err = w.change("DELETE FROM node_subscriptions WHERE owner = $1 AND node = $2 AND jid = $3", int64(owner), c.Node, s.JID.String())
		} else {
			_, err = w.change(`INSERT INTO node_subscriptions (owner, node, jid, bare, state) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (owner, node, jid) DO UPDATE SET state = excluded.state`, int64(owner), c.Node, s.JID.String(), s.JID.Bare().String(), s.State)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// names reads a column of ids.
func (w *writer) names(query string, args ...any) (out []string, err error) {
	err = w.query(query, func(row []driver.Value) error {
		name, err := text(row[0])
		out = append(out, name)
		return err
	}, args...)
	return out, err
}

// text is a value of a text column.
func text(v driver.Value) (string, error) {
	switch s := v.(type) {
	case string:
		return s, nil
	case []byte:
		return string(s), nil
	}
	return "", errors.New("text of an unexpected type")
}

// trim removes the oldest items until only keep are left, and returns their ids.
func trim(w *writer, owner store.Owner, node string, keep int) ([]string, error) {
	count, _, err := w.number(countNodeItems, int64(owner), node, int64(0))
	if err != nil || count <= int64(keep) {
		return nil, err
	}
	gone, err := w.names(selectOldestItems, int64(owner), node, count-int64(keep))
	if err != nil {
		return nil, err
	}
	return gone, removeItems(w, owner, node, gone)
}

func removeItems(w *writer, owner store.Owner, node string, ids []string) error {
	for _, id := range ids {
		if _, err := w.change(deleteNodeItem, int64(owner), node, id); err != nil {
			return err
		}
	}
	return nil
}

// Publish implements store.Nodes.
func (n nodes) Publish(owner store.Owner, item store.NewNodeItem) (*store.Published, store.Ticket) {
	out := new(store.Published)
	if err := fits(item.Node, item.ID, item.Publisher); err != nil {
		return out, store.Settled(err)
	}
	now := n.db.options.Now()
	var refused error
	t := n.db.queueOf(owner).change(len(item.Node)+len(item.ID)+len(item.Payload), func(w *writer) error {
		*out, refused = store.Published{}, nil
		replaces, err := mayPublish(w, owner, &item)
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrTooMany) {
			refused = err
			return nil
		}
		if err != nil {
			return err
		}
		return publish(w, owner, &item, replaces, now, out)
	})
	return out, unless(t, &refused)
}

// mayPublish tells whether an item replaces another, or why it may not come in.
func mayPublish(w *writer, owner store.Owner, item *store.NewNodeItem) (replaces bool, err error) {
	if item.Own {
		others, err := w.names(selectNodePublisher, int64(owner), item.Node, item.ID)
		if err != nil {
			return false, err
		}
		if len(others) > 0 && others[0] != item.Publisher.String() {
			return false, fmt.Errorf("item of another: %w", store.ErrConflict)
		}
	}
	_, replaces, err = w.number(selectNodeSeq, int64(owner), item.Node, item.ID)
	if err != nil || replaces || !item.Reject {
		return replaces, err
	}
	count, _, err := w.number(countNodeItems, int64(owner), item.Node, int64(item.Since))
	if err == nil && count >= int64(item.Keep) {
		err = fmt.Errorf("node of %d items: %w", count, store.ErrTooMany)
	}
	return false, err
}

func publish(w *writer, owner store.Owner, item *store.NewNodeItem, replaces bool, now time.Time, out *store.Published) error {
	if err := makeNode(w, owner, item.Node, item.Make, now); err != nil {
		return err
	}
	newest, _, err := w.number(newestNodeSeq, int64(owner), item.Node)
	if err != nil {
		return err
	}
	// The order is that of publication also when the clock goes back.
	seq := max(now.UnixMicro(), newest+1)
	_, err = w.change(`INSERT INTO node_items (owner, node, item, seq, bytes, publisher, payload) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (owner, node, item) DO UPDATE SET seq = excluded.seq, bytes = excluded.bytes, publisher = excluded.publisher, payload = excluded.payload`,
		int64(owner), item.Node, item.ID, seq, int64(len(item.ID)+len(item.Payload)), item.Publisher.String(), orEmpty(item.Payload))
	if err != nil {
		return err
	}
	if item.Since > 0 {
		expired, err := w.names(selectExpiredItems, int64(owner), item.Node, int64(item.Since))
		if err == nil {
			err = removeItems(w, owner, item.Node, expired)
		}
		if err != nil {
			return err
		}
	}
	if !replaces {
		if out.Removed, err = trim(w, owner, item.Node, max(item.Keep, 1)); err != nil {
			return err
		}
	}
	out.Key = store.Key(seq)
	return sizes(w, owner, item.Node, out)
}

// sizes tells what a node holds now.
func sizes(w *writer, owner store.Owner, node string, out *store.Published) error {
	count, _, err := w.number(countNodeItems, int64(owner), node, int64(0))
	if err != nil {
		return err
	}
	bytes, _, err := w.number(sumNodeItems, int64(owner), node)
	out.Items, out.Bytes = int(count), int(bytes)
	return err
}

// Retract implements store.Nodes.
func (n nodes) Retract(owner store.Owner, node, id string, own *jid.JID) (*store.Published, store.Ticket) {
	out := new(store.Published)
	var refused error
	t := n.db.queueOf(owner).change(len(node)+len(id), func(w *writer) error {
		*out, refused = store.Published{}, nil
		publishers, err := w.names(selectNodePublisher, int64(owner), node, id)
		switch {
		case err != nil:
			return err
		case len(publishers) == 0:
			refused = fmt.Errorf("item: %w", store.ErrNotFound)
			return nil
		case own != nil && own.String() != publishers[0]:
			refused = fmt.Errorf("item of another: %w", store.ErrConflict)
			return nil
		}
		if err := removeItems(w, owner, node, []string{id}); err != nil {
			return err
		}
		out.Removed = []string{id}
		return sizes(w, owner, node, out)
	})
	return out, unless(t, &refused)
}

// Newest implements store.Nodes.
func (n nodes) Newest(ctx context.Context, owner store.Owner, names []string) ([]store.NodeItem, error) {
	var out []store.NodeItem
	err := n.db.reads.snapshot(ctx, func(s *snapshot) error {
		out = nil
		for _, name := range names {
			err := s.each(selectNewestItem, func(rows *sql.Rows) error {
				return n.scan(rows, name, false, &out)
			}, int64(owner), name)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// scan appends an item.
func (n nodes) scan(rows *sql.Rows, node string, names bool, out *[]store.NodeItem) error {
	x := store.NodeItem{Node: node}
	var publisher string
	var err error
	if names {
		err = rows.Scan(&x.ID, &x.Key)
	} else {
		err = rows.Scan(&x.ID, &x.Key, &publisher, &x.Payload)
	}
	if err != nil {
		return err
	}
	if publisher != "" {
		x.Publisher, _ = n.db.address(publisher)
	}
	*out = append(*out, x)
	return nil
}

// Items implements store.Nodes.
func (n nodes) Items(ctx context.Context, owner store.Owner, node string, q store.NodeQuery) (store.NodePage, error) {
	var page store.NodePage
	err := n.db.reads.snapshot(ctx, func(s *snapshot) error {
		page = store.NodePage{}
		if len(q.IDs) > 0 {
			return n.byID(s, owner, node, &q, &page)
		}
		return n.page(s, owner, node, &q, &page)
	})
	return page, err
}

func (n nodes) byID(s *snapshot, owner store.Owner, node string, q *store.NodeQuery, page *store.NodePage) error {
	bytes := 0
	for i, id := range q.IDs {
		if slices.Contains(q.IDs[:i], id) {
			continue
		}
		err := s.each(selectNodeItem, func(rows *sql.Rows) error { return n.scan(rows, node, false, &page.Items) }, int64(owner), node, id)
		if err != nil {
			return err
		}
		last := len(page.Items) - 1
		if last >= 0 && page.Items[last].ID == id {
			bytes += len(page.Items[last].Payload)
			if page.Items[last].Key < q.Since {
				page.Items = page.Items[:last]
			}
		}
		if left := len(q.IDs) - i - 1; q.MaxBytes > 0 && bytes > q.MaxBytes && left > 0 {
			page.Count = len(page.Items) + left
			return nil
		}
	}
	page.Count = len(page.Items)
	return nil
}

// seqOf is the place of an item, or ErrNotFound.
func (n nodes) seqOf(s *snapshot, owner store.Owner, node, id string) (seq int64, err error) {
	found := false
	err = s.each(selectNodeSeq, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&seq)
	}, int64(owner), node, id)
	if err == nil && !found {
		err = fmt.Errorf("item to page from: %w", store.ErrNotFound)
	}
	return seq, err
}

func (n nodes) number(s *snapshot, query string, args ...any) (v int, err error) {
	err = s.each(query, func(rows *sql.Rows) error { return rows.Scan(&v) }, args...)
	return v, err
}

func (n nodes) page(s *snapshot, owner store.Owner, node string, q *store.NodeQuery, page *store.NodePage) (err error) {
	after, before := int64(q.Since)-1, int64(maxKey)
	if q.After != "" {
		seq, err := n.seqOf(s, owner, node, q.After)
		if err != nil {
			return err
		}
		after = max(after, seq)
	}
	if q.Before != "" {
		if before, err = n.seqOf(s, owner, node, q.Before); err != nil {
			return err
		}
	}
	total, err := n.number(s, countNodeItems, int64(owner), node, int64(q.Since))
	if err != nil {
		return err
	}
	query, most := selectNodeItems, q.Max
	switch {
	case q.Names:
		query = selectNodeItemNames
	case q.FromEnd:
		query = selectNodeItemsBack
	}
	if most < 0 {
		most = total
	}
	bytes, full := 0, false
	err = s.each(query, func(rows *sql.Rows) error {
		if full {
			return nil
		}
		if err := n.scan(rows, node, q.Names, &page.Items); err != nil {
			return err
		}
		bytes += len(page.Items[len(page.Items)-1].Payload)
		if q.MaxBytes > 0 && bytes > q.MaxBytes && len(page.Items) > 1 {
			full = true
			page.Items = page.Items[:len(page.Items)-1]
		}
		return nil
	}, int64(owner), node, after, before, int64(most), int64(q.Index))
	if err != nil {
		return err
	}
	page.Count = total
	if query == selectNodeItemsBack {
		slices.Reverse(page.Items)
	}
	if len(page.Items) == 0 {
		return nil
	}
	left, err := n.number(s, countNodeItems, int64(owner), node, int64(page.Items[0].Key))
	page.First = total - left
	return err
}
