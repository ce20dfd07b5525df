package core

import (
	"strconv"
	"time"

	"stonechat/obs"
	"stonechat/xmpp/ns"
)

// This file is what of stream management an outbox has to do (XEP-0198): it counts what it sends, asks what has arrived, and tells what has.

// manage adds what stream management has to say: an answer that grew, and a question.
func (o *Outbox) manage(b []byte) []byte {
	if o.tell {
		o.tell = false
		b = appendCount(b, "a", o.handled)
	}
	if !o.managed || o.asked || len(o.unacked) == 0 {
		return b
	}
	if o.askSoon || len(o.unacked) >= askAfter {
		o.asked, o.askSoon = true, false
		return append(b, "<r xmlns='"+ns.StreamManagement+"'/>"...)
	}
	if o.timer == nil {
		o.timer = time.AfterFunc(askDelay, o.ask)
	}
	return b
}

// ask is the timer's: some stanzas were sent a while ago and nobody asked about them.
func (o *Outbox) ask() {
	o.session.Account.Host.pool.Do(func(w *Work) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.timer = nil
		if o.managed && !o.asked && len(o.unacked) > 0 {
			o.askSoon = true
			o.mark(w)
			o.nudge()
		}
	})
}

// nudge makes a flush happen although the queue is empty: manage adds the question.
func (o *Outbox) nudge() {
	if len(o.queue) == 0 {
		o.queue = append(o.queue, item{})
	}
}

// acknowledge has an <a/> sent, because the client asked or because the count grew after it did. Whoever counted may come late, and the
// count never goes back.
func (o *Outbox) acknowledge(w *Work, handled uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.enabled {
		return
	}
	o.tell = true
	if int32(handled-o.handled) > 0 {
		o.handled = handled
	}
	o.nudge()
	o.mark(w)
}

// acknowledged takes the client's count. It returns false when it is more than was sent (XEP-0198 section 4).
func (o *Outbox) acknowledged(w *Work, h uint32) bool {
	possible, watched := o.forget(w, h)
	for _, x := range watched {
		x.Hop(obs.Span{Name: "Outbox.acknowledged", Owner: o.session.JID.String()})
	}
	return possible
}

// forget drops what the client has, and returns what somebody watches of it.
func (o *Outbox) forget(w *Work, h uint32) (possible bool, watched []*obs.Traced) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := h - o.acked // modulo 2^32
	if uint64(n) > uint64(len(o.unacked)) {
		// An older count says nothing new. One from before the count began again at zero is taken for one too high, once in 2^32 stanzas.
		o.asked = o.asked && h >= o.acked
		return h < o.acked, nil
	}
	for i := range o.unacked[:n] {
		o.heldback -= o.unacked[i].size
		if x := o.unacked[i].trace; x != nil {
			watched = append(watched, x)
		}
	}
	clear(o.unacked[:n])
	if o.unacked = o.unacked[n:]; len(o.unacked) == 0 {
		o.unacked = nil
	}
	o.acked, o.exact = h, true
	o.asked = false
	if len(o.unacked) >= askAfter {
		o.askSoon = true
		o.nudge()
	}
	if len(o.queue) > 0 {
		o.mark(w) // to ask, or because a source has waited for this
	}
	return true, watched
}

// manageFrom switches stream management on: counting starts with the first stanza behind <enabled/> (XEP-0198 section 4).
func (o *Outbox) manageFrom(w *Work, enabled string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.enabled = true
	o.queue = append(o.queue, item{raw: enabled, size: len(enabled), from: true})
	o.bytes += len(enabled)
	o.mark(w)
}

// sentCount is how many stanzas were sent since stream management was enabled.
func (o *Outbox) sentCount() uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acked + o.sent()
}

func appendCount(b []byte, name string, h uint32) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, " xmlns='"+ns.StreamManagement+"' h='"...)
	b = strconv.AppendUint(b, uint64(h), 10)
	return append(b, "'/>"...)
}
