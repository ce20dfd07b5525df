package chaos

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// Kept is what a server has kept for one user.
type Kept struct {
	Messages []Message // of the archive, in its order
	Contacts [contactSlots]int
	last     string // archive id of the last message read
}

// archivePage is how many messages are asked for at once.
const archivePage = 250

// ReadKept reads the contact list and the archive of a user: what came behind
// an earlier reading, which the result includes, or everything after the zero
// Kept. Messages that are not of the traffic are left out.
func ReadKept(ctx context.Context, s *peers.Server, keys *wire.Keys, user int, kept Kept) (Kept, error) {
	session, err := Login(ctx, s, keys, user, "judge", false)
	if err != nil {
		return kept, err
	}
	defer session.Drop()
	if err := session.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return kept, err
	}
	roster, err := session.IQ("roster", "get", "", "<query xmlns='"+nsRoster+"'/>")
	if err != nil {
		return kept, err
	}
	for slot, version := range contactVersions(roster) {
		kept.Contacts[slot] = version
	}
	for page := 0; ; page++ {
		rsm := "<set xmlns='" + nsRSM + "'><max>" + strconv.Itoa(archivePage) + "</max>"
		if kept.last != "" {
			rsm += "<after>" + kept.last + "</after>"
		}
		results := 0
		fin, err := session.Query("page"+strconv.Itoa(page), "set", "", "<query xmlns='"+nsMAM+"'>"+rsm+"</set></query>", func(element []byte) {
			if !bytes.Contains(element, []byte(nsMAM)) {
				return
			}
			results++
			if m, ok := ParseMessage(string(wire.Between(element, "<body>", "</body>"))); ok {
				kept.Messages = append(kept.Messages, m)
			}
		})
		if err != nil {
			return kept, err
		}
		last := string(wire.Between(fin, "<last>", "</last>"))
		if last != "" {
			kept.last = last
		}
		complete := bytes.Contains(fin, []byte("complete='true'")) || bytes.Contains(fin, []byte(`complete="true"`))
		if complete {
			return kept, nil
		}
		if results == 0 || last == "" {
			return kept, errors.New("the archive neither goes on nor says that it is complete")
		}
	}
}
