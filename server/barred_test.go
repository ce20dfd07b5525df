package server_test

import (
	"testing"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// halfway is a client that has proven its password and has no session yet; come finishes its log-in, and tells how that ended.
type halfway struct {
	name string
	come func() string
}

// ended is what a client hears that asked for a session.
func (w *wire) ended() string {
	w.t.Helper()
	for {
		st, err := w.conn.Read()
		peer, refused := err.(*stream.PeerError)
		switch {
		case refused:
			return string(peer.Err.Condition)
		case err != nil:
			return err.Error()
		case st.Local == "failure":
			return first(conditionOf, st)
		case st.Local == "success" || st.Kind == stanza.IQ:
			return "a session"
		}
	}
}

const bindIQ = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"

// halfways are bob, on his way in by his old password, in each of the ways there are.
func (r *running) halfways() []halfway {
	r.t.Helper()
	proof := func(w *wire, element func(mechanism string, initial []byte) string, space string) (answer string) {
		r.t.Helper()
		offer, _ := stream.ParseSASL2Offer(w.features) // without channel binding both profiles have the same list
		c, err := sasl.NewClient(offer.Mechanisms, sasl.Login{Username: "bob", Password: password})
		if err != nil {
			r.t.Fatal(err)
		}
		w.send(element(c.Mechanism(), c.Start()))
		response, err := c.Next(data(r.t, w.read("challenge").Inner()))
		if err != nil {
			r.t.Fatal(err)
		}
		return "<response xmlns='" + space + "'>" + b64(response) + "</response>"
	}
	classic := func(mechanism string, initial []byte) string {
		return "<auth xmlns='" + ns.SASL + "' mechanism='" + mechanism + "'>" + b64(initial) + "</auth>"
	}
	modern := func(more string) func(string, []byte) string {
		return func(mechanism string, initial []byte) string { return authenticate(mechanism, initial, more) }
	}
	restart := func(w *wire) {
		r.t.Helper()
		w.conn.Restart()
		w.send(header(r.domain, ""))
		w.readHeader()
	}

	one := r.wire("")
	one.send(proof(one, classic, ns.SASL))
	one.read("success")
	restart(one)

	two := r.wire("")
	half := proof(two, classic, ns.SASL)

	three := r.wire("")
	three.send(proof(three, modern(""), ns.SASL2))
	three.read("success")
	three.read("features")

	four := r.wire("")
	whole := proof(four, modern("<bind xmlns='urn:xmpp:bind:0'/>"), ns.SASL2)

	return []halfway{
		{"classic, no resource yet", func() string { one.send(bindIQ); return one.ended() }},
		{"classic, proof still to come", func() string {
			two.send(half)
			if st, err := two.conn.Read(); err != nil || st.Local != "success" {
				return "no success"
			}
			restart(two)
			two.send(bindIQ)
			return two.ended()
		}},
		{"in one step, no resource yet", func() string { three.send(bindIQ); return three.ended() }},
		{"in one step, proof still to come", func() string { four.send(whole); return four.ended() }},
	}
}

// Whoever is shut out while a log-in is under way does not come in by it: being disabled, and a password that was reset, end every session
// there is, and a connection that is about to get one is no session yet.
func TestWhoIsShutOutDoesNotComeInBehind(t *testing.T) {
	for what, shut := range map[string]func(*running){
		"disabled": func(r *running) { r.ctl("PUT", "/users/bob/disabled", `{"disabled":true}`, nil) },
		"reset": func(r *running) {
			var reset link
			r.ctl("POST", "/users/bob/reset", "", &reset)
			if _, err := r.enter("bob", "a third good one", reset.token(r.t), nil); err != nil {
				r.t.Fatal(err)
			}
		},
		"another of that name": func(r *running) {
			r.ctl("DELETE", "/users/bob?now=1", nil, nil)
			r.ctl("POST", "/users", map[string]string{"name": "bob", "password": "a third good one"}, nil)
			r.dial("bob", func(c *client.Config) { c.Password = "a third good one" })
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := joining(t, "closed", func(c *config.Config) { c.Login.ChannelBinding = "off" })
			list := r.halfways()
			shut(r)
			for _, h := range list {
				if got := h.come(); got == "a session" {
					t.Errorf("%s: %s", h.name, got)
				}
			}
		})
	}
}

// A session that lies on disk behind a restart ends with its device, with a reset, and with its account's being disabled: it cannot be resumed
// by the password either.
func TestWhoIsShutOutHasNoSessionOnDisk(t *testing.T) {
	for what, shut := range map[string]func(r *running){
		"device": func(r *running) {
			var list []struct{ ID string }
			r.ctl("GET", "/users/bob/devices", nil, &list)
			if len(list) != 1 {
				r.t.Fatalf("devices %v", list)
			}
			var answer struct{ Ended int }
			r.ctl("DELETE", "/users/bob/devices/"+list[0].ID, nil, &answer)
			if answer.Ended != 1 {
				r.t.Errorf("%d sessions ended", answer.Ended)
			}
		},
		"all devices": func(r *running) { r.ctl("DELETE", "/users/bob/devices", nil, nil) },
		"disabled": func(r *running) {
			r.ctl("PUT", "/users/bob/disabled", `{"disabled":true}`, nil)
			r.ctl("PUT", "/users/bob/disabled", `{"disabled":false}`, nil)
		},
		"nothing": func(*running) {},
	} {
		t.Run(what, func(t *testing.T) {
			r := start(t, joinDomain)
			w := r.wire("")
			ok := w.login("bob", password, sasl.ScramSHA512Plus, userAgent(agentID)+conversationsBind)
			id := first(enabledOf, ok)
			w.read("features")
			w.conn.Close()
			r.stop()
			r = open(t, joinDomain, r.data)
			shut(r)
			w = r.wire("")
			ok = w.login("bob", password, sasl.ScramSHA512Plus, userAgent(agentID)+"<resume xmlns='urn:xmpp:sm:3' previd='"+id+"' h='0'/>")
			if id == "" || ok.Has(ns.StreamManagement, "resumed") != (what == "nothing") {
				t.Errorf("resumed: %s", ok.Raw())
			}
		})
	}
}

// A device that more recent ones have pushed out of the list is thrown out with all of them.
func TestAllDevicesAreThoseOfSessions(t *testing.T) {
	r := startWith(t, "example.org", func(c *config.Config) { c.Login.Devices = 1 })
	one, two := r.wire(""), r.wire("")
	for w, id := range map[*wire]string{one: agentID, two: "11111111-2222-4333-8444-555555555555"} {
		if ok := w.login("bob", password, sasl.ScramSHA512Plus, userAgent(id)+"<bind xmlns='urn:xmpp:bind:0'/>"); ok.Local != "success" {
			t.Fatal(ok.Raw())
		}
		w.read("features")
	}
	var answer struct{ Ended int }
	r.ctl("DELETE", "/users/bob/devices", nil, &answer)
	if answer.Ended != 2 {
		t.Errorf("%d sessions ended", answer.Ended)
	}
}
