package c2s

import (
	"context"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/xmpp/stanza"
)

// Before log-in the rows of core's table are answered, and nothing else; who has a form to fill in gets the time for it.
func TestEarly(t *testing.T) {
	for _, x := range []struct {
		name, send, want string
		patience         time.Duration
	}{
		{"a row", "<iq type='get' id='1' to='example.org'><form xmlns='urn:example'/></iq>", "id='1' type='result'><form xmlns='urn:example'/></iq>", 0},
		{"its other type", "<iq type='set' id='1' to='example.org'><form xmlns='urn:example'/></iq>", "<not-authorized ", 0},
		{"to somebody else", "<iq type='get' id='1' to='juliet@example.org'><form xmlns='urn:example'/></iq>", "<not-authorized ", 0},
		{"no id", "<iq type='get'><form xmlns='urn:example'/></iq>", "<bad-request ", 0},
		{"a result", "<iq type='result' id='1'/>", "<not-authorized ", 0},
		{"too late", "<iq type='get' id='1'><form xmlns='urn:example'/></iq>", "<connection-timeout ", 0},
		{"patience", "<iq type='get' id='1'><form xmlns='urn:example'/></iq>", "", time.Hour},
	} {
		r := newRig(t, func(r *rig) {
			r.cfg.Limits.LoginTime = config.Duration(300 * time.Millisecond)
			r.host.Early.Handle(core.EarlyIQ{Space: "urn:example", Local: "form", Type: stanza.Get, Action: core.ActJoin, Do: func(_ context.Context, s *core.Stranger, _ *stanza.Stanza) (string, error) {
				s.Patience = x.patience
				return "<form xmlns='urn:example'/>", nil
			}})
			r.host.Hooks.Features = append(r.host.Hooks.Features, core.Hook[func(core.Stage, *core.Stranger) string]{Do: func(s core.Stage, who *core.Stranger) string {
				if s != core.BeforeLogin || who == nil {
					return ""
				}
				return "<form xmlns='urn:example:feature'/>"
			}})
		})
		client, server, c := r.accept()
		go c.serve(arrival{nc: server, how: directTLS})
		nc := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
		if _, err := io.WriteString(nc, header+x.send); err != nil {
			t.Fatal(err)
		}
		said, enough := "", x.want
		if x.patience > 0 {
			enough = "nothing ends it"
			_ = nc.SetReadDeadline(time.Now().Add(time.Second))
		} else {
			_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		}
		for buf := make([]byte, 4096); !strings.Contains(said, enough); {
			n, err := nc.Read(buf)
			said += string(buf[:n])
			if err != nil {
				break
			}
		}
		if !strings.Contains(said, "<form xmlns='urn:example:feature'/>") || !strings.Contains(said, x.want) {
			t.Errorf("%s: %s", x.name, said)
		}
		if x.patience > 0 && (strings.Contains(said, "timeout") || !strings.Contains(said, "type='result'")) {
			t.Errorf("%s: %s", x.name, said)
		}
		_ = nc.Close()
	}
}
