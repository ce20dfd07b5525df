package c2s

import (
	"fmt"
	"testing"
	"time"

	"stonechat/config"
)

// A client that nobody looks at is left alone for a time of its own: here it is pinged because of that one, since the other is too long.
func TestInactiveClientsPing(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.cfg.Limits.IdlePing, r.cfg.Limits.IdlePingInactive = config.Duration(time.Hour), config.Duration(10*time.Millisecond)
	})
	client, c := r.bound("")
	c.stream.SetReadTimeout(c.patience())
	c.attend()
	if c.patience() != time.Hour {
		t.Errorf("an active client is left alone for %s", c.patience())
	}
	if _, err := fmt.Fprint(client, "<inactive xmlns='urn:xmpp:csi:0'/>"); err != nil {
		t.Fatal(err)
	}
	if err := client.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	readUntil(t, client, "<ping xmlns='urn:xmpp:ping'/>")
	if !c.session.Inactive() {
		t.Error("not known as inactive")
	}
}
