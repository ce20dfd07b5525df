package displayed

import (
	"context"
	"errors"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// node is a publisher with one node.
type node struct {
	access  string
	outcome error
	got     map[string]string
}

func (n *node) Publish(_ *core.Work, _ *core.Account, name, item, payload string, _ map[string]string) store.Ticket {
	n.got[name+" "+item] = payload
	return store.Settled(n.outcome)
}

func (n *node) Retract(*core.Work, *core.Account, string, string) store.Ticket { return store.Ticket{} }

func (n *node) Items(context.Context, *core.Account, string) ([]store.NodeItem, error) {
	return nil, nil
}
func (n *node) Access(*core.Account, string) string { return n.access }

// What becomes of a message with a mark: the mark is always taken out, and is no reason for an error unless the disk is.
func TestMarks(t *testing.T) {
	mark := "<displayed xmlns='" + ns.Displayed + "'><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' id='1'/></displayed>"
	broken := errors.New("broken")
	for name, x := range map[string]struct {
		inner, access string
		outcome, want error
		kept, left    string
	}{
		"beside a marker":            {inner: mark + "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>", kept: mark, left: "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>"},
		"twice":                      {inner: mark + "<body>x</body>" + mark, kept: mark, left: "<body>x</body>"},
		"none":                       {inner: "<body>x</body>", left: "<body>x</body>"},
		"a private node":             {inner: "<body>x</body>" + mark, access: "whitelist", kept: mark, left: "<body>x</body>"},
		"a node that others read":    {inner: "<body>x</body>" + mark, access: "presence", left: "<body>x</body>"},
		"no room for it":             {inner: "<body>x</body>" + mark, outcome: stanza.NewError(stanza.ResourceConstraint, ""), kept: mark, left: "<body>x</body>"},
		"a disk that does not write": {inner: "<body>x</body>" + mark, outcome: broken, want: broken, kept: mark, left: "<body>x</body>"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, p := config.Default(), &node{access: x.access, outcome: x.outcome, got: map[string]string{}}
			h := core.NewHost(jid.MustParse("example.org"), core.Parts{Config: &cfg, Obs: obs.Discard(), Router: core.NewRouter(), Metrics: core.NewMetrics(obs.Discard())})
			t.Cleanup(h.Close)
			h.Ports.Publisher = p
			m := New(nil, obs.Discard())
			m.Install(h)
			st, err := stanza.Parse("<message to='Romeo@example.org' type='chat'>" + x.inner + "</message>")
			if err != nil {
				t.Fatal(err)
			}
			e := &core.Event{Host: h, Account: &core.Account{Host: h, ID: 1, JID: jid.MustParse("juliet@example.org")}, Stanza: st}
			if v := m.sending(e); v != core.Next || e.Stanza.Inner() != x.left {
				t.Errorf("verdict %v, and %s goes on", v, e.Stanza.Inner())
			}
			if got := p.got[ns.Displayed+" romeo@example.org"]; got != x.kept {
				t.Errorf("published: %q", got)
			}
			if x.kept == "" {
				return
			}
			if done, err := m.publish(e, "romeo@example.org", x.kept).Outcome(); !done || !errors.Is(err, x.want) || (err != nil) != (x.want != nil) {
				t.Errorf("outcome %v, want %v", err, x.want)
			}
		})
	}
}
