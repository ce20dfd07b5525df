package moderation

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("ä", maxText)
	for _, c := range []struct {
		report, reason, text, refs string
	}{
		{"<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'/>", ns.ReportingSpam, "", ""},
		{"<report xmlns='urn:xmpp:reporting:1' reason='urn:example:other'><text> a </text><text xml:lang='de'>b</text></report>", "urn:example:other", "a\nb", ""},
		{"<report xmlns='urn:xmpp:reporting:0'><abuse/><text>x</text></report>", ns.ReportingAbuse, "x", ""},
		{"<report xmlns='urn:xmpp:reporting:0'><spam/></report>", ns.ReportingSpam, "", ""},
		{
			"<report xmlns='urn:xmpp:reporting:1' reason='r'><stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='\"1&apos;'/><stanza-id xmlns='urn:xmpp:sid:0' by='a@b'/></report>",
			"r", "", "<stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='&quot;1&apos;'/>",
		},
		{"<report xmlns='urn:xmpp:reporting:1' reason='r'><text>" + long + "</text></report>", "r", long[:maxText], ""},
		{"<report xmlns='urn:xmpp:reporting:1'/>", "", "", ""},
		{"<report xmlns='urn:xmpp:reporting:1'><spam/></report>", "", "", ""},
		{"<report xmlns='urn:xmpp:reporting:0'/>", "", "", ""},
		{"<report xmlns='urn:xmpp:reporting:1' reason='" + strings.Repeat("x", maxReason+1) + "'/>", "", "", ""},
	} {
		tree, err := xmltok.Tree(c.report, "")
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parse(tree)
		if !ok {
			if c.reason != "" {
				t.Errorf("%.90s is no report", c.report)
			}
			continue
		}
		if got.Reason != c.reason || got.Text != c.text || got.References != c.refs {
			t.Errorf("%.90s: %+v", c.report, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<report xmlns='urn:xmpp:reporting:1' reason='r'><stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='1'/><text>x</text></report>")
	f.Add("<report xmlns='urn:xmpp:reporting:0'><abuse/></report>")
	f.Fuzz(func(t *testing.T, s string) {
		tree, err := xmltok.Tree(s, "")
		if err != nil {
			return
		}
		r, ok := parse(tree)
		if !ok {
			return
		}
		if r.Reason == "" || len(r.Reason) > maxReason || len(r.Text) > maxText || !utf8.ValidString(r.Text) {
			t.Fatalf("%+v", r)
		}
		if _, err := xmltok.Tree("<all>"+r.References+"</all>", ""); err != nil {
			t.Fatalf("%q: %v", r.References, err)
		}
	})
}

// world is a module on a real store, with an account that has messages.
type world struct {
	m    *Module
	db   *sqlstore.DB
	host *core.Host
	me   *core.Account
	got  map[string]int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "d"), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg, o := config.Default(), obs.Discard()
	cfg.Reports.PerDay = 2
	h := core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings,
	})
	t.Cleanup(h.Close)
	w := &world{db: db, host: h, got: map[string]int{}, me: &core.Account{Host: h, JID: jid.MustParse("me@example.org"), ID: 3, Exists: true}}
	w.m = New(Stores{db.Reports, db.Archive}, cfg.Reports, o, func(reason string) { w.got[reason]++ })
	w.m.Install(h)
	return w
}

// report hands in one and waits for the disk.
func (w *world) report(t *testing.T, about, inner string) {
	t.Helper()
	tree, err := xmltok.Tree("<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"+inner+"</report>", "")
	if err != nil {
		t.Fatal(err)
	}
	w.m.Report(&core.Event{Host: w.host, Account: w.me}, jid.MustParse(about), tree)
	if err := w.db.Secrets.Put(t.Context(), "settle", nil); err != nil {
		t.Fatal(err)
	}
}

func (w *world) keep(t *testing.T, owner store.Owner, peer string, d store.Direction, text string) string {
	t.Helper()
	key, ticket := w.db.Archive.Append(store.Entry{Owner: owner, Peer: peer, Direction: d, Stanza: []byte("<message><body>" + text + "</body></message>")})
	if err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return "<stanza-id xmlns='urn:xmpp:sid:0' by='me@example.org' id='" + w.db.Archive.ID(owner, key) + "'/>"
}

