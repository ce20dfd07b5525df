package sqlstore

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// plan returns SQLite's query plan, one step a line.
func plan(t *testing.T, db *DB, query string) []string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	for n := 9; n > 0 && len(args) == 0; n-- {
		if strings.Contains(query, "$"+string(rune('0'+n))) {
			args = make([]any, n)
		}
	}
	for i := range args {
		args[i] = 1
	}
	rows, err := db.reads.db.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// TestPlans: every read of an archive goes straight to its rows, in order, however many others there are.
func TestPlans(t *testing.T) {
	db := openTest(t, Options{})
	const (
		owner  = "SEARCH o USING PRIMARY KEY (owner=? AND key>? AND key<?)"
		peer   = "SEARCH o USING PRIMARY KEY (owner=? AND peer=? AND key>? AND key<?)"
		joined = "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"
	)
	wants := map[string][]string{
		selectExists:      {"SEARCH archive USING INTEGER PRIMARY KEY (rowid=?)"},
		countOwner:        {"CO-ROUTINE n", owner, "SCAN n"},
		countPeer:         {"CO-ROUTINE n", peer, "SCAN n"},
		countFull:         {"CO-ROUTINE n", peer, "SCAN n"},
		db.fetchQuery(1):  {joined},
		db.fetchQuery(64): {joined},
		db.newsQuery(1):   {joined},
		db.newsQuery(64):  {joined},
	}
	for _, newest := range []bool{false, true} {
		for _, c := range []choice{{}, {flags: flagOffline}, {peer: "p"}, {peer: "p", resource: "r"}, {withOrigin: true}} {
			c.newestFirst = newest
			query, _ := rowsQuery(&c)
			wants[seenQuery(&c)] = []string{owner}
			wants[query] = []string{owner, joined}
			if c.peer != "" {
				wants[query] = []string{peer, joined}
			}
		}
		for _, c := range []choice{{not: flagAimed}, {flags: flagAimed, peer: "p"}, {not: flagAimed, peer: "p", resource: "r"}} {
			c.newestFirst = newest
			passed, _ := passedQuery(&c)
			counted, _ := countQuery(&c)
			wants[passed], wants[counted] = []string{owner}, []string{"CO-ROUTINE n", owner, "SCAN n"}
			if c.peer != "" {
				wants[passed], wants[counted] = []string{peer}, []string{"CO-ROUTINE n", peer, "SCAN n"}
			}
		}
	}
	for query, want := range wants {
		if got := plan(t, db, query); strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("%s\n got %q\nwant %q", query, got, want)
		}
	}
}

// TestTargetPlans: from each target straight to the newest rows about it.
func TestTargetPlans(t *testing.T) {
	db := openTest(t, Options{})
	const want = `CO-ROUTINE t; SCAN .*CONSTANT ROWS?; SCAN t; CORRELATED SCALAR SUBQUERY \d+; CO-ROUTINE n; ` +
		`SEARCH o USING PRIMARY KEY \(owner=\? AND target=\? AND key<\?\); SCAN n`
	for _, n := range fetchSizes {
		if got := strings.Join(plan(t, db, db.dialect.aboutQuery(n)), "; "); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%d targets: %s", n, got)
		}
	}
}

// TestTiesInOrder: however many wait, the next ones are found without sorting all.
func TestTiesInOrder(t *testing.T) {
	steps := strings.Join(plan(t, openTest(t, Options{}), selectTies), "; ")
	if !strings.HasPrefix(steps, "SCAN t USING INDEX ties_order; SEARCH a ") || strings.Contains(steps, "B-TREE") {
		t.Error(steps)
	}
}

// TestFromTheFew: who leaves, and whose sessions rest, is found from those few and not from all accounts.
func TestFromTheFew(t *testing.T) {
	db := openTest(t, Options{})
	for query, few := range map[string]string{selectDue: "SCAN l", selectResting: "SCAN s"} {
		steps := plan(t, db, query)
		if len(steps) < 2 || steps[0] != few || steps[1] != "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)" {
			t.Errorf("%s\n %q", query, steps)
		}
	}
}

// TestShownNodes: from an account's name to its roster, and then to its nodes, each by a whole key; the size of an item is read without the item.
func TestShownNodes(t *testing.T) {
	steps := plan(t, openTest(t, Options{}), selectShownNodes)
	want := []string{
		"SEARCH a USING INDEX accounts_name (domain=? AND local=?)",
		"SEARCH r USING PRIMARY KEY (owner=? AND jid=?)",
		"SEARCH n USING PRIMARY KEY (owner=?)",
		"SEARCH i USING COVERING INDEX node_items_order (owner=? AND node=? AND seq=?)",
		"SEARCH f USING PRIMARY KEY (owner=? AND node=? AND jid=?) LEFT-JOIN",
	}
	got := slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return !slices.Contains(want, s) })
	if !slices.Equal(got, want) {
		t.Errorf("not in this order:\n%s", strings.Join(steps, "\n"))
	}
}

