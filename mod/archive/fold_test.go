package archive

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func react(id string, emoji ...string) string {
	b := "<reactions xmlns='" + ns.Reactions + "' id='" + id + "'>"
	for _, e := range emoji {
		b += "<reaction>" + e + "</reaction>"
	}
	return b + "</reactions>"
}

func edit(id, body string) string {
	return "<body>" + body + "</body><replace xmlns='" + ns.Correct + "' id='" + id + "'/>"
}

func retract(id string) string { return "<retract xmlns='" + ns.Retract + "' id='" + id + "'/>" }

// one is a row: who said it ("<" the peer, ">" the owner, in a room a nick), and what.
type one struct{ who, inner string }

// rowOf is the row as the archive keeps it, with id as its name and key as its place.
func rowOf(t testing.TB, o one, id string, key store.Key, room bool) store.Row {
	t.Helper()
	r := store.Row{Key: key, ID: "s-" + id, Peer: "peer@example.org"}
	h := stanza.Head{Kind: stanza.Message, Type: stanza.Chat, ID: id, From: jid.MustParse("peer@example.org/x")}
	nick, _ := strings.CutPrefix(o.who, "<")
	switch {
	case room:
		r.Peer, r.Resource = nick+"@example.org", nick
		h.Type, h.From = stanza.GroupChat, jid.MustParse(strings.TrimSuffix(hall+"/"+nick, "/"))
		if nick == "" { // the room itself, as a moderator wants
			r.Peer = "mod@example.org"
		}
	case o.who == ">":
		r.Direction, h.From = store.Outgoing, jid.MustParse("me@example.org/y")
	default:
		if r.Resource = nick; nick != "" {
			h.From = jid.MustParse("peer@example.org/" + nick)
		}
	}
	st, err := stanza.New(h, o.inner)
	if err != nil {
		t.Fatal(err)
	}
	r.Stanza = st.Seal().Append(nil, ns.Client)
	return r
}

// summed is a summary in few words.
func summed(f *fold) string {
	var out []string
	if f.tomb != nil {
		return "gone"
	}
	for _, a := range f.applied {
		tree, err := xmltok.Tree("<a>"+a.element+string(a.edit)+strings.Join(a.by, "")+"</a>", "")
		if err != nil {
			return err.Error()
		}
		what := tree.Children[0].Local + tree.Children[0].Attr("id")
		if tree.Children[0].Local == "reactions" {
			what = tree.Children[0].Children[0].Text()
		}
		if f := tree.Child(ns.Forward, "forwarded"); f != nil {
			what += " " + f.Child(ns.Client, "message").Child(ns.Client, "body").Text()
		}
		by := ""
		for _, n := range tree.All(FoldSpace, "by") {
			j := jid.MustParse(n.Attr("jid"))
			by += " " + j.Local()
			if j.Local() == "hall" {
				by = strings.TrimSuffix(by, "hall") + j.Resource()
			}
		}
		out = append(out, fmt.Sprint(max(a.count, len(a.by)), " ", what, " by", by))
	}
	if f.more {
		out = append(out, "more")
	}
	return strings.Join(out, "; ")
}

