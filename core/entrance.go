package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// ErrRevoked: the device was revoked, or everybody of the account shut out, while it was logging in.
var ErrRevoked = errors.New("the log-in was revoked")

// Entrance is how a client comes to its session: since when, and by XEP-0388 who it is, what it wants with the session at once, and what stands
// around the answers. All of it goes out as one, before anything else: Before, the full address, Between, the answers, After.
type Entrance struct {
	// Device names the client's installation; empty when it is not known. A new session by XEP-0386 ends the older ones of the device.
	Device string
	// Since is when the log-in began: a device that was revoked later does not come in, nor does anybody if the account was shut.
	Since time.Time
	// Bind is the <bind/> of XEP-0386, as XML that stands alone; empty for a resource of RFC 6120, where Binding.First is sent instead.
	Bind string
	// What stands around; see above. They are empty where Binding.First is sent, or <resumed/> alone.
	Before, Between, After string
}

// device is the name of the installation; e may be nil.
func (e *Entrance) device() string {
	if e == nil {
		return ""
	}
	return e.Device
}

// around puts the answers in their place.
func (e *Entrance) around(full, answers string) string {
	b := xmltok.AppendEscaped([]byte(e.Before), full)
	return string(b) + e.Between + answers + e.After
}

// Inline is a feature that a client may want together with its session (XEP-0386 section 3.1). Stream management is core's own and has no row.
type Inline struct {
	// Space and Local name the element inside <bind/>. Without Local nobody needs to ask: every new session of XEP-0386 gets the answer.
	Space, Local string
	// Feature is what is announced; empty for a row of which another one of the same feature tells, or that nobody asks for.
	Feature string
	// Do gives the answer inside <bound/>, which may be empty, in a turn of the account; Event.Session is the new session, which nobody
	// knows yet. wish is nil in a row without Local. It must not wait, and send nothing.
	Do func(e *Event, wish *xmltok.Node) string
	// Module is who registered it.
	Module string
}

// InlineTable holds every row.
type InlineTable []Inline

// Add appends a row.
func (t *InlineTable) Add(row Inline) { *t = append(*t, row) }

