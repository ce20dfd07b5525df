package commands

import (
	"testing"
	"time"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// A session id is good for the one who got it, for that command, and for a while.
func TestSessionIDs(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	x := &adhoc{host: &core.Host{Now: func() time.Time { return now }}, key: []byte("a key of this process")}
	me, other := jid.MustParse("me@example.org/x"), jid.MustParse("me@example.org/y")
	id := x.id("node", me)
	if err := x.check(id, "node", me); err != nil {
		t.Errorf("my own: %v", err)
	}
	bad := map[string]*stanza.Error{
		"of another session": x.check(id, "node", other), "of another command": x.check(id, "nod", me), "no id": x.check("", "node", me), "cut": x.check(id[:20], "node", me),
		"a byte changed": x.check("A"+id[1:len(id)-1]+"A", "node", me),
	}
	for what, err := range bad {
		if err == nil || err.Condition != stanza.BadRequest {
			t.Errorf("%s: %v", what, err)
		}
	}
	now = now.Add(sessionLife + time.Second)
	if err := x.check(id, "node", me); err == nil || err.Condition != stanza.NotAllowed {
		t.Errorf("too late: %v", err)
	}
}
