package bookmarks

import (
	"testing"

	"stonechat/xmpp/xmltok"
)

func item(t testing.TB, id, inner string) bookmark {
	t.Helper()
	b, ok := readItem(id, "<conference xmlns='urn:xmpp:bookmarks:1'"+inner)
	if !ok {
		t.Fatalf("%s %s is no bookmark", id, inner)
	}
	return b
}

func storage(inner string) string {
	return "<storage xmlns='storage:bookmarks'>" + inner + "</storage>"
}

// What is an item, and that it is written as it was read.
func TestItems(t *testing.T) {
	for _, x := range []struct {
		id, payload string
		want        string // empty: no bookmark
	}{
		{"a@rooms.example", "<conference xmlns='urn:xmpp:bookmarks:1'/>", "<conference xmlns='urn:xmpp:bookmarks:1'></conference>"},
		{"A@rooms.example", "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='1'/>", "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true'></conference>"},
		{
			"a@rooms.example", "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='false' name='&lt;&apos;'><nick>&amp;</nick></conference>",
			"<conference xmlns='urn:xmpp:bookmarks:1' name='&lt;&apos;'><nick>&amp;</nick></conference>",
		},
		{
			"a@rooms.example", "<conference xmlns='urn:xmpp:bookmarks:1'><extensions><x xmlns='y'>z</x></extensions><password>p</password></conference>",
			"<conference xmlns='urn:xmpp:bookmarks:1'><password>p</password><extensions><x xmlns='y'>z</x></extensions></conference>",
		},
		{"a@rooms.example", "<conference xmlns='storage:bookmarks'/>", ""},
		{"a@rooms.example", "<conference xmlns='urn:xmpp:bookmarks:1'>", ""},
		{"@", "<conference xmlns='urn:xmpp:bookmarks:1'/>", ""},
	} {
		b, ok := readItem(x.id, x.payload)
		if ok != (x.want != "") {
			t.Errorf("%s %s: %v", x.id, x.payload, ok)
		} else if ok && b.item() != x.want {
			t.Errorf("%s becomes %s, want %s", x.payload, b.item(), x.want)
		}
	}
}

// What is published and what is retracted when a client that has seen everything keeps another document.
func TestAfterReading(t *testing.T) {
	now := []bookmark{
		item(t, "a@rooms.example", " name='A'><extensions><x xmlns='y'/></extensions></conference>"),
		item(t, "B@rooms.example", " autojoin='true'/>"),
		item(t, "c@rooms.example", "/>"),
	}
	d, err := readDocument(storage("<conference jid='c@rooms.example'/><conference jid='b@rooms.example' autojoin='1'/>" +
		"<conference jid='a@rooms.example' name='AA'/><conference jid='d@rooms.example'/><conference jid='d@rooms.example' name='again'/><url url='u'/>"))
	if err != nil {
		t.Fatal(err)
	}
	publish, retract := merged(now, byRoom(now), d.rooms)
	got := ""
	for _, b := range publish {
		got += b.id + b.item() + "\n"
	}
	want := "a@rooms.example<conference xmlns='urn:xmpp:bookmarks:1' name='AA'><extensions><x xmlns='y'/></extensions></conference>\n" +
		"d@rooms.example<conference xmlns='urn:xmpp:bookmarks:1' name='again'></conference>\n"
	if got != want || len(retract) != 0 {
		t.Errorf("published\n%swant\n%sretracted %v", got, want, retract)
	}
	d, _ = readDocument("")
	if publish, retract = merged(now, byRoom(now), d.rooms); len(publish) != 0 || len(retract) != 3 || retract[1].id != "B@rooms.example" {
		t.Errorf("of an empty document: %v, %v", publish, retract)
	}
}

