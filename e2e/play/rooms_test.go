package play

import (
	"strings"
	"testing"
)

// TestRoomLines sees which lines are about a room, and that they name nobody who is not there.
func TestRoomLines(t *testing.T) {
	t.Parallel()
	const cast = "# XEP-0045\njuliet is juliet/x\nromeo is romeo/y\n"
	for _, c := range []struct {
		name, play string
		rooms      bool
		miss       string // part of the error; empty if there is none
	}{
		{"made", "juliet makes the room\n", true, ""},
		{"made with settings", "juliet makes the room with:\n  <field var='a'/>\n", true, ""},
		{"entered", "romeo enters the room\n", true, ""},
		{"entered under a name", "romeo enters the room as montague\n", true, ""},
		{"affiliation", "juliet makes romeo admin\n", true, ""},
		{"role", "juliet makes romeo visitor\n", true, ""},
		{"sent there", "juliet sends:\n  <presence to='{room}/juliet'/>\n", true, ""},
		{"no room", "juliet sends:\n  <presence/>\n", false, ""},
		{"who is not there", "juliet makes tybalt admin\n", true, "not of the cast"},
		{"what there is not", "juliet makes romeo king\n", true, "nothing that a client can do"},
		{"settings missing", "juliet makes the room with:\n", true, "a block belongs"},
		{"settings too many", "romeo enters the room\n  <field/>\n", true, "a block belongs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse(cast + c.play)
			switch {
			case c.miss != "" && (err == nil || !strings.Contains(err.Error(), c.miss)):
				t.Errorf("%v, want %q", err, c.miss)
			case c.miss == "" && err != nil:
				t.Error(err)
			case c.miss == "" && p.usesRooms() != c.rooms:
				t.Errorf("concerns a room: %t", p.usesRooms())
			}
		})
	}
}
