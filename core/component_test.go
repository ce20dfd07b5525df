package core_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// recorder is a component's connection.
type recorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *recorder) Write(p []byte) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	return true, nil
}

func (*recorder) Close(*stanza.StreamError) {}

func (r *recorder) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// TestComponentSeesNothingBeforeItIsDurable: neither a message that is kept, nor what comes behind it to the same address; and no stanza is acknowledged before
// the component's connection has taken it.
func TestComponentSeesNothingBeforeItIsDurable(t *testing.T) {
	var disk store.Promise
	gate := jid.MustParse("irc.example.org")
	x := build(t, []string{"juliet"}, func(h *core.Host, _ *sqlstore.DB) {
		h.ServeComponent(gate, 1<<20, core.Privileges{})
		h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
			if e.Stanza.ID == "kept" {
				e.Wait(disk.Ticket())
			}
			return core.Next
		})
	})
	juliet := x.online("juliet", "j")
	h := juliet.session.Account.Host
	r := &recorder{}
	w := core.NewWork(h.Pool())
	link, err := h.Router.Component(gate.Domain()).Connect(w, r)
	if err != nil {
		t.Fatal(err)
	}
	juliet.say("<message to='a@irc.example.org' id='kept'><body>1</body></message>", "<presence to='a@irc.example.org' id='behind'/>")
	juliet.fence()
	if got := r.got(); got != "" {
		t.Fatalf("before it may be written to: %s", got)
	}
	link.Writable(w)
	w.Run()
	juliet.fence()
	if got := r.got(); got != "" {
		t.Fatalf("before it was durable: %s", got)
	}
	disk.Settle(nil)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.got(), "id='behind'"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it has got %s", r.got())
		}
	}
	if got := r.got(); strings.Index(got, "id='kept'") > strings.Index(got, "id='behind'") {
		t.Errorf("overtaken: %s", got)
	}
	link.End(w)
	w.Run()
}