// Features are what is announced, without repetition.
func (t InlineTable) Features() []string {
	out := []string{ns.StreamManagement}
	for i := range t {
		if f := t[i].Feature; f != "" && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// check finds rows that cannot be answered by.
func (t InlineTable) check() error {
	for i := range t {
		same := func(o Inline) bool { return o.Local != "" && o.Space == t[i].Space && o.Local == t[i].Local }
		if t[i].Do == nil || slices.ContainsFunc(t[:i], same) {
			return fmt.Errorf("core: inline row %s %s of %s: incomplete, or there is another", t[i].Space, t[i].Local, t[i].Module)
		}
	}
	return nil
}

// comeIn has a new session enter by XEP-0386: what it wants is done before anybody knows of it, in the order of the client, each once.
func (a *Account) comeIn(w *Work, s *Session, in *Entrance) {
	wishes, err := xmltok.Tree(in.Bind, "")
	if err != nil {
		a.Host.Obs.Log.Error("bind request not readable", "jid", s.JID.String(), "err", err) // the door has read it before
	}
	answers := "<bound xmlns='" + ns.Bind2 + "'>"
	for i := range a.Host.Inline {
		if row := &a.Host.Inline[i]; row.Local == "" {
			answers += row.Do(w.begin(a, nil, s), nil)
		}
	}
	done := map[string]bool{}
	for _, wish := range wishes.All("", "") {
		if name := wish.Space + " " + wish.Local; !done[name] {
			done[name] = true
			answers += a.fulfil(w, s, wish)
		}
	}
	s.out.greet(w, in.around(s.JID.String(), answers+"</bound>"), s.managed)
}

// fulfil does one thing that the client wants with its session. What nobody knows is not answered (XEP-0386 section 3.2).
func (a *Account) fulfil(w *Work, s *Session, wish *xmltok.Node) string {
	if wish.Is(ns.StreamManagement, "enable") {
		return a.beginManaged(s, wish.Attr("resume"), wish.Attr("max"))
	}
	for i := range a.Host.Inline {
		if row := &a.Host.Inline[i]; row.Local != "" && wish.Is(row.Space, row.Local) {
			return row.Do(w.begin(a, nil, s), wish)
		}
	}
	return ""
}

// greet sends what a session begins with. managed: counting begins behind it.
func (o *Outbox) greet(w *Work, greeting string, managed bool) {
	o.mu.Lock()
	o.enabled = managed
	o.mu.Unlock()
	o.push(w, item{raw: greeting, size: len(greeting), from: managed})
}

// everyDevice stands for all devices, and for clients that name none, among those that are revoked.
const everyDevice = ""

// RevokeDevice ends the sessions of a device of the account and keeps log-ins of it out that have begun before. It returns how many sessions
// there were. Only in a turn of a, after the store has forgotten the device.
func (a *Account) RevokeDevice(w *Work, device string) int {
	a.revoke(device)
	return a.EndSessions(w, func(s *Session) bool { return s.Device == device })
}

// ShutOut ends all sessions of the account, and keeps out every log-in that has begun before: a connection on its way to a session is none yet,
// and what it has proven counts no more. It returns how many sessions there were. Only in a turn of a, after the store has what shuts them out.
func (a *Account) ShutOut(w *Work) int {
	a.revoke(everyDevice)
	return a.EndSessions(w, nil)
}

// born keeps log-ins out that began before the account was made: whoever had another one of its name was on the way in by that one's password.
func (a *Account) born(at time.Time) {
	now := a.Host.now()
	if now.Sub(at) <= a.longestLogin() && !at.After(now) { // an import may have brought anything
		a.revoked = map[string]time.Time{everyDevice: at}
	}
}

func (a *Account) revoke(device string) {
	a.forgetRevoked()
	if a.revoked == nil {
		a.revoked = make(map[string]time.Time)
	}
	a.revoked[device] = a.Host.now()
}

// forgetRevoked forgets what no log-in under way can have begun before. An account stays in memory as long as it remembers anything of it.
func (a *Account) forgetRevoked() {
	now := a.Host.now()
	for d, at := range a.revoked {
		if now.Sub(at) > a.longestLogin() {
			delete(a.revoked, d)
		}
	}
}

// longestLogin is how long before its end a log-in can have begun.
func (a *Account) longestLogin() time.Duration {
	return max(a.Host.Config.Limits.LoginTime.D(), a.Host.Config.Signup.FormTime.D())
}

// bars tells whether the device, or the account, was revoked since the log-in began.
func (a *Account) bars(in *Entrance) bool {
	if in == nil {
		return false
	}
	for _, device := range [...]string{everyDevice, in.Device} {
		if at, ok := a.revoked[device]; ok && !in.Since.After(at) {
			return true
		}
	}
	return false
}

// replaceOlder ends the other sessions of the device (XEP-0386 section 3.2): its client has begun anew.
func (a *Account) replaceOlder(w *Work, in *Entrance) {
	if in == nil || in.Bind == "" || in.Device == "" {
		return
	}
	for _, old := range slices.Clone(a.sessions) {
		if old.Device == in.Device {
			a.cut(old, closing(LostReplaced))
			a.end(w, old, LostReplaced)
		}
	}
}

// travel is an entrance on its way to the node that owns the account; empty for none.
func (e *Entrance) travel() string {
	if e == nil {
		return ""
	}
	b, err := json.Marshal(e)
	if err != nil {
		return "" // there is nothing in it that cannot be written
	}
	return string(b)
}

// arrived is what travelled; nil when there was none.
func arrived(text string) *Entrance {
	e := new(Entrance)
	if json.Unmarshal([]byte(text), e) != nil {
		return nil
	}
	return e
}
