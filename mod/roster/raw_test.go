package roster

import (
	"context"
	"sync"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// rawSink records bytes as they come.
type rawSink struct {
	mu  sync.Mutex
	all []byte
}

func (r *rawSink) Write(p []byte) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, p...)
	return true, nil
}

func (r *rawSink) Close(*stanza.StreamError) {}

func (r *rawSink) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.all)
}

// bindTo is bind with another sink.
func (v *world) bindTo(account, resource string, sink core.Sink) *rawClient {
	v.Helper()
	c := &rawClient{world: v, w: core.NewWork(v.pool), sink: sink}
	s, err := v.host.Bind(context.Background(), c.w, core.Binding{
		Account: jid.MustParse(account), Resource: resource, Sink: sink, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	return c
}

type rawClient struct {
	*world
	s    *core.Session
	w    *core.Work
	sink core.Sink
}

func (c *rawClient) send(xml string) {
	c.Helper()
	st, err := stanza.Parse(xml)
	if err != nil {
		c.Fatal(err)
	}
	if se := c.s.Receive(c.w, c.sink, st); se != nil {
		c.Fatal(se.Condition)
	}
	c.w.Run()
}
