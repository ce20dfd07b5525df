package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/store"
)

// target enables one and returns it as it is kept.
func (f *fixture) target(t testing.TB, owner store.Owner, service, node string) store.PushTarget {
	t.Helper()
	f.wait(t, f.Push.Enable(store.PushTarget{Owner: owner, Service: service, Node: node, Kind: store.PushWeb, Enabled: f.clock.Now()}, 100))
	for _, x := range f.targets(t, owner) {
		if x.Service == service && x.Node == node {
			return x
		}
	}
	t.Fatalf("no target %s, %s", service, node)
	return store.PushTarget{}
}

func (f *fixture) targets(t testing.TB, owner store.Owner) []store.PushTarget {
	t.Helper()
	got, err := f.Push.Targets(f.ctx, owner)
	must(t, err)
	return got
}

func testPushTargets(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	now := f.clock.Now().UTC().Truncate(time.Microsecond)
	want := store.PushTarget{
		Owner: alice, Service: "https://push.example.net/é", Node: "n\"1", Kind: store.PushWeb, Device: "phone", Data: []byte("\x00\xff"), Enabled: now,
	}
	f.wait(t, f.Push.Enable(want, 2))
	f.target(t, alice, "push.example.org", "a")
	f.target(t, bob, "push.example.org", "a")
	f.reopen(t)
	got := f.targets(t, alice)
	if len(got) != 2 || got[0].ID == 0 || got[0].ID == got[1].ID {
		t.Fatalf("%+v", got)
	}
	want.ID = got[0].ID
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("\n got %+v\nwant %+v", got[0], want)
	}
	// Enabled once more it is the same, with what is new; one more is too many.
	want.Kind, want.Device, want.Data, want.Enabled = store.PushApp, "tablet", []byte("new"), now.Add(time.Hour)
	f.wait(t, f.Push.Enable(want, 2))
	if got := f.targets(t, alice); len(got) != 2 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("again\n got %+v\nwant %+v", got, want)
	}
	for name, x := range map[string]struct {
		target store.PushTarget
		want   error
	}{
		"one too many": {store.PushTarget{Owner: alice, Service: "x"}, store.ErrTooMany},
		"of nobody":    {store.PushTarget{Owner: 999, Service: "x"}, store.ErrNotFound},
		"too long":     {store.PushTarget{Owner: bob, Service: strings.Repeat("x", store.MaxPushAddress), Node: "x"}, store.ErrInvalid},
	} {
		if err := f.Push.Enable(x.target, 2).Wait(f.ctx); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// XEP-0357 section 6: without a node all of the service go, with one that one.
	f.target(t, alice, "push.example.org", "b")
	f.target(t, alice, "push.example.org", "")
	f.wait(t, f.Push.Disable(alice, "push.example.org", "b"), f.Push.Disable(alice, "other.example.org", ""), f.Push.Disable(bob, "push.example.org", "x"))
	if got := f.targets(t, alice); len(got) != 3 {
		t.Errorf("%+v", got)
	}
	f.wait(t, f.Push.Disable(alice, "push.example.org", ""))
	if got := f.targets(t, alice); len(got) != 1 || len(f.targets(t, bob)) != 1 {
		t.Errorf("%+v", got)
	}
	must(t, f.Accounts.Delete(f.ctx, alice))
	if got := f.targets(t, alice); len(got) != 0 {
		t.Errorf("an account that is gone has %+v", got)
	}
}

// lease takes what is due now, for a minute, and checks the contents.
func (f *fixture) lease(t testing.TB, want ...string) []store.PushJob {
	t.Helper()
	now := f.clock.Now()
	jobs, err := f.Push.Lease(f.ctx, now, now.Add(time.Minute), 10)
	must(t, err)
	got := make([]string, len(jobs))
	for i, j := range jobs {
		got[i] = string(j.Content)
	}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("leased %q, want %q", got, want)
		if len(jobs) < len(want) {
			t.FailNow()
		}
	}
	return jobs
}

