package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/cluster"
	"stonechat/config"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const (
	slowAtOnce = 16               // slow IQ rows that run at once
	slowTime   = 30 * time.Second // for one of them
)

// Module is one feature. Install registers its hooks, rows and ports; nothing is registered later.
type Module interface {
	Name() string
	Install(h *Host)
}

// Runner is a module with background work; Run ends when ctx does.
type Runner interface {
	Run(ctx context.Context) error
}

// Preparer is a module that reads something before the first door opens. Prepare comes behind Install, and may wait; what fails there stops the start.
type Preparer interface {
	Prepare(ctx context.Context) error
}

// Every calls f again and again, a while apart, until ctx ends; it is what a Runner returns whose work comes round.
func Every(ctx context.Context, while time.Duration, f func()) error {
	tick := time.NewTicker(while)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			f()
		}
	}
}

// Sleep returns after a while, or with the error of ctx when that ends before.
func Sleep(ctx context.Context, while time.Duration) error {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Host is one served domain. It is filled before the first door opens and does not change afterwards.
type Host struct {
	Domain jid.JID
	Config *config.Config
	Obs    obs.Obs
	Router *Router
	Hooks  Hooks
	IQ     IQTable
	// Early are the rows that may be asked before log-in; Commands what people run by ad-hoc commands.
	Early    EarlyTable
	Commands CommandTable
	Inline   InlineTable
	HTTP     Routes
	Web      Pages
	Ports    Ports
	Disco    Disco
	// Accounts are read when an account is loaded.
	Accounts store.Accounts
	// Holdings tells what there is to read of an account that is loaded.
	Holdings store.Holdings
	// Sessions keeps those that have no connection; nil: they live in memory alone.
	Sessions store.Sessions
	// Now is the clock.
	Now func() time.Time
	// Credentials is counted up by whoever changes credentials of accounts, so that doors look anew what they may offer.
	Credentials atomic.Uint64

	ctx      context.Context
	cancel   context.CancelFunc
	pool     *Pool
	metrics  *Metrics
	accounts *owners
	services []*service // rooms
	wrong    []error    // what modules have registered and cannot be
	guests   *guests
	requests requests
	slots    int
	slowly   chan struct{}
	asides   asides
	wait     sync.WaitGroup
	shelf    shelf

	farewellMu sync.Mutex
	leaving    []Sink // connections that are closed when their sessions are on disk
}

// Disco is what the host and its accounts announce (XEP-0030); modules add to it, and something else answers from it.
type Disco struct {
	// HostFeatures and AccountFeatures are namespaces.
	HostFeatures, AccountFeatures []string
	// HostIdentities and AccountIdentities are shown beside what hosts and accounts are in any case.
	HostIdentities, AccountIdentities []DiscoIdentity
	// AccountNodes answer for nodes of accounts; the first that knows one does. AccountItems are the nodes that an asker is shown beside resources.
	AccountNodes DiscoNodes
	AccountItems []func(e *Event) []DiscoItem
	// StreamFeatures are offered to a client that is logged in and not yet bound, as XML.
	StreamFeatures []string
	// HostItems are listed by disco#items of the host: other domains that it serves.
	HostItems []DiscoItem
	// Nodes answer for nodes of the host and of its services; the first that knows one does.
	Nodes DiscoNodes
}

// DiscoIdentity is a category and a type (XEP-0030 section 3.1).
type DiscoIdentity struct{ Category, Type string }

// DiscoItem is one of what belongs to somebody (XEP-0030 section 4.1): another address, or without one a node of whom was asked. Name is for
// people and may be empty.
type DiscoItem struct {
	JID        jid.JID
	Node, Name string
}

// Parts are what a host is built from.
type Parts struct {
	Config   *config.Config
	Obs      obs.Obs
	Router   *Router
	Pool     *Pool
	Metrics  *Metrics
	Accounts store.Accounts
	Holdings store.Holdings
	Sessions store.Sessions   // nil: sessions without a connection live in memory alone
	Now      func() time.Time // nil: time.Now
	// Cluster are the other nodes; nil: there are none. It is given with the first host of a router, and every host is added to the router
	// before the first one is started, since frames may come from then on.
	Cluster cluster.Cluster
}

// NewHost adds a host for domain to the router. Modules are installed next, then Start is called.
func NewHost(domain jid.JID, p Parts) *Host {
	h := &Host{
		Domain: domain, Config: p.Config, Obs: p.Obs, Router: p.Router, Accounts: p.Accounts, Holdings: p.Holdings, Sessions: p.Sessions, Now: p.Now,
		pool: p.Pool, metrics: p.Metrics, slowly: make(chan struct{}, slowAtOnce),
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	h.metrics.windows.limits = &h.Config.Limits
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.asides.ctx, h.asides.end = context.WithCancel(h.ctx)
	h.accounts = newOwners(h)
	h.guests = newGuests()
	h.offerState()
	p.Router.hosts[domain.Domain()] = h
	p.Router.join(p.Cluster, p.Pool)
	return h
}

// Start checks what modules have registered and begins background work.
func (h *Host) Start() error {
	if err := errors.Join(errors.Join(h.IQ.errs...), errors.Join(h.Early.errs...), errors.Join(h.Commands.errs...), h.Inline.check(), h.Web.check(), errors.Join(h.wrong...)); err != nil {
		return err
	}
	for _, r := range h.HTTP {
		if r.Action == "" || r.Do == nil {
			return fmt.Errorf("core: http row %q is incomplete", r.Pattern)
		}
	}
	if h.Ports.Authenticator == nil || h.Ports.Contacts == nil {
		return errors.New("core: no module offers log-in, or contacts")
	}
	if err := h.rest(); err != nil {
		return err
	}
	if err := h.guests.welcome(h.Config.Guests.To); err != nil {
		return err
	}
	h.wait.Go(func() { h.accounts.sweep(h.ctx) })
	h.serve()
	if h.Router.nodes != nil {
		h.Router.nodes.open(h)
	}
	return nil
}

// Metrics are the figures shared by all hosts.
func (h *Host) Metrics() *Metrics { return h.metrics }

// Pool are the goroutines of the server's turns; doors make their Work from it.
func (h *Host) Pool() *Pool { return h.pool }

func (h *Host) now() time.Time { return h.Now() }

// Do has f called in a turn of the account, which is loaded first. It does not wait. It fails with ErrElsewhere, and does nothing, when
// another node owns the account: functions do not travel.
func (h *Host) Do(account jid.JID, f func(w *Work, a *Account)) error {
	if _, far := h.Router.elsewhere(account); far {
		return ErrElsewhere
	}
	h.pool.Do(func(w *Work) {
		h.accounts.take(w, account, turn{op: (*Account).invoke, call: f})
	})
	return nil
}

// Ask has f called in a turn of the account and waits for it. It fails with ErrElsewhere as Do does. Only a door may call it.
func (h *Host) Ask(ctx context.Context, account jid.JID, f func(w *Work, a *Account) error) error {
	_, err := ask(ctx, h, NewWork(h.pool), account, func(w *Work, a *Account) (struct{}, error) {
		return struct{}{}, f(w, a)
	}, nil)
	return err
}

// EachLoaded has f called in a turn of every account in this node's memory. It does not wait.
func (h *Host) EachLoaded(f func(w *Work, a *Account)) {
	h.accounts.each(func(a *Account) {
		a.turns.TakeAsync(h.pool, turn{op: (*Account).invoke, call: f})
	})
}

// Loaded are the addresses of all accounts in this node's memory.
func (h *Host) Loaded() []jid.JID {
	var out []jid.JID
	h.accounts.each(func(a *Account) { out = append(out, a.JID) })
	return out
}

// DeleteAccount ends the sessions of an account, tells modules, and has erase delete it from the store. From its first turn on nobody of that
// name exists: it stays in memory as such until erase has returned, so that nothing that comes meanwhile finds it in the store. It fails with
// ErrElsewhere as Do does, or as erase does. Only a door may call it.
func (h *Host) DeleteAccount(ctx context.Context, account jid.JID, erase func(context.Context) error) error {
	var forgotten store.Ticket // what modules keep of it in other places than its own
	var after []func(*Event)
	err := h.Ask(ctx, account, func(w *Work, a *Account) error {
		a.EndSessions(w, nil)
		e := w.begin(a, nil, nil)
		h.Hooks.AccountDeleted.run(e)
		forgotten, after = joined(e.tickets), e.after
		a.Exists = false
		a.erasing = true
		return nil
	})
	if err != nil {
		return err
	}
	if err = forgotten.Wait(ctx); err == nil {
		err = erase(ctx)
	}
	return errors.Join(err, h.Ask(context.WithoutCancel(ctx), account, func(w *Work, a *Account) error {
		a.erasing = false
		a.follow(w, nil, nil, after) // nobody waits for more
		a.turns.Take(w, turn{op: (*Account).leaveMemory})
		return nil
	}))
}

// slow runs a slow row in the bounded pool; its answer comes back as a turn.
func (h *Host) slow(a *Account, st *stanza.Stanza, s *Session, row *IQ, from origin) {
	asked := h.now()
	a.gates++ // it stays in memory until the answer's turn, also when nobody of that name exists
	h.wait.Go(func() {
		h.inOrder(from)
		h.slowly <- struct{}{}
		defer func() { <-h.slowly }()
		ctx, cancel := context.WithTimeout(h.ctx, slowTime-h.now().Sub(asked))
		defer cancel()
		e := &Event{Host: h, Account: a, Session: s, Stanza: st}
		ans, err := h.runSlow(ctx, row, e)
		a.turns.TakeAsync(h.pool, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
			e.Work = w
			a.gates--
			a.finishIQ(w, e, ans, err, from)
			if !a.Exists {
				a.turns.Take(w, turn{op: (*Account).leaveMemory})
			}
		}})
	})
}

