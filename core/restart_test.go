package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// stop ends the only node of a house in order, or as if it were killed.
func (x *house) stop(orderly bool) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r := x.rooms[0]
	if orderly {
		if err := errors.Join(r.host.Drain(ctx), r.host.End(ctx), r.host.Keep(ctx)); err != nil {
			x.t.Error(err)
		}
	}
	x.quit(orderly)
}

// quit is the last part of stop: what is on disk is true if all was written.
func (x *house) quit(orderly bool) {
	x.t.Helper()
	r := x.rooms[0]
	x.rooms = nil
	r.host.Close()
	r.pool.Close()
	if orderly && r.host.Intact(x.t.Context()) {
		if err := x.db.Sessions.End().Wait(x.t.Context()); err != nil {
			x.t.Error(err)
		}
	}
}

// restart is stop, and then a start on the same store.
func (x *house) restart(orderly bool) {
	x.t.Helper()
	x.stop(orderly)
	x.furnish(nil)
}

// lose breaks a client's line.
func (c *client) lose() {
	c.session.Lose(c.work, c, core.LostLine)
	c.work.Run()
}

// letter is a message with a body.
func letter(to, id string) string {
	return "<message to='" + to + "' type='chat' id='" + id + "'><body>" + id + "</body></message>"
}

// A client that is resumed behind a restart has missed nothing, has nothing twice, and is as it was; its contacts noticed nothing.
func TestSessionSurvivesRestart(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, keeping)
	juliet, romeo := x.online("juliet", "j"), x.bind("romeo", "r")
	juliet.fence()
	watcher := juliet.enable()
	id := romeo.enable()
	romeo.say("<presence ><priority>3</priority><idle xmlns='" + ns.Idle + "' since='1969-07-21T02:56:15Z'/></presence>")
	juliet.wait("1969-07-21")
	romeo.fence()
	for i := range 3 {
		juliet.say(letter("romeo@example.org/r", fmt.Sprintf("m-%d", i)))
	}
	juliet.fence()
	romeo.wait("id='m-2'")
	sent := strings.Count(romeo.text(), "<presence") + strings.Count(romeo.text(), "<iq") + 2 // it has seen m-0 and m-1
	romeo.lose()
	for i := 3; i < 6; i++ {
		juliet.say(letter("romeo@example.org/r", fmt.Sprintf("m-%d", i)))
	}
	juliet.say("<message to='romeo@example.org/r' type='headline' id='m-6'><delay xmlns='"+ns.Delay+"' stamp='2020-01-01T00:00:00Z'/></message>", "<presence ><status>p-0</status></presence>")
	juliet.fence()
	if err := x.rooms[0].host.Ask(t.Context(), address("romeo"), func(_ *core.Work, a *core.Account) error {
		a.Sessions()[0].Copy(true)
		a.Sessions()[0].Interest()
		a.Sessions()[0].Follow(true)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seen := strings.Count(juliet.text(), "<presence") + strings.Count(juliet.text(), "<iq") - 2 // what was before enabling
	x.restart(true)

	if why := juliet.waitClosed(); why == nil || why.Condition != stanza.StreamSystemShutdown {
		t.Errorf("closed with %v", why)
	}
	if !strings.Contains(juliet.text(), "<a xmlns='"+ns.StreamManagement+"' h='") || strings.Contains(juliet.text(), "type='unavailable'") {
		t.Errorf("a last count, and nobody gone: %s", juliet.text())
	}
	again, err := x.resume("romeo", id, sent)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("<resumed", "p-0")
	text := again.text()
	if got, want := fmt.Sprint(idsOf(text, "fence")), "[m-2 m-3 m-4 m-5 m-6]"; got != want {
		t.Errorf("got %s, want %s: %s", got, want, text)
	}
	if n := strings.Count(text, "<delay xmlns='"+ns.Delay+"' from='example.org'"); n != 3 {
		t.Errorf("%d messages say that they were late, not those three that came when there was no line: %s", n, text)
	}
	if !strings.Contains(text, "h='2'/>") {
		t.Errorf("what it has said: %s", text)
	}
	s := again.owned()
	if !s.Available() || s.Priority() != 3 || !s.Copied() || !s.Interested() || !s.Follows() || !x.rooms[0].host.Followed(address("romeo")) || !strings.Contains(s.Presence().Standalone(), "1969-07-21") || !s.LostAt().IsZero() {
		t.Errorf("not as it was: %+v", s)
	}
	// Counting goes on.
	again.say("<iq type='get' id='q'><fence xmlns='urn:test'/></iq>")
	again.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
	again.wait("<a xmlns='" + ns.StreamManagement + "' h='3'/>")
	if _, err := x.resume("juliet", watcher, seen); err != nil {
		t.Errorf("the other one: %v", err)
	}
	sessions, gone, restored, unreadable := core.Figures(x.rooms[0].host)
	if sessions != 2 || gone != 0 || restored != 2 || unreadable != 0 {
		t.Errorf("%d sessions, %d without a line, %d restored, %d unreadable", sessions, gone, restored, unreadable)
	}
}

// Behind a crash nothing is resumed, neither what was on disk from before nor what the process itself had put there.
func TestNoSessionSurvivesACrash(t *testing.T) {
	x := build(t, []string{"juliet", "romeo", "nurse"}, keeping)
	romeo, nurse := x.online("romeo", "r"), x.online("nurse", "n")
	first, second := romeo.enable(), nurse.enable()
	x.restart(true)
	again, err := x.resume("romeo", first, 0)
	if err != nil {
		t.Fatal(err)
	}
	again.lose()
	if err := core.Park(t.Context(), x.rooms[0].host, address("romeo")); err != nil {
		t.Fatal(err)
	}
	x.restart(false)
	for name, id := range map[string]string{"romeo": first, "nurse": second} {
		if _, err := x.resume(name, id, 0); !errors.Is(err, core.ErrNotResumed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	juliet := x.online("juliet", "j")
	juliet.fence()
	if strings.Contains(juliet.text(), "from='romeo") || strings.Contains(juliet.text(), "from='nurse") {
		t.Errorf("ghosts: %s", juliet.text())
	}
}

// A session is never brought back twice: once it lives again, what the disk had of it is gone.
func TestSessionIsRestoredOnce(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, keeping)
	juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
	juliet.fence()
	id := romeo.enable()
	juliet.say(letter("romeo@example.org/r", "m-1"))
	romeo.wait("id='m-1'")
	x.restart(true)
	again, err := x.resume("romeo", id, 1)
	if err != nil {
		t.Fatal(err)
	}
	juliet = x.bind("juliet", "j")
	juliet.say(letter("romeo@example.org/r", "m-2"))
	again.wait("id='m-2'")
	x.restart(true) // it is kept as it is now
	if again, err = x.resume("romeo", id, 1); err != nil {
		t.Fatal(err)
	}
	again.wait("id='m-2'")
	if strings.Contains(again.text(), "m-1") {
		t.Errorf("an older state came back: %s", again.text())
	}
	again.session.Lose(again.work, again, core.LostClosed)
	again.work.Run()
	x.restart(true)
	if _, err := x.resume("romeo", id, 1); !errors.Is(err, core.ErrNotResumed) {
		t.Errorf("a session that was closed came back: %v", err)
	}
}

// Presence is not lost on a session that nobody has touched since the start: it is brought back by it.
func TestPresenceReachesRestingSession(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	romeo := x.online("romeo", "r")
	id := romeo.enable()
	x.restart(true)
	juliet := x.online("juliet", "j")
	juliet.wait("from='romeo@example.org/r'") // it is there, as last known
	juliet.say("<presence ><status>back</status></presence>")
	juliet.fence()
	again, err := x.resume("romeo", id, 0)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("back")
}

// watched collects what nobody takes.
type watched struct {
	mu   sync.Mutex
	list []string
}

func (v *watched) install(h *core.Host, _ *sqlstore.DB) {
	h.Hooks.Fallback.Add("watch", func(e *core.Event) core.Verdict {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.list = append(v.list, e.Stanza.ID)
		return core.Done
	})
}

func (v *watched) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return fmt.Sprint(v.list)
}

// The time of a session goes on behind a restart. When it is over contacts are told, and what waits is treated as ever.
func TestTimeGoesOnBehindRestart(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("over when it starts: ", late), func(t *testing.T) {
			var clock atomic.Int64
			left := new(watched)
			x := build(t, []string{"juliet", "romeo"}, left.install)
			juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
			juliet.fence()
			id, watcher := romeo.enable(), juliet.enable()
			romeo.lose()
			juliet.say(letter("romeo@example.org/r", "m-1"))
			juliet.fence()
			x.now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
			wait := x.config.Limits.Resume.D() - time.Second
			if late {
				wait += 2 * time.Second
			}
			x.stop(true)
			clock.Store(int64(wait))
			x.furnish(nil)
			if !late {
				again, err := x.resume("juliet", watcher, 0)
				if err != nil {
					t.Fatal(err)
				}
				again.wait("type='unavailable'")
			}
			deadline := time.Now().Add(10 * time.Second)
			for left.String() != "[m-1]" && time.Now().Before(deadline) {
				time.Sleep(5 * time.Millisecond)
			}
			if got := left.String(); got != "[m-1]" {
				t.Errorf("left to others: %s", got)
			}
			if _, err := x.resume("romeo", id, 0); !errors.Is(err, core.ErrNotResumed) {
				t.Errorf("resumed after its time: %v", err)
			}
		})
	}
}

