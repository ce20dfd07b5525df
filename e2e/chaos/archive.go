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
	kept.last, err = readArchive(session, "", kept.last, func(body string) {
		if m, ok := ParseMessage(body); ok {
			kept.Messages = append(kept.Messages, m)
		}
	})
	return kept, err
}

// readArchive reads the bodies in an archive behind an id, or all of them; to
// is empty for that of the account. It returns the last id.
func readArchive(session *wire.Session, to, after string, each func(body string)) (last string, err error) {
	last = after
	for page := 0; ; page++ {
		rsm := "<set xmlns='" + nsRSM + "'><max>" + strconv.Itoa(archivePage) + "</max>"
		if last != "" {
			rsm += "<after>" + last + "</after>"
		}
		results := 0
		fin, err := session.Query("page"+strconv.Itoa(page), "set", to, "<query xmlns='"+nsMAM+"'>"+rsm+"</set></query>", func(element []byte) {
			if bytes.Contains(element, []byte(nsMAM)) {
				results++
				each(string(wire.Between(element, "<body>", "</body>")))
			}
		})
		if err != nil {
			return last, err
		}
		if bytes.Contains(fin, []byte("complete='true'")) || bytes.Contains(fin, []byte(`complete="true"`)) {
			if id := string(wire.Between(fin, "<last>", "</last>")); id != "" {
				last = id
			}
			return last, nil
		}
		id := string(wire.Between(fin, "<last>", "</last>"))
		if results == 0 || id == "" {
			return last, errors.New("the archive neither goes on nor says that it is complete")
		}
		last = id
	}
}
