package server_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the test reads the database as it lies on the disk

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// XEP-0379 section 3: somebody who has an account already becomes a contact with the token, once. Here accounts cannot be made at all.
func TestContactByToken(t *testing.T) {
	r := joining(t, "closed", nil)
	bob, alice := r.dial("bob", nil), r.dial("alice", nil)
	l := r.makeInvite(`{"as":"bob"}`)
	if strings.Contains(l.URI, "ibr=y") {
		t.Errorf("an invite that makes an account: %s", l.URI)
	}
	ask := func(c *client.Client, token string) {
		st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Subscribe, To: jid.MustParse("bob@" + joinDomain)},
			"<preauth xmlns='"+ns.PreAuth+"' token='"+token+"'/>")
		if err == nil {
			_, err = c.Send(t.Context(), st)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	token := l.token(t)
	if _, err := r.enter("carol", "long enough for me", token, nil); err == nil {
		t.Error("a token for contacts made an account")
	}
	contacts(t, bob)
	// A request with a token that is not good waits like any other.
	ask(alice, strings.Repeat("a", 26))
	eventually(t, "alice waits", func() bool {
		return slices.Equal(contacts(t, alice), []string{"bob@" + joinDomain + " none"})
	})
	if got := contacts(t, bob); len(got) != 0 {
		t.Errorf("bob has %v", got)
	}
	ask(alice, token)
	eventually(t, "alice sees bob, and is asked in return", func() bool {
		return slices.Equal(contacts(t, alice), []string{"bob@" + joinDomain + " to"}) && slices.Equal(contacts(t, bob), []string{"alice@" + joinDomain + " from"})
	})
	if _, err := alice.Approve(t.Context(), jid.MustParse("bob@"+joinDomain)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both", func() bool { return slices.Equal(contacts(t, bob), []string{"alice@" + joinDomain + " both"}) })
	var list []struct{ Uses, Used int }
	r.ctl("GET", "/invites?of=bob", "", &list)
	if len(list) != 1 || list[0].Used != 1 {
		t.Errorf("invites: %+v", list)
	}
}

// XEP-0077 section 3.3, and the link of an administrator.
func TestPasswords(t *testing.T) {
	r := joining(t, "closed", nil)
	bob, other := r.dial("bob", nil), r.dial("bob", nil)
	change := func(name, word string) error {
		_, err := bob.IQ(t.Context(), jid.MustParse(joinDomain), stanza.Set, "<query xmlns='jabber:iq:register'><username>"+name+"</username><password>"+word+"</password></query>")
		return err
	}
	for _, x := range []struct {
		name, word string
		want       stanza.Condition
	}{
		{"alice", "another good one", stanza.BadRequest},
		{"bob", "", stanza.BadRequest},
		{"", "another good one", stanza.BadRequest},
		{"bob", "short", stanza.NotAcceptable},
		{"bob", "Password1", stanza.NotAcceptable},
		{"bob", "aaaaaaaaaa", stanza.NotAcceptable},
	} {
		if err := change(x.name, x.word); condition(err) != x.want {
			t.Errorf("%q %q: %v", x.name, x.word, err)
		}
	}
	if err := r.login("bob", password); err != nil {
		t.Fatalf("the password before: %v", err)
	}
	if err := change("bob", "another good one"); err != nil {
		t.Fatal(err)
	}
	if r.login("bob", password) == nil || r.login("bob", "another good one") != nil {
		t.Error("the password is not the new one")
	}
	contacts(t, other) // the other session stays
	// A reset: once, for this account only, and whoever was there is not any more.
	var reset link
	r.ctl("POST", "/users/bob/reset", "", &reset)
	if want := "xmpp:bob@" + joinDomain + "?register;preauth="; !strings.HasPrefix(reset.URI, want) {
		t.Errorf("link: %s", reset.URI)
	}
	token := reset.token(t)
	if _, err := r.enter("alice", "a third good one", token, nil); condition(err) != stanza.NotAcceptable {
		t.Errorf("another's password by bob's link: %v", err)
	}
	if _, err := r.enter("bob", "a third good one", token, nil); err != nil {
		t.Fatal(err)
	}
	<-other.Done()
	if _, err := r.enter("bob", "a fourth good one", token, nil); err == nil {
		t.Error("the link works twice")
	}
	if r.login("bob", "another good one") == nil || r.login("bob", "a third good one") != nil {
		t.Error("the password is not the one of the reset")
	}
	if status, _ := r.tryCtl("POST", "/users/nobody/reset", "", nil); status != http.StatusNotFound {
		t.Errorf("link for nobody: %d", status)
	}
}

// XEP-0077 section 3.2 with a time of grace: gone at once for everybody, back if wanted, and then erased to the last row.
func TestLeaving(t *testing.T) {
	r := joining(t, "open", func(c *config.Config) { c.Signup.Tries = 1000; c.Signup.PerSource = 1000 })
	alice := r.dial("alice", nil)
	if _, err := r.enter("carol", "long enough for me", r.makeInvite(`{"as":"alice"}`).token(t), nil); err != nil {
		t.Fatal(err)
	}
	r.ctl("PUT", "/circles/Team", "", nil)
	r.ctl("PUT", "/circles/Team/carol", "", nil)
	r.ctl("PUT", "/circles/Team/bob", "", nil)
	bob := r.dial("bob", nil)
	carol := r.dial("carol", func(c *client.Config) { c.Password = "long enough for me" })
	eventually(t, "the circle", func() bool { return len(contacts(t, bob)) == 1 && len(contacts(t, carol)) == 2 })
	r.makeInvite(`{"as":"carol"}`)
	r.ctl("POST", "/users/carol/reset", "", nil)
	for _, to := range []string{"alice", "bob"} {
		if _, err := carol.SendMessage(t.Context(), jid.MustParse(to+"@"+joinDomain), stanza.Chat, "hello "+to, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := carol.IQ(t.Context(), jid.JID{}, stanza.Set, "<query xmlns='jabber:iq:register'><remove/><username/></query>"); condition(err) != stanza.BadRequest {
		t.Errorf("<remove/> with company: %v", err)
	}
	if _, err := carol.IQ(t.Context(), jid.JID{}, stanza.Set, "<query xmlns='jabber:iq:register'><remove/></query>"); err != nil {
		t.Fatal(err)
	}
	<-carol.Done()
	if err := carol.Err(); !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("the session ended with %v", err)
	}
	gone := func() bool {
		return slices.Equal(contacts(t, alice), []string{"carol@" + joinDomain + " none"}) && len(contacts(t, bob)) == 0
	}
	eventually(t, "contacts are told", gone)
	if err := r.login("carol", "long enough for me"); err == nil {
		t.Error("logged in after leaving")
	}
	if _, err := r.enter("carol", "long enough for me", "", nil); condition(err) != stanza.Conflict {
		t.Errorf("the name was given away: %v", err)
	}
	if _, err := alice.SendMessage(t.Context(), jid.MustParse("carol@"+joinDomain), stanza.Chat, "are you there", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a message finds nobody", func() bool {
		select {
		case st := <-alice.Incoming():
			e := stanza.ParseError(st)
			return e != nil && e.Condition == stanza.ServiceUnavailable
		default:
			return false
		}
	})
	r.ctl("POST", "/users/carol/restore", "", nil)
	carol = r.dial("carol", func(c *client.Config) { c.Password = "long enough for me" })
	if got := contacts(t, carol); !slices.Equal(got, []string{"alice@" + joinDomain + " none"}) {
		t.Errorf("restored with %v", got)
	}
	owner := ownerOf(t, r.data, "carol")
	r.ctl("DELETE", "/users/carol", "", nil)
	<-carol.Done()
	r.ctl("DELETE", "/users/carol?now=1", "", nil)
	if _, err := r.enter("carol", "long enough for me", "", nil); condition(err) != stanza.Conflict {
		t.Errorf("the name of an erased account was given away: %v", err)
	}
	eventually(t, "rosters follow", func() bool { return gone() && count(t, r.data, "ties") == 0 })
	r.stop()
	walk(t, r.data, owner, "carol")
}

// What is due is erased by the server itself, here as soon as somebody has left.
func TestErasedAfterGrace(t *testing.T) {
	r := joining(t, "open", func(c *config.Config) { c.Accounts.Grace, c.Accounts.HoldName = 0, 0 })
	carol, err := r.enter("carol", "long enough for me", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	owner := ownerOf(t, r.data, "carol")
	if _, err := carol.IQ(t.Context(), jid.JID{}, stanza.Set, "<query xmlns='jabber:iq:register'><remove/></query>"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "erased, and the name is free", func() bool {
		_, err := r.enter("carol", "long enough for me", "", nil)
		return err == nil
	})
	if again := ownerOf(t, r.data, "carol"); again == owner || again == 0 {
		t.Errorf("owner %d and then %d", owner, again)
	}
}

// Everybody of a circle has everybody else, as members come and go; a contact of one's own stays.
func TestCircles(t *testing.T) {
	r := joining(t, "closed", nil)
	const members = 300
	var lines bytes.Buffer
	for i := range members {
		fmt.Fprintf(&lines, `{"name":"m%d","credentials":["SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2E=$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="]}`+"\n", i)
	}
	r.ctl("POST", "/users/import", lines.String(), nil)
	r.ctl("PUT", "/circles/Everybody", "", nil)
	r.ctl("PUT", "/circles/Two", "", nil)
	bob := r.dial("bob", func(c *client.Config) { c.RosterPush = func(client.RosterItem) {} })
	if err := bob.SetRoster(t.Context(), client.RosterItem{JID: jid.MustParse("m7@" + joinDomain), Name: "Seven", Groups: []string{"Mine"}}); err != nil {
		t.Fatal(err)
	}
	for i := range members {
		r.ctl("PUT", fmt.Sprintf("/circles/Everybody/m%d", i), "", nil)
	}
	r.ctl("PUT", "/circles/Everybody/bob", "", nil)
	settled := func() bool { return count(t, r.data, "ties") == 0 }
	eventually(t, "rosters follow", settled)
	got := contacts(t, bob)
	if len(got) != members || !slices.Contains(got, "m0@"+joinDomain+" both Everybody") || !slices.Contains(got, "m7@"+joinDomain+" both Mine,Everybody") {
		t.Fatalf("bob has %d: %v…", len(got), got[:min(3, len(got))])
	}
	if n := count(t, r.data, "roster_items WHERE subscription = 'both'"); n != members*(members+1) {
		t.Errorf("%d items of %d", n, members*(members+1))
	}
	// A member cannot leave by its roster.
	if err := bob.RemoveRoster(t.Context(), jid.MustParse("m0@"+joinDomain)); condition(err) != stanza.NotAllowed {
		t.Errorf("removed from a circle by a client: %v", err)
	}
	r.ctl("PUT", "/circles/Two/bob", "", nil)
	r.ctl("PUT", "/circles/Two/m1", "", nil)
	r.ctl("DELETE", "/circles/Everybody/bob", "", nil)
	eventually(t, "rosters follow", settled)
	if got := contacts(t, bob); !slices.Equal(got, []string{"m1@" + joinDomain + " both Two", "m7@" + joinDomain + " both Mine"}) {
		t.Errorf("after leaving bob has %v", got)
	}
	r.ctl("DELETE", "/circles/Two", "", nil)
	eventually(t, "rosters follow", settled)
	if got := contacts(t, bob); !slices.Equal(got, []string{"m7@" + joinDomain + " both Mine"}) {
		t.Errorf("after the end of the circle bob has %v", got)
	}
	if status, _ := r.tryCtl("PUT", "/circles/Nothing/bob", "", nil); status != http.StatusNotFound {
		t.Errorf("joined what is not there: %d", status)
	}
}

// database opens what a server keeps, for reading.
func database(t *testing.T, data string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "stonechat.db")+"?_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func count(t *testing.T, data, from string) (n int) {
	t.Helper()
	db := database(t, data)
	defer db.Close()
	if err := db.QueryRow("SELECT COUNT(*) FROM " + from).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func ownerOf(t *testing.T, data, name string) (id int64) {
	t.Helper()
	db := database(t, data)
	defer db.Close()
	if err := db.QueryRow("SELECT id FROM accounts WHERE local = $1", name).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// walk looks for an owner and its address in every row of every table. What others have of the two of them, their copies of messages and their
// rosters, is theirs.
func walk(t *testing.T, data string, owner int64, name string) {
	t.Helper()
	db := database(t, data)
	defer db.Close()
	tables, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tables.Next() {
		var n string
		if err := tables.Scan(&n); err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if len(names) < 15 {
		t.Fatalf("only %d tables", len(names))
	}
	address := name + "@" + joinDomain
	for _, table := range names {
		rows, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			left, others := false, false
			for i, column := range columns {
				v := *values[i].(*any)
				switch x := v.(type) {
				case int64:
					isID := column == "owner" || column == "account" || (column == "id" && table == "accounts")
					left = left || (isID && x == owner)
					others = others || (column == "owner" && x != owner && x != 0)
				case string:
					left = left || x == name || strings.Contains(x, address)
				case []byte:
					left = left || bytes.Contains(x, []byte(address))
				}
			}
			if left && !others {
				t.Errorf("left behind in %s: %v", table, show(values))
			}
		}
	}
}

func show(values []any) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%v ", *v.(*any))
	}
	return b.String()
}