// job adds one that is due now and ends in a day.
func (f *fixture) job(t testing.TB, target store.PushTarget, topic, content string) {
	t.Helper()
	now := f.clock.Now()
	f.wait(t, f.Push.Add(store.PushJob{Target: target.ID, Owner: target.Owner, Topic: topic, Content: []byte(content), Due: now, Ends: now.Add(24 * time.Hour)}))
}

func (f *fixture) settle(t testing.TB, j store.PushJob, outcome store.PushOutcome, after time.Duration) {
	t.Helper()
	now := f.clock.Now()
	f.wait(t, f.Push.Settle(j, store.PushResult{Outcome: outcome, Next: now.Add(after), Said: fmt.Sprint("said ", outcome), At: now}))
}

func testPushJobs(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	phone, tablet := f.target(t, alice, "a", ""), f.target(t, alice, "b", "")
	f.lease(t)
	if err := f.Push.Add(store.PushJob{Target: phone.ID, Owner: alice, Topic: strings.Repeat("x", store.MaxPushTopic+1)}).Wait(f.ctx); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too long a topic: %v", err)
	}
	f.job(t, phone, "chat", "one")
	f.job(t, phone, "chat", "two") // takes the place of the first
	f.clock.Move(time.Second)
	f.job(t, tablet, "chat", "three")
	f.wait(t, f.Push.Add(store.PushJob{Target: phone.ID, Owner: alice + 1, Topic: "chat", Content: []byte("another's")})) // not that owner's target
	f.reopen(t)
	jobs := f.lease(t, "two", "three")
	if j := jobs[0]; j.Target != phone.ID || j.Owner != alice || j.Topic != "chat" || j.Tries != 1 || !j.Due.Equal(f.clock.Now().Add(time.Minute)) {
		t.Errorf("leased %+v", j)
	}
	f.lease(t) // they are somebody's
	f.job(t, phone, "chat", "while it was sent")
	f.settle(t, jobs[0], store.PushSent, 10*time.Second)
	f.settle(t, jobs[1], store.PushSent, 10*time.Second)
	f.job(t, tablet, "chat", "after it was sent")
	f.lease(t) // nothing within the window
	f.clock.Move(10 * time.Second)
	jobs = f.lease(t, "while it was sent", "after it was sent")
	// What fails comes again when it is said to, and what comes meanwhile waits with it.
	f.settle(t, jobs[0], store.PushFailed, time.Minute)
	f.settle(t, jobs[1], store.PushRefused, 0)
	f.job(t, phone, "chat", "newest")
	// Only what was refused counts against a target.
	if got := f.targets(t, alice); got[0].Errors != 0 || got[0].Said != "said 0" || !got[0].At.Equal(f.clock.Now()) || got[1].Errors != 1 || got[1].Said != "said 2" {
		t.Errorf("targets after failures %+v", got)
	}
	f.lease(t)
	f.clock.Move(time.Minute)
	jobs = f.lease(t, "newest")
	if jobs[0].Tries != 2 {
		t.Errorf("tried %d times", jobs[0].Tries)
	}
	f.settle(t, jobs[0], store.PushSent, 0)
	if got := f.targets(t, alice)[0]; got.Errors != 0 || got.Said != "said 1" {
		t.Errorf("target after a success %+v", got)
	}
	// What is taken back, what ended and what is of nobody is not sent.
	f.job(t, phone, "read", "read elsewhere")
	f.job(t, tablet, "read", "read elsewhere, too")
	f.job(t, phone, "unread", "stays")
	for owner, topic := range map[store.Owner]string{alice: "read", alice + 1: "unread"} {
		f.wait(t, f.Push.Withdraw(owner, topic, []byte("gone"), f.clock.Now()), f.Push.Withdraw(owner, "unknown", nil, f.clock.Now()))
	}
	jobs = f.lease(t, "stays")
	f.settle(t, jobs[0], store.PushGone, 0)
	if got := f.targets(t, alice); len(got) != 1 || got[0].ID != tablet.ID {
		t.Errorf("a target is gone: %+v", got)
	}
	f.job(t, phone, "chat", "to nowhere")
	f.job(t, tablet, "late", "ended")
	f.clock.Move(24 * time.Hour)
	f.lease(t)
	f.job(t, tablet, "erased", "of nobody")
	must(t, f.Accounts.Delete(f.ctx, alice))
	f.lease(t)
	if n, err := f.Push.Expire(f.ctx, f.clock.Now().Add(48*time.Hour), 100); n != 0 || err != nil {
		t.Errorf("%d jobs outlived the account, %v", n, err)
	}
}

