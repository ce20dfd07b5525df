package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

func config(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// visitor is a client that reads lines.
type visitor struct {
	net.Conn
	lines *bufio.Reader
}

func visit(t *testing.T, address, name string, secure bool) visitor {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	v := visitor{Conn: conn, lines: bufio.NewReader(conn)}
	v.say(t, name+"\n")
	answer := make([]byte, len("<ok/>"))
	for i := range answer {
		if answer[i], err = v.lines.ReadByte(); err != nil {
			t.Fatal(err)
		}
	}
	if string(answer) != "<ok/>" {
		t.Fatalf("login of %s answered %q", name, answer)
	}
	return v
}

func (v visitor) say(t *testing.T, text string) {
	t.Helper()
	if _, err := v.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func (v visitor) hear(t *testing.T, want string) {
	t.Helper()
	got, err := v.lines.ReadString('\n')
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// Both ways of waiting route the same, with and without TLS, also lines that
// arrive in pieces or several at once.
func TestRouting(t *testing.T) {
	for _, hand := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var tlsConfig *tls.Config
			if secure {
				tlsConfig = config(t)
			}
			go func() { _ = serve(listener, tlsConfig, hand) }()
			address := listener.Addr().String()
			a, b, c := visit(t, address, "a", secure), visit(t, address, "b", secure), visit(t, address, "c", secure)
			a.say(t, "<m to='b'>one</m>\n<m to='nobody'/>\nno address\n<m to='b'>tw")
			a.say(t, "o</m>\n")
			b.hear(t, "<m to='b'>one</m>\n")
			b.hear(t, "<m to='b'>two</m>\n")
			b.say(t, "<m to='*'/>\n")
			a.hear(t, "<m to='*'/>\n")
			c.hear(t, "<m to='*'/>\n")
			for range 50 {
				c.say(t, "<m to='b'>again</m>\n")
				b.hear(t, "<m to='b'>again</m>\n")
			}
			long := "<m to='a'>" + strings.Repeat("x", 20_000) + "</m>\n"
			b.say(t, long)
			a.hear(t, long)
			// A name is free again after its connection has ended.
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			again := visit(t, address, "c", secure)
			a.say(t, "<m to='c'/>\n")
			again.hear(t, "<m to='c'/>\n")
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An unfinished line cannot grow without end.
func TestLineBound(t *testing.T) {
	c := &client{router: newRouter(), name: "a"}
	var err error
	for range 100 {
		if err = c.take([]byte(strings.Repeat("x", 1024))); err != nil {
			break
		}
	}
	if err == nil {
		t.Fatal("100 KB without a line end were kept")
	}
}
