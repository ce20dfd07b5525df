package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/store/backup"
	"stonechat/store/sqlstore"
	"stonechat/store/storetest/pgtest"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
)

// onPostgres makes a database that goes with the test.
func onPostgres(t *testing.T) string {
	t.Helper()
	var shared pgtest.Shared
	url := shared.Database(t)
	t.Cleanup(func() {
		if err := shared.Close(); err != nil {
			t.Error(err)
		}
	})
	return url
}

// PostgreSQL keeps no NUL character in a text, nor what is no UTF-8, and XML has neither: whatever the control socket is told with one is refused as the caller's fault, on
// either database.
func TestNoNUL(t *testing.T) {
	// The same must hold on both: what SQLite takes could not be migrated.
	for name, url := range map[string]string{"sqlite": "", "postgres": onPostgres(t)} {
		t.Run(name, func(t *testing.T) {
			r := openWith(t, "example.org", t.TempDir(), func(c *config.Config) { c.Store.Postgres, c.Signup.Mode = url, "invite" })
			r.ctl("POST", "/users", `{"name":"alice","password":"`+password+`"}`, nil)
			r.ctl("PUT", "/circles/Team", `{}`, nil)
			for _, x := range [][3]string{
				{"POST", "/users", `{"name":"a\u0000b","password":"` + password + `"}`},
				{"PUT", "/users/alice/role", `{"role":"a\u0000"}`},
				{"PUT", "/users/alice%00/role", `{"role":"member"}`},
				{"POST", "/invites", `{"label":"a\u0000b"}`},
				{"POST", "/invites", `{"circles":["a\u0000b"]}`},
				{"DELETE", "/invites/a%00b", ``},
				{"PUT", "/circles/a%00b", `{}`},
				{"GET", "/circles/a%00b", ``},
				{"DELETE", "/circles/a%00b", ``},
				{"PUT", "/circles/a%00b/alice", `{}`},
				{"DELETE", "/circles/a%00b/alice", ``},
				{"DELETE", "/users/alice/devices/a%00b", ``},
				{"GET", "/circles/a%ff", ``},
				{"DELETE", "/invites/%c3%28", ``},
				{"POST", "/reports/1/close", `{"note":"a\u0000b"}`},
				{"POST", "/users/import", `{"name":"bob","password":"` + password + `","contacts":[{"jid":"a@example.org","name":"a\u0000"}]}`},
				{"POST", "/users/import", `{"name":"bob","password":"` + password + `","contacts":[{"jid":"a@example.org","groups":["a\u0000"]}]}`},
			} {
				status, text := r.tryCtl(x[0], x[1], x[2], nil)
				if status == http.StatusOK || status >= 500 || status == http.StatusMethodNotAllowed {
					t.Errorf("%s %s %s: %d %s", x[0], x[1], x[2], status, text)
				}
			}
			if strings.Contains(r.log.String(), "request failed") {
				t.Errorf("the log has a failure:\n%s", r.log.String())
			}
			if ok := r.wire("").login("alice", password, sasl.ScramSHA512Plus, ""); ok.Local != "success" {
				t.Errorf("alice: %s", ok.Raw())
			}
		})
	}
}

// TestMoves: a server moves from the embedded database to PostgreSQL and back by a backup, and moves on. Devices log in by their tokens all
// the way; a session is resumed after the move, and not after the restore.
func TestMoves(t *testing.T) {
	url, data := onPostgres(t), t.TempDir()
	addUsers(t, data, "example.org")
	request := userAgent(agentID) + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
	const bind = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
	r := open(t, "example.org", data)
	w := r.wire("alice@example.org")
	ok := w.login("alice", password, sasl.ScramSHA512Plus, request+bind)
	token, id := first(tokenOf, ok), first(enabledOf, ok)
	if token == "" || id == "" {
		t.Fatal(ok.Raw())
	}
	r.stop()
	if _, _, err := backup.Migrate(t.Context(), data, sqlstore.Options{Postgres: url}, func(string, int64) {}); err != nil {
		t.Fatal(err)
	}
	// returns logs in by the token and returns whether the session was resumed, and the id of the one that it has then.
	returns := func(r *running) (resumed bool, now string) {
		t.Helper()
		w := r.wire("alice@example.org")
		ok := w.byToken("alice", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0'/><resume xmlns='urn:xmpp:sm:3' previd='"+id+"' h='0'/>"+bind)
		if ok.Local != "success" {
			t.Fatalf("the token is refused: %s\n%s", ok.Raw(), r.log.String())
		}
		if resumed = ok.Has(ns.StreamManagement, "resumed"); resumed {
			return true, id
		}
		return false, first(enabledOf, ok)
	}
	r = openWith(t, "example.org", data, func(c *config.Config) { c.Store.Postgres = url })
	resumed, _ := returns(r)
	if !resumed {
		t.Error("the session is not resumed after the move")
	}
	r.stop()
	name := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Write(t.Context(), name, backup.Options{Folder: data, Store: sqlstore.Options{Postgres: url}, Progress: func(string, int64) {}}); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(t.TempDir(), "restored")
	if _, err := backup.Restore(t.Context(), name, beside, sqlstore.Options{}, func(string, int64) {}); err != nil {
		t.Fatal(err)
	}
	r = open(t, "example.org", beside)
	if resumed, _ = returns(r); resumed {
		t.Error("a session of the past is resumed")
	}
	r.stop()
	// Without its key a token is worth nothing, and nothing else is lost.
	if err := os.Remove(filepath.Join(beside, "tokens.key")); err != nil {
		t.Fatal(err)
	}
	r = open(t, "example.org", beside)
	if ok := r.wire("").byToken("alice", sasl.HTNone, token, userAgent(agentID)+"<fast xmlns='urn:xmpp:fast:0'/>"); ok.Local != "failure" {
		t.Errorf("a token without its key: %s", ok.Raw())
	}
	if ok := r.wire("").login("alice", password, sasl.ScramSHA512Plus, request); first(tokenOf, ok) == "" {
		t.Errorf("the password: %s", ok.Raw())
	}
}