func testPushLeases(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	phone := f.target(t, alice, "a", "")
	f.job(t, phone, "chat", "one")
	first := f.lease(t, "one")[0]
	// Whoever has it dies. The lease ends, and somebody else gets it; the first one has no say any more.
	f.clock.Move(time.Minute)
	f.reopen(t)
	second := f.lease(t, "one")[0]
	for _, outcome := range []store.PushOutcome{store.PushSent, store.PushFailed} {
		if err := f.Push.Settle(first, store.PushResult{Outcome: outcome}).Wait(f.ctx); !errors.Is(err, store.ErrConflict) {
			t.Errorf("settled without a lease: %v", err)
		}
	}
	f.settle(t, second, store.PushSent, time.Minute)
	expire := func(want int) {
		t.Helper()
		if n, err := f.Push.Expire(f.ctx, f.clock.Now(), 100); n != want || err != nil {
			t.Errorf("%d jobs expired, want %d: %v", n, want, err)
		}
	}
	f.job(t, phone, "other", "two")
	expire(0) // one holds the window, one waits
	f.clock.Move(time.Minute)
	expire(1)
	f.clock.Move(24 * time.Hour)
	expire(1)
	// However many take at once, each job is had by one.
	for i := range 40 {
		f.job(t, phone, fmt.Sprint("topic ", i), "x")
	}
	var mu sync.Mutex
	had := map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2 {
				jobs, err := f.Push.Lease(f.ctx, f.clock.Now(), f.clock.Now().Add(time.Minute), 7)
				if err != nil || len(jobs) > 7 {
					t.Errorf("%d jobs, %v", len(jobs), err)
				}
				mu.Lock()
				for _, j := range jobs {
					had[j.Topic]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for topic, n := range had {
		if n != 1 {
			t.Errorf("%s was taken %d times", topic, n)
		}
	}
	if len(had) != 40 {
		t.Errorf("%d of 40 were taken", len(had))
	}
	f.clock.Move(time.Hour)
	f.wait(t, f.Push.Disable(alice, "a", ""))
	f.lease(t)
}

// testPushShown: what a device shows is withdrawn by something that is sent, what nobody has seen is not.
func testPushShown(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	phone, browser := f.target(t, alice, "phone", ""), f.target(t, alice, "browser", "")
	withdraw := func() {
		t.Helper()
		f.wait(t, f.Push.Withdraw(alice, "chat", []byte("withdrawn"), f.clock.Now()))
	}
	sent := func(j store.PushJob, shown bool) {
		t.Helper()
		now := f.clock.Now()
		f.wait(t, f.Push.Settle(j, store.PushResult{Outcome: store.PushSent, Next: now.Add(time.Minute), Shown: shown, Said: "201\nCreated\xff", At: now}))
	}
	expire := func(want int) {
		t.Helper()
		if n, err := f.Push.Expire(f.ctx, f.clock.Now(), 100); n != want || err != nil {
			t.Errorf("%d jobs expired, want %d: %v", n, want, err)
		}
	}
	f.job(t, phone, "chat", "one")
	f.clock.Move(time.Second)
	f.job(t, browser, "chat", "two")
	jobs := f.lease(t, "one", "two")
	sent(jobs[0], false)
	sent(jobs[1], true)
	f.clock.Move(time.Hour)
	f.reopen(t)
	f.lease(t)
	expire(1) // the browser shows its one
	f.job(t, phone, "chat", "three")
	withdraw()
	withdraw()
	jobs = f.lease(t, "withdrawn")
	if jobs[0].Target != browser.ID {
		t.Errorf("withdrawn from %+v", jobs[0])
	}
	sent(jobs[0], false)
	withdraw()
	f.clock.Move(time.Hour)
	f.lease(t)
	expire(2)
	// What is on its way may be shown. Whoever sends it keeps the lease.
	f.job(t, browser, "chat", "four")
	jobs = f.lease(t, "four")
	withdraw()
	f.lease(t)
	sent(jobs[0], true)
	f.clock.Move(time.Minute)
	jobs = f.lease(t, "withdrawn")
	// A message that comes behind the withdrawal is shown in the place of the one before, at once when nothing holds it up.
	f.job(t, browser, "chat", "five")
	sent(jobs[0], false)
	f.clock.Move(time.Minute)
	jobs = f.lease(t, "five")
	sent(jobs[0], true)
	f.clock.Move(25 * time.Hour)
	expire(1)
	// Within the window of what was sent it is withdrawn at once all the same.
	f.job(t, browser, "chat", "six")
	sent(f.lease(t, "six")[0], true)
	f.job(t, browser, "chat", "seven")
	withdraw()
	needless := f.lease(t, "withdrawn")[0]
	f.wait(t, f.Push.Settle(needless, store.PushResult{Outcome: store.PushNeedless, Said: "needless", At: f.clock.Now()}))
	got := f.targets(t, alice)[1]
	if got.Errors != 0 || got.Said != "needless" || len(got.Past) != 7 || got.Past[1].Said != "201 Created" || !got.Past[0].At.Equal(got.At) {
		t.Errorf("target %+v", got)
	}
	// What was needless has changed nothing on the device.
	withdraw()
	sent(f.lease(t, "withdrawn")[0], false)
	withdraw()
	f.lease(t)
	for i := range 100 {
		f.job(t, phone, fmt.Sprint(i), "many")
	}
	jobs, err := f.Push.Lease(f.ctx, f.clock.Now(), f.clock.Now().Add(time.Minute), 100)
	must(t, err)
	for _, j := range jobs {
		f.wait(t, f.Push.Settle(j, store.PushResult{Outcome: store.PushRefused, Said: strings.Repeat("é", 150), At: f.clock.Now()}))
	}
	if got := f.targets(t, alice)[0]; got.Errors != 100 || len(got.Past) > 40 || len(got.Past) < 5 {
		t.Errorf("%d errors, %d answers are kept", got.Errors, len(got.Past))
	}
}

// testPushDevices: who may not come in any more is not told what is said either.
func testPushDevices(t *testing.T, f *fixture) {
	now := f.clock.Now()
	enable := func(owner store.Owner, service, device string) {
		t.Helper()
		f.wait(t, f.Push.Enable(store.PushTarget{Owner: owner, Service: service, Device: device, Enabled: now}, 100))
	}
	left := func(owner store.Owner, want int) {
		t.Helper()
		if got := f.targets(t, owner); len(got) != want {
			t.Errorf("%d targets are left, want %d: %+v", len(got), want, got)
		}
	}
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	pushed := func(want ...string) {
		t.Helper()
		var got []string
		for after := ""; ; after = got[len(got)-1] {
			page, err := f.Pushed.PushedAccounts(f.ctx, "example.org", after, 1)
			must(t, err)
			if got = append(got, page...); len(page) == 0 {
				break
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q have targets, want %q", got, want)
		}
	}
	pushed()
	for _, device := range []string{"phone", "tablet"} {
		f.wait(t, f.Devices.Enter(alice, store.Login{Device: store.Device{ID: device, Last: now}, Keep: 10}))
		enable(alice, device, device)
	}
	enable(alice, "no device", "")
	enable(bob, "phone", "phone")
	f.job(t, f.targets(t, alice)[0], "chat", "secret")
	pushed("alice", "bob")
	must(t, f.Devices.Revoke(f.ctx, alice, "phone"))
	left(alice, 2)
	f.lease(t)
	f.job(t, f.targets(t, alice)[0], "chat", "secret")
	must(t, f.Accounts.SetCredentials(f.ctx, alice, nil))
	left(alice, 0)
	left(bob, 1)
	f.lease(t)
	must(t, f.Accounts.SetDisabled(f.ctx, bob, true))
	left(bob, 0)
	pushed()
}