// TestNoScans: the other statements that run while people wait search as well, and erasing too.
func TestNoScans(t *testing.T) {
	db := openTest(t, Options{})
	queries := []string{selectAccount, selectAccounts, selectHeld, selectVersion, selectItems, selectPending}
	queries = append(queries, selectBlocked, countReports, listReports, selectReport, expireReport, selectStrangerPrefs, selectAcquaintances,
		selectWaiting, expireWaiting, selectPrivate, countPrivate, sumPrivate, selectVCard, selectVCards)
	queries = append(queries, selectKept, selectOneKept, deleteKept, selectLastSeen)
	queries = append(queries, selectInvite, selectReserved, selectCommon, selectCircle, selectKinds, selectKind, dropKind)
	queries = append(queries, selectRoom, selectRooms, selectPublicRooms, countRooms, sumRoomItems, sumRoomPeople, selectAffiliations, selectOccupants, selectTemporary)
	queries = append(queries, selectNodes, selectNodeSizes, selectNodeAffiliations, selectNodeSubscriptions, countNodeItems, sumNodeItems, newestNodeSeq,
		selectNodeSeq, selectNodePublisher, selectExpiredItems, selectOldestItems, selectNodeItem, selectNewestItem, selectNodeItems, selectNodeItemsBack,
		selectNodeItemNames, selectTiedAffiliations, selectTiedSubscriptions, selectShownNodes, deleteNodeItem)
	queries = append(queries, selectTombstone, selectTombstoneOwners, selectTombstoneOf, selectOldTombstones)
	queries = append(queries, expireTombstones[:]...)
	queries = append(queries, selectBereavedRooms, selectBereavedNodes, selectHeir)
	queries = append(queries, disinheritance[:]...)
	queries = append(queries, eraseSteps[:]...)
	queries = append(queries, eraseRest[:]...)
	queries = append(queries, expireSteps[:]...)
	fine := map[string]string{selectHeir: "USE TEMP B-TREE FOR ORDER BY"} // of the people of one room, when its last owner goes
	for _, query := range queries {
		steps := plan(t, db, query)
		if len(steps) == 0 {
			t.Errorf("%s: no plan", query)
		}
		for _, s := range steps {
			if s == fine[query] {
				continue
			}
			if strings.Contains(s, "SCAN") && s != "SCAN CONSTANT ROW" || strings.Contains(s, "TEMP B-TREE") || strings.Contains(s, "AUTOMATIC") {
				t.Errorf("%s\n %s", query, strings.Join(steps, "\n "))
				break
			}
		}
	}
}

// TestFilePlans: a quota is counted from an index alone, and nothing of files reads them all.
func TestFilePlans(t *testing.T) {
	db := openTest(t, Options{})
	for query, want := range map[string]string{
		selectFile:      "SEARCH files USING PRIMARY KEY (id=?)",
		selectFileUsage: "SEARCH files USING COVERING INDEX files_owner (owner=?)",
		selectOwnFiles:  "SEARCH files USING INDEX files_owner (owner=?)",
		selectFileHash:  "SEARCH files USING COVERING INDEX files_hash (hash=?)",
		selectFileThumb: "SEARCH files USING COVERING INDEX files_thumb (thumb=?)",
		deleteDueFiles:  "SEARCH files USING COVERING INDEX files_due (due>? AND due<?)",
	} {
		steps := strings.Join(plan(t, db, query), "; ")
		if !strings.Contains(steps, want) || strings.Contains(steps, "SCAN files") || strings.Contains(steps, "B-TREE") {
			t.Errorf("%s\n %s", query, steps)
		}
	}
}

// TestPushPlans: who looks for jobs every moment must not read all of them, nor may who adds one.
func TestPushPlans(t *testing.T) {
	db := openTest(t, Options{})
	for query, want := range map[string]string{
		selectPushTargets: "SEARCH push_targets USING INDEX push_targets_owner (owner=?)",
		countPushTargets:  "SEARCH push_targets USING COVERING INDEX push_targets_owner (owner=?)",
		selectPushIDs:     "SEARCH push_targets USING COVERING INDEX push_targets_owner (owner=? AND service=?)",
		upsertPushJob:     "SEARCH push_targets USING INTEGER PRIMARY KEY (rowid=?)",
		withdrawPushJobs:  "SEARCH push_jobs USING INDEX push_jobs_owner (owner=? AND topic=?)",
		selectDuePush:     "SEARCH push_jobs USING INDEX push_jobs_due (pending=? AND due<?)",
		deletePastPush:    "SEARCH push_jobs USING COVERING INDEX push_jobs_due (pending=? AND due<?)",
		deleteOldPush:     "SEARCH push_jobs USING INDEX push_jobs_ends (ends<?)",
		deletePushJobs:    "SEARCH push_jobs USING PRIMARY KEY (target=?)",
	} {
		steps := strings.Join(plan(t, db, query), "; ")
		if !strings.Contains(steps, want) || strings.Contains(steps, "SCAN push") || query != selectPushTargets && query != deletePastPush && strings.Contains(steps, "B-TREE") {
			t.Errorf("%s\n %s", query, steps)
		}
	}
}

// TestChatPlans: the list of chats goes from one to the next, and each chat straight to its newest rows.
func TestChatPlans(t *testing.T) {
	db := openTest(t, Options{})
	for query, want := range map[string][]string{
		selectChats: {
			"SEARCH f USING PRIMARY KEY (owner=?)", "SEARCH x USING PRIMARY KEY (owner=? AND peer>?)", "SCAN p",
			"SEARCH o USING PRIMARY KEY (owner=? AND peer=? AND key<?)",
		},
		selectChat:      {"SEARCH o USING PRIMARY KEY (owner=? AND peer=? AND key<?)"},
		selectChatRooms: {"SEARCH f USING INDEX room_affiliations_jid (jid=?)", "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)"},
		selectRoomChat:  {"SEARCH o USING PRIMARY KEY (owner=? AND key<?)", "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"},
	} {
		steps := plan(t, db, query)
		for _, step := range want {
			if !slices.Contains(steps, step) {
				t.Errorf("no %q in\n%s", step, strings.Join(steps, "\n"))
			}
		}
		for _, step := range steps {
			if strings.Contains(step, "SCAN") && !strings.HasPrefix(step, "SCAN p") && !strings.HasPrefix(step, "SCAN n") || strings.Contains(step, "B-TREE") {
				t.Errorf("%s\n%s", step, strings.Join(steps, "\n"))
			}
		}
	}
}
