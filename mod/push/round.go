package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/outbound"
	"stonechat/store"
	"stonechat/webpush"
)

const (
	// leaseTime is longer than sending can take: in a crash what was being sent waits as long.
	leaseTime   = 2 * time.Minute
	sendTime    = time.Minute
	answerTime  = 30 * time.Second // of the server of an app
	briskEvery  = time.Second      // how often is looked for jobs while some are about
	calmEvery   = 30 * time.Second
	expireEvery = 10 * time.Minute
	expireMost  = 500
	firstRetry  = 5 * time.Second
	longRetry   = time.Hour
)

// Parts are what a Round is made of.
type Parts struct {
	Push   store.Push
	Pushed store.Pushed
	Chats  store.Chats
	Nodes  store.Nodes
	Sender *webpush.Sender
	// Do sends a request to an address that a client has chosen.
	Do     func(*http.Request) (outbound.Answer, error)
	Config config.Push
	Obs    obs.Obs
	// Sent counts notifications by kind and outcome.
	Sent *prometheus.CounterVec
	Now  func() time.Time // nil: time.Now
}

// NewFigure registers the metric that Parts.Sent wants.
func NewFigure(o obs.Obs) *prometheus.CounterVec {
	return o.CounterVec("push_notifications_total", "Notifications by how they went (web or app) and what became of them: sent, failed, refused, gone or needless.", "way", "outcome")
}

// Round sends what is due, of all hosts. A server has one.
type Round struct {
	push   store.Push
	pushed store.Pushed
	chats  store.Chats
	nodes  store.Nodes
	sender *webpush.Sender
	do     func(*http.Request) (outbound.Answer, error)
	config config.Push
	obs    obs.Obs
	count  *prometheus.CounterVec
	now    func() time.Time
	hosts  map[string]*Module // filled by Install, and fixed then
	woken  chan struct{}
}