// A client that has seen less than is there, or something else, changes only what it means to change.
func TestMerged(t *testing.T) {
	rooms := func(inner string) []bookmark {
		d, err := readDocument(storage(inner))
		if err != nil {
			t.Fatal(err)
		}
		return d.rooms
	}
	const a, b, renamed = "<conference jid='a@x'/>", "<conference jid='b@x'/>", "<conference jid='a@x' name='A'/>"
	for name, x := range map[string]struct{ now, seen, want, publish, retract string }{
		"added by others since":             {a + b, a, a, "", ""},
		"removed by this one":               {a + b, a + b, a, "", "b@x"},
		"removed, and added by others":      {a + b, a, "", "", "a@x"},
		"changed by others since":           {renamed, a, a, "", ""},
		"changed by this one":               {a, a, renamed, "a@x", ""},
		"changed by both":                   {renamed, a, "<conference jid='a@x' name='other'/>", "a@x", ""},
		"removed by others since":           {"", a, a + b, "b@x", ""},
		"removed by others, and changed":    {"", a, renamed, "a@x", ""},
		"removed by this one, and changed":  {renamed + b, a + b, b, "", "a@x"},
		"never seen anything":               {a + b, "", renamed, "a@x", ""},
		"never seen anything, says nothing": {a + b, "", "", "", ""},
	} {
		publish, retract := merged(rooms(x.now), byRoom(rooms(x.seen)), rooms(x.want))
		ids := func(all []bookmark) (out string) {
			for _, b := range all {
				out += b.id
			}
			return out
		}
		if ids(publish) != x.publish || ids(retract) != x.retract {
			t.Errorf("%s: published %q, retracted %q", name, ids(publish), ids(retract))
		}
	}
}

// A document that says the same stays as it is; what is unchanged in another, and what is no room, stays as its client has written it.
func TestRenewed(t *testing.T) {
	items := []bookmark{item(t, "a@rooms.example", "/>"), item(t, "b@rooms.example", " name='B'/>")}
	same := "<storage xmlns='storage:bookmarks'>\n<conference  jid='b@rooms.example' name='B'><x xmlns='y'/></conference><url url='u'/><conference jid='a@rooms.example'/></storage>"
	if out, differs := renewed(same, items); differs || out != same {
		t.Errorf("%s was written again: %s", same, out)
	}
	for before, want := range map[string]string{
		"":         "<conference jid='a@rooms.example'></conference><conference jid='b@rooms.example' name='B'></conference>",
		"nonsense": "<conference jid='a@rooms.example'></conference><conference jid='b@rooms.example' name='B'></conference>",
		storage("<url url='u'/><conference jid='c@rooms.example'/><conference autojoin='0' jid='a@rooms.example'><x xmlns='y'/></conference><conference jid='@'/>"): "<conference autojoin='0' jid='a@rooms.example'><x xmlns='y'/></conference>" +
			"<conference jid='b@rooms.example' name='B'></conference><url url='u'/><conference jid='@'/>",
	} {
		out, differs := renewed(before, items)
		if !differs || out != storage(want) {
			t.Errorf("%q becomes\n%s, want\n%s", before, out, storage(want))
		}
		if again, differs := renewed(out, items); differs {
			t.Errorf("%s was written again: %s", out, again)
		}
	}
}

// Whatever a client keeps: what is written from it is XML that says what the items say.
func FuzzDocument(f *testing.F) {
	f.Add(storage("<conference jid='a@rooms.example' name='A' autojoin='true'><nick>n</nick><password>p</password></conference><url url='u'/>"))
	f.Add(storage("<conference jid='A@rooms.example'/><conference jid='a@rooms.example' name='&lt;'/><conference/>text"))
	f.Add("<storage xmlns='x'/>")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := readDocument(text)
		if err != nil || text == "" {
			return
		}
		var items []bookmark
		publish, retract := merged(nil, nil, d.rooms)
		if len(retract) > 0 {
			t.Fatalf("%q retracts what is not there", text)
		}
		for _, b := range publish {
			back, ok := readItem(b.id, b.item())
			if !ok || back.room != b.room || !back.same(&b) {
				t.Fatalf("%q: %+v comes back as %+v", text, b, back)
			}
			items = append(items, back)
		}
		out, _ := renewed("", items)
		if _, err := xmltok.Tree(out, ""); err != nil && len(items) > 0 {
			t.Fatalf("%q becomes %q: %v", text, out, err)
		}
		if again, differs := renewed(out, items); differs {
			t.Fatalf("%q is written again as %q", out, again)
		}
		if _, differs := renewed(text, items); differs && len(d.rooms) == len(items) {
			t.Fatalf("%q says something else than its own items", text)
		}
	})
}
