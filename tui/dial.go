package tui

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// Account says who logs in, and where.
type Account struct {
	// JID is the address of the account; a resource in it is asked for.
	JID jid.JID
	// Password is its password.
	Password string
	// Server is host or host:port; empty means the domain of JID. With a port, direct TLS and STARTTLS are both tried there; without one,
	// direct TLS on 5223 and then STARTTLS on 5222. It may also be the address of a WebSocket, wss://host/path.
	Server string
	// Remember keeps what lets this installation come back without the password; nil: nothing does.
	Remember *Remembered
	// Local connects to loopback addresses only and takes any certificate there.
	Local bool
	// Pinned are certificates of which the server's may be one, or by one of which it may be signed for the domain. Without any, the
	// system's authorities count.
	Pinned []*x509.Certificate
}

// Remembered is what an installation knows of an earlier log-in.
type Remembered struct {
	// Agent is the UUID of this installation (XEP-0388 section 2.3).
	Agent string
	// Token is what the server gave it; the zero value is none.
	Token stream.Token
	// Keep is given every new token, which takes the place of the other, and the zero Token when there is none any more.
	Keep func(stream.Token) error
}

// CanReturn says whether a log-in needs no password now.
func (r *Remembered) CanReturn() bool { return r != nil && r.Token.Usable(time.Now()) }

// remember has the client use and keep the token.
func (a Account) remember(cfg *client.Config) {
	if a.Remember == nil {
		return
	}
	cfg.Agent = stream.UserAgent{ID: a.Remember.Agent, Software: "Stonechat chat"}
	cfg.Fast = a.Remember.Token
	cfg.KeepFast = func(t stream.Token) { _ = a.Remember.Keep(t) } // without it the password is asked for once more
}

// attemptTime bounds one attempt to connect and log in, so that a port that swallows everything leaves time for the next.
const attemptTime = 15 * time.Second

// keepAlive is the silence after which the server is asked for a sign of life.
const keepAlive = 30 * time.Second

// Certificates reads the certificates of a PEM file, of which there must be one at least.
func Certificates(file []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			break
		}
		file = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in PEM form")
	}
	return all, nil
}

// way is one address and how to begin there.
type way struct {
	address string
	direct  bool
}

// ways lists where to try, in order.
func (a Account) ways() ([]way, error) {
	host, err := a.JID.ASCIIDomain()
	if err != nil {
		return nil, err
	}
	if a.Local {
		host = "127.0.0.1"
	}
	if stream.IsWebSocket(a.Server) {
		return []way{{address: a.Server}}, nil
	}
	if a.Server != "" {
		h, port, err := net.SplitHostPort(a.Server)
		if err == nil {
			at := net.JoinHostPort(h, port)
			if port == "5222" {
				return []way{{at, false}, {at, true}}, nil
			}
			return []way{{at, true}, {at, false}}, nil
		}
		host = strings.Trim(a.Server, "[]")
	}
	return []way{{net.JoinHostPort(host, "5223"), true}, {net.JoinHostPort(host, "5222"), false}}, nil
}

// errLoopback refuses to trust any certificate from afar.
var errLoopback = errors.New("--local is for loopback addresses only")

// dialLocal connects like a plain dialler and refuses what is no loopback address.
func dialLocal(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		nc.Close()
		return nil, errLoopback
	}
	return nc, nil
}

// tls returns the configuration that proves the server.
func (a Account) tls() (*tls.Config, error) {
	name, err := a.JID.ASCIIDomain()
	if err != nil {
		return nil, err
	}
	if u, err := stream.ParseWebSocket(a.Server); err == nil {
		name = u.Hostname() // whoever typed the address trusts its host
	}
	cfg := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
	switch {
	case len(a.Pinned) > 0:
		// The own check below takes the place of the usual one and is the stricter of the two.
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return a.pinned(name, s.PeerCertificates) }
	case a.Local:
		cfg.InsecureSkipVerify = true
	}
	return cfg, nil
}

// pinned checks a chain against the certificates that the account trusts.
func (a Account) pinned(name string, chain []*x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, p := range a.Pinned {
		if bytes.Equal(p.Raw, chain[0].Raw) {
			return nil
		}
		roots.AddCert(p)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between})
	return err
}

// dial logs in where it works first.
func (a Account) dial(ctx context.Context, cfg client.Config) (*client.Client, error) {
	ways, err := a.ways()
	if err != nil {
		return nil, err
	}
	if cfg.TLS, err = a.tls(); err != nil {
		return nil, err
	}
	if a.Local {
		cfg.Dial, cfg.AllowCleartext = dialLocal, strings.HasPrefix(a.Server, "ws://")
	}
	cfg.JID, cfg.Password, cfg.StreamManagement, cfg.KeepAlive = a.JID, a.Password, true, keepAlive
	a.remember(&cfg)
	var failed []string
	for _, w := range ways {
		cfg.Address, cfg.DirectTLS = w.address, w.direct
		attempt, cancel := context.WithTimeout(ctx, attemptTime)
		c, err := client.Dial(attempt, cfg)
		cancel()
		if err == nil {
			return c, nil
		}
		if r := registering(err); r != nil && cfg.Register != nil {
			return nil, r
		}
		if errors.Is(err, sasl.ErrPassword) && a.Password == "" && a.Remember != nil {
			return nil, errors.Join(errors.New("the server does not know this device any more: log in with the password"), a.Remember.Keep(stream.Token{}))
		}
		if decided(err) {
			return nil, a.explain(err)
		}
		how := "STARTTLS"
		switch {
		case stream.IsWebSocket(w.address):
			how = "WebSocket"
		case w.direct:
			how = "direct TLS"
		}
		failed = append(failed, fmt.Sprintf("%s (%s): %v", w.address, how, a.explain(err)))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.New("cannot connect: " + strings.Join(failed, "; "))
}

// decided tells errors that another port would only repeat: the server has seen the password, or is not the one that it should be.
func decided(err error) bool {
	var login *stream.LoginError
	var peer *stream.PeerError
	var cert *tls.CertificateVerificationError
	return errors.As(err, &login) || errors.As(err, &cert) || errors.As(err, &peer) && peer.Err.Condition == stanza.StreamHostUnknown ||
		errors.Is(err, sasl.ErrServerSignature) || errors.Is(err, sasl.ErrPassword) || errors.Is(err, errLoopback)
}

// explain puts errors that people can do something about into words.
func (a Account) explain(err error) error {
	var login *stream.LoginError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &login) && login.Condition == sasl.NotAuthorized:
		return fmt.Errorf("the server refuses this name and password for %s", Escape(a.JID.Bare().String()))
	case errors.As(err, &login):
		return fmt.Errorf("log-in refused: %s", Escape(strings.TrimSuffix(string(login.Condition)+": "+login.Text, ": ")))
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &host):
		return fmt.Errorf("the certificate does not prove that this is %s (--certificate FILE trusts one, --local any on loopback): %w",
			Escape(a.JID.Domain()), err)
	case errors.Is(err, stream.ErrNoTLS):
		return errors.New("the server offers no encryption")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	}
	return errors.New(Escape(err.Error()))
}
