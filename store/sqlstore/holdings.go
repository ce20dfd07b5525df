package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"stonechat/store"
)

// holdings implements store.Holdings.
type holdings struct{ db *DB }

// heldIn are the tables of what is kept, by kind. Rows of roster_items and roster_gone are never without one of rosters.
var heldIn = [...]struct {
	kind  store.Held
	table string
}{
	{store.HoldsRoster, "rosters"},
	{store.HoldsPending, "roster_pending"},
	{store.HoldsBlocks, "blocks"},
	{store.HoldsStrangerPrefs, "stranger_prefs"},
	{store.HoldsAcquaintances, "acquaintances"},
	{store.HoldsStrangerMessages, "stranger_messages"},
	{store.HoldsArchivePrefs, "archive_prefs"},
	{store.HoldsDelivered, "offline_marks"},
	{store.HoldsNodes, "nodes"},
	{store.HoldsPrivate, "private_xml"},
	{store.HoldsVCard, "vcards"},
	{store.HoldsPush, "push_targets"},
}

var selectHeld = heldQuery()

// heldQuery looks into every table once, in one statement: what costs is the statement, not the look.
func heldQuery() string {
	var terms []string
	for _, t := range heldIn {
		terms = append(terms, "CASE WHEN EXISTS (SELECT 1 FROM "+t.table+" WHERE owner = $1) THEN "+strconv.Itoa(int(t.kind))+" ELSE 0 END")
	}
	return "SELECT " + strings.Join(terms, " + ")
}

// Held implements store.Holdings.
func (h holdings) Held(ctx context.Context, owner store.Owner) (held store.Held, err error) {
	st, err := h.db.reads.stmt(ctx, selectHeld)
	if err != nil {
		return 0, err
	}
	return held, st.QueryRowContext(ctx, int64(owner)).Scan(&held)
}
