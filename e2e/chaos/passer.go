package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stonechat/e2e/load/wire"
)

// passerNick is the name of the passer-by in the halls.
func passerNick(number int) string { return fmt.Sprintf("passer%d", number) }

// PassBy enters all halls as somebody who is there until the next outage and
// does not come back, each time under another name, and compares who is shown
// in them with who has entered or was there before and came back.
// Every other passer-by has a session that could be resumed. It waits a while
// for those to leave whose sessions have ended.
func (t *Traffic) PassBy(ctx context.Context) error {
	t.passers++
	login := wire.Login{Resource: "passer"}
	login.Acks, login.Resumable = t.passers%2 == 0, t.passers%2 == 0
	session, err := dial(ctx, login, t.server, t.keys, 0)
	if err != nil {
		return err
	}
	if err := session.SetReadDeadline(time.Now().Add(settleTime)); err != nil {
		return errors.Join(err, session.Drop())
	}
	for deadline := time.Now().Add(leaveTime); ; {
		err = t.crowds(session)
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return errors.Join(err, session.Drop())
	}
	t.passer = session
	t.readers.Go(func() {
		for err := session.SetReadDeadline(time.Time{}); err == nil; {
			_, err = session.Next() // it only must not stop reading
		}
	})
	return nil
}

// leaveTime is how long somebody who is gone may be shown.
const leaveTime = 5 * time.Second

// crowds enters the halls and compares who is shown in them with who should
// be there. If somebody should not, it leaves again.
func (t *Traffic) crowds(session *wire.Session) error {
	me := passerNick(t.passers)
	want := []string{me + " " + Address(t.server, 0)}
	for i := range t.talkers {
		want = append(want, nick(i)+" "+Address(t.server, i))
	}
	slices.Sort(want)
	var failed error
	for r := range halls {
		shown, err := crowd(session, hall(t.server, r), me)
		if err != nil {
			return err
		}
		if !slices.Equal(shown, want) {
			failed = errors.Join(failed, fmt.Errorf("in %s are shown %q, want %q", hallName(r), shown, want))
		}
	}
	if failed == nil {
		return nil
	}
	for r := range halls {
		if err := leave(session, hall(t.server, r), me); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// crowd enters a room and returns who is shown in it: nick and account, in
// alphabetical order. Whoever enters may know addresses.
func crowd(session *wire.Session, room, nick string) ([]string, error) {
	if err := session.Send([]byte(enter(room, nick))); err != nil {
		return nil, err
	}
	var shown []string
	for {
		element, err := session.Next()
		if err != nil {
			return nil, fmt.Errorf("entering %s: %w", room, err)
		}
		name, ours := strings.CutPrefix(string(wire.Attr(element, "from")), room+"/")
		if !ours || !wire.Named(element, "presence") {
			continue
		}
		kind := string(wire.Attr(element, "type"))
		if kind == "error" {
			return nil, fmt.Errorf("not let into %s: %s", room, condition(element))
		}
		item := wire.Between(element, "<item ", ">")
		account, _, _ := strings.Cut(string(wire.Attr([]byte("<item "+string(item)+">"), "jid")), "/")
		if kind == "unavailable" { // somebody leaves meanwhile
			continue
		}
		shown = append(shown, name+" "+account)
		if bytes.Contains(element, []byte("code='110'")) || bytes.Contains(element, []byte(`code="110"`)) {
			slices.Sort(shown)
			return shown, nil
		}
	}
}

// leave leaves a room and waits until it says so.
func leave(session *wire.Session, room, nick string) error {
	if err := session.Send([]byte("<presence type='unavailable' to='" + room + "/" + nick + "'/>")); err != nil {
		return err
	}
	for {
		element, err := session.Next()
		if err != nil {
			return fmt.Errorf("leaving %s: %w", room, err)
		}
		if wire.Named(element, "presence") && string(wire.Attr(element, "type")) == "unavailable" && string(wire.Attr(element, "from")) == room+"/"+nick {
			return nil
		}
	}
}
