package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

const (
	domain   = "example.net"
	password = "s3cret"
)

// certificate makes a throw-away certificate for the test domain.
func certificate(t testing.TB) (server *tls.Config, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{domain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{ALPNClient}, SessionTicketsDisabled: true,
	}, roots
}

// sockets returns both ends of a loopback TCP connection.
func sockets(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// receiver is a minimal receiving side, built from the package's own parts.
type receiver struct {
	tls    *tls.Config
	direct bool
	cred   sasl.Credential
	sm     string // id to give out, "" to refuse management
	inject string // sent in the clear behind <proceed/>
}

func newReceiver(t testing.TB, cfg *tls.Config) *receiver {
	t.Helper()
	cred, err := sasl.NewCredential(sasl.SHA256, password, sasl.NewSalt(), sasl.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{tls: cfg, cred: cred, sm: "resume-me"}
}

func (r *receiver) lookup(user string, h sasl.Hash) (sasl.Credential, bool, error) {
	return r.cred, user == "juliet" && h == sasl.SHA256, nil
}

// accept negotiates up to a bound resource and, if asked for, management.
func (r *receiver) accept(nc net.Conn) (*Conn, error) {
	ctx := context.Background()
	t := NewTransport(nc)
	var c *Conn
	if r.direct {
		tc, err := ServerTLS(ctx, t, r.tls)
		if err != nil {
			return nil, err
		}
		c = NewConn(tc, Options{})
	} else {
		c = NewConn(t, Options{})
	}
	me := jid.MustParse(domain)
	if r.tls != nil && !r.direct {
		if err := r.startTLS(ctx, c, me); err != nil {
			return c, err
		}
	}
	return c, r.serve(c)
}

// serve negotiates behind TLS.
func (r *receiver) serve(c *Conn) error {
	me := jid.MustParse(domain)
	if err := r.login(c, me); err != nil {
		return err
	}
	if _, err := c.ReadHeader(); err != nil {
		return err
	}
	features := "<bind xmlns='" + ns.Bind + "'/><sm xmlns='" + ns.StreamManagement + "'/>"
	if err := c.SendHeader(Header{From: me, ID: NewID()}, features); err != nil {
		return err
	}
	return r.begin(c)
}

func (r *receiver) startTLS(ctx context.Context, c *Conn, me jid.JID) error {
	if _, err := c.ReadHeader(); err != nil {
		return err
	}
	if err := c.SendHeader(Header{From: me, ID: NewID()}, "<starttls xmlns='"+ns.TLS+"'><required/></starttls>"); err != nil {
		return err
	}
	if st, err := c.Read(); err != nil || st.Local != "starttls" {
		return errors.Join(err, errors.New("no starttls"))
	}
	if r.inject != "" {
		return c.SendXML(proceed + r.inject)
	}
	return c.StartTLS(ctx, r.tls)
}

func (r *receiver) login(c *Conn, me jid.JID) error {
	if _, err := c.ReadHeader(); err != nil {
		return err
	}
	opt := sasl.Options{Secret: []byte("0123456789abcdef")}
	var types []string
	if cs, ok := c.TLS(); ok {
		if b, ok := sasl.ExporterBinding(&cs); ok {
			opt.Bindings, types = []sasl.Binding{b}, []string{b.Type}
		}
	}
	names := sasl.Offer([]sasl.Hash{sasl.SHA256}, len(types) > 0, false)
	if err := c.SendHeader(Header{From: me, ID: NewID()}, Mechanisms(names, types)); err != nil {
		return err
	}
	auth, err := c.Read()
	if err != nil {
		return err
	}
	if _, err := c.AnswerSASL(auth, func(m string) (*sasl.Server, error) { return sasl.NewServer(m, r.lookup, opt) }); err != nil {
		return err
	}
	c.SetLimits(AfterLogin())
	c.Restart()
	return nil
}

func (r *receiver) begin(c *Conn) error {
	for {
		st, err := c.Read()
		if err != nil {
			return err
		}
		switch st.Local {
		case "resume":
			if h, ok := Handled(st); ok && h == 7 {
				return c.SendXML("<resumed xmlns='" + ns.StreamManagement + "' previd='x' h='5'/>")
			}
			if err := c.SendXML("<failed xmlns='" + ns.StreamManagement + "' h='3'/>"); err != nil {
				return err
			}
		case "iq":
			if err := c.Send(stanza.Result(st, "<bind xmlns='"+ns.Bind+"'><jid>juliet@"+domain+"/balcony</jid></bind>")); err != nil {
				return err
			}
		case "enable":
			if r.sm == "" {
				return c.SendXML("<failed xmlns='" + ns.StreamManagement + "'/>")
			}
			return c.SendXML("<message id='early'/><enabled xmlns='" + ns.StreamManagement + "' resume='1' max='300' location='[::1]:99' id='" + r.sm + "'/>")
		default:
			return io.ErrUnexpectedEOF
		}
	}
}

// result is what the receiving side came to.
type result struct {
	conn *Conn
	err  error
}

// connect runs both roles over loopback TCP.
func connect(t testing.TB, r *receiver, l Login) (*Session, result, error) {
	t.Helper()
	client, server := sockets(t)
	done := make(chan result, 1)
	go func() {
		c, err := r.accept(server)
		if err != nil {
			server.Close()
		}
		done <- result{c, err}
	}()
	l.Dial = func(context.Context, string, string) (net.Conn, error) { return client, nil }
	if l.JID.IsZero() {
		l.JID = jid.MustParse("juliet@" + domain + "/balcony")
	}
	if l.Password == "" {
		l.Password = password
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := Connect(ctx, l)
	if err != nil {
		client.Close()
	}
	return s, <-done, err
}

// begun is a stream whose header has come from far.
func begun(t testing.TB, near, far net.Conn) *Conn {
	t.Helper()
	c := NewConn(near, Options{})
	go io.WriteString(far, open)
	if _, err := c.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	return c
}
