package activity

import (
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// unavailable remembers the words of the last goodbye.
func (x *activity) unavailable(e *core.Event) {
	c, _ := e.Stanza.Child(ns.Client, "status")
	x.lives.Of(e.Account).status = xmltok.Clip(c.Text(), maxStatus)
}

// gone keeps when the account was there last: when its last session has ended, or waits on disk and the process may be next. Whoever lost the
// line was there as long as the line was, whatever contacts were told until its time was over. Nothing waits for the disk.
func (x *activity) gone(e *core.Event) {
	a, s := e.Account, e.Session
	if !a.Exists {
		return
	}
	v := x.lives.Of(a)
	at := s.LostAt()
	if at.IsZero() {
		at = x.host.Now()
	}
	if at.After(v.left) {
		v.left = at
	}
	for _, other := range a.Sessions() {
		if other != s {
			return
		}
	}
	seen := store.LastSeen{At: v.left, Status: v.status, Shown: v.seen.Shown}
	if v.known && v.seen == seen {
		return
	}
	v.seen = seen
	x.store.SetLastSeen(a.ID, v.left, v.status).Done(func(err error) {
		if err != nil {
			x.obs.Log.Warn("last activity not kept", obs.JID, a.JID.String(), obs.Err, err)
		}
	})
}