// What others say about a message counts if they may say it.
func TestFold(t *testing.T) {
	pm := "<x xmlns='" + ns.MUCUser + "'/>"
	moderated := "<retract xmlns='" + ns.Retract + "' id='s-0'><moderated xmlns='" + ns.Moderate + "'/></retract>"
	for _, c := range []struct {
		name string
		room bool
		rows []one // the first is the message, with the name 0 (and s-0 of a room); the others are 1, 2, …
		want string
	}{
		{"nothing", false, []one{{"<", "<body>x</body>"}}, ""},
		{"reactions", false, []one{{"<", "<body>x</body>"}, {">", react("0", "👍", "🎉")}, {"<", react("0", "👍")}}, "2 👍 by me peer; 1 🎉 by me"},
		{"the latest set holds", false, []one{{"<", "<body>x</body>"}, {">", react("0", "👍")}, {">", react("0", "🎉", "🎉")}}, "1 🎉 by me"},
		{"taken away", false, []one{{"<", "<body>x</body>"}, {">", react("0", "👍")}, {">", react("0")}}, ""},
		{"of another device", false, []one{{"<a", "<body>x</body>"}, {"<a", react("0", "👍")}, {"<b", react("0", "👍")}}, "2 👍 by peer peer"},
		{"of another message", false, []one{{"<", "<body>x</body>"}, {">", react("9", "👍")}}, ""},
		{"by the archive's id", false, []one{{"<", "<body>x</body>"}, {">", react("s-0", "👍")}}, ""},
		{"by the origin", false, []one{{"<", "<body>x</body><origin-id xmlns='" + ns.StanzaID + "' id='o'/>"}, {">", react("o", "👍")}}, "1 👍 by me"},
		{"too long to be one", false, []one{{"<", "<body>x</body>"}, {">", react("0", strings.Repeat("x", 65), " ", "👍")}}, "1 👍 by me"},
		{"edited", false, []one{{">", "<body>x</body>"}, {">", edit("0", "y")}, {">", edit("0", "z")}}, "2 replace0 z by me"},
		{"edited from another device", false, []one{{"<a", "<body>x</body>"}, {"<b", edit("0", "y")}}, "1 replace0 y by peer"},
		{"edited by the other one", false, []one{{">", "<body>x</body>"}, {"<", edit("0", "y")}}, ""},
		{"edited by another in private", false, []one{{"<a", "<body>x</body>" + pm}, {"<b", edit("0", "y") + pm}}, ""},
		{"edited in private", false, []one{{"<a", "<body>x</body>" + pm}, {"<a", edit("0", "y") + pm}}, "1 replace0 y by peer"},
		{"taken back", false, []one{{"<", "<body>x</body>"}, {">", react("0", "👍")}, {"<", retract("0")}}, "gone"},
		{"taken back by the other one", false, []one{{"<", "<body>x</body>"}, {">", retract("0")}}, ""},
		{"moderated by the other one", false, []one{{">", "<body>x</body>"}, {"<", strings.ReplaceAll(moderated, "s-0", "0")}}, ""},
		{"seen", false, []one{
			{">", "<body>x</body>"},
			{"<", "<received xmlns='" + ns.Receipts + "' id='0'/>"},
			{"<", "<displayed xmlns='" + ns.Markers + "' id='0'/>"},
			{"<", "<displayed xmlns='" + ns.Markers + "' id='0'/>"},
		}, "1 received by peer; 1 displayed by peer"},
		{"a tombstone", false, []one{{"<", "<retracted xmlns='" + ns.Retract + "' id='r'/>"}, {">", react("0", "👍")}, {"<", edit("0", "y")}}, ""},

		{"reactions in a room", true, []one{{"ann", "<body>x</body>"}, {"bob", react("s-0", "👍")}, {"carl", react("s-0", "👍")}, {"bob", react("s-0", "🎉")}}, "1 👍 by carl; 1 🎉 by bob"},
		{"by what the sender calls it", true, []one{{"ann", "<body>x</body>"}, {"bob", react("0", "👍")}}, ""},
		{"edited in a room", true, []one{{"ann", "<body>x</body>"}, {"ann", edit("0", "y")}}, "1 replace0 y by ann"},
		{"edited by another occupant", true, []one{{"ann", "<body>x</body>"}, {"bob", edit("0", "y")}}, ""},
		{"edited by the room's id", true, []one{{"ann", "<body>x</body>"}, {"ann", edit("s-0", "y")}}, ""},
		{"taken back in a room", true, []one{{"ann", "<body>x</body>"}, {"ann", retract("s-0")}}, "gone"},
		{"taken back by another occupant", true, []one{{"ann", "<body>x</body>"}, {"bob", retract("s-0")}}, ""},
		{"moderated", true, []one{{"ann", "<body>x</body>"}, {"", moderated}}, "gone"},
		{"moderated by an occupant", true, []one{{"ann", "<body>x</body>"}, {"bob", moderated}}, ""},
		{"taken back by who moderated another", true, []one{{"mod", "<body>x</body>"}, {"", edit("0", "y")}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := (&archive{}).folder(1, jid.MustParse("me@example.org"), c.room)
			var m *said
			var about abouts
			for i, o := range c.rows {
				r := rowOf(t, o, fmt.Sprint(i), store.Key(i+1), c.room)
				a := x.said(&r)
				if i == 0 {
					m = a
				} else if fits(m, a) {
					about.list = append(about.list, a)
				}
				if fits(a, m) {
					t.Errorf("%s is about what came later", o.inner)
				}
			}
			if got := summed(x.folded(m, about)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What is news by itself is about nothing, whatever else it says.
func TestAims(t *testing.T) {
	for inner, want := range map[string]string{
		"<body>x</body>":                   "",
		react("1", "👍"):                    "1",
		"<body>👍</body>" + react("1", "👍"): "1",
		react(""):                          "",
		edit("1", "x"):                     "1",
		retract("1") + edit("2", "x"):      "1",
		"<received xmlns='" + ns.Receipts + "' id='1'/>":               "1",
		"<body>x</body><received xmlns='" + ns.Receipts + "' id='1'/>": "",
		"<request xmlns='" + ns.Receipts + "'/>":                       "",
		"<markable xmlns='" + ns.Markers + "'/>":                       "",
		"<displayed xmlns='" + ns.Markers + "' id='1'/>":               "1",
		"<subject>x</subject>":                                         "",
		retract(strings.Repeat("x", maxAim)):                           strings.Repeat("x", maxAim),
		retract(strings.Repeat("x", maxAim+1)):                         "",
		"<retracted xmlns='" + ns.Retract + "' id='1'/>":               "",
		"<x xmlns='" + ns.Reactions + "' id='1'/>":                     "",
		"<replace xmlns='" + ns.Correct + "' id='&lt;1'/>":             "<1",
	} {
		st, err := stanza.Parse("<message xmlns='jabber:client' type='chat'>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		a, ok := aimOf(st)
		if a.id != want || ok != (want != "") || (targetOf(st, "c") != 0) != ok {
			t.Errorf("%s is about %q", inner, a.id)
		}
	}
	if targetHash("a", "bc") == targetHash("ab", "c") {
		t.Error("one hash for two")
	}
}

const (
	collated   = summaryField + ",collate"
	onlyAbouts = summaryField + ",fastenings"
)

// fields splits a list for history.
func fields(list string) []string { return strings.Split(list, ",") }

// Pages of messages bring what was said about them, and who goes on from somewhere learns what was said meanwhile about older ones.
func TestCollated(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	say := func(c *client, to, id, inner string) {
		t.Helper()
		v.move(time.Second)
		c.send("<message xmlns='jabber:client' to='" + to + "@example.org' type='chat' id='" + id + "'>" + inner + "</message>")
		v.quiet()
	}
	say(ann, "bob", "m0", "<body>zero</body>")
	say(bob, "ann", "r0", "<received xmlns='"+ns.Receipts+"' id='m0'/>")
	say(bob, "ann", "m1", "<body>one</body>")
	for i := range 49 {
		say(ann, "bob", fmt.Sprint("l", i), react("m1", "👍"))
	}
	say(ann, "bob", "m2", "<body>two</body>")
	say(bob, "ann", "e1", edit("m1", "uno"))
	say(bob, "ann", "e2", edit("m2", "not mine"))
	say(ann, "bob", "x2", retract("m2"))

	all := ann.history("<max>100</max>", "")
	if len(all.ids) != 56 || strings.Contains(strings.Join(all.rows, ""), "<applied") || strings.Contains(all.fin, "<latest") {
		t.Fatalf("%d rows without a summary: %s", len(all.ids), all.fin)
	}
	for _, c := range []*client{ann, bob} {
		p := c.history("", "", fields(collated)...)
		if len(p.ids) != 3 || strings.Join(p.bodies, " ") != "zero one " || !strings.Contains(p.fin, "complete='true'") {
			t.Fatalf("%q: %s", p.bodies, p.fin)
		}
		for i, want := range []string{
			"<applied xmlns='urn:xmpp:mamfc:0' count='1'><received xmlns='urn:xmpp:receipts'/><by xmlns='urn:stonechat:folded:1' jid='bob@example.org'/></applied></result>",
			"<applied xmlns='urn:xmpp:mamfc:0' count='1'><reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>👍</reaction></reactions>" +
				"<by xmlns='urn:stonechat:folded:1' jid='ann@example.org'/></applied></result>",
			"<retracted xmlns='urn:xmpp:message-retract:1' id='x2' ",
		} {
			if !strings.Contains(p.rows[i], want) {
				t.Errorf("no %s in %s", want, p.rows[i])
			}
		}
		if !strings.Contains(p.rows[1], "count='1'><replace xmlns='urn:xmpp:message-correct:0' id='m1'/><forwarded xmlns='urn:xmpp:forward:0'><delay ") ||
			!strings.Contains(p.rows[1], "<body>uno</body>") || strings.Contains(p.rows[2], "two") || strings.Contains(p.rows[2], "not mine") {
			t.Errorf("%s\n%s", p.rows[1], p.rows[2])
		}
	}
	if p := ann.history("", "", fields(collated)...); !strings.Contains(p.fin, "<latest xmlns='urn:xmpp:mamfc:0' id='"+all.ids[55]+"'/>") {
		t.Errorf("no end of the archive: %s", p.fin)
	}
	if p := ann.history("", "", summaryField, "simplified"); len(p.ids) != 3 || strings.Contains(strings.Join(p.rows, ""), "<applied") {
		t.Errorf("simplified: %q", p.rows)
	}
	if p := ann.history("<max>0</max>", "", fields(collated)...); !strings.Contains(p.fin, "<count>3</count>") {
		t.Errorf("count: %s", p.fin)
	}
	if p := ann.history("<max>2</max><before/>", "", fields(collated)...); strings.Join(p.bodies, " ") != "one " {
		t.Errorf("last page: %q", p.bodies)
	}
	// Behind the last message there are an edit of an older one and one that nobody may make; what takes the last one back is told since it is not on this page.
	if p := ann.history("<after>"+all.ids[52]+"</after>", "", fields(collated)...); strings.Join(p.bodies, " ") != "uno not mine " {
		t.Errorf("what came later: %q", p.bodies)
	}
	if p := ann.history("<after>"+all.ids[1]+"</after><max>1</max>", "", fields(collated)...); strings.Join(p.bodies, " ") != "one" {
		t.Errorf("the next message: %q", p.bodies)
	}
	if p := ann.history("<max>10</max>", "", append(fields(onlyAbouts), "ids", all.ids[2])...); len(p.ids) != 10 || strings.Contains(p.fin, "complete") {
		t.Errorf("what is about one: %q %s", p.ids, p.fin)
	}
	p := ann.history("<max>10</max><before/>", "", append(fields(onlyAbouts), "ids", all.ids[2])...)
	if len(p.ids) != 10 || p.bodies[9] != "uno" || !strings.Contains(p.fin, "<last>"+p.ids[9]+"</last>") {
		t.Errorf("the newest about one: %q %s", p.bodies, p.fin)
	}
	for _, wrong := range [][]string{{summaryField, "some"}, fields(onlyAbouts), append(fields(onlyAbouts), "ids", all.ids[1]+","+all.ids[2])} {
		ann.refused("bad-request", wrong...)
	}
}

// With more about older messages than a page may have, the page ends early, and who goes on gets all.
func TestCollatedLoose(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann := v.online("ann", "a")
	owner := ownerOf(v, "ann")
	add := func(id, inner string) string {
		r := rowOf(t, one{"<", inner}, id, 0, false)
		st, err := stanza.Parse(string(r.Stanza))
		if err != nil {
			t.Fatal(err)
		}
		key, ticket := v.db.Archive.Append(store.Entry{Owner: owner, Peer: r.Peer, Aside: !core.Says(st), Target: targetOf(st, r.Peer), Stanza: r.Stanza})
		if err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		return v.db.Archive.ID(owner, key)
	}
	at := add("m0", "<body>m0</body>")
	var ids []string
	for i := range 250 {
		ids = append(ids, add(fmt.Sprint("r", i), react("m0", "👍")))
		if i%100 == 50 {
			ids = append(ids, add(fmt.Sprint("m", i), "<body>m</body>"))
		}
	}
	var got []string
	for range 20 {
		p := ann.history("<max>2</max><after>"+at+"</after>", "", fields(collated)...)
		if got = append(got, p.ids...); strings.Contains(p.fin, "complete='true'") {
			break
		}
		_, at, _ = strings.Cut(p.fin, "<last>")
		at, _, _ = strings.Cut(at, "<")
	}
	if strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("%d of %d", len(got), len(ids))
	}
}

// In a room as between two, and nobody learns who is behind a nick.
func TestCollatedInRoom(t *testing.T) {
	v, m := hallOf(t, "juliet", "romeo")
	juliet, romeo := v.online("juliet", "j"), v.online("romeo", "r")
	seen := juliet.speak("one", "<body>first</body>")
	_, id, _ := strings.Cut(seen, "<stanza-id xmlns='"+ns.StanzaID+"' id='")
	id, _, _ = strings.Cut(id, "'")
	romeo.speak("two", react(id, "👍"))
	romeo.speak("three", edit("one", "not mine"))
	romeo.speak("four", retract(id))
	juliet.speak("five", edit("one", "uno"))
	form := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + ns.Archive + "</value></field><field var='" + summaryField +
		"'><value>collate</value></field></x>"
	for _, standing := range []core.Standing{core.RoomReader, core.RoomReader | core.RoomKnower} {
		m.standing = standing
		results, end := romeo.read(form)
		if len(results) != 1 || !strings.Contains(end, "complete='true'") || !strings.Contains(end, "<latest ") {
			t.Fatalf("%q\n%s", results, end)
		}
		for _, want := range []string{
			"<body>first</body>", "<body>uno</body>", "<reaction>👍</reaction></reactions><by xmlns='urn:stonechat:folded:1' jid='" + hall + "/Nick of romeo'/>",
			"count='1'><replace ", "<by xmlns='urn:stonechat:folded:1' jid='" + hall + "/Nick of juliet'/>",
		} {
			if !strings.Contains(results[0], want) {
				t.Errorf("no %s in %s", want, results[0])
			}
		}
		known := strings.Count(results[0], "jid='juliet@example.org/j'")
		if strings.Contains(results[0], "not mine") || strings.Contains(results[0], "retracted") || known > 1 || known == 1 && standing == core.RoomReader {
			t.Errorf("%s", results[0])
		}
	}
	juliet.speak("six", retract(id))
	m.standing = core.RoomReader
	results, _ := romeo.read(form)
	if len(results) != 1 || strings.Contains(results[0], "first") || strings.Contains(results[0], "uno") || strings.Contains(results[0], "juliet@") ||
		!strings.Contains(results[0], "<retracted xmlns='urn:xmpp:message-retract:1' id='six' ") {
		t.Errorf("%q", results)
	}
}

// Whatever others say about a message, its summary is XML in which they say nothing in our name.
func FuzzFold(f *testing.F) {
	for _, s := range []string{
		react("0", "👍", "&lt;by jid='x'/>"), edit("0", "y"), retract("0"), "<a:reactions xmlns:a='" + ns.Reactions + "' id='0'><a:reaction>x</a:reaction></a:reactions>",
		"<retract xmlns='" + ns.Retract + "' id='s-0'><by xmlns='" + FoldSpace + "' jid='x'/></retract>", "<displayed xmlns='" + ns.Markers + "' id='s-0'/>",
		"<occupant-id xmlns='" + ns.OccupantID + "' id='1'/>" + react("s-0", "x"),
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, inner string, room bool) {
		st, err := stanza.Parse("<message xmlns='jabber:client' type='chat'>" + inner + "</message>")
		if err != nil {
			return
		}
		x := (&archive{}).folder(1, jid.MustParse("me@example.org"), room)
		r, about := rowOf(t, one{"ann", "<body>x</body>"}, "0", 1, room), rowOf(t, one{"ann", "<body>x</body>"}, "1", 2, room)
		st = st.WithID("1")
		about.Stanza = st.Seal().Append(nil, ns.Client)
		m, a := x.said(&r), x.said(&about)
		if a == nil || !fits(m, a) {
			return
		}
		got := x.folded(m, abouts{list: []*said{a}})
		tree, err := xmltok.Tree(string(got.AppendXML([]byte("<result>")))+"</result>", "")
		if err != nil {
			t.Fatalf("%s: %v", got.AppendXML(nil), err)
		}
		for _, n := range tree.All(ns.FasteningCollation, "applied") {
			if by := n.All(FoldSpace, "by"); len(by) != 1 {
				t.Fatalf("%d say it: %s", len(by), got.AppendXML(nil))
			}
		}
		if got.tomb != nil {
			if _, err := stanza.Parse(string(got.tomb)); err != nil {
				t.Fatalf("%s: %v", got.tomb, err)
			}
		}
	})
}
