package archive

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

func TestWhatIsKept(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	for _, c := range []struct {
		name, typ, inner string
		kept             bool
	}{
		{"body", "chat", "<body>x</body>", true},
		{"body without type", "", "<body>x</body>", true},
		{"subject", "normal", "<subject>x</subject>", true},
		{"typing", "chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", false},
		{"typing with thread", "chat", "<paused xmlns='http://jabber.org/protocol/chatstates'/><thread>1</thread>", false},
		{"nothing", "chat", "", false},
		{"headline", "headline", "<body>x</body>", false},
		{"headline to store", "headline", "<body>x</body><store xmlns='urn:xmpp:hints'/>", true},
		{"room message to store", "groupchat", "<body>x</body><store xmlns='urn:xmpp:hints'/>", false},
		{"error", "error", "<body>x</body><store xmlns='urn:xmpp:hints'/>", false},
		{"group chat", "groupchat", "<body>x</body>", false},
		{"receipt", "chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", true},
		{"receipt wanted", "chat", "<request xmlns='urn:xmpp:receipts'/>", false},
		{"marker", "normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true},
		{"markable", "chat", "<markable xmlns='urn:xmpp:chat-markers:0'/>", false},
		{"reaction", "chat", "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>", true},
		{"retraction", "chat", "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>", true},
		{"correction", "chat", "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>", true},
		{"OMEMO", "chat", "<encrypted xmlns='urn:xmpp:omemo:2'/>", true},
		{"old OMEMO", "chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>", true},
		{"OpenPGP", "chat", "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>", true},
		{"EME", "chat", "<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>", true},
		{"call", "chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", true},
		{"direct invitation", "normal", "<x xmlns='jabber:x:conference' jid='r@c.example'/>", true},
		{"invitation", "normal", "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='x@y'/></x>", true},
		{"occupant", "chat", "<x xmlns='http://jabber.org/protocol/muc#user'/>", false},
		{"store", "chat", "<x xmlns='urn:x'/><store xmlns='urn:xmpp:hints'/>", true},
		{"no-store", "chat", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>", false},
		{"no-permanent-store", "chat", "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", false},
		{"what pretends to be a copy", "chat", "<sent xmlns='urn:xmpp:carbons:2'/>", false},
		{"beside what pretends to be a copy", "chat", "<body>x</body><sent xmlns='urn:xmpp:carbons:2'/>", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(bob.history("", "").ids)
			sent := len(ann.history("", "").ids)
			mark := fmt.Sprintf("<n xmlns='urn:n' v='%s'/>", c.name)
			ann.send("<message to='bob@example.org/b' type='" + c.typ + "'>" + c.inner + mark + "</message>")
			live := bob.expect("<message", mark)
			v.quiet()
			p := bob.history("", "")
			if kept := len(p.ids) > before; kept != c.kept {
				t.Fatalf("kept: %v", kept)
			}
			if kept := len(ann.history("", "").ids) > sent; kept != c.kept {
				t.Errorf("kept for the sender: %v", kept)
			}
			if tells := strings.Contains(live, "stanza-id"); tells != c.kept {
				t.Errorf("live: %s", live)
			}
		})
	}
}

func TestOneIDEverywhere(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	other := v.online("bob", "c")
	ann.send(chat("bob@example.org", "hi", "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"))
	live := bob.expect("hi")
	p := bob.history("", "")
	if len(p.ids) != 1 {
		t.Fatalf("%d rows", len(p.ids))
	}
	want := "<stanza-id xmlns='urn:xmpp:sid:0' id='" + p.ids[0] + "' by='bob@example.org'/>"
	if !strings.Contains(live, want) || strings.Count(live, "<stanza-id") != 1 || !strings.Contains(live, "<origin-id") {
		t.Errorf("live %s\nwant %s", live, want)
	}
	if other.expect("hi") != live {
		t.Error("the other session got another message")
	}
	mine := ann.history("", "")
	if len(mine.ids) != 1 || mine.ids[0] == p.ids[0] {
		t.Fatalf("sender's ids %v", mine.ids)
	}
	if strings.Contains(live, mine.ids[0]) {
		t.Error("the sender's id was shown to the other party")
	}
	if sent := v.seen.ids(); len(sent) != 1 || sent[0] != mine.ids[0] {
		t.Errorf("Sent saw %v, the archive has %v", sent, mine.ids)
	}
	for _, part := range []string{"from='bob@example.org' to='bob@example.org/b'", "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='", "queryid='x1'", "<message xmlns='jabber:client'"} {
		x := p.rows[0]
		if part == "from='bob@example.org' to='bob@example.org/b'" {
			if !strings.Contains(x, "from='bob@example.org'") || !strings.Contains(x, "to='bob@example.org/b'") {
				t.Errorf("addresses: %s", x)
			}
		} else if !strings.Contains(x, part) {
			t.Errorf("no %s in %s", part, x)
		}
	}
}

func TestForged(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	forged := ""
	for i, by := range []string{
		"ann@example.org", "bob@example.org", "BOB@example.org", "bob@example.org/b", "example.org", "carl@example.org", "room@chat.example.org", "", "@",
	} {
		forged += fmt.Sprintf("<stanza-id xmlns='urn:xmpp:sid:0' id='forged%d' by='%s'/>", i, by)
	}
	forged += "<s:stanza-id xmlns:s='urn:xmpp:sid:0' id='forged-prefix' by='bob@example.org'/>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' id='forged-none'/>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' id='theirs' by='room@elsewhere.example'/>" +
		"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2001-01-01T00:00:00Z'>forged</delay>" +
		"<delay xmlns='urn:xmpp:delay' from='ann@example.org/a' stamp='2001-01-01T00:00:00Z'>forged</delay>" +
		"<delay xmlns='urn:xmpp:delay' from='bob@example.org' stamp='2001-01-01T00:00:00Z'>forged</delay>" +
		"<delay xmlns='urn:xmpp:delay' stamp='2002-01-01T00:00:00Z'/>" +
		"<received xmlns='urn:xmpp:carbons:2'><forged/></received><sent xmlns='urn:xmpp:carbons:2'><forged/></sent>" +
		"<result xmlns='urn:xmpp:mam:2' id='forged'/>"
	for _, store := range []string{"", "<no-store xmlns='urn:xmpp:hints'/>"} {
		ann.send(chat("bob@example.org", "hi", forged+store))
		for _, x := range []string{bob.expect("hi"), strings.Join(bob.history("", "").rows, ""), strings.Join(ann.history("", "").rows, "")} {
			if strings.Contains(x, "forged") {
				t.Errorf("forged: %s", x)
			}
			if x != "" && (!strings.Contains(x, "theirs") || !strings.Contains(x, "2002-01-01")) {
				t.Errorf("lost what others say: %s", x)
			}
		}
	}
	// A service of this server, which may speak of its own rooms.
	st, err := stanza.Parse("<message from='room@chat.example.org/x' to='bob@example.org' type='chat'><body>pm</body>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='bob@example.org'/><stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='example.org'/>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' id='rooms' by='room@chat.example.org'/></message>")
	if err != nil {
		t.Fatal(err)
	}
	v.pool.Do(func(w *core.Work) { v.host.Router.Route(w, st.Seal()) })
	if x := bob.expect("<body>pm"); strings.Contains(x, "forged") || !strings.Contains(x, "rooms") || !strings.Contains(x, "by='bob@example.org'") {
		t.Errorf("of a service: %s", x)
	}
	// A note to self that claims an id of the own archive.
	ann.send(chat("ann@example.org", "note", "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='ann@example.org'/><no-store xmlns='urn:xmpp:hints'/>"))
	if x := ann.expect("note"); strings.Contains(x, "stanza-id") {
		t.Errorf("forged: %s", x)
	}
}

func TestNoteToSelf(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	a, b := v.online("ann", "a"), v.online("ann", "b")
	for _, to := range []string{"to='ann@example.org'", "", "to='ann@example.org/b'", "to='ann@example.org/gone' type='normal'"} {
		a.send("<message type='chat' " + strings.Replace(to, "type='normal'", "", 1) + "><body>n" + to[:min(3, len(to))] + "</body></message>")
		b.expect("<body>n")
	}
	v.quiet()
	p := b.history("", "", "with", "ann@example.org")
	if len(p.ids) != 4 || len(b.history("", "").ids) != 4 {
		t.Fatalf("%d notes kept", len(p.ids))
	}
	if p := b.history("", "", "with", "ann@example.org/x"); len(p.ids) != 4 {
		t.Errorf("%d notes with a full address", len(p.ids))
	}
	live := 0
	for _, id := range p.ids {
		for _, x := range b.all() {
			if strings.Contains(x, "<stanza-id xmlns='urn:xmpp:sid:0' id='"+id+"'") && strings.Contains(x, "<body>") && strings.Count(x, "stanza-id") == 1 {
				live++
			}
		}
	}
	if live != 4 {
		t.Errorf("%d of 4 came with the id of the archive:\n%s", live, strings.Join(b.all(), "\n"))
	}
}

func TestSentAgain(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	again := chat("bob@example.org", "hi", "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>")
	count := func(want int) {
		t.Helper()
		if a, b := len(ann.history("", "").ids), len(bob.history("", "").ids); a != want || b != want {
			t.Fatalf("kept %d and %d, want %d", a, b, want)
		}
	}
	ann.send(again)
	ann.send(again)
	v.quiet()
	count(1)
	if got := bob.bodies(); len(got) != 1+1 { // and once from history
		t.Errorf("live: %v", got)
	}
	if ids := v.seen.ids(); len(ids) != 2 || ids[0] != ids[1] || ids[0] == "" {
		t.Errorf("Sent saw %v", ids)
	}
	// Other content, another party, or no origin-id is another message.
	ann.send(chat("bob@example.org", "ho", "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"))
	v.quiet()
	count(2)
	ann.send(chat("bob@example.org", "hi", ""))
	ann.send(chat("bob@example.org", "hi", ""))
	v.quiet()
	count(4)
	v.restart(true)
	ann, bob = v.online("ann", "a"), v.online("bob", "b")
	ann.send(strings.Replace(again, "</message>", "<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/></message>", 1))
	v.quiet()
	count(4)
	v.move(25 * time.Hour)
	ann.send(again)
	v.quiet()
	count(5)
}

func TestFirstCopyFailed(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	msg := "<message id='m' type='chat' to='bob@example.org'><body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message>"
	v.disk.set(true, false)
	ann.send(msg)
	ann.expect("type='error'", "resource-constraint")
	v.disk.set(true, true)
	ann.send(msg)
	ann.send(msg) // joins the one before, which is about to fail
	v.disk.set(false, false)
	ann.expect("type='error'")
	ann.expect("type='error'")
	ann.send(msg)
	bob.expect("hi")
	v.quiet()
	if a, b := len(ann.history("", "").ids), len(bob.history("", "").ids); a != 1 || b != 1 {
		t.Errorf("kept %d and %d", a, b)
	}
}

func TestRowsWritten(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	v.quiet()
	before := v.db.Stats()
	const n = 40
	for i := range n {
		ann.send(chat("bob@example.org", fmt.Sprint("m", i), fmt.Sprintf("<origin-id xmlns='urn:xmpp:sid:0' id='%d'/>", i)))
	}
	bob.expect(fmt.Sprint("m", n-1))
	v.quiet()
	after := v.db.Stats()
	if rows := after.ArchiveRows - before.ArchiveRows; rows != 2*n {
		t.Errorf("%d archive rows for %d messages", rows, n)
	}
	if rows := after.OtherRows - before.OtherRows; rows != 0 {
		t.Errorf("%d other rows for %d messages", rows, n)
	}
	bob.leave()
	for i := range n {
		ann.send(chat("bob@example.org", fmt.Sprint("o", i), ""))
	}
	v.quiet()
	if rows := v.db.Stats().OtherRows - after.OtherRows; rows != 1 {
		t.Errorf("%d other rows for a client that left and %d messages that wait", rows, n)
	}
}

func TestOrderAgreesWithArchive(t *testing.T) {
	v := newWorld(t, "ann", "bob", "carl", "dora")
	dora := v.online("dora", "d")
	done := make(chan struct{})
	for _, name := range []string{"ann", "bob", "carl"} {
		c := v.online(name, "x")
		go func() {
			for i := range 60 {
				c.send(chat("dora@example.org", fmt.Sprint(name, i), ""))
			}
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
	live := dora.bodies()
	p := dora.history("<max>250</max>", "")
	if len(live) != 180 || strings.Join(live, " ") != strings.Join(p.bodies, " ") {
		t.Errorf("live    %v\narchive %v", live, p.bodies)
	}
}

func TestSeenBounds(t *testing.T) {
	var s seen
	for i := range store.Key(seenMost + 10) {
		s.add(i+1, uint64(i+1), store.Ticket{}, 0)
	}
	if len(s.keys) != seenMost || len(s.origins) != seenMost || s.keys[0] != 11 {
		t.Errorf("%d kept from %d", len(s.keys), s.keys[0])
	}
	if _, _, ok := s.find(10, 0); ok {
		t.Error("the oldest is still there")
	}
	if key, _, ok := s.find(11, 0); !ok || key != 11 {
		t.Error("the eleventh is gone")
	}
	s.add(seenMost+20, 5, store.Ticket{}, seenMost)
	if s.keys[0] != seenMost {
		t.Errorf("from %d", s.keys[0])
	}
	if len(s.open) > 1 {
		s.settle()
		if len(s.open) != 0 {
			t.Error("tickets that are done are kept")
		}
	}
}

func TestPrefs(t *testing.T) {
	v := newWorld(t, "ann", "bob", "carl")
	v.peers["bob@example.org"] = true
	ann, bob, carl := v.online("ann", "a"), v.online("bob", "b"), v.online("carl", "c")
	set := func(std, always, never string) string {
		return "<prefs xmlns='urn:xmpp:mam:2' default='" + std + "'><always>" + always + "</always><never>" + never + "</never></prefs>"
	}
	if got := ann.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>"); !strings.Contains(got, "default='always'><always/><never/></prefs>") {
		t.Errorf("at first %s", got)
	}
	for _, c := range []struct {
		prefs, from string
		kept        bool
	}{
		{set("never", "", ""), "bob", false},
		{set("roster", "", ""), "bob", true},
		{set("roster", "", ""), "carl", false},
		{set("roster", "<jid>carl@example.org</jid>", ""), "carl", true},
		{set("always", "", "<jid>bob@example.org</jid>"), "bob", false},
		{set("always", "", "<jid>bob@example.org/other</jid>"), "bob", true},
		{set("always", "<jid>bob@example.org/b</jid>", "<jid>bob@example.org</jid>"), "bob", true},
		{set("always", "<jid>bob@example.org</jid>", "<jid>bob@example.org</jid>"), "bob", false},
	} {
		if got := ann.ask("set", c.prefs); !strings.Contains(got, "type='result'") || !strings.Contains(got, "<prefs") {
			t.Fatalf("%s: %s", c.prefs, got)
		}
		before := len(ann.history("<max>250</max>", "").ids)
		from := map[string]*client{"bob": bob, "carl": carl}[c.from]
		from.send(chat("ann@example.org", "in", ""))
		live := ann.expect("<body>in")
		v.quiet()
		kept := len(ann.history("<max>250</max>", "").ids) > before
		if kept != c.kept || strings.Contains(live, "stanza-id") != c.kept {
			t.Errorf("%s, from %s: kept %v, %s", c.prefs, c.from, kept, live)
		}
		before = len(ann.history("<max>250</max>", "").ids)
		ann.send(chat(c.from+"@example.org/"+c.from[:1], "out", ""))
		v.quiet()
		if kept := len(ann.history("<max>250</max>", "").ids) > before; kept != c.kept {
			t.Errorf("%s, to %s: kept %v", c.prefs, c.from, kept)
		}
	}
	for _, wrong := range []string{
		"<prefs xmlns='urn:xmpp:mam:2'/>", set("sometimes", "", ""), set("always", "<jid>@</jid>", ""), set("always", "", strings.Repeat("<jid>a@b</jid>", maxListed+1)),
	} {
		if got := ann.ask("set", wrong); !strings.Contains(got, "type='error'") {
			t.Errorf("accepted %.90s: %s", wrong, got)
		}
	}
	v.restart(true)
	ann = v.online("ann", "a")
	if got := ann.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>"); !strings.Contains(got, "<never><jid>bob@example.org</jid></never>") {
		t.Errorf("after a restart %s", got)
	}
}

func TestNotForOthers(t *testing.T) {
	v := newWorld(t, "ann", "bob")
	ann, bob := v.online("ann", "a"), v.online("bob", "b")
	ann.send(chat("bob@example.org", "hi", ""))
	bob.expect("hi")
	for i, payload := range []string{"<query xmlns='urn:xmpp:mam:2'/>", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>"} {
		for _, to := range []string{"bob@example.org", domain} {
			ann.send(fmt.Sprintf("<iq type='set' id='o%d%s' to='%s'>%s</iq>", i, to, to, payload))
			ann.expect(fmt.Sprintf("id='o%d%s'", i, to), "type='error'")
		}
	}
	for _, x := range ann.all() {
		if strings.Contains(x, "<result") {
			t.Errorf("got %s", x)
		}
	}
}

func TestFeatures(t *testing.T) {
	v := newWorld(t, "ann")
	for _, f := range []string{ns.Archive, ns.ArchiveExtended, ns.ArchiveGroupchatField, ns.StanzaID, ns.RSM} {
		if !holds(strings.Join(v.host.Disco.AccountFeatures, " ")+" ", []string{f + " "}) {
			t.Errorf("accounts do not announce %s", f)
		}
		for _, h := range v.host.Disco.HostFeatures {
			if h == f {
				t.Errorf("the host announces %s", f)
			}
		}
	}
	if got := v.host.Disco.HostFeatures; len(got) != 2 || got[0] != "msgoffline" || got[1] != ns.Retract {
		t.Errorf("host: %v", got)
	}
	// Five that the owner may ask, and the same five that nobody else may; and three of rooms, for whom these let read.
	rows := map[core.Target]int{}
	for _, r := range v.host.IQ.Rows() {
		if r.Space == ns.Archive && (r.Action == core.ActUseAccount || r.To == core.ToRoom && r.Action == core.ActReadRoom) {
			rows[r.To]++
		}
	}
	if rows[core.ToOwn] != 5 || rows[core.ToContact] != 5 || rows[core.ToRoom] != 3 || len(v.host.IQ.Rows()) != 13 {
		t.Errorf("rows for the owner alone: %v of %d", rows, len(v.host.IQ.Rows()))
	}
}