// Only what the reporter's own archive has from the one who is reported is copied: nothing of anybody else, whatever a report names.
func TestCopies(t *testing.T) {
	w := newWorld(t)
	named := w.keep(t, 3, "iago@example.net", store.Incoming, "spam") +
		w.keep(t, 3, "iago@example.net", store.Outgoing, "answer") +
		w.keep(t, 3, "emilia@example.net", store.Incoming, "private") +
		w.keep(t, 4, "iago@example.net", store.Incoming, "foreign") +
		w.keep(t, 3, "iago@example.net", store.Incoming, strings.Repeat("x", maxCopy)) +
		"<stanza-id xmlns='urn:xmpp:sid:0' by='me@example.org' id='no'/><stanza-id xmlns='urn:xmpp:sid:0' by='iago@example.net' id='1'/>"
	w.report(t, "iago@example.net/x", named)
	list, err := w.db.Reports.Reports(t.Context(), "example.org", 0, true, 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	r, err := w.db.Reports.Report(t.Context(), "example.org", list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages != "<message><body>spam</body></message>" || strings.Count(r.References, "<stanza-id") != 7 || r.About != "iago@example.net/x" || r.By != "me@example.org" {
		t.Errorf("kept %+v", r)
	}
}

func TestReportsAreLimited(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.report(t, "iago@example.net", "")
	}
	list, err := w.db.Reports.Reports(t.Context(), "example.org", 0, false, 10)
	if err != nil || len(list) != 2 || w.got["spam"] != 2 {
		t.Errorf("%d of two a day, counted %v, %v", len(list), w.got, err)
	}
}

func TestRows(t *testing.T) {
	w := newWorld(t)
	w.report(t, "iago@example.net", "<text>he lies</text>")
	w.report(t, "example.net", "")
	actor := core.Actor{JID: jid.MustParse("mod@example.org"), Role: store.RoleModerator}
	all, err := w.m.list(t.Context(), actor, httptest.NewRequest("GET", "/reports", nil))
	list, ok := all.([]Report)
	if err != nil || !ok || len(list) != 2 || list[1].Text != "he lies" {
		t.Fatalf("%+v, %v", all, err)
	}
	id := list[1].ID
	request := func(method, body, id string) error {
		r := httptest.NewRequest(method, "/reports/x", strings.NewReader(body))
		r.SetPathValue("id", id)
		var err error
		if method == "POST" {
			_, err = w.m.close(t.Context(), actor, r)
		} else {
			_, err = w.m.show(t.Context(), actor, r)
		}
		return err
	}
	number := strconv.FormatInt(id, 10)
	for _, c := range []struct {
		method, body, id string
		want             stanza.Condition
	}{
		{"GET", "", number, ""},
		{"GET", "", "1", stanza.ItemNotFound},
		{"GET", "", "x", stanza.BadRequest},
		{"POST", `{"note":"` + strings.Repeat("x", maxNote+1) + `"}`, number, stanza.NotAcceptable},
		{"POST", `{"what":1}`, number, stanza.BadRequest},
		{"POST", `{"note":"talked to him"}`, number, ""},
		{"POST", `{"note":"again"}`, number, stanza.Conflict},
		{"POST", `{}`, "1", stanza.ItemNotFound},
	} {
		got := stanza.Condition("")
		var refused *stanza.Error
		if err := request(c.method, c.body, c.id); errors.As(err, &refused) {
			got = refused.Condition
		} else if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s %s %.40s: %q, want %q", c.method, c.id, c.body, got, c.want)
		}
	}
	r, err := w.db.Reports.Report(t.Context(), "example.org", id)
	if err != nil || r.ClosedBy != "mod@example.org" || r.Note != "talked to him" {
		t.Errorf("%+v, %v", r, err)
	}
	open, err := w.m.list(t.Context(), actor, httptest.NewRequest("GET", "/reports", nil))
	if list, _ := open.([]Report); err != nil || len(list) != 1 {
		t.Errorf("%v open, %v", open, err)
	}
	every, err := w.m.list(t.Context(), actor, httptest.NewRequest("GET", "/reports?all=1&before="+strconv.FormatInt(id+1, 10), nil))
	if list, _ := every.([]Report); err != nil || len(list) != 1 || list[0].ClosedBy == "" {
		t.Errorf("a page of all: %+v, %v", every, err)
	}
}
