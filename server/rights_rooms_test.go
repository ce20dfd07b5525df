package server

import (
	"fmt"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/e2e/golden"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// Who may bring which request to rooms and to nodes of the service, before the rules of rooms and nodes say more: every row, by every affiliation and
// role (XEP-0045 section 5), for people of this server, guests, and people of other servers. What a room's reader is, and the rules inside, are tables of mod/muc; those of
// nodes, of mod/pubsub.
func TestRightsAtRooms(t *testing.T) {
	cfg := config.Default()
	cfg.Domains, cfg.Data = []string{"example.org"}, t.TempDir()
	s, err := New(t.Context(), cfg, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	people := actor("me@example.org/x", store.RoleMember)
	others := []core.Actor{actor("guest@example.org/x", store.RoleGuest), actor("me@example.net/x", "")}
	var b strings.Builder
	b.WriteString("# Letters: a moderator, a participant, a visitor, somebody who is away may ask; a dot: not. Reader: who may read what was said, whatever else they are.\n")
	fmt.Fprintf(&b, "%-8s %-4s %-40s %-11s %-15s %-6s %-6s %-6s %-6s %-8s %-6s %-8s %s\n",
		"to", "", "payload", "", "action", "owner", "admin", "member", "none", "outcast", "reader", "guests", "others")
	for _, row := range s.hosts[0].IQ.Rows() {
		switch row.To {
		case core.ToRooms, core.ToRoom, core.ToOccupant, core.ToService, core.ToPart:
		default:
			continue
		}
		line := cells(people, row)
		// What somebody is to the server is nothing to a room.
		for _, role := range []store.Role{store.RoleModerator, store.RoleAdmin, store.RoleOwner, store.RoleBot} {
			if got := cells(core.Actor{JID: people.JID, Role: role}, row); got != line {
				t.Errorf("%s %s %s: a member of the server has %s, a %s %s", row.To, row.Type, row.Space, line, role, got)
			}
		}
		fmt.Fprintf(&b, "%-8s %-4s %-40s %-11s %-15s %s", row.To, row.Type, row.Space, row.Local, row.Action, line)
		for _, other := range others {
			switch got := cells(other, row); got {
			case line:
				b.WriteString(" the same")
			case nothing:
				b.WriteString(" nothing ")
			default:
				b.WriteString(" " + got)
			}
		}
		b.WriteByte('\n')
	}
	golden.Compare(t, "rights-rooms.txt", b.String())
}

func actor(address string, role store.Role) core.Actor {
	return core.Actor{JID: jid.MustParse(address), Role: role}
}

// nothing is the cells of who may ask in no case.
const nothing = "....   ....   ....   ....   ....     no    "

// cells tells by affiliation which roles may ask.
func cells(actor core.Actor, row core.IQ) string {
	room := jid.MustParse("cave@rooms.example.org")
	may := func(is core.Standing) bool {
		return core.Permit(actor, row.Action, core.Object{Account: room, Standing: is}) == nil
	}
	var out []string
	for _, affiliation := range []core.Standing{core.RoomOwner, core.RoomAdmin, core.RoomMember, 0, core.RoomOutcast} {
		cell := ""
		for i, role := range []core.Standing{core.RoomModerator, core.RoomParticipant, core.RoomVisitor, 0} {
			if may(affiliation | role) {
				cell += "mpva"[i : i+1]
			} else {
				cell += "."
			}
		}
		out = append(out, cell)
	}
	reader := "no "
	if may(core.RoomReader) {
		reader = "yes"
	}
	return strings.Join(out, "   ") + "     " + reader + "   "
}
