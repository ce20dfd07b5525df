package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stonechat/e2e/load/wire"
)

// This file is what users do in rooms: they make them, enter, speak and
// listen.

// Rooms adds rooms and nodes to the traffic and makes what all have in common.
// It is called before Connect.
func (t *Traffic) Rooms(ctx context.Context) error {
	t.Said, t.Facts = NewSaid(), NewFacts()
	for i, talker := range t.talkers {
		talker.said, talker.facts = t.Said, t.Facts
		talker.doer = &doer{server: t.server, user: i}
		if err := t.setUp(ctx, i); err != nil {
			return fmt.Errorf("setting up rooms and nodes of %s: %w", User(i), err)
		}
	}
	return nil
}

// setUp makes what one user is to have before the first outage.
func (t *Traffic) setUp(ctx context.Context, user int) error {
	session, err := Login(ctx, t.server, t.keys, user, "setup", false)
	if err != nil {
		return err
	}
	defer session.Drop()
	if err := session.SetReadDeadline(time.Now().Add(settleTime)); err != nil {
		return err
	}
	number := 0
	ask := func(to, payload string) {
		if err == nil {
			number++
			_, err = session.IQ(fmt.Sprintf("s%d", number), "set", to, payload)
		}
	}
	found := func(room, fields string) {
		if err == nil {
			err = session.Send([]byte(enter(room, "setup")))
		}
		ask(room, configureRoom(field("muc#roomconfig_persistentroom", "1")+field("muc#roomconfig_enablearchiving", "1")+fields))
	}
	if user < halls {
		found(hall(t.server, user), "")
		for i := range t.talkers {
			ask(hall(t.server, user), "<query xmlns='"+nsMUCAdmin+"'><item jid='"+Address(t.server, i)+"' affiliation='owner'/></query>")
		}
	}
	if user == 0 {
		found(desk(t.server), "")
	}
	ask("", createNode(freeNode, keepAll))
	ask(service(t.server), createNode(feed(user), keepAll))
	return err
}

// enterHalls are the stanzas that enter all halls, and how many they are.
func (t *talker) enterHalls() (text string, n int) {
	if t.said == nil {
		return "", 0
	}
	for r := range halls {
		text += enter(hall(t.server, r), nick(t.user))
	}
	t.inside = 0
	return text, halls
}

// nick is the name of a user in all halls.
func nick(user int) string { return fmt.Sprintf("nick%d", user) }

// say adds what goes along with a message to another user: now and then a
// message to a hall, and a change. The caller holds t.mu.
func (t *talker) say(text *strings.Builder) {
	if t.said == nil {
		return
	}
	t.sayings++
	if t.sayings%sayEvery == 0 {
		s := t.said.Next(t.sayings/sayEvery%halls, t.user)
		text.WriteString(t.push(sent{said: s, again: t.saying(s)}))
	}
	if t.sayings%changeEvery == 0 {
		t.change(text)
	}
}

const (
	sayEvery    = 4 // messages to others per message to a hall
	changeEvery = 6 // messages to others per change
)

func (t *talker) saying(s Saying) string {
	id := s.String()
	return "<message type='groupchat' to='" + hall(t.server, s.Room) + "' id='" + id + "'><body>" + id +
		"</body><origin-id xmlns='" + nsSID + "' id='" + id + "'/></message>"
}

// change asks for the next change. The caller holds t.mu.
func (t *talker) change(text *strings.Builder) {
	d := t.doer.next()
	number := t.facts.Asked(d.fact, d.value)
	if d.ahead != "" {
		text.WriteString(t.push(sent{again: d.ahead}))
	}
	to := ""
	if d.to != "" {
		to = " to='" + d.to + "'"
	}
	text.WriteString(t.push(sent{again: fmt.Sprintf("<iq type='set' id='f.%d'%s>%s</iq>", number, to, d.payload)}))
}

// confirmed notes the answer to a change and tells whether it was one.
func (t *talker) confirmed(id, kind string, element []byte) bool {
	var number int
	rest, ok := strings.CutPrefix(id, "f.")
	if t.facts == nil || !ok || !parseNumbers(rest, &number) {
		return false
	}
	if kind == "error" {
		t.facts.Refused(number, condition(element))
	} else {
		t.facts.Confirmed(number)
	}
	return true
}

// heard takes in what comes from a hall, and tells whether it was something.
func (t *talker) heard(element []byte) bool {
	if t.said == nil {
		return false
	}
	if string(wire.Attr(element, "type")) == "error" {
		s, ok := ParseSaying(string(wire.Attr(element, "id")))
		if ok {
			t.said.Refused(s, condition(element))
		}
		return ok
	}
	s, ok := ParseSaying(string(wire.Between(element, "<body>", "</body>")))
	if ok {
		t.said.Heard(t.user, s)
	}
	return ok
}

// presence notes that the user has entered a hall, and that a hall does not
// want it, or not any more.
func (t *talker) presence(element []byte) error {
	from, resource, _ := strings.Cut(string(wire.Attr(element, "from")), "/")
	if t.said == nil || !strings.HasPrefix(from, "hall") || resource != nick(t.user) {
		return nil
	}
	kind := string(wire.Attr(element, "type"))
	switch {
	case kind == "error":
		return fmt.Errorf("%s is not let into %s: %s", User(t.user), from, condition(element))
	case !bytes.Contains(element, []byte("code='110'")) && !bytes.Contains(element, []byte(`code="110"`)):
		return nil
	case kind == "unavailable":
		return fmt.Errorf("%s is out of %s: %.300s", User(t.user), from, element)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside++
	return nil
}

// entered waits until all users are in all halls; those whose sessions were
// resumed are.
func (t *Traffic) entered(ctx context.Context) error {
	return t.until(ctx, func() error {
		for _, talker := range t.talkers {
			talker.mu.Lock()
			n, resumed := talker.inside, talker.session.Resumed
			talker.mu.Unlock()
			if !resumed && n < halls {
				return fmt.Errorf("%s has entered %d of %d halls", User(talker.user), n, halls)
			}
		}
		return nil
	})
}

// until waits until f has nothing to say against it, or a connection has
// broken.
func (t *Traffic) until(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if broken := errors.Join(t.Broken()...); broken != nil {
			return errors.Join(err, broken)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Missed lists what occupants did not hear of what they should have; it waits
// a while for it.
func (t *Traffic) Missed(ctx context.Context) []string {
	_ = t.until(ctx, func() error { // what is missing then is the answer
		if n := len(t.Said.Missed(len(t.talkers))); n > 0 {
			return fmt.Errorf("%d are missing", n)
		}
		return nil
	})
	return t.Said.Missed(len(t.talkers))
}
