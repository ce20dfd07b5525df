package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/outbound"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/webpush"
	"stonechat/webpush/webpushtest"
	"stonechat/xmpp/jid"
)

// world is a round on a store of its own, whose requests the test answers.
type world struct {
	*testing.T
	*Round
	db     *sqlstore.DB
	device *webpushtest.Device
	owner  store.Owner

	mu     sync.Mutex
	clock  time.Time
	got    []message
	at     int // requests under way
	most   int
	answer func(*http.Request) (outbound.Answer, error)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	v := &world{T: t, db: db, device: webpushtest.NewDevice(t), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	juliet, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "juliet"})
	if err != nil {
		t.Fatal(err)
	}
	v.owner = juliet.ID
	sender, err := webpush.OpenSender(t.Context(), db.Secrets, "https://example.org")
	if err != nil {
		t.Fatal(err)
	}
	c, o := config.Default().Push, obs.Discard()
	c.AtOnce, c.Errors = 3, 2
	v.Round = NewRound(Parts{
		Push: db.Push, Pushed: db.Pushed, Chats: db.Chats, Nodes: db.Nodes, Sender: sender, Do: v.request, Config: c, Obs: o, Sent: NewFigure(o), Now: v.time,
	})
	return v
}

func (v *world) time() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clock
}

func (v *world) move(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock = v.clock.Add(d)
}

// request is what the outside does.
func (v *world) request(r *http.Request) (outbound.Answer, error) {
	body := make([]byte, r.ContentLength)
	if _, err := r.Body.Read(body); err != nil && len(body) == 0 {
		return outbound.Answer{}, err
	}
	text, err := v.device.Open(body)
	var m message
	if err = errors.Join(err, json.Unmarshal(text, &m)); err != nil {
		v.Errorf("%v", err)
	}
	v.mu.Lock()
	v.got = append(v.got, m)
	v.at++
	v.most = max(v.most, v.at)
	answer := v.answer
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.at--
		v.mu.Unlock()
	}()
	if answer != nil {
		return answer(r)
	}
	return outbound.Answer{Status: http.StatusCreated}, nil
}

func (v *world) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

// register adds a device.
func (v *world) register(path string, w wants) *target {
	v.Helper()
	w.Key, w.Auth = v.device.Key(), v.device.Auth()
	data, err := w.encode()
	v.must(err)
	v.must(v.push.Enable(store.PushTarget{Owner: v.owner, Service: "https://push.example.net/" + path, Kind: store.PushWeb, Data: data, Enabled: v.time()}, 100).Wait(v.Context()))
	return v.targets()[path]
}

func (v *world) targets() map[string]*target {
	v.Helper()
	list, err := v.push.Targets(v.Context(), v.owner)
	v.must(err)
	out := map[string]*target{}
	for i := range list {
		x := newTarget(list[i])
		out[strings.TrimPrefix(x.Service, "https://push.example.net/")] = &x
	}
	return out
}

func note(kind, chat, body string) notice {
	return notice{Kind: kind, Account: "juliet@example.org", Chat: chat, Body: body}
}

