// Package notices tells people what those who run the server want them to know: announcements to everybody who is there (XEP-0133 1.3.1 section 4.23), a
// message of the day (sections 4.24 to 4.26) and a welcome (sections 4.27 and 4.28).
//
// The message of the day is shown to everybody once: at once to those who are there, to others when they come next. The welcome is shown to who comes for
// the first time. Who has seen what follows from when an account was there last (store.Activity), so that nothing more is kept of anybody; after a crash
// somebody may be shown a message a second time. Texts are kept among the server's own values (store.Secrets).
//
// commands.go offers all of it as ad-hoc commands, on the rows of the control socket. Hooks: Available. Left out: who is a guest is told nothing
// but announcements; other languages.
package notices

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// maxText is how many bytes one text may have.
const maxText = 8 << 10

// The notices that stay, as the path names them.
const (
	motd    = "motd"
	welcome = "welcome"
)

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Secrets  store.Secrets
	Activity store.Activity
}

// Module is the feature on one host.
type Module struct {
	Stores
	obs     obs.Obs
	notices *notices
}

// New returns the module.
func New(s Stores, o obs.Obs) *Module { return &Module{Stores: s, obs: o} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "notices" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	x := &notices{Stores: m.Stores, host: h, obs: m.obs, told: core.NewSlot[told](h), writing: make(chan struct{}, 1)}
	m.notices = x
	x.motd.Store(&Notice{})
	x.welcome.Store(&Notice{})
	h.Hooks.Available.Add(m.Name(), x.available)
	row := func(pattern string, act core.Action, do func(context.Context, core.Actor, *http.Request) (any, error)) {
		h.HTTP.Handle(core.Route{Pattern: pattern, Action: act, Do: do})
	}
	row("POST /announcements", core.ActEditServer, x.announce)
	row("GET /notices/{notice}", core.ActEditServer, x.show)
	row("PUT /notices/{notice}", core.ActEditServer, x.set)
	row("DELETE /notices/{notice}", core.ActEditServer, x.remove)
	x.offerCommands(m.Name())
}

// Prepare is core.Preparer: the notices are in memory before anybody comes.
func (m *Module) Prepare(ctx context.Context) error {
	return errors.Join(m.notices.load(ctx, motd), m.notices.load(ctx, welcome))
}

// notices is the module on one host.
type notices struct {
	Stores
	host    *core.Host
	obs     obs.Obs
	motd    atomic.Pointer[Notice]
	welcome atomic.Pointer[Notice]
	writing chan struct{}   // holds one token while somebody changes a notice
	told    core.Slot[told] // of accounts
}

// told is what an account in memory was shown: what the disk does not know yet.
type told struct {
	motd    time.Time // of the one that it was shown last
	welcome bool
}

// Notice is a text and when it was set; without a text there is none.
type Notice struct {
	Text string    `json:"text"`
	At   time.Time `json:"at,omitzero"`
}

// of is where a notice stands in memory.
func (x *notices) of(name string) (*atomic.Pointer[Notice], error) {
	switch name {
	case motd:
		return &x.motd, nil
	case welcome:
		return &x.welcome, nil
	}
	return nil, stanza.NewError(stanza.ItemNotFound, "no such notice")
}

func (x *notices) key(name string) string { return "notice-" + name + "/" + x.host.Domain.Domain() }

