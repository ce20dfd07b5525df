package strangers

import (
	"strings"
	"sync"
	"testing"

	"stonechat/config"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// lateDisk keeps messages of strangers when it is told to.
type lateDisk struct {
	store.Strangers
	mu    sync.Mutex
	later []func()
}

func (d *lateDisk) AddWaiting(owner store.Owner, sender jid.JID, stanza []byte) store.Ticket {
	p := new(store.Promise)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.later = append(d.later, func() { d.Strangers.AddWaiting(owner, sender, stanza).Done(p.Settle) })
	return p.Ticket()
}

func (d *lateDisk) write() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.later {
		f()
	}
	d.later = nil
}

// What a stranger has said is given also when the two meet while it is on its way to the disk.
func TestOnTheWayToTheDisk(t *testing.T) {
	v := newWorld(t, func(*config.Config) {})
	disk := &lateDisk{Strangers: v.module.Strangers}
	v.module.Strangers = disk
	c := v.online()
	v.arrives("iago@example.net/x", body("one"))
	v.arrives("emilia@example.net/x", body("two"))
	c.send("<message type='chat' to='iago@example.net'>" + body("who?") + "</message>")
	c.ask("set", "<accept xmlns='"+Space+"' jid='emilia@example.net'/>")
	v.settle()
	disk.write()
	v.await(func() bool { return c.find("one") != "" && c.find("two") != "" }, "what was on its way")
	v.settle()
	if n := v.waiting(); n != 0 {
		t.Errorf("%d left", n)
	}
	if n := v.count(c, "one"); n != 1 {
		t.Errorf("given %d times", n)
	}
}

func (v *world) count(c *client, part string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.got {
		if strings.Contains(x, body(part)) {
			n++
		}
	}
	return n
}