// inOrder waits for what the client sent before (RFC 6120 section 10.1): a query sees the messages of its sender, and answers come in the
// order of questions.
func (h *Host) inOrder(from origin) {
	if from.s == nil || from.s.win.ahead(from.n) == nil {
		return
	}
	timer := time.NewTimer(slowTime)
	defer timer.Stop()
	for open := from.s.win.ahead(from.n); open != nil; open = from.s.win.ahead(from.n) {
		select {
		case <-open:
			continue
		case <-timer.C:
		case <-h.ctx.Done():
		}
		return
	}
}

// runSlow is one row outside turns, with a recover of its own.
func (h *Host) runSlow(ctx context.Context, row *IQ, e *Event) (ans Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			h.metrics.panics.Inc()
			h.logPanic(e.owner(), e.Stanza, r)
			err = stanza.NewError(stanza.InternalServerError, "")
		}
	}()
	return row.Do(ctx, e)
}

// answerFor answers an IQ to the host itself, or to the domain of its rooms, in a turn of the asking account.
func (h *Host) answerFor(a *Account, w *Work, st *stanza.Stanza, s *Session, to Target, from origin) {
	if h != a.Host {
		// Another domain of this server: its rows, answered in the asker's turn.
		row := h.row(st, to)
		if row == nil || row.Slow || Permit(from.actor(st), row.Action, Object{}) != nil {
			a.replyError(w, st, stanza.NewError(stanza.ServiceUnavailable, ""))
			from.settle(w)
			return
		}
		e := w.begin(a, st, s)
		e.Host = h
		ans, err := row.Do(h.ctx, e)
		a.finishIQ(w, e, ans, err, from)
		return
	}
	a.answerIQ(w, st, s, to, from)
}

