package peers_test

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/peers"
	"stonechat/xmpp/jid"
)

// hasPicture waits until a picture is among those that Gajim has fetched.
func (g gajimClient) hasPicture(name string) {
	g.t.Helper()
	g.until("has not fetched the picture", func() (string, bool) {
		_, err := os.Stat(filepath.Join(g.home, "cache", "gajim", "avatars", name))
		return fmt.Sprint(err), err == nil
	})
}

// act does what a button of Gajim would.
func (g gajimClient) act(action, parameter string) {
	g.t.Helper()
	g.do("gdbus", "call", "--session", "--dest", "org.gajim.Gajim", "--object-path", "/org/gajim/Gajim", "--method", "org.gtk.Actions.Activate", action, parameter, "{}")
}

// enters goes into a room that is in no list yet, by the window in which chats are begun: its first line, what it tells of the room, its button. Keys go to what lies under
// the pointer, since nobody manages windows.
func (g gajimClient) enters(room jid.JID) {
	g.t.Helper()
	g.act("open-link", fmt.Sprintf("[<['alice', 'xmpp:%s?join']>]", room.Bare()))
	g.until("does not enter "+room.String(), func() (string, bool) {
		time.Sleep(time.Second)
		out, err := g.try("xdotool", "mousemove", "640", "320", "click", "1", "key", "Return")
		return fmt.Sprint(out, err), strings.Contains(g.log("client"), "from='"+room.String()+"'")
	})
}

// gajimOthers is what others do to somebody who uses Gajim: they show pictures, invite, take back what was said, kick; and another device of hers keeps bookmarks.
func gajimOthers(t *testing.T, s *peers.Server) {
	bob, other := newPartner(t, s, "bob"), newPartner(t, s, "alice")
	face := bob.pictured(picture(t, color.RGBA{30, 30, 200, 255}))
	council := bob.room("council", "bob")
	bob.enters(council, "muc#roomconfig_persistentroom", "muc#roomconfig_membersonly")
	crest := bob.depicts(council, picture(t, color.RGBA{30, 200, 30, 255}))
	desk := startGajim(t, s, "desk", s.C2S)
	desk.lists(bob.address("bob"), "online")
	desk.hasPicture(face)
	bob.invites(council, bob.address("alice"), "We meet at noon")
	desk.logs("muc-invitation")
	desk.do("xdotool", "mousemove", "34", "468", "click", "1") // the account, with a badge for the invitation
	desk.screenshot("gajim-invited")
	bob.meets(bob.room("council", "alice")) // whom a contact has made a member of a lasting room has a bookmark of it, and Gajim enters that by itself
	desk.hasPicture(crest)

	bob.talks(council, "the king is a fool", "")
	fool := bob.hears("the king is a fool")
	desk.has("the king is a fool")
	desk.talks(council.Bare(), "so is the queen")
	bob.hears("so is the queen")

	attic := bob.room("attic", "alice")
	bob.enters(bob.room("attic", "bob"), "muc#roomconfig_persistentroom")
	desk.enters(attic)
	bob.meets(attic)
	other.hasBookmark(attic)

	// Gajim 1.7 knows the form that retractions by moderators had before version 0.3 of XEP-0425, and keeps what it has; but another device does not get it.
	bob.takesBack(fool, "Manners")
	phone := startGajim(t, s, "phone", s.C2S)
	phone.has("so is the queen")
	phone.hasEachOnce([]string{"so is the queen"})
	phone.hasPicture(crest)
	phone.screenshot("gajim-phone")

	bob.kicks(bob.room("council", "alice"), "Too loud")
	desk.logs("307")
	desk.until("still speaks", func() (string, bool) {
		out, err := desk.try("gajim-remote", "send_groupchat_message", council.Bare().String(), "am I?", "alice")
		return fmt.Sprint(out, err), err == nil && strings.TrimSpace(out) == "False"
	})
	desk.act("open-chat", fmt.Sprintf("[<['alice', '%s']>]", council.Bare()))
	time.Sleep(time.Second)
	desk.screenshot("gajim-kicked")
	if log := phone.log("client"); strings.Contains(log, "Traceback") {
		t.Errorf("%s complains: %.2000s", phone.name, log[strings.Index(log, "Traceback"):])
	}
}
