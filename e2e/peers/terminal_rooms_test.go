package peers_test

import (
	"testing"

	"stonechat/e2e/peers"
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
	carol.sees("invite.*alice|alice.*invite")
	carol.line("/join %s nick carol", council)
	alice.sees("carol has joined")
	carol.sees("The harvest")
	alice.line(`/kick carol "too loud"`)
	carol.sees("kicked.*too loud")
	bob.sees("carol has been kicked.*too loud")
	bob.line("/leave")
	alice.sees("bob has left")
}