// turn sends what is due now, one after the other, and returns what has come.
func (v *world) turn() []string {
	v.Helper()
	for jobs := v.lease(v.Context(), 10); len(jobs) > 0; jobs = v.lease(v.Context(), 10) {
		for _, j := range jobs {
			v.settle(v.Context(), j)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, m := range v.got {
		out = append(out, strings.TrimSpace(m.Kind+" "+m.Body))
	}
	v.got = nil
	return out
}

func (v *world) expect(want ...string) {
	v.Helper()
	if got := v.turn(); !slices.Equal(got, want) {
		v.Errorf("%q came, want %q", got, want)
	}
}

// settled waits for changes that nobody waits for.
func (v *world) settled() {
	v.Helper()
	v.must(v.push.Withdraw(v.owner, "nothing", nil, v.time()).Wait(v.Context()))
}

// TestRoundWithdraws: only where the client can take it back, and only what was told.
func TestRoundWithdraws(t *testing.T) {
	v := newWorld(t)
	plain, able := v.register("plain", wants{Bodies: true}), v.register("able", wants{Bodies: true, Withdraw: true})
	withdraw := func(kind string) {
		content, err := json.Marshal(notice{Kind: ofWithdraw, Of: kind, Account: "juliet@example.org", Chat: "romeo@example.org"})
		v.must(err)
		v.must(v.push.Withdraw(v.owner, topicOf(v.sender, "juliet@example.org", "romeo@example.org", kind), content, v.time()).Wait(t.Context()))
	}
	withdraw(ofMessage)
	v.expect()
	v.add(plain, note(ofMessage, "romeo@example.org", "one"))
	v.settled()
	v.move(time.Second)
	v.add(able, note(ofMessage, "romeo@example.org", "two"))
	v.settled()
	v.expect("message one", "message two")
	withdraw(ofCall)
	v.expect()
	withdraw(ofMessage)
	v.expect("withdraw")
	v.move(time.Minute)
	withdraw(ofMessage)
	v.expect()
	// What is on its way when it is withdrawn is taken back behind it; a client that cannot is not told.
	v.add(plain, note(ofMessage, "romeo@example.org", "three"))
	v.settled()
	j := v.lease(t.Context(), 1)[0]
	withdraw(ofMessage)
	v.settle(t.Context(), j)
	v.move(time.Minute)
	v.expect("message three")
	// A test is not withdrawn, and shows nothing that lasts.
	v.add(able, note(ofTest, "juliet@example.org", ""))
	v.settled()
	v.expect("test")
	if n, err := v.push.Expire(t.Context(), v.time().Add(time.Minute), 100); n != 3 || err != nil {
		t.Errorf("%d jobs are over, %v", n, err)
	}
}

// TestRoundJudges: what services answer, and what becomes of the registration.
func TestRoundJudges(t *testing.T) {
	v := newWorld(t)
	for name, c := range map[string]struct {
		answer func(*http.Request) (outbound.Answer, error)
		said   string
		left   bool
		errors int
		again  time.Duration // when it is tried again; zero: never
	}{
		"taken":      {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{Status: 202}, nil }, "message: HTTP status 202", true, 0, 0},
		"unknown":    {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{Status: 404}, nil }, "", false, 0, 0},
		"refused":    {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{Status: 403}, nil }, "message: HTTP status 403", true, 1, 0},
		"redirected": {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{Status: 302}, nil }, "message: HTTP status 302", true, 1, 0},
		"inside": {func(*http.Request) (outbound.Answer, error) {
			return outbound.Answer{}, fmt.Errorf("x: %w", outbound.ErrInside)
		}, "message: the address is not one of the public Internet", true, 1, 0},
		"unreachable": {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{}, errors.New("dial 10.1.2.3") }, "message: no answer", true, 0, firstRetry},
		"late":        {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{}, context.DeadlineExceeded }, "message: no answer in time", true, 0, firstRetry},
		"down":        {func(*http.Request) (outbound.Answer, error) { return outbound.Answer{Status: 503}, nil }, "message: HTTP status 503", true, 0, firstRetry},
		"busy": {func(*http.Request) (outbound.Answer, error) {
			return outbound.Answer{Status: 429, Header: http.Header{"Retry-After": {"120"}}}, nil
		}, "message: HTTP status 429", true, 0, 2 * time.Minute},
		"panic": {func(*http.Request) (outbound.Answer, error) { panic("of a test") }, "a fault of this server", true, 1, 0},
	} {
		x := v.register(name, wants{})
		v.answer = c.answer
		v.add(x, note(ofMessage, "romeo@example.org", ""))
		v.settled()
		v.expect("message")
		got := v.targets()[name]
		switch {
		case (got != nil) != c.left:
			t.Errorf("%s: %+v is left", name, got)
		case got != nil && (got.Said != c.said || got.Errors != c.errors):
			t.Errorf("%s: said %q, %d errors", name, got.Said, got.Errors)
		}
		v.answer = nil
		if c.again > 0 {
			v.move(c.again - time.Second)
			v.expect()
			v.move(time.Second)
			v.expect("message")
		}
		v.move(longRetry)
		v.expect()
		v.must(v.push.Disable(v.owner, "https://push.example.net/"+name, "").Wait(t.Context()))
	}
	// Refused twice in a row, with a success before that does not count.
	x := v.register("x", wants{})
	for i, status := range []int{403, 201, 403, 403} {
		v.answer = func(*http.Request) (outbound.Answer, error) { return outbound.Answer{Status: status}, nil }
		v.add(x, note(ofMessage, "romeo@example.org", ""))
		v.settled()
		v.expect("message")
		v.move(time.Minute)
		if left := v.targets()["x"] != nil; left != (i < 3) {
			t.Errorf("behind %d: left %v", i, left)
		}
	}
}

// TestRoundRuns: few at a time, none twice, with two rounds on one store; what a dead process had is sent when its lease is over.
func TestRoundRuns(t *testing.T) {
	v := newWorld(t)
	x := v.register("x", wants{})
	for i := range 20 {
		v.add(x, note(ofMessage, fmt.Sprintf("friend%d@example.org", i), ""))
	}
	v.settled()
	dead := v.lease(t.Context(), 3)
	v.answer = func(*http.Request) (outbound.Answer, error) {
		time.Sleep(time.Millisecond)
		return outbound.Answer{Status: http.StatusCreated}, nil
	}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			if err := v.Round.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wait := func(n int) map[string]int {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			v.mu.Lock()
			chats := map[string]int{}
			for _, m := range v.got {
				chats[m.From]++
			}
			v.mu.Unlock()
			if len(chats) >= n || time.Now().After(end) {
				return chats
			}
		}
	}
	if got := wait(17); len(got) != 17 {
		t.Errorf("%d came: %v", len(got), got)
	}
	for len(v.targets()["x"].Past) < 17 {
		time.Sleep(time.Millisecond) // until what has come is settled, too
	}
	v.move(leaseTime)
	v.kept("", nil)
	v.kept("", nil)
	got := wait(20)
	end()
	running.Wait()
	for chat, n := range got {
		if n != 1 {
			t.Errorf("%s came %d times", chat, n)
		}
	}
	if len(got) != 20 || len(dead) != 3 || v.most > 6 {
		t.Errorf("%d came, %d at once", len(got), v.most)
	}
}

func TestCrowd(t *testing.T) {
	v := newWorld(t)
	domain := jid.MustParse("example.org")
	who := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("u%d@example.org", i)) }
	v.register("x", wants{})
	var c crowd
	if !c.has(who(1)) || c.empty() {
		t.Error("before it has learned, somebody has no registration")
	}
	c.add(who(1))
	v.must(c.learn(t.Context(), domain, v.pushed, v.obs))
	if !c.has(jid.MustParse("juliet@example.org")) || !c.has(who(1)) || c.has(who(2)) {
		t.Error("it has not learned who has registrations")
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				c.add(who(1000*i + j))
				c.remove(who(1000*i + j - 1))
			}
		})
	}
	all.Wait()
	for i := range 8 {
		if !c.has(who(1000*i+199)) || c.has(who(1000*i+198)) {
			t.Errorf("%d is wrong", i)
		}
		c.remove(who(1000*i + 199))
	}
	c.remove(who(1))
	if c.remove(jid.MustParse("juliet@example.org")); !c.empty() {
		t.Errorf("%d are left of nobody", c.size.Load())
	}
}