// A session that waits long needs no memory for what it was sent, and is resumed as any other; or ends as any other.
func TestParkedSession(t *testing.T) {
	for _, resumed := range []bool{true, false} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprint("resumed: ", resumed, " restarted: ", restarted), func(t *testing.T) {
				left := new(watched)
				x := build(t, []string{"juliet", "romeo"}, left.install)
				juliet, romeo := x.bind("juliet", "j"), x.online("romeo", "r")
				romeo.fence()
				id := romeo.enable()
				juliet.say(letter("romeo@example.org/r", "m-1"))
				romeo.wait("m-1")
				romeo.lose()
				for i := 2; i < 5; i++ {
					juliet.say(letter("romeo@example.org/r", fmt.Sprintf("m-%d", i)))
				}
				juliet.fence()
				h := x.rooms[0].host
				for i := 5; i < 7; i++ {
					if err := core.Park(t.Context(), h, address("romeo")); err != nil {
						t.Fatal(err)
					}
					if n, bytes, err := core.InMemory(t.Context(), h, address("romeo")); n != 0 || bytes != 0 {
						t.Errorf("%d stanzas of %d bytes stay in memory: %v", n, bytes, err)
					}
					juliet.say(letter("romeo@example.org/r", fmt.Sprintf("m-%d", i)))
					juliet.fence()
				}
				if _, err := x.resume("romeo", id, 9); err == nil {
					t.Fatal("resumed with an impossible count")
				}
				if restarted {
					x.restart(true)
					h = x.rooms[0].host
				}
				if resumed {
					again, err := x.resume("romeo", id, 1)
					if err != nil {
						t.Fatal(err)
					}
					again.wait("m-6")
					if got := fmt.Sprint(idsOf(again.text(), "fence")); got != "[m-2 m-3 m-4 m-5 m-6]" {
						t.Errorf("got %s", got)
					}
				} else {
					if err := h.Ask(t.Context(), address("romeo"), func(w *core.Work, a *core.Account) error {
						a.EndSessions(w, nil)
						return nil
					}); err != nil {
						t.Fatal(err)
					}
					if got := left.String(); got != "[m-1 m-2 m-3 m-4 m-5 m-6]" {
						t.Errorf("left to others: %s", got)
					}
				}
				x.restart(true)
				if n := x.rows("romeo"); (n == 1) != resumed {
					t.Errorf("%d rows of it", n)
				}
			})
		}
	}
}

