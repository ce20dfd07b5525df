package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// stallMargin is how much later than limits.stall a dead line may be noticed.
// Without TCP_USER_TIMEOUT the kernel goes on trying for a quarter of an hour.
const stallMargin = 30 * time.Second

// lines is a server with users behind lines of their own.
type lines struct {
	t      *testing.T
	server *peers.Server
	binary string
}

// states returns what `ctl session list` says of each session.
func (l *lines) states() map[string]string {
	l.t.Helper()
	out, err := exec.CommandContext(l.t.Context(), l.binary, "ctl", "--data", filepath.Join(l.server.Dir, "data"), "session", "list").Output()
	if err != nil {
		l.t.Fatalf("ctl session list: %v", err)
	}
	all := make(map[string]string)
	for row := range strings.Lines(string(out)) {
		if f := strings.Fields(row); len(f) == 4 {
			all[f[0]] = f[3]
		}
	}
	return all
}

// becomes waits until a session has that state; "" is none.
func (l *lines) becomes(session, state string, within time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(within); ; pause(l.t, 50*time.Millisecond) {
		switch now := l.states()[session]; {
		case now == state:
			return
		case time.Now().After(end):
			l.t.Fatalf("after %v the session of %s is %q and not %q", within, session, now, state)
		}
	}
}

// watcher is a user who is online and notes who else is.
type watcher struct {
	*client.Client
	mu    sync.Mutex
	there map[string]bool // full addresses, as their last presence says
}

// log logs a user in who can resume, by way of a line if dial is not nil.
func (l *lines) log(user int, dial func(context.Context, string, string) (net.Conn, error)) *watcher {
	l.t.Helper()
	w := &watcher{there: make(map[string]bool)}
	ctx, cancel := context.WithTimeout(l.t.Context(), loginTime)
	defer cancel()
	c, err := client.Dial(ctx, client.Config{
		JID: jid.MustParse(Address(l.server, user)), Password: password, Resource: "line", Address: l.server.C2STLS, Dial: dial,
		DirectTLS: true, TLS: &tls.Config{ServerName: l.server.Domain, RootCAs: l.server.Roots}, StreamManagement: true,
		Handle: func(st *stanza.Stanza) {
			if st.Kind == stanza.Presence {
				w.mu.Lock()
				w.there[st.From.String()] = st.Type == ""
				w.mu.Unlock()
			}
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Cut)
	w.Client = c
	if _, err := c.SendPresence(ctx, client.Presence{}); err != nil {
		l.t.Fatal(err)
	}
	return w
}

// sees waits until somebody is available to the watcher, or is not any more.
func (w *watcher) sees(t *testing.T, session string, available bool, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; pause(t, 10*time.Millisecond) {
		w.mu.Lock()
		now := w.there[session]
		w.mu.Unlock()
		switch {
		case now == available:
			return
		case time.Now().After(end):
			t.Fatalf("after %v %s is available to a contact: %v", within, session, now)
		}
	}
}

// say sends a message and waits until the server has taken charge of it.
func (w *watcher) say(t *testing.T, s *peers.Server, m Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTime)
	defer cancel()
	ticket, err := w.Message(ctx, jid.MustParse(Address(s, m.To)), m.String())
	if err == nil {
		err = ticket.Wait(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSilentLine has one line fall silent without a word, as when a telephone
// loses its network: what is sent there is never confirmed. Another one stays
// well, though nobody says anything at its far end.
func TestSilentLine(t *testing.T) {
	if *serverFlag == "prosody" {
		t.Skip("this judge asks `stonechat ctl`")
	}
	binary := *serverFlag
	if binary == "" {
		binary = builtServer(t)
	}
	if performInOwnNetwork(t, binary) {
		return
	}
	dead, quiet := newLine(t, 1), newLine(t, 2)
	resume := *stallLimit
	setup := setupFor(t, t.TempDir(), 3, fmt.Sprintf("[limits]\nstall = %q\nresume = %q\n", stallLimit.String(), resume.String()))
	setup.Host = serverIP
	l := &lines{t, serve(t, setup), binary}

	watch, gone := l.log(0, nil), l.log(1, dead.dial)
	var still *wire.Session // reads nothing and says nothing; its system confirms what comes
	err := quiet.there(func() (err error) {
		if still, err = Login(t.Context(), l.server, wire.NewKeys(), 2, "still", true); err != nil {
			return err
		}
		return still.Send([]byte("<presence/>"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range []string{gone.JID().String(), still.JID} {
		watch.sees(t, session, true, answerTime)
		l.becomes(session, "live", 0)
	}

	dead.fallSilent()
	began := time.Now()
	var sent []Message
	for i := range 5 {
		m := Message{0, 1, i + 1}
		watch.say(t, l.server, m)
		watch.say(t, l.server, Message{0, 2, i + 1})
		sent = append(sent, m)
	}
	l.becomes(gone.JID().String(), "detached", *stallLimit+stallMargin)
	noticed := time.Since(began)
	watch.sees(t, gone.JID().String(), true, 0)
	watch.sees(t, gone.JID().String(), false, resume+stallMargin)
	told := time.Since(began)
	l.becomes(gone.JID().String(), "", answerTime)
	t.Logf("limits.stall is %v and limits.resume %v: detached after %v, unavailable to contacts after %v", *stallLimit, resume, noticed, told)
	if noticed < *stallLimit*9/10 || told < (*stallLimit+resume)*9/10 {
		t.Error("earlier than the limits say: that line broke, it did not fall silent")
	}
	l.kept(sent)
	l.becomes(still.JID, "live", 0)
	hears(t, still, len(sent))
}

// kept sees that the archives of both sides have exactly these messages of user
// 0 to user 1.
func (l *lines) kept(sent []Message) {
	l.t.Helper()
	for _, user := range []int{0, 1} {
		kept, err := ReadKept(l.t.Context(), l.server, wire.NewKeys(), user, Kept{})
		if err != nil {
			l.t.Fatal(err)
		}
		mine := slices.DeleteFunc(kept.Messages, func(m Message) bool { return m.To != 1 })
		if !slices.Equal(mine, sent) {
			l.t.Errorf("the archive of user %d has %v of %v", user, mine, sent)
		}
	}
}

// hears reads what has come to user 2 on the connection that was left alone.
func hears(t *testing.T, still *wire.Session, messages int) {
	t.Helper()
	if err := still.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		t.Fatal(err)
	}
	for heard := 0; heard < messages; {
		element, err := still.Next()
		if err != nil {
			t.Fatalf("the line that was only silent ends after %d messages: %v", heard, err)
		}
		if bytes.Contains(element, []byte(Message{0, 2, heard + 1}.String()+"</body>")) {
			heard++
		}
	}
}
