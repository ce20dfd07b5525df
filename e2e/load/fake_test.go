package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// fake is a server with one room and one publisher, behind the floor's login.
// twist sees every stanza on its way out, in the order of one lock, and
// returns what is sent instead: that is how it loses, doubles and spoils.
type fake struct {
	t      *testing.T
	addr   string
	twist  func(to, stanza string) []string
	mu     sync.Mutex
	conns  map[string]net.Conn // by user
	inside []string            // users in the room, in the order of joining
	said   string              // the last message
	item   string              // the last event
	wants  map[string]bool     // users who want the events
	asked  int
}

const fakeRoom = "room@rooms.bench.local"

func newFake(t *testing.T, twist func(to, stanza string) []string) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	f := &fake{t: t, addr: listener.Addr().String(), twist: twist, conns: make(map[string]net.Conn), wants: make(map[string]bool)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	var user []byte
	for b := make([]byte, 1); b[0] != '\n'; user = append(user, b[0]) {
		if _, err := io.ReadFull(conn, b); err != nil {
			return
		}
	}
	name := strings.TrimSpace(string(user))
	f.mu.Lock()
	f.conns[name] = conn
	f.mu.Unlock()
	if _, err := io.WriteString(conn, "<ok/>"); err != nil {
		return
	}
	scan := wire.NewScanner(conn, 1024)
	for {
		stanza, err := scan.Next()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.take(name, stanza)
		f.mu.Unlock()
	}
}

func (f *fake) send(to, format string, arguments ...any) {
	out := []string{fmt.Sprintf(format, arguments...)}
	if f.twist != nil {
		out = f.twist(to, out[0])
	}
	for _, stanza := range out {
		// A client that has gone is not what is tested.
		_, _ = io.WriteString(f.conns[to], stanza)
	}
}

// nick is the room address of user u7.
func nick(user string) string { return fakeRoom + "/n" + user[1:] }

func (f *fake) take(user string, stanza []byte) {
	kind := string(wire.Attr(stanza, "type"))
	toRoom := bytes.HasPrefix(wire.Attr(stanza, "to"), []byte(fakeRoom))
	switch {
	case wire.Named(stanza, "presence") && toRoom && kind == "":
		f.join(user)
	case wire.Named(stanza, "presence") && toRoom:
		f.leave(user)
	case wire.Named(stanza, "message") && toRoom:
		f.said = string(wire.Between(stanza, "<body>", "</body>"))
		for _, other := range f.inside {
			f.send(other, "<message from='%s' type='groupchat'><body>%s</body></message>", nick(user), f.said)
		}
	case wire.Named(stanza, "iq") && toRoom:
		if bytes.Contains(stanza, []byte("urn:xmpp:mam:2")) {
			f.send(user, "<message from='%s'><result xmlns='urn:xmpp:mam:2'><forwarded><message><body>%s</body></message></forwarded></result></message>", fakeRoom, f.said)
		}
		f.send(user, "<iq type='result' id='ask' from='%s'/>", fakeRoom)
	case wire.Named(stanza, "presence"):
		f.show(user, stanza)
	case kind == "result" && bytes.Contains(stanza, []byte(tuneNode+"+notify")):
		f.wants[user] = true
		if f.item != "" {
			f.send(user, "%s", f.item)
		}
	case kind == "set":
		f.publish(user, stanza)
	}
}

func (f *fake) join(user string) {
	for _, other := range f.inside {
		f.send(user, "<presence from='%s'/>", nick(other))
		f.send(other, "<presence from='%s'/>", nick(user))
	}
	f.inside = append(f.inside, user)
	f.send(user, "<presence from='%s'><x><status code='110'/></x></presence>", nick(user))
	f.send(user, "<presence from='%s'/>", fakeRoom)
	f.send(user, "<message from='%s' type='groupchat'><subject/></message>", fakeRoom)
}

func (f *fake) leave(user string) {
	for _, other := range f.inside {
		f.send(other, "<presence type='unavailable' from='%s'/>", nick(user))
	}
	f.inside = slices.DeleteFunc(f.inside, func(other string) bool { return other == user })
}

// show takes a presence to all contacts.
func (f *fake) show(user string, stanza []byte) {
	if bytes.Contains(stanza, []byte("<c ")) {
		f.asked++
		f.send(user, "<iq type='get' id='i%d' from='bench.local'><query xmlns=\"http://jabber.org/protocol/disco#info\" node=\"n#v\"/></iq>", f.asked)
	}
	for other := range f.conns {
		if other != user && strings.HasPrefix(user, "star") {
			f.send(other, "<presence from='%s/x'>%s</presence>", target.JID(user), wire.Between(stanza, ">", "</presence>"))
		}
	}
}

func (f *fake) publish(user string, stanza []byte) {
	f.item = fmt.Sprintf("<message from='%s'><event><title>%s</title></event></message>", target.JID(user), wire.Between(stanza, "<title>", "</title>"))
	for other := range f.conns {
		if f.wants[other] {
			f.send(other, "%s", f.item)
		}
	}
	f.send(user, "<iq type='result' id='publish'/>")
}

// visitor logs a user in; whoever called it reads.
func (f *fake) visitor(user string) *wire.Session {
	f.t.Helper()
	session, err := wire.Dial(f.t.Context(), wire.Login{Addr: f.addr, User: user, Floor: true})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = session.Drop() })
	return session
}

// once returns a twist that does something to the n-th stanza that matches,
// and nothing to any other.
func once(n int, match func(to, stanza string) bool, does func(stanza string) []string) func(to, stanza string) []string {
	return func(to, stanza string) []string {
		if match(to, stanza) {
			if n--; n == 0 {
				return does(stanza)
			}
		}
		return []string{stanza}
	}
}

func lost(string) []string { return nil }

func twice(stanza string) []string { return []string{stanza, stanza} }

func changed(old, with string) func(string) []string {
	return func(stanza string) []string { return []string{strings.Replace(stanza, old, with, 1)} }
}

// kindOf matches stanzas by what they contain.
func kindOf(parts ...string) func(to, stanza string) bool {
	return func(_, stanza string) bool {
		for _, part := range parts {
			if !strings.Contains(stanza, part) {
				return false
			}
		}
		return true
	}
}

// soon is a short patience: what is not there by then does not come.
const soon = 300 * time.Millisecond

// impatient is a watch on a server that is known to do nothing by itself.
func impatient() *watch { return newWatch(soon, func() bool { return false }) }