// rows is how many sessions of somebody are on disk.
func (x *house) rows(name string) int {
	x.t.Helper()
	a, err := x.db.Accounts.Get(x.t.Context(), domain.Domain(), name)
	if err != nil {
		x.t.Fatal(err)
	}
	all, err := x.db.Sessions.Of(x.t.Context(), a.ID)
	if err != nil {
		x.t.Fatal(err)
	}
	return len(all)
}

// What cannot be kept ends with the process as it always did.
func TestTooMuchToKeep(t *testing.T) {
	left := new(watched)
	x := build(t, []string{"juliet", "romeo", "nurse"}, left.install)
	juliet, romeo, nurse := x.online("juliet", "j"), x.online("romeo", "r"), x.online("nurse", "n")
	id, watcher := romeo.enable(), nurse.enable()
	romeo.lose()
	body := strings.Repeat("x", 60_000)
	for i := range 6 {
		juliet.say(fmt.Sprintf("<message to='romeo@example.org/r' type='chat' id='m-%d'><body>%s</body></message>", i, body))
	}
	juliet.fence()
	x.restart(true)
	if got := left.String(); got != "[m-0 m-1 m-2 m-3 m-4 m-5]" {
		t.Errorf("left to others: %s", got)
	}
	if _, err := x.resume("romeo", id, 0); !errors.Is(err, core.ErrNotResumed) {
		t.Errorf("resumed with a gap: %v", err)
	}
	again, err := x.resume("nurse", watcher, 0)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("from='romeo@example.org/r'", "type='unavailable'")
}

