package bookmarks

import "testing"

// Of a room that has changed the document keeps what its client has beside it under names of its own, and nothing that all forms have.
func TestForeignStays(t *testing.T) {
	items := []bookmark{item(t, "a@x", " name='A'/>")}
	old := storage("<conference jid='a@x' name='old'><print xmlns='y'/><nick>n</nick></conference>")
	want := storage("<conference jid='a@x' name='A'><print xmlns='y'/></conference>")
	if got, differs := renewed(old, items); !differs || got != want {
		t.Errorf("%s becomes\n%s, want\n%s", old, got, want)
	}
}