// load reads a notice from the disk.
func (x *notices) load(ctx context.Context, name string) error {
	held, err := x.of(name)
	if err != nil {
		return err
	}
	kept, err := x.Secrets.Get(ctx, x.key(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	var n Notice
	if err == nil {
		err = json.Unmarshal(kept, &n)
	}
	if err == nil {
		held.Store(&n)
	}
	return err
}

// read returns a notice.
func (x *notices) read(name string) (Notice, error) {
	held, err := x.of(name)
	if err != nil {
		return Notice{}, err
	}
	return *held.Load(), nil
}

// write changes a notice, one after another, so that memory is what the disk has.
func (x *notices) write(ctx context.Context, name string, change func(was Notice) Notice) (Notice, error) {
	held, err := x.of(name)
	if err != nil {
		return Notice{}, err
	}
	select {
	case x.writing <- struct{}{}:
		defer func() { <-x.writing }()
	case <-ctx.Done():
		return Notice{}, ctx.Err()
	}
	n := change(*held.Load())
	kept, err := json.Marshal(n)
	if err == nil {
		err = x.Secrets.Put(ctx, x.key(name), kept)
	}
	if err == nil {
		held.Store(&n)
	}
	return n, err
}

// available shows a session that begins what its account has not seen. What is read is read aside: a log-in waits for nothing of it.
func (x *notices) available(e *core.Event) {
	a, day, greeting := e.Account, x.motd.Load(), x.welcome.Load()
	if a.Guest() {
		return
	}
	seen := x.told.Of(a)
	wantsDay, wantsGreeting := day.Text != "" && seen.motd.Before(day.At), greeting.Text != "" && !seen.welcome
	if !wantsDay && !wantsGreeting {
		return
	}
	address, id := e.Session.JID, a.ID
	var last store.LastSeen
	a.Aside(func(ctx context.Context) (err error) {
		last, err = x.Activity.LastSeen(ctx, id)
		return err
	}, func(w *core.Work, a *core.Account, err error) {
		if err != nil {
			x.obs.Log.Warn("notices not shown", obs.JID, a.JID.String(), obs.Err, err)
			return
		}
		seen := x.told.Of(a)
		if wantsGreeting && !seen.welcome {
			seen.welcome = !last.At.IsZero() || x.tell(w, a, &address, greeting.Text)
		}
		if wantsDay && seen.motd.Before(day.At) && (last.At.After(day.At) || x.tell(w, a, &address, day.Text)) {
			seen.motd = day.At
		}
	})
}

// tell sends a text to one session, or with nil to all that are available, and reports whether anybody got it. RFC 6121 section 5.2.2: a headline is what
// needs no answer.
func (x *notices) tell(w *core.Work, a *core.Account, session *jid.JID, text string) (got bool) {
	body := string(xmltok.AppendEscaped([]byte("<body>"), text)) + "</body>"
	for _, s := range a.Sessions() {
		if !s.Available() || session != nil && s.JID != *session {
			continue
		}
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Headline, From: x.host.Domain, To: s.JID}, body)
		if err != nil {
			x.obs.Log.Error("notice", obs.Err, err)
			return false
		}
		s.Send(w, st)
		got = true
	}
	return got
}

// everybody has a text told to all who are there; then is called in a turn of each account that got it.
func (x *notices) everybody(text string, then func(*core.Account)) {
	x.host.EachLoaded(func(w *core.Work, a *core.Account) {
		if x.tell(w, a, nil, text) {
			then(a)
		}
	})
}

// text reads a body with a text, within its limit.
func text(r *http.Request, into *newText) error {
	if err := core.ReadJSON(r, into); err != nil {
		return err
	}
	into.Text = strings.TrimSpace(into.Text)
	if into.Text == "" || len(into.Text) > maxText {
		return stanza.NewError(stanza.NotAcceptable, "a text of at most 8 KB is needed")
	}
	return nil
}

type newText struct {
	Text string `json:"text"`
	Edit bool   `json:"edit"` // who has seen the old one is not shown it anew
}

// announce is XEP-0133 section 4.23.
func (x *notices) announce(_ context.Context, actor core.Actor, r *http.Request) (any, error) {
	var in newText
	if err := text(r, &in); err != nil {
		return nil, err
	}
	x.obs.Log.Info("announced", "by", actor.JID.String(), "bytes", len(in.Text))
	x.everybody(in.Text, func(*core.Account) {})
	return nil, nil
}

func (x *notices) show(_ context.Context, _ core.Actor, r *http.Request) (any, error) {
	return x.read(r.PathValue("notice"))
}

// set is XEP-0133 sections 4.24, 4.25 and 4.27.
func (x *notices) set(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var in newText
	if err := text(r, &in); err != nil {
		return nil, err
	}
	name, fresh := r.PathValue("notice"), true
	n, err := x.write(ctx, name, func(was Notice) Notice {
		if fresh = !in.Edit || was.Text == ""; !fresh {
			return Notice{in.Text, was.At}
		}
		return Notice{in.Text, x.host.Now()}
	})
	if err != nil {
		return nil, err
	}
	x.obs.Log.Info("notice set", "notice", name, "by", actor.JID.String(), "bytes", len(in.Text))
	if name == motd && fresh {
		x.everybody(n.Text, func(a *core.Account) { x.told.Of(a).motd = n.At })
	}
	return n, nil
}

// remove is XEP-0133 sections 4.26 and 4.28.
func (x *notices) remove(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	name := r.PathValue("notice")
	if _, err := x.write(ctx, name, func(Notice) Notice { return Notice{} }); err != nil {
		return nil, err
	}
	x.obs.Log.Info("notice removed", "notice", name, "by", actor.JID.String())
	return nil, nil
}
