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

// hasPicture waits until a picture is among those that Dino has fetched.
func (d dinoClient) hasPicture(name string) {
	d.t.Helper()
	d.until("has not fetched the picture", func() (string, bool) {
		found, err := filepath.Glob(filepath.Join(d.home, "*", "dino", "avatars", name))
		return fmt.Sprint(err), len(found) > 0
	})
}

// talks types a message into the conversation of a room.
func (d dinoClient) talks(room jid.JID, body string) {
	d.t.Helper()
	d.act("open-conversation", "[<int32 "+d.finds("is not in "+room.String(), conversation(room.Bare()), "")+">]")
	d.do("xdotool", "type", "--delay", "20", body)
	d.do("xdotool", "key", "Return")
}

// notices starts a program that shows what clients notify of.
func (d *desktop) notices() {
	d.t.Helper()
	interpreter, err := python("gi")
	if err != nil {
		d.t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("foreign", "notices.py"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.start("notices", interpreter, "-c", string(script))
	d.until("has nobody who shows notices", func() (string, bool) {
		log := d.log("notices")
		return log, strings.Contains(log, "ready")
	})
}

// accepts does what the button of a notice of an invitation does, and joins in the window that asks. Where the button is depends on the window alone: nothing manages windows here.
func (d dinoClient) accepts(room jid.JID) {
	d.t.Helper()
	invited := d.finds("does not know where it is invited to", "SELECT conversation.id FROM conversation JOIN jid ON jid.id = jid_id WHERE jid.bare_jid = '"+room.Bare().String()+"'", "")
	d.until("does not enter where it is invited to", func() (string, bool) {
		if _, err := d.try("xdotool", "search", "--onlyvisible", "--name", "^Join Channel$"); err != nil {
			d.act("open-muc-join", "[<int32 "+invited+">]")
		}
		time.Sleep(time.Second) // until it has drawn the window, or has joined
		_, err := d.try("xdotool", "mousemove", "337", "28", "click", "1")
		found, _ := d.read(conversation(room.Bare()))
		return fmt.Sprint(err), len(found) == 1
	})
}

// dinoRooms is a room that another device has kept among the bookmarks, and another that somebody invites to.
func dinoRooms(t *testing.T, s *peers.Server) {
	line, err := peers.NewProxy(s.C2S)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	bob, other := newPartner(t, s, "bob"), newPartner(t, s, "alice")
	face := bob.pictured(picture(t, color.RGBA{30, 30, 200, 255}))
	council := bob.room("council", "bob")
	bob.enters(council, "muc#roomconfig_persistentroom")
	crest := bob.depicts(council, picture(t, color.RGBA{30, 200, 30, 255}))
	bob.talks(council, "before the feast", "")
	other.bookmarks(council, "alice")
	desk := startDino(t, s, "desk", tunnels(t, line.Addr))
	desk.notices()
	desk.lists(bob.address("bob"), "both")
	bob.meets(bob.room("council", "alice"))
	bob.talks(council, "hear ye", "")
	desk.has("before the feast", "hear ye")
	desk.hasPicture(face)
	desk.talks(council, "we do")
	bob.hears("we do")
	desk.screenshot("dino-council")
	desk.hasPicture(crest)

	attic := bob.room("attic", "bob")
	bob.enters(attic, "muc#roomconfig_persistentroom")
	bob.invites(attic, bob.address("alice"), "We meet at noon")
	desk.until("shows no invitation", func() (string, bool) {
		log := desk.log("notices")
		return log, strings.Contains(log, "Bob invited you to attic@")
	})
	desk.accepts(attic)
	bob.meets(bob.room("attic", "alice"))
	other.hasBookmark(attic)
	desk.screenshot("dino-invited")
	if notices := desk.log("notices"); strings.Count(notices, "invited you") != 1 {
		t.Errorf("one invitation is shown as\n%s", notices)
	}

	bob.kicks(bob.room("council", "alice"), "Too loud")
	desk.logs("'307'")
	bob.talks(council, "not for alice", "")
	desk.act("open-conversation", "[<int32 "+desk.finds("is not in the room", conversation(council.Bare()), "")+">]")
	time.Sleep(time.Second)
	desk.screenshot("dino-kicked")
}
