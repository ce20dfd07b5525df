package bookmarks

import (
	"slices"
	"strings"
	"testing"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

func storage(inner string) string {
	return "<storage xmlns='storage:bookmarks'>" + inner + "</storage>"
}

func document4(t testing.TB, text string) documentOf {
	t.Helper()
	d, err := readDocument(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// What is read of a room, in both forms, and how it is written again.
func TestRooms(t *testing.T) {
	for _, x := range []struct{ doc, item string }{
		{"<conference jid='a@x'/>", "<conference xmlns='urn:xmpp:bookmarks:1'></conference>"},
		{"<conference jid='A@x' name='' autojoin='0'><nick/></conference>", "<conference xmlns='urn:xmpp:bookmarks:1'></conference>"},
		{"<conference jid='a@x' name='N &amp; M' autojoin='1'><nick>n</nick><password>p</password></conference>", "<conference xmlns='urn:xmpp:bookmarks:1' name='N &amp; M' autojoin='true'><nick>n</nick><password>p</password></conference>"},
		{"<conference jid='a@x' autojoin=' true '><x xmlns='y'/></conference>", "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true'></conference>"},
	} {
		b := document4(t, storage(x.doc)).rooms[0]
		if got := b.item(); got != x.item {
			t.Errorf("%s becomes %s", x.doc, got)
		}
		again, ok := readItem("a@x", b.item())
		if !ok || b.room != "a@x" || !again.same(&b) {
			t.Errorf("%s is read as %+v", b.item(), again)
		}
	}
	for id, payload := range map[string]string{
		"":    "<conference xmlns='urn:xmpp:bookmarks:1'/>",
		"a@x": "<conference xmlns='urn:xmpp:bookmarks:0'/>",
		"a@y": "<conference xmlns='urn:xmpp:bookmarks:1'>",
		"@":   "<conference xmlns='urn:xmpp:bookmarks:1'/>",
	} {
		if b, ok := readItem(id, payload); ok {
			t.Errorf("%q %s is a bookmark: %+v", id, payload, b)
		}
	}
}

// What a document changes of items: extensions stay, what is unchanged is not touched, the first entry of a room counts.
func TestDifferences(t *testing.T) {
	item := func(id, inner string) bookmark {
		b, ok := readItem(id, "<conference xmlns='urn:xmpp:bookmarks:1' "+inner+"</conference>")
		if !ok {
			t.Fatal(id)
		}
		return b
	}
	now := []bookmark{
		item("a@x", "name='A'><extensions><mute xmlns='m'/></extensions>"), item("b@x", "name='B'>"), item("C@x", "autojoin='true'><password>p</password>"),
	}
	d := document4(t, storage("<conference jid='a@x' name='other'/><conference jid='c@x' autojoin='1'><password>p</password></conference><conference jid='d@x'/><conference jid='d@x' name='twice'/>"))
	publish, retract := differences(now, d.rooms)
	var said []string
	for _, b := range publish {
		said = append(said, b.id+" "+b.item())
	}
	want := []string{
		"a@x <conference xmlns='urn:xmpp:bookmarks:1' name='other'><extensions><mute xmlns='m'/></extensions></conference>",
		"d@x <conference xmlns='urn:xmpp:bookmarks:1'></conference>",
	}
	if !slices.Equal(said, want) {
		t.Errorf("published: %q", said)
	}
	if len(retract) != 1 || retract[0].id != "b@x" {
		t.Errorf("retracted: %+v", retract)
	}
}

// A document that says what the items say stays byte for byte; one that does not keeps what its client has in it.
func TestRenewed(t *testing.T) {
	items := document4(t, storage("<conference jid='a@x' name='A'/><conference jid='b@x'/>")).rooms
	same := storage("\n <url name='u' url='https://x'/><conference name='A' jid='A@x'><print xmlns='y'/></conference>\n<conference jid='b@x'/>")
	if got, differs := renewed(same, items); differs || got != same {
		t.Errorf("%s is written again: %s", same, got)
	}
	old := storage("<url name='u' url='https://x'/><conference jid='a@x' name='old'><print xmlns='y'/><nick>n</nick></conference><conference jid='no address@'/><conference jid='gone@x'/>")
	want := storage("<conference jid='a@x' name='A'><print xmlns='y'/></conference><conference jid='b@x'/><url name='u' url='https://x'/><conference jid='no address@'/>")
	got, differs := renewed(old, items)
	if tree, err := xmltok.Tree(got, ""); !differs || err != nil || string(tree.AppendXML(nil, "")) != want {
		t.Errorf("%s becomes %s", old, got)
	}
	if got, differs := renewed("", nil); differs || got != "" {
		t.Errorf("nothing becomes %s", got)
	}
	if got, differs := renewed("<x/>", items); !differs || !strings.Contains(got, "b@x") {
		t.Errorf("what cannot be read becomes %s", got)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(storage("<url name='u' url='https://x'/><conference jid='a@x' name='A' autojoin='1'><nick>n</nick><password>p</password><x xmlns='y'/></conference>"), "a@x")
	f.Add(storage("<conference jid='a@x'/><conference jid='A@x/r' name='&lt;'/>"), "b@y")
	f.Fuzz(func(t *testing.T, text, id string) {
		d, err := readDocument(text)
		if err != nil {
			return
		}
		items := make([]bookmark, 0, len(d.rooms))
		publish, _ := differences(nil, d.rooms)
		for _, b := range publish {
			again, ok := readItem(b.id, b.item())
			if !ok || !again.same(&b) || again.room != b.room {
				t.Fatalf("%+v is read as %+v", b, again)
			}
			items = append(items, again)
		}
		// The document says what it has just said: what follows from it ends there.
		next, _ := renewed(text, items)
		if again, differs := renewed(next, items); differs {
			t.Fatalf("%s\nis written again as\n%s", next, again)
		}
		if b, ok := readItem(id, "<conference xmlns='"+ns.Bookmarks+"'/>"); ok {
			if next, differs := renewed(next, append(items, b)); differs {
				if _, err := readDocument(next); err != nil {
					t.Fatalf("%s: %v", next, err)
				}
			}
		}
	})
}
