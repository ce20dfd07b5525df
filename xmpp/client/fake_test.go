package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

const (
	domain   = "example.net"
	password = "s3cret"
)

// fakeServer is a receiving side with one account per name, made of package
// stream. It manages streams as XEP-0198 says, and can be told to misbehave.
type fakeServer struct {
	t    *testing.T
	l    net.Listener
	cred sasl.Credential

	mu       sync.Mutex
	sessions map[string]*fakeSession // by SM-ID
	seq      int
	forget   bool // refuse to resume
	tooHigh  bool // find the count of who resumes impossible
	silent   bool // do not answer <r/>
	plain    bool // no stream management
	handle   func(s *fakeSession, st *stanza.Stanza)
}

// fakeSession is one bound resource.
type fakeSession struct {
	srv     *fakeServer
	id      string
	jid     jid.JID
	conn    *stream.Conn
	managed bool

	handled  uint32
	sent     uint32
	unacked  []*stanza.Stanza
	received []*stanza.Stanza
	ended    error // how its connection ended; nil while it stands
}

func newFake(t *testing.T) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := sasl.NewCredential(sasl.SHA256, password, sasl.NewSalt(), sasl.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{t: t, l: l, cred: cred, sessions: map[string]*fakeSession{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(nc)
		}
	}()
	return f
}

func (f *fakeServer) config() Config {
	return Config{
		JID: jid.MustParse("juliet@" + domain), Password: password, Resource: "balcony",
		Address: f.l.Addr().String(), AllowCleartext: true, StreamManagement: true,
	}
}

func (f *fakeServer) dial(cfg Config) *Client {
	f.t.Helper()
	c, err := Dial(deadline(f.t), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// locked runs f while no session does anything.
func (f *fakeServer) locked(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fakeServer) serve(nc net.Conn) {
	defer nc.Close()
	conn := stream.NewConn(nc, stream.Options{Limits: stream.AfterLogin()})
	me := jid.MustParse(domain)
	open := func(features string) error {
		if _, err := conn.ReadHeader(); err != nil {
			return err
		}
		return conn.SendHeader(stream.Header{From: me, ID: stream.NewID()}, features)
	}
	if open(stream.Mechanisms([]string{sasl.ScramSHA256}, nil)) != nil {
		return
	}
	auth, err := conn.Read()
	if err != nil {
		return
	}
	lookup := func(string, sasl.Hash) (sasl.Credential, bool, error) { return f.cred, true, nil }
	srv, err := conn.AnswerSASL(auth, func(m string) (*sasl.Server, error) {
		return sasl.NewServer(m, lookup, sasl.Options{Secret: []byte("0123456789abcdef")})
	})
	if err != nil {
		return
	}
	conn.Restart()
	features := "<bind xmlns='" + ns.Bind + "'/>"
	if !f.plain {
		features += "<sm xmlns='" + ns.StreamManagement + "'/>"
	}
	if open(features) != nil {
		return
	}
	f.read(&fakeSession{srv: f, conn: conn, jid: jid.MustParse(srv.Username() + "@" + domain)})
}

func (f *fakeServer) read(s *fakeSession) {
	for {
		st, err := s.conn.Read()
		f.mu.Lock()
		if err != nil {
			s.ended = err
			f.mu.Unlock()
			s.conn.CloseStream(err == io.EOF, nil)
			return
		}
		s = f.take(s, st)
		f.mu.Unlock()
	}
}

// take handles one element; mu is held.
func (f *fakeServer) take(s *fakeSession, st *stanza.Stanza) *fakeSession {
	switch {
	case st.Local == "enable":
		f.seq++
		s.id, s.managed, s.handled, s.sent = fmt.Sprintf("sm-%d", f.seq), true, 0, 0
		f.sessions[s.id] = s
		s.conn.SendXML("<enabled xmlns='" + ns.StreamManagement + "' resume='true' id='" + s.id + "'/>")
	case st.Local == "resume":
		return f.resume(s, st)
	case st.Local == "r":
		if !f.silent {
			s.conn.Write(stream.AppendAck(nil, s.handled))
		}
	case st.Local == "a":
		h, _ := stream.Handled(st)
		s.unacked = s.unacked[len(s.unacked)-int(s.sent-h):]
	case st.Has(ns.Bind, "bind"):
		s.jid, _ = s.jid.WithResource("balcony")
		s.conn.Send(stanza.Result(st, "<bind xmlns='"+ns.Bind+"'><jid>"+s.jid.String()+"</jid></bind>"))
	default:
		s.handled++
		s.received = append(s.received, st)
		if f.handle != nil {
			f.handle(s, st)
		}
	}
	return s
}

func (f *fakeServer) resume(s *fakeSession, st *stanza.Stanza) *fakeSession {
	id, _ := st.Attr("previd")
	old := f.sessions[id]
	if f.tooHigh {
		s.conn.End(&stanza.StreamError{
			Condition: stanza.StreamUndefinedCondition, App: "<handled-count-too-high xmlns='" + ns.StreamManagement + "' h='9' send-count='0'/>",
		})
		return s
	}
	if old == nil || f.forget {
		h := ""
		if old != nil {
			h = fmt.Sprintf(" h='%d'", old.handled)
		}
		s.conn.SendXML("<failed xmlns='" + ns.StreamManagement + "'" + h + "><item-not-found xmlns='" + ns.StanzaErrors + "'/></failed>")
		return s
	}
	h, _ := stream.Handled(st)
	old.unacked = old.unacked[len(old.unacked)-int(old.sent-h):]
	old.conn = s.conn
	s.conn.SendXML(fmt.Sprintf("<resumed xmlns='%s' previd='%s' h='%d'/>", ns.StreamManagement, id, old.handled))
	for _, st := range old.unacked {
		s.conn.Send(st)
	}
	return old
}

// send sends a stanza to the client; mu is held.
func (s *fakeSession) send(xml string) {
	st, err := stanza.Parse(xml)
	if err != nil {
		s.srv.t.Errorf("%s: %v", xml, err)
		return
	}
	s.sent++
	s.unacked = append(s.unacked, st)
	s.conn.Send(st)
}

// bodies lists the bodies that a session has received; mu is held.
func (s *fakeSession) bodies() []string {
	var out []string
	for _, st := range s.received {
		if b, ok := st.Child(ns.Client, "body"); ok {
			out = append(out, b.Text())
		}
	}
	return out
}

// only returns the session with that SM-ID.
func (f *fakeServer) session(id string) *fakeSession {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[id]
	if s == nil {
		f.t.Fatalf("no session %s", id)
	}
	return s
}
