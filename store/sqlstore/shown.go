package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// selectShownNodes is one account's part of store.Nodes.Shown, from its name by keys alone. Arguments: its domain and name, then the asker, bare, full, and
// the asker's domain, which are the ways in which a block list names somebody (XEP-0191, "JID Matching").
const selectShownNodes = "SELECT a.id, r.groups_json, n.node, n.config, i.bytes, COALESCE(f.affiliation, ''), " +
	"COALESCE((SELECT string_agg(s.state, ' ') FROM node_subscriptions AS s WHERE s.owner = n.owner AND s.node = n.node AND s.bare = $3), '') " +
	"FROM accounts AS a CROSS JOIN roster_items AS r CROSS JOIN nodes AS n CROSS JOIN node_items AS i " +
	"LEFT JOIN node_affiliations AS f ON f.owner = n.owner AND f.node = n.node AND f.jid = $3 " +
	"WHERE a.domain = $1 AND a.local = $2 AND a.disabled = 0 AND r.owner = a.id AND r.jid = $3 AND r.subscription IN ('from', 'both') " +
	"AND NOT EXISTS (SELECT 1 FROM blocks AS b WHERE b.owner = a.id AND b.jid IN ($3, $4, $5)) AND n.owner = a.id AND i.owner = n.owner AND i.node = n.node " +
	"AND i.seq = (SELECT MAX(m.seq) FROM node_items AS m WHERE m.owner = n.owner AND m.node = n.node) ORDER BY n.node"

// Shown implements store.Nodes.
func (n nodes) Shown(ctx context.Context, q store.ShownQuery) ([]store.ShownItem, error) {
	var out []store.ShownItem
	err := n.db.reads.snapshot(ctx, func(s *snapshot) error {
		out = nil
		for _, account := range q.Accounts {
			owner, all, err := n.shownBy(s, account, q.Asker)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				continue
			}
			for _, x := range q.Choose(account, all) {
				var items []store.NodeItem
				err := s.each(selectNewestItem, func(rows *sql.Rows) error { return n.scan(rows, x.Name, false, &items) }, owner, x.Name)
				if err != nil {
					return err
				}
				for _, item := range items {
					out = append(out, store.ShownItem{Account: account, Config: x.Config, NodeItem: item})
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// shownBy are the nodes of one account that have items, if the asker sees its presence.
func (n nodes) shownBy(s *snapshot, account, asker jid.JID) (owner int64, out []store.ShownNode, err error) {
	err = s.each(selectShownNodes, func(rows *sql.Rows) error {
		var x store.ShownNode
		var groups, states string
		if err := rows.Scan(&owner, &groups, &x.Name, &x.Config, &x.Bytes, &x.Affiliation, &states); err != nil {
			return err
		}
		if groups != noGroups {
			if err := json.Unmarshal([]byte(groups), &x.Groups); err != nil {
				return err
			}
		}
		x.Subscriptions = strings.Fields(states)
		slices.Sort(x.Subscriptions)
		out = append(out, x)
		return nil
	}, account.Domain(), account.Local(), asker.Bare().String(), asker.String(), asker.Domain())
	return owner, out, err
}
