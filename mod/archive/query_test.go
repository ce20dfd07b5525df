package archive

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// filled is bob's archive of ten messages m0 to m9, of ann's two clients in turn, one second after the other.
func filled(t *testing.T) (v *world, bob *client, ids []string) {
	return filledWith(t, nil)
}

// filledWith is filled with searches.
func filledWith(t *testing.T, finder func(*world) Finder) (v *world, bob *client, ids []string) {
	v = newWorldOf(t, nil, finder, "ann", "bob", "carl")
	from := []*client{v.online("ann", "a"), v.online("ann", "b")}
	bob = v.online("bob", "b")
	for i := range 10 {
		v.move(time.Second)
		from[i%2].send(chat("bob@example.org", fmt.Sprint("m", i), ""))
		bob.expect(fmt.Sprint("<body>m", i, "<"))
	}
	v.quiet()
	p := bob.history("", "")
	if len(p.ids) != 10 {
		t.Fatalf("%d rows", len(p.ids))
	}
	return v, bob, p.ids
}

func TestPages(t *testing.T) {
	_, bob, ids := filled(t)
	for _, c := range []struct {
		name, paging, more string
		fields             []string
		want               string
		complete           bool
		count              string
	}{
		{"all", "", "", nil, "0123456789", true, "10"},
		{"whole page", "<max>10</max>", "", nil, "0123456789", true, "10"},
		{"first", "<max>3</max>", "", nil, "012", false, ""},
		{"next", "<max>3</max><after>" + ids[2] + "</after>", "", nil, "345", false, ""},
		{"to the end", "<max>3</max><after>" + ids[6] + "</after>", "", nil, "789", true, ""},
		{"behind the end", "<after>" + ids[9] + "</after>", "", nil, "", true, ""},
		{"last", "<max>3</max><before/>", "", nil, "789", false, ""},
		{"all from the end", "<before/>", "", nil, "0123456789", true, "10"},
		{"before", "<max>3</max><before>" + ids[7] + "</before>", "", nil, "456", false, ""},
		{"to the start", "<max>3</max><before>" + ids[3] + "</before>", "", nil, "012", true, ""},
		{"before the start", "<max>3</max><before>" + ids[0] + "</before>", "", nil, "", true, ""},
		{"flipped", "<max>3</max>", "<flip-page/>", nil, "210", false, ""},
		{"flipped last", "<max>3</max><before/>", "<flip-page/>", nil, "987", false, ""},
		{"count", "<max>0</max>", "", nil, "", false, "10"},
		{"count of one peer", "<max>0</max>", "", []string{"with", "ann@example.org/a"}, "", false, "5"},
		{"count of none", "<max>0</max>", "", []string{"with", "carl@example.org"}, "", true, "0"},
		{"bare", "", "", []string{"with", "ann@example.org"}, "0123456789", true, "10"},
		{"unprepared", "", "", []string{"with", "ANN@Example.org"}, "0123456789", true, "10"},
		{"full", "", "", []string{"with", "ann@example.org/b"}, "13579", true, "5"},
		{"nobody", "", "", []string{"with", "carl@example.org"}, "", true, "0"},
		{"self", "", "", []string{"with", "bob@example.org"}, "", true, "0"},
		{"self full", "", "", []string{"with", "bob@example.org/b"}, "", true, "0"},
		{"after-id", "", "", []string{"after-id", ids[7]}, "89", true, "2"},
		{"before-id", "<max>1</max>", "", []string{"before-id", ids[2]}, "0", false, ""},
		{"between", "", "", []string{"after-id", ids[2], "before-id", ids[5]}, "34", true, "2"},
		{"ids", "", "", []string{"ids", ids[5] + "," + ids[1]}, "15", true, "2"},
		{"groupchat", "", "", []string{"include-groupchat", "true"}, "0123456789", true, "10"},
		{"future", "", "", []string{"start", "2100-01-01T00:00:00Z"}, "", true, "0"},
		{"past", "", "", []string{"end", "0002-01-01T00:00:00Z"}, "", true, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := bob.history(c.paging, c.more, c.fields...)
			got := ""
			for _, b := range p.bodies {
				got += strings.TrimPrefix(b, "m")
			}
			if got != c.want {
				t.Errorf("got %s, want %s: %s", got, c.want, p.fin)
			}
			if complete := strings.Contains(p.fin, "complete='true'"); complete != c.complete {
				t.Errorf("complete %v: %s", complete, p.fin)
			}
			if !strings.Contains(p.fin, "<set xmlns='http://jabber.org/protocol/rsm'") {
				t.Errorf("no set: %s", p.fin)
			}
			if has := strings.Contains(p.fin, "<count>"); has != (c.count != "") || (has && !strings.Contains(p.fin, "<count>"+c.count+"</count>")) {
				t.Errorf("count, want %q: %s", c.count, p.fin)
			}
			sorted := slices.Clone(p.ids)
			if strings.Contains(c.more, "flip") {
				slices.Reverse(sorted)
			}
			if n := len(sorted); n > 0 && (!strings.Contains(p.fin, ">"+sorted[0]+"</first>") || !strings.Contains(p.fin, "<last>"+sorted[n-1]+"</last>")) {
				t.Errorf("first and last of %v: %s", sorted, p.fin)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	v, bob, ids := filled(t)
	key, err := v.db.Archive.Find(t.Context(), ownerOf(v, "bob"), ids[4])
	if err != nil {
		t.Fatal(err)
	}
	at := forward.FormatStamp(key.Time())
	if p := bob.history("", "", "start", at, "end", at); len(p.ids) != 1 || p.ids[0] != ids[4] || !strings.Contains(p.rows[0], "stamp='"+at+"'") {
		t.Errorf("at %s: %v", at, p)
	}
	zone := key.Time().In(time.FixedZone("", 3*3600)).Format("2006-01-02T15:04:05.000000-07:00")
	if p := bob.history("", "", "start", zone); len(p.ids) != 6 {
		t.Errorf("from %s: %d", zone, len(p.ids))
	}
	after := strings.Replace(at, "Z", "5Z", 1) // half a microsecond later
	if p := bob.history("", "", "start", after); len(p.ids) != 5 {
		t.Errorf("from %s: %d", after, len(p.ids))
	}
	got := bob.ask("get", "<metadata xmlns='urn:xmpp:mam:2'/>")
	if !strings.Contains(got, "<start id='"+ids[0]+"' timestamp='") || !strings.Contains(got, "<end id='"+ids[9]+"' timestamp='") {
		t.Errorf("metadata %s", got)
	}
	carl := v.online("carl", "c")
	if got := carl.ask("get", "<metadata xmlns='urn:xmpp:mam:2'/>"); !strings.Contains(got, "<metadata xmlns='urn:xmpp:mam:2'/>") {
		t.Errorf("empty metadata %s", got)
	}
	if p := carl.history("", ""); !strings.Contains(p.fin, "complete='true'") || !strings.Contains(p.fin, "<set") {
		t.Errorf("empty archive %s", p.fin)
	}
}

func ownerOf(v *world, name string) (id store.Owner) {
	acc, err := v.db.Accounts.Get(v.Context(), domain, name)
	if err != nil {
		v.Fatal(err)
	}
	return acc.ID
}

func TestWrongQueries(t *testing.T) {
	v, bob, ids := filled(t)
	carl := v.online("carl", "c")
	for _, c := range []struct {
		name, paging, more string
		fields             []string
		want               string
	}{
		{"unknown after", "<after>x</after>", "", nil, "item-not-found"},
		{"unknown before", "<before>x</before>", "", nil, "item-not-found"},
		{"unknown after-id", "", "", []string{"after-id", "x"}, "item-not-found"},
		{"unknown before-id", "", "", []string{"before-id", "x"}, "item-not-found"},
		{"unknown ids", "", "", []string{"ids", ids[0] + ",x"}, "item-not-found"},
		{"unknown field", "", "", []string{"{urn:x}y", "1"}, "feature-not-implemented"},
		{"index", "<index>3</index>", "", nil, "feature-not-implemented"},
		{"max", "<max>many</max>", "", nil, "bad-request"},
		{"negative max", "<max>-1</max>", "", nil, "bad-request"},
		{"with", "", "", []string{"with", "@"}, "bad-request"},
		{"two with", "", "", []string{"with", "a@b,c@d"}, "bad-request"},
		{"start", "", "", []string{"start", "yesterday"}, "bad-request"},
		{"start without zone", "", "", []string{"start", "2020-01-01T00:00:00"}, "bad-request"},
		{"end", "", "", []string{"end", ""}, "bad-request"},
		{"empty id", "", "", []string{"ids", ""}, "bad-request"},
		{"boolean", "", "", []string{"include-groupchat", "maybe"}, "bad-request"},
		{"many ids", "", "", []string{"ids", strings.Repeat("x,", 300) + "x"}, "bad-request"},
		{"other form", "", "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:x</value></field></x>", nil, "bad-request"},
		{"no form type", "", "<x xmlns='jabber:x:data' type='submit'/>", nil, "bad-request"},
		{"cancelled", "", "<x xmlns='jabber:x:data' type='cancel'/>", nil, "bad-request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := bob.history(c.paging, c.more, c.fields...)
			if len(p.ids) > 0 || !strings.Contains(p.fin, "type='error'") || !strings.Contains(p.fin, c.want) {
				t.Errorf("want %s: %s", c.want, p.fin)
			}
		})
	}
	// An id is worth nothing to others.
	if p := carl.history("", "", "ids", ids[0]); !strings.Contains(p.fin, "item-not-found") {
		t.Errorf("another's id: %s", p.fin)
	}
	if got := bob.ask("set", "<query xmlns='urn:xmpp:mam:2' queryid='"+strings.Repeat("x", maxQueryID+1)+"'/>"); !strings.Contains(got, "bad-request") {
		t.Errorf("long queryid: %s", got)
	}
	if got := bob.ask("set", "<query xmlns='urn:xmpp:mam:2' node='n'/>"); !strings.Contains(got, "item-not-found") {
		t.Errorf("node: %s", got)
	}
	got := bob.ask("get", "<query xmlns='urn:xmpp:mam:2'/>")
	for _, f := range []string{"with", "start", "end", "before-id", "after-id", "ids", "include-groupchat"} {
		if !strings.Contains(got, "var='"+f+"'") {
			t.Errorf("no field %s: %s", f, got)
		}
	}
}

func TestPageCap(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	ann.send("<presence type='unavailable'/>")
	for i := range mostPage + 10 {
		ann.send(chat("bob@example.org", fmt.Sprint(i), ""))
	}
	v.quiet()
	if p := ann.history("<max>10000</max>", ""); len(p.ids) != mostPage || strings.Contains(p.fin, "complete") {
		t.Errorf("%d rows: %s", len(p.ids), p.fin)
	}
	if p := ann.history("", ""); len(p.ids) != usualPage || strings.Contains(p.fin, "complete") {
		t.Errorf("%d rows: %s", len(p.ids), p.fin)
	}
}

// A row that cannot be read any more takes its own place and nothing else.
func TestPoison(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	bob := v.bind("bob", "b")
	owner := ownerOf(v, "bob")
	for _, row := range []string{"<message xmlns='jabber:client'><body>good", "</result><evil/>", "", "<presence xmlns='jabber:client'/>", "<message xmlns='jabber:client'><body>fine</body></message>"} {
		_, ticket := v.db.Archive.Append(store.Entry{Owner: owner, Peer: "ann@example.org", Offline: true, Stanza: []byte(row)})
		if err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bob.send("<presence/>")
	if got := bob.bodies(); strings.Join(got, " ") != "fine" {
		t.Errorf("late: %v", got)
	}
	p := bob.history("", "")
	if len(p.ids) != 5 || !strings.Contains(p.fin, "complete") || strings.Join(p.bodies, "") != "fine" {
		t.Errorf("%v: %s", p.bodies, p.fin)
	}
	for _, x := range p.rows {
		if strings.Contains(x, "evil") {
			t.Errorf("broke out: %s", x)
		}
	}
}

func FuzzQuery(f *testing.F) {
	form := func(s string) string {
		return "<query xmlns='urn:xmpp:mam:2' queryid='1'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>" +
			s + "</x><set xmlns='http://jabber.org/protocol/rsm'><max>5</max><before/></set><flip-page/></query>"
	}
	f.Add("<query xmlns='urn:xmpp:mam:2'/>")
	f.Add(form("<field var='with'><value>a@b/c</value></field><field var='start'><value>2010-08-07T00:00:00Z</value></field>"))
	f.Add(form("<field var='ids'><value>a</value><value>b</value></field><field var='include-groupchat'><value>1</value></field>"))
	f.Add(form("<field var='after-id'><value>a</value></field><field var='before-id'/><field var='end'><value>9999-12-31T23:59:59.999999999Z</value></field>"))
	own := jid.MustParse("me@example.org")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree(s, "jabber:client")
		if err != nil {
			return
		}
		q, err := parseQuery(n, own)
		if err != nil {
			var se *stanza.Error
			if !errors.As(err, &se) || se.Condition == stanza.InternalServerError {
				t.Fatalf("%v", err)
			}
			return
		}
		if q.Max < 0 || q.Max > mostPage || len(q.IDs) > store.MaxIDs || len(q.id) > maxQueryID || (q.With == "" && q.WithResource != "") {
			t.Fatalf("%+v", q)
		}
		if q.With == own.String() && q.WithResource != "" {
			t.Fatalf("%+v", q)
		}
		answer := fin(&q, &store.Result{Rows: []store.Row{{ID: "<&'"}}, Complete: true})
		st, err := result(&q, &store.Row{ID: "<&'", Stanza: []byte("<message xmlns='jabber:client'/>")}, own, own)
		if err != nil || st.Len() != 1 {
			t.Fatalf("result: %v", err)
		}
		if _, err := xmltok.Tree(answer, ""); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
	})
}
