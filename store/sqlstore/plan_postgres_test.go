package sqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"stonechat/store/storetest"
)

// smallTables may be read as a whole.
var smallTables = map[string]bool{"archive_state": true, "erasures": true, "secrets": true}

// filled is a connection to a database with the schema and many rows in every table, and two archives of some length.
func filled(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	o := Options{Postgres: PostgresForTests.Database(t)}
	newest, err := NewestVersion()
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLoader(ctx, "", o, newest)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range l.List() {
		var rows [][]driver.Value
		for i := range 4000 {
			rows = append(rows, storetest.AnyRow(&table, i))
		}
		if err := l.Add(ctx, &table, rows); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{
		"INSERT INTO archive SELECT 10000000000 + n, n % 20, 'p' || n % 7, 'r', n % 4, n, 'stanza', n % 3000 FROM generate_series(1, 20000) AS n",
		"INSERT INTO archive_by_owner SELECT owner, key, origin, flags FROM archive ON CONFLICT DO NOTHING",
		"INSERT INTO archive_by_peer SELECT owner, peer, key, resource, flags FROM archive ON CONFLICT DO NOTHING",
		"INSERT INTO archive_by_target SELECT owner, target, key FROM archive WHERE target <> 0 ON CONFLICT DO NOTHING",
	} {
		if _, err := l.conn().Exec(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, o.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// How statements are planned: without knowing their arguments, or for these ones. The server takes the former when it is no dearer; where a
// limit says how many rows are meant it is, since a tenth of the table is guessed.
const (
	anyArguments   = "force_generic_plan"
	theseArguments = "force_custom_plan"
)

// planOn is PostgreSQL's plan of a statement.
func planOn(t *testing.T, conn *pgx.Conn, mode, query string) string {
	t.Helper()
	arguments := 0
	for n := 1; strings.Contains(query, fmt.Sprintf("$%d", n)); n++ {
		arguments = n
	}
	// All literals of this form fit: the types are those of the columns.
	values := strings.TrimSuffix(strings.Repeat("'100', ", arguments), ", ")
	if arguments > 0 {
		values = "(" + values + ")"
	}
	results, err := conn.PgConn().Exec(t.Context(), "SET plan_cache_mode = "+mode+"; DEALLOCATE ALL; PREPARE p AS "+query+
		"; EXPLAIN EXECUTE p"+values).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var b strings.Builder
	for _, row := range results[len(results)-1].Rows {
		b.Write(row[0])
		b.WriteByte('\n')
	}
	return b.String()
}

// TestPostgresPlans: what runs while people wait finds its rows by an index, and pages need no sorting.
func TestPostgresPlans(t *testing.T) {
	conn := filled(t)
	db := &DB{dialect: postgresDialect()}
	sorted := []string{selectExists, countOwner, countPeer, countFull, db.fetchQuery(1), db.fetchQuery(64), db.newsQuery(1), db.newsQuery(64), selectChats, selectChat, selectRoomChat}
	for _, newest := range []bool{false, true} {
		for _, c := range []choice{{}, {flags: flagOffline}, {peer: "p"}, {peer: "p", resource: "r"}, {withOrigin: true}} {
			c.newestFirst = newest
			query, _ := rowsQuery(&c)
			sorted = append(sorted, query, seenQuery(&c))
		}
		for _, c := range []choice{{not: flagAimed}, {flags: flagAimed, peer: "p"}, {not: flagAimed, peer: "p", resource: "r"}} {
			c.newestFirst = newest
			passed, _ := passedQuery(&c)
			counted, _ := countQuery(&c)
			sorted = append(sorted, passed, counted)
		}
	}
	for _, n := range fetchSizes {
		sorted = append(sorted, db.dialect.aboutQuery(n))
	}
	for _, query := range sorted {
		if p := planOn(t, conn, anyArguments, query); strings.Contains(p, "Seq Scan") || strings.Contains(p, "Sort") {
			t.Errorf("%s\n%s", query, p)
		}
	}
	queries := map[string]string{}
	for _, query := range append([]string{
		selectAccount, selectAccounts, selectVersion, selectItems, selectGone, selectPending, selectHidden,
		selectPlace, selectDevices, selectTokens, selectBlocked, selectLastSeen, selectStrangerPrefs, selectAcquaintances, selectWaiting,
		selectPrivate, countPrivate, sumPrivate, selectVCard, selectVCards, countReports, selectReport, selectInvite, selectReserved,
		selectCircle, selectMembers, selectCommon, selectKinds, selectKind, dropKind, selectKept, selectOneKept, deleteKept, tieEach, tieOne,
		selectNodes, selectNodeSizes, selectNodeAffiliations, selectNodeSubscriptions, countNodeItems, sumNodeItems, newestNodeSeq, selectNodeSeq,
		selectNodePublisher, selectExpiredItems, selectOldestItems, selectNodeItem, selectNewestItem, selectNodeItems, selectNodeItemsBack,
		selectNodeItemNames, selectTiedAffiliations, selectTiedSubscriptions, selectShownNodes, deleteNodeItem, selectChatRooms,
		"SELECT MAX(key) FROM archive", "SELECT key FROM archive WHERE key > $1 ORDER BY key",
	}, eraseRest[:]...) {
		queries[query] = anyArguments
	}
	for _, query := range append(append(eraseSteps[:], expireSteps[:]...), listReports, selectTies, selectDue) {
		queries[query] = theseArguments
	}
	for query, mode := range queries {
		p := planOn(t, conn, mode, query)
		for _, line := range strings.Split(p, "\n") {
			_, table, scan := strings.Cut(line, "Seq Scan on ")
			table, _, _ = strings.Cut(table, " ")
			if scan && !smallTables[table] {
				t.Errorf("%s\n%s", query, p)
			}
		}
	}
}

// TestTextIsComparedByteByByte: every text column, also those of tables to come, and so every order by one.
func TestTextIsComparedByteByByte(t *testing.T) {
	conn := filled(t)
	rows, err := conn.Query(t.Context(), `SELECT t.relname || '.' || a.attname FROM pg_class AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
		WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND t.relname <> 'writers'
		AND a.attcollation <> 0 AND a.attcollation <> '"C"'::regcollation`)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(wrong) > 0 {
		t.Errorf("columns in another order: %v, %v", wrong, err)
	}
	var locale string
	if err := conn.QueryRow(t.Context(), "SELECT ('a' < 'B')::text").Scan(&locale); err != nil {
		t.Fatal(err)
	}
	if locale != "true" {
		t.Log("this server compares by bytes everywhere, so the test says little")
	}
}
