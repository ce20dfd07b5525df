package server_test

import (
	"crypto/tls"
	"encoding/base64"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

const agentID = "d4565fa7-4d72-4749-b3d3-740edbf87770"

// wire is a client that says what it is told to.
type wire struct {
	t        *testing.T
	conn     *stream.Conn
	features *stanza.Stanza
	bindings []sasl.Binding
}

// wire connects by direct TLS and reads the features that a client gets which says to be from.
func (r *running) wire(from string) *wire {
	r.t.Helper()
	w := r.connected()
	w.send(header(r.domain, from))
	w.readHeader()
	return w
}

func header(to, from string) string {
	h := "<stream:stream to='" + to + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
	if from != "" {
		h += " from='" + from + "'"
	}
	return h + ">"
}

// connected is wire before anything is said.
func (r *running) connected() *wire {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.Addresses("c2s_tls")[0].String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	tc, err := stream.ClientTLS(r.t.Context(), stream.NewTransport(nc), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		r.t.Fatal(err)
	}
	w := &wire{t: r.t, conn: stream.NewConn(tc, stream.Options{Initiating: true})}
	w.bindings = w.conn.Bindings(nil)
	if err := w.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (w *wire) readHeader() {
	w.t.Helper()
	if _, err := w.conn.ReadHeader(); err != nil {
		w.t.Fatal(err)
	}
	w.features = w.read("features")
}

func (w *wire) send(xml string) {
	w.t.Helper()
	if err := w.conn.SendXML(xml); err != nil {
		w.t.Fatal(err)
	}
}

// read is the next element, which must have that name.
func (w *wire) read(local string) *stanza.Stanza {
	w.t.Helper()
	st, err := w.conn.Read()
	if err != nil {
		w.t.Fatalf("%v instead of %s", err, local)
	}
	if st.Local != local {
		w.t.Fatalf("%s instead of %s", st.Raw(), local)
	}
	return st
}

// broken is the stream error that comes next.
func (w *wire) broken() stanza.StreamCondition {
	w.t.Helper()
	st, err := w.conn.Read()
	peer, ok := err.(*stream.PeerError)
	if !ok {
		w.t.Fatalf("%v, %v instead of a stream error", st, err)
	}
	return peer.Err.Condition
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// authenticate is the element with what else it holds.
func authenticate(mechanism string, initial []byte, more string) string {
	return "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='" + mechanism + "'><initial-response>" + b64(initial) + "</initial-response>" + more + "</authenticate>"
}

func userAgent(id string) string {
	return "<user-agent id='" + id + "'><software>Conversations</software><device>Kiva&apos;s Phone</device></user-agent>"
}

// login proves a password by SCRAM and returns what comes then: success, continue or failure.
func (w *wire) login(name, password, mechanism, more string) *stanza.Stanza {
	w.t.Helper()
	login := sasl.Login{Username: name, Password: password, NeedHash: true, ServerBindings: []string{sasl.TLSExporter, sasl.TLSServerEndPoint}}
	if strings.HasSuffix(mechanism, "-PLUS") {
		login.Bindings = w.bindings
	}
	o, _ := stream.ParseSASL2Offer(w.features)
	c, err := sasl.NewClient(o.Mechanisms, login)
	if err != nil || c.Mechanism() != mechanism {
		w.t.Fatalf("%s is not the best of %q: %v", mechanism, o.Mechanisms, err)
	}
	w.send(authenticate(mechanism, c.Start(), more))
	st, err := w.conn.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	if st.Local != "challenge" {
		return st
	}
	response, err := c.Next(data(w.t, st.Inner()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.send("<response xmlns='urn:xmpp:sasl:2'>" + b64(response) + "</response>")
	if st, err = w.conn.Read(); err != nil {
		w.t.Fatal(err)
	}
	if extra, ok := st.Child(ns.SASL2, "additional-data"); ok {
		if err := c.Finish(data(w.t, extra.Text())); err != nil {
			w.t.Fatal(err)
		}
	}
	return st
}

func data(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// byToken logs in with a token and returns what comes then.
func (w *wire) byToken(name, mechanism, token, more string) *stanza.Stanza {
	w.t.Helper()
	c, err := sasl.NewTokenClient(mechanism, token, sasl.Login{Username: name, Bindings: w.bindings})
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(authenticate(mechanism, c.Start(), more))
	st, err := w.conn.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	if extra, ok := st.Child(ns.SASL2, "additional-data"); ok {
		if err := c.Finish(data(w.t, extra.Text())); err != nil {
			w.t.Fatal(err)
		}
	}
	return st
}

var (
	tokenOf      = regexp.MustCompile(`<token xmlns='urn:xmpp:fast:0' expiry='([^']+)' token='([^']+)'/>`)
	identifierOf = regexp.MustCompile(`<authorization-identifier>([^<]*)</authorization-identifier>`)
	enabledOf    = regexp.MustCompile(`<enabled xmlns='urn:xmpp:sm:3' id='([^']+)'`)
	conditionOf  = regexp.MustCompile(`<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
)

func first(re *regexp.Regexp, st *stanza.Stanza) string {
	m := re.FindStringSubmatch(st.Raw())
	if m == nil {
		return ""
	}
	return m[len(m)-1]
}