// NewRound returns it; Run does the work.
func NewRound(p Parts) *Round {
	r := &Round{
		push: p.Push, pushed: p.Pushed, chats: p.Chats, nodes: p.Nodes, sender: p.Sender, do: p.Do, config: p.Config, obs: p.Obs, count: p.Sent,
		now: p.Now, hosts: make(map[string]*Module), woken: make(chan struct{}, 1),
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// serve has the round send for a host.
func (r *Round) serve(m *Module) { r.hosts[m.host.Domain.Domain()] = m }

// idle tells whether nobody on any host has registrations.
func (r *Round) idle() bool {
	for _, m := range r.hosts {
		if !m.crowd.empty() {
			return false
		}
	}
	return true
}

// add has a device told. Nobody waits for it.
func (r *Round) add(t *target, n notice) {
	content, err := json.Marshal(n.forTarget(t))
	if err != nil {
		r.obs.Log.Error("notice", obs.Err, err)
		return
	}
	now := r.now()
	r.push.Add(store.PushJob{
		Target: t.ID, Owner: t.Owner, Topic: topicOf(r.sender, n.Account, n.Chat, n.Kind), Content: content, Due: now, Ends: now.Add(n.life(r.config.Life.D())),
	}).Done(func(err error) { r.kept(n.Account, err) })
}

// withdraw has what was told of a chat taken back.
func (r *Round) withdraw(a *core.Account, n notice) {
	content, err := json.Marshal(n)
	if err != nil {
		r.obs.Log.Error("notice", obs.Err, err)
		return
	}
	account := n.Account
	r.push.Withdraw(a.ID, topicOf(r.sender, account, n.Chat, n.Of), content, r.now()).Done(func(err error) { r.kept(account, err) })
}

func (r *Round) kept(account string, err error) {
	if err != nil {
		r.obs.Log.Error("a notification is lost", obs.JID, account, obs.Err, err)
		return
	}
	select {
	case r.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// Run implements core.Runner.
func (r *Round) Run(ctx context.Context) error {
	done := make(chan struct{}, r.config.AtOnce)
	running, last, expired := 0, r.now(), time.Time{}
	defer func() {
		for ; running > 0; running-- {
			<-done
		}
	}()
	for ctx.Err() == nil {
		if now := r.now(); now.Sub(expired) >= expireEvery {
			r.expire(ctx, now)
			expired = now
		}
		jobs := r.lease(ctx, r.config.AtOnce-running)
		for i := range jobs {
			running++
			go func() {
				r.settle(ctx, jobs[i])
				done <- struct{}{}
			}()
		}
		if len(jobs) > 0 {
			last = r.now()
			if running < r.config.AtOnce {
				continue // there may be more
			}
		}
		wait := calmEvery
		// What was sent just now may have something behind it that waits for the window; so has what failed.
		if r.now().Sub(last) < r.config.Window.D()+2*firstRetry {
			wait = briskEvery
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.woken:
			last = r.now()
		case <-done:
			running--
		}
		timer.Stop()
	}
	return ctx.Err()
}

func (r *Round) expire(ctx context.Context, now time.Time) {
	for {
		n, err := r.push.Expire(ctx, now, expireMost)
		if err != nil && ctx.Err() == nil {
			r.obs.Log.Error("notifications that ended are not removed", obs.Err, err)
		}
		if err != nil || n < expireMost {
			return
		}
	}
}

// lease takes what is due, as much as can be sent at once.
func (r *Round) lease(ctx context.Context, most int) []store.PushJob {
	if most <= 0 {
		return nil
	}
	now := r.now()
	jobs, err := r.push.Lease(ctx, now, now.Add(leaseTime), most)
	if err != nil && ctx.Err() == nil {
		r.obs.Log.Error("what is to be notified is not read", obs.Err, err)
	}
	return jobs
}

// settle sends a job and says what became of it.
func (r *Round) settle(ctx context.Context, j store.PushJob) {
	sending, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	res, way := r.try(sending, &j)
	if ctx.Err() != nil {
		return // the server ends; the lease does, too
	}
	res.At = r.now()
	if res.Outcome == store.PushFailed {
		if least := res.At.Add(backoff(j.Tries)); res.Next.Before(least) {
			res.Next = least
		}
	} else {
		res.Next = res.At.Add(r.config.Window.D())
	}
	r.count.WithLabelValues(way, [...]string{"failed", "sent", "refused", "needless", "gone"}[res.Outcome]).Inc()
	if err := r.push.Settle(j, res).Wait(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrConflict) {
		r.obs.Log.Error("what became of a notification is not kept", obs.Err, err)
	}
}

// backoff is how long to wait behind a failure.
func backoff(tries int) time.Duration {
	d := firstRetry
	for ; tries > 1 && d < longRetry; tries-- {
		d *= 2
	}
	return min(d, longRetry)
}

// try is send with a recover of its own.
func (r *Round) try(ctx context.Context, j *store.PushJob) (res store.PushResult, way string) {
	defer func() {
		if p := recover(); p != nil {
			r.obs.Log.Error("panic", "reason", fmt.Sprint(p), "stack", string(debug.Stack()))
			res, way = store.PushResult{Outcome: store.PushRefused, Said: "a fault of this server"}, "web"
		}
	}()
	return r.send(ctx, j)
}

// send decides whether a job is of use, and sends it.
func (r *Round) send(ctx context.Context, j *store.PushJob) (store.PushResult, string) {
	failed := func(said string) store.PushResult { return store.PushResult{Outcome: store.PushFailed, Said: said} }
	list, err := r.push.Targets(ctx, j.Owner)
	if err != nil {
		return failed("this server's database did not answer"), "web"
	}
	var t *target
	for i := range list {
		if list[i].ID == j.Target {
			x := newTarget(list[i])
			t = &x
		}
	}
	var n notice
	if t == nil || json.Unmarshal(j.Content, &n) != nil {
		return store.PushResult{Outcome: store.PushNeedless}, "web"
	}
	way, send := "web", r.toEndpoint
	if t.Kind == store.PushApp {
		way, send = "app", r.toApp
	}
	c, known, err := r.counts(ctx, j.Owner, &n)
	switch {
	case err != nil:
		return failed("this server's archive did not answer"), way
	case n.Kind == ofWithdraw && (!t.Withdraw || n.Of == ofMessage && known && c.Unread > 0):
		return store.PushResult{Outcome: store.PushNeedless, Said: n.said("not all was read, or the client takes nothing back")}, way
	case n.Kind == ofMessage && n.ID != "" && known && c.Unread == 0:
		return store.PushResult{Outcome: store.PushNeedless, Said: n.said("read meanwhile")}, way
	}
	res := send(ctx, t, &n, c)
	res.Said = n.said(res.Said)
	res.Shown = res.Outcome == store.PushSent && t.Withdraw && n.Kind != ofWithdraw && n.Kind != ofTest
	// XEP-0357 section 7.1: enough errors in a row, and nobody is there any more.
	if res.Outcome == store.PushRefused && t.Errors+1 >= r.config.Errors {
		res.Outcome = store.PushGone
	}
	if res.Outcome == store.PushGone {
		r.obs.Log.Info("a registration for push is forgotten", obs.JID, n.Account, "service", place(&t.PushTarget), "reason", res.Said)
		r.forgotten(&n)
	}
	return res, way
}

// said is an answer with what it was about.
func (n *notice) said(answer string) string { return n.Kind + ": " + answer }

// forgotten has the account look anew what registrations it has.
func (r *Round) forgotten(n *notice) {
	a, host := r.home(n)
	if host == nil {
		return
	}
	if err := host.host.Do(a, func(_ *core.Work, a *core.Account) { host.changed(a) }); err != nil {
		r.obs.Log.Debug("registrations are not looked at", obs.JID, n.Account, obs.Err, err)
	}
}
