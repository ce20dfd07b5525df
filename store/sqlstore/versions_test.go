package sqlstore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/store/dump"
	"stonechat/xmpp/jid"
)

// written is data of the first version of the schema: an account with its password, a contact, a message.
var written = map[string][]map[string]driver.Value{
	"owners":   {{"id": int64(7), "kind": "account"}},
	"accounts": {{"id": int64(7), "domain": "example.org", "local": "alice", "role": "owner", "disabled": int64(0), "created": int64(1)}},
	"credentials": {{
		"account": int64(7), "mechanism": "SCRAM-SHA-256", "salt": []byte("salt"), "iterations": int64(10000),
		"stored_key": []byte("stored"), "server_key": []byte("server"),
	}},
	"rosters": {{"owner": int64(7), "version": int64(5), "floor": int64(0)}},
	"roster_items": {{
		"owner": int64(7), "jid": "bob@example.net", "name": "Bob", "subscription": "both", "ask": int64(0), "approved": int64(1),
		"groups_json": `["Friends"]`, "version": int64(5),
	}},
	"archive": {{
		"key": int64(1_700_000_000_000_000), "owner": int64(7), "peer": "bob@example.net", "resource": "", "flags": int64(0), "origin": int64(0),
		"stanza": []byte("<message/>"),
	}},
	"archive_state":  {{"id": int64(1), "indexed": int64(0)}},
	"secrets":        {{"name": "archive ids", "value": make([]byte, 16)}},
	"sessions_state": {{"id": int64(1), "orderly": int64(1)}},
}

// writeVersion makes a database of an older version with that data, as a program of then would have left it.
func writeVersion(t *testing.T, folder string, o Options, version int64) {
	t.Helper()
	l, err := NewLoader(t.Context(), folder, o, version)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.List() {
		table := &l.List()[i]
		for _, values := range written[table.Name] {
			row := make([]driver.Value, len(table.Columns))
			for c, column := range table.Columns {
				row[c] = values[column.Name]
				if row[c] == nil && column.Kind == dump.Int {
					row[c] = int64(0) // of a later version
				}
			}
			if err := l.Add(t.Context(), table, [][]driver.Value{row}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(l.SetCounters(map[string]int64{"owners": 7}), l.Finish()); err != nil {
		t.Fatal(err)
	}
}

// TestFromEveryVersion: what a program of any earlier version has left is there, and every table that has come since can be used.
func TestFromEveryVersion(t *testing.T) {
	newest, err := NewestVersion()
	if err != nil {
		t.Fatal(err)
	}
	for version := int64(1); version <= newest; version++ {
		for _, name := range []string{"sqlite", "postgres"} {
			t.Run(fmt.Sprint(name, version), func(t *testing.T) {
				folder, o := t.TempDir(), Options{}
				if name == "postgres" {
					o.Postgres = PostgresForTests.Database(t)
				}
				writeVersion(t, folder, o, version)
				for range 2 { // the second start finds the newest version
					db, err := Open(t.Context(), folder, o)
					if err != nil {
						t.Fatal(err)
					}
					useEverything(t, db)
					if err := db.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func useEverything(t *testing.T, db *DB) {
	t.Helper()
	ctx := t.Context()
	check := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	alice, err := db.Accounts.Get(ctx, "example.org", "alice")
	check(err)
	r, err := db.Rosters.Load(ctx, alice.ID)
	check(err)
	page, err := db.Archive.Page(ctx, alice.ID, store.Query{Max: 10})
	check(err)
	if alice.ID != 7 || alice.Disabled || len(alice.Credentials) != 1 || len(r.Contacts) != 1 || r.Contacts[0].Name != "Bob" || r.Contacts[0].Bond != 0 ||
		r.Version != 5 || len(page.Rows) != 1 || string(page.Rows[0].Stanza) != "<message/>" {
		t.Fatalf("%+v\n%+v\n%+v", alice, r, page)
	}
	_, err = db.Sessions.Begin(ctx)
	check(err)
	peer, now := jid.MustParse("bob@example.net"), time.Now()
	guest, err := db.Invites.Register(ctx, store.Registration{NewAccount: store.NewAccount{Domain: "example.org", Local: fmt.Sprint("g", now.UnixNano())}})
	check(err)
	if guest.ID <= 7 {
		t.Errorf("the id %d was given before", guest.ID)
	}
	var room store.Owner
	check(db.Rooms.Create(store.Room{Domain: "rooms.example.org", Local: fmt.Sprint("r", now.UnixNano())}, nil, func(o store.Owner) { room = o }).Wait(ctx))
	check(db.Affiliations.Set(room, []store.Affiliation{{JID: "bob@example.net", Kind: "owner"}}).Wait(ctx), db.Occupants.SetOccupants(room, []byte("o")).Wait(ctx))
	check(db.Tombstones.Bury(room, store.Tombstone{By: "bob@example.net", At: now, Until: now, Owners: []string{"bob@example.net"}}, 1).Wait(ctx))
	check(db.Circles.Make(ctx, "example.org", "Team"), db.Circles.Join(ctx, "example.org", "Team", guest.ID, 0))
	for _, o := range []store.Owner{7, guest.ID} {
		for i, ticket := range []store.Ticket{
			db.Blocks.ChangeBlocked(o, store.BlockChange{Add: []jid.JID{peer}}),
			db.Reports.AddReport(store.Report{Reporter: o, Domain: "example.org"}, 10, now),
			db.Strangers.SetStrangerPrefs(o, store.StrangerPrefs{Mode: store.StrangersQuiet}),
			db.Strangers.AddAcquaintance(o, peer),
			db.Strangers.AddWaiting(o, peer, []byte("<message/>")),
			db.Personal.SetVCard(o, []byte("<vCard/>")),
			db.Activity.SetLastSeen(o, now, ""),
			db.Places.SetPlace(o, []byte("n"), now, 3),
			db.Devices.Enter(o, store.Login{Device: store.Device{ID: "d", Last: now}, Issue: &store.Token{Issued: now, Expires: now}}),
			db.Sessions.Put(store.KeptSession{Owner: o, ID: []byte("s"), State: []byte("state")}),
		} {
			if err := ticket.Wait(ctx); err != nil {
				t.Errorf("owner %d, change %d: %v", o, i, err)
			}
		}
	}
	check(db.Leavers.Leave(guest.ID, now).Wait(ctx), db.Leavers.Erase(ctx, guest.ID, now), db.Sessions.End().Wait(ctx))
}