// Drain waits until no session has anything unsettled or unwritten: all lines are empty, all answers are out.
func (h *Host) Drain(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		quiet := make(chan bool, 1)
		go func() { quiet <- h.drained() }()
		select {
		case yes := <-quiet:
			if yes {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drained waits for a turn of every account.
func (h *Host) drained() bool {
	var busy int64
	var left sync.WaitGroup
	var mu sync.Mutex
	h.accounts.each(func(a *Account) {
		left.Add(1)
		known := a.turns.TakeAsync(h.pool, turn{op: (*Account).invoke, call: func(_ *Work, a *Account) {
			defer left.Done()
			for _, s := range a.sessions {
				if s.win.quiet() != nil || !s.out.idle() {
					mu.Lock()
					busy++
					mu.Unlock()
				}
			}
			if a.line.head != nil || a.gates > 0 {
				mu.Lock()
				busy++
				mu.Unlock()
			}
		}})
		if !known {
			left.Done() // forgotten meanwhile
		}
	})
	rooms := h.roomsBusy()
	left.Wait()
	return busy == 0 && rooms() == 0 && !h.Router.componentsBusy(h)
}

// Close stops background work. The pool is closed by its owner afterwards.
func (h *Host) Close() {
	h.cancel()
	h.accounts.wait.Wait()
	h.wait.Wait()
	for _, s := range h.services {
		s.wait.Wait()
	}
}
