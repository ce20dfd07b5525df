package peers_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stonechat/e2e/peers"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// profanityRooms is the life of a room as Profanity sees it.
func profanityRooms(t *testing.T, s *peers.Server) {
	homes := map[string]string{"alice": t.TempDir(), "bob": t.TempDir()}
	alice := startProfanity(t, s, "alice", "desk", homes["alice"])
	bob := startProfanity(t, s, "bob", "desk", homes["bob"])
	council := "council@rooms." + s.Domain
	alice.line("/join %s nick alice", council)
	alice.sees("locked")
	alice.line("/room accept")
	alice.sees("unlocked")
	bob.line("/join %s nick bob", council)
	alice.sees("bob has joined")
	bob.sees("alice")
	alice.line("hear ye")
	bob.sees("alice: hear ye")
	bob.line("we do")
	alice.sees("bob: we do")
	alice.line(`/subject set "The harvest"`)
	bob.sees("subject.*The harvest")
	bob.line("/nick robert")
	alice.sees("bob is now known as robert")
	bob.line("/nick bob")
	alice.sees("robert is now known as bob")

	carol := startProfanity(t, s, "carol", "desk", t.TempDir())
	alice.line(`/invite send carol@%s "come in"`, s.Domain)
	carol.sees("Chat room invite received")
	carol.sees("From +: alice@")
	carol.line("/join %s nick carol", council)
	alice.sees("carol has joined")
	carol.sees("The harvest")
	alice.line(`/kick carol "too loud"`)
	carol.sees("Kicked from .*too loud")
	bob.sees("carol has been kicked.*too loud")

	chair := newPartner(t, s, "alice")
	chamber := chair.room("chamber", "chair")
	chair.enters(chamber, "muc#roomconfig_membersonly")
	chair.invites(chamber, chair.address("carol"), "in private")
	carol.sees("Message: in private")
	carol.line("/join %s nick carol", chamber.Bare())
	chair.sees(chamber.Bare(), "")
	chair.talks(chamber, "welcome", "")
	carol.sees("chair: welcome")
	carol.line("/close")
	chair.sees(chamber.Bare(), stanza.Unavailable)

	profanityBookmarks(t, s, bob, council)
	profanityPicture(t, s, alice, bob)
	if s.Kind == peers.Stonechat { // others forget rooms of this kind
		profanityReturns(t, s, alice, bob)
	}
}

// profanityBookmarks is what one device keeps and the next one follows.
func profanityBookmarks(t *testing.T, s *peers.Server, bob *terminal, room string) {
	t.Helper()
	bob.line("/win 1")
	bob.line("/bookmark add %s nick bob autojoin on", room)
	bob.sees("Bookmark added for " + room)
	phone := startProfanity(t, s, "bob", "phone", t.TempDir())
	phone.sees("Autojoined council")
	phone.line("/quit")
}

// profanityPicture is somebody's avatar, published by one and fetched by the other.
func profanityPicture(t *testing.T, s *peers.Server, alice, bob *terminal) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(path, picture(t, color.RGBA{200, 30, 30, 255}), 0o600); err != nil {
		t.Fatal(err)
	}
	alice.line("/win 1")
	alice.line("/avatar set %s", path)
	alice.sees("Avatar updated successfully")
	bob.line("/avatar get alice@%s", s.Domain)
	bob.sees("Avatar saved")
}

// picture is a small PNG of one colour.
func picture(t *testing.T, c color.Color) []byte {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{c})
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// profanityReturns is a server that was started again: who comes back is in the room, which has lost nothing.
func profanityReturns(t *testing.T, s *peers.Server, alice, bob *terminal) {
	t.Helper()
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*terminal{alice, bob} {
		x.line("/win 2")
		x.sees("Connection re-established")
	}
	alice.sees(`(?m)Participants\n.* bob\s`)
	bob.sees(`(?m)Moderators\n.* alice\s`)
	bob.line("still here")
	alice.sees("bob: still here")
	bob.line("/close")
	alice.sees("bob has left")
}

// poezioRooms is the life of a room as Poezio sees it.
func poezioRooms(t *testing.T, s *peers.Server) {
	alice := startPoezio(t, s, "alice", t.TempDir())
	bob := startPoezio(t, s, "bob", t.TempDir())
	council := "council@rooms." + s.Domain
	alice.command("join %s/alice", council)
	alice.sees("alice.*owner, moderator")
	alice.enters("/configure")
	alice.sees("Allow|Name|Title")
	alice.tmux("send-keys", "C-y")
	carol := newPartner(t, s, "carol")
	chair := carol.room("council", "carol")
	carol.finds(chair)
	bob.command("join %s/bob", council)
	bob.sees("You .* joined the room")
	alice.sees("bob.* joined the room")
	alice.enters("hear ye")
	bob.sees("alice> hear ye")
	bob.enters("we do")
	alice.sees("bob> we do")
	// Poezio asks the archive for what is older than the subject, in whole seconds.
	time.Sleep(time.Second)
	alice.enters("/topic The harvest")
	bob.sees("The harvest")
	bob.enters("/nick robert")
	alice.sees("bob is now known as robert")
	bob.enters("/nick bob")
	alice.sees("robert is now known as bob")

	alice.enters("/invite carol@%s", s.Domain)
	carol.until("is invited", func(st *stanza.Stanza) bool {
		direct, ok := st.Child("jabber:x:conference", "x") // the room sends both forms in one
		where, _ := direct.Attr("jid")
		_, mediated := st.Child(ns.MUCUser, "x")
		return st.Kind == stanza.Message && (ok && where == council || mediated && st.From == chair.Bare())
	})
	carol.enters(chair)
	alice.sees("carol.* joined the room")
	alice.enters("/kick carol too loud")
	bob.sees("carol has been kicked.*too loud")

	chamber := carol.room("chamber", "chair")
	carol.enters(chamber, "muc#roomconfig_membersonly")
	carol.invites(chamber, carol.address("bob"), "in private")
	bob.sees("You are invited to the room chamber@")
	bob.enters("/join %s/bob", chamber.Bare())
	carol.meets(carol.room("chamber", "bob"))
	carol.talks(chamber, "welcome", "")
	bob.sees("chair> welcome")
	bob.enters("/close")
	carol.sees(chamber.Bare(), stanza.Unavailable)
	bob.sees(`\[council@rooms.*bob`) // what is typed before would go with the tab

	bob.enters("/bookmark %s/bob true", council)
	bob.enters("/part")
	bob.sees("You .*left the room")
	alice.sees("bob.* left the room")
	bob.enters("/quit")
	again := startPoezio(t, s, "bob", t.TempDir())
	alice.sees("(?s)bob.* left the room.*bob.* joined the room")
	again.command("next")
	again.sees("we do")
}