// What comes to a session after it was written is written again.
func TestWrittenAgain(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	romeo := x.online("romeo", "r")
	id := romeo.enable()
	h := x.rooms[0].host
	if err := errors.Join(h.Drain(t.Context()), h.End(t.Context()), h.Keep(t.Context())); err != nil {
		t.Fatal(err)
	}
	late, err := stanza.New(stanza.Head{Kind: stanza.Message, ID: "late", From: address("juliet"), To: romeo.session.JID}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Do(address("juliet"), func(w *core.Work, _ *core.Account) { h.Router.Route(w, late.Seal()) }); err != nil {
		t.Fatal(err)
	}
	if err := x.rooms[0].pool.Rest(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.restart(true)
	again, err := x.resume("romeo", id, 0)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("id='late'")
}

// counted is a store of sessions that counts calls, and fails to write when told so.
type counted struct {
	store.Sessions
	of, get, put, remove, messages atomic.Int64
	broken                         atomic.Bool
}

func (c *counted) Of(ctx context.Context, owner store.Owner) ([]store.KeptSession, error) {
	c.of.Add(1)
	return c.Sessions.Of(ctx, owner)
}

func (c *counted) Get(ctx context.Context, owner store.Owner, id []byte) (store.KeptSession, error) {
	c.get.Add(1)
	return c.Sessions.Get(ctx, owner, id)
}

func (c *counted) Put(s store.KeptSession) store.Ticket {
	c.put.Add(1)
	if c.broken.Load() {
		return store.Settled(store.ErrBusy)
	}
	return c.Sessions.Put(s)
}

func (c *counted) Remove(owner store.Owner, ids ...[]byte) store.Ticket {
	c.remove.Add(1)
	return c.Sessions.Remove(owner, ids...)
}

func (c *counted) Messages(ctx context.Context, owner store.Owner, keys []store.Key) (map[store.Key]store.Row, error) {
	c.messages.Add(1)
	return c.Sessions.Messages(ctx, owner, keys)
}

// A return behind a restart costs two reads and one write, one behind a broken line nothing, and so does an account that had nothing to keep.
func TestWhatAReturnCosts(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, keeping)
	c := &counted{Sessions: x.db.Sessions}
	x.kept = c
	x.restart(true)
	juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
	romeo.fence()
	id := romeo.enable()
	romeo.lose()
	for i := range 100 {
		juliet.say(letter("romeo@example.org/r", fmt.Sprintf("m-%d", i)))
	}
	juliet.fence()
	again, err := x.resume("romeo", id, 0)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("m-99")
	cost := func() string {
		return fmt.Sprint(c.of.Load(), c.get.Load(), c.put.Load(), c.remove.Load(), c.messages.Load())
	}
	if got := cost(); got != "0 0 0 0 0" {
		t.Errorf("a broken line cost %s", got)
	}
	x.restart(true)
	if got := cost(); got != "0 0 1 0 0" {
		t.Errorf("keeping one session cost %s", got)
	}
	x.online("juliet", "j").fence() // its presence brings romeo back
	if again, err = x.resume("romeo", id, 0); err != nil {
		t.Fatal(err)
	}
	again.wait("m-99")
	if got := cost(); got != "1 0 1 1 1" {
		t.Errorf("a return cost %s", got)
	}
}

// When the disk took not all of them, none is resumed after the start.
func TestNothingIsKeptHalf(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	c := &counted{Sessions: x.db.Sessions}
	x.kept = c
	x.restart(true)
	id := x.online("romeo", "r").enable()
	c.broken.Store(true)
	h := x.rooms[0].host
	if err := errors.Join(h.End(t.Context()), h.Keep(t.Context())); err == nil {
		t.Error("nobody said that it failed")
	}
	if h.Intact(t.Context()) {
		t.Error("taken for true")
	}
	x.restart(false)
	if _, err := x.resume("romeo", id, 0); !errors.Is(err, core.ErrNotResumed) {
		t.Errorf("resumed: %v", err)
	}
}

// Rows that nobody can read cost their sessions, and nothing else.
func TestPoisonedRows(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	id := x.online("romeo", "good").enable()
	x.stop(true)
	a, err := x.db.Accounts.Get(t.Context(), domain.Domain(), "romeo")
	if err != nil {
		t.Fatal(err)
	}
	for i, state := range []string{"", "{", `{"v":1,"queue":[{"raw":"<"}]}`, `{"v":1,"queue":[{"key":1}]}`, `{"v":9}`} {
		row := store.KeptSession{Owner: a.ID, ID: []byte(fmt.Sprint("bad", i)), Resource: fmt.Sprint("bad", i), Ends: time.Now(), State: []byte(state)}
		if err := x.db.Sessions.Put(row).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	x.furnish(nil)
	if _, err := x.resume("romeo", id, 0); err != nil {
		t.Error(err)
	}
	if _, _, restored, unreadable := core.Figures(x.rooms[0].host); restored != 1 || unreadable != 5 {
		t.Errorf("%d restored, %d unreadable", restored, unreadable)
	}
	if n := x.rows("romeo"); n != 0 {
		t.Errorf("%d rows stay", n)
	}
}

// Five minutes without a line and the memory is given back, ten and the session ends.
func TestParkedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		synctest.Wait() // both have heard of each other
		romeo.fence()
		romeo.enable()
		romeo.lose()
		juliet.say(letter("romeo@example.org/r", "m-1"))
		juliet.fence()
		left := time.Now()
		for _, c := range []struct {
			after           time.Duration
			inMemory, there int
		}{{5*time.Minute - time.Second, 1, 1}, {5*time.Minute + time.Second, 0, 1}, {10*time.Minute - time.Second, 0, 1}, {10*time.Minute + time.Second, 0, 0}} {
			time.Sleep(time.Until(left.Add(c.after)))
			synctest.Wait()
			n, _, err := core.InMemory(t.Context(), x.rooms[0].host, address("romeo"))
			rows := x.rows("romeo")
			sessions, _, _, _ := core.Figures(x.rooms[0].host)
			if err != nil || n != c.inMemory || int(sessions)-1 != c.there || (rows == 1) != (c.there == 1 && n == 0) {
				t.Errorf("after %s: %d stanzas in memory, %d rows, %d sessions: %v", c.after, n, rows, sessions, err)
			}
		}
	})
}

// A session that cannot be kept any more when everybody was told who has ended is only there to end behind the start, soon.
func TestVoidSessionEndsBehindRestart(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
	juliet.fence()
	id, watcher := romeo.enable(), juliet.enable()
	h := x.rooms[0].host
	if err := errors.Join(h.Drain(t.Context()), h.End(t.Context()), h.Keep(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		late, err := stanza.New(stanza.Head{Kind: stanza.Message, ID: fmt.Sprint("late", i), From: address("juliet"), To: romeo.session.JID},
			"<body>"+strings.Repeat("x", 60_000)+"</body>")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Do(address("juliet"), func(w *core.Work, _ *core.Account) { h.Router.Route(w, late.Seal()) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.rooms[0].pool.Rest(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.quit(true)
	if n := x.rows("romeo"); n != 1 {
		t.Errorf("%d rows of it", n)
	}
	x.furnish(nil)
	again, err := x.resume("juliet", watcher, 0)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("from='romeo@example.org/r'", "type='unavailable'")
	if _, err := x.resume("romeo", id, 0); !errors.Is(err, core.ErrNotResumed) {
		t.Errorf("resumed with a gap: %v", err)
	}
}
