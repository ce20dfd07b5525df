package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// TestForeignServer runs the client against Prosody, where the machine has it.
func TestForeignServer(t *testing.T) {
	binary, err := exec.LookPath("prosody")
	if err != nil {
		t.Skip("NOT RUN: this machine has no prosody, so the client was only tried against our own receiving side")
	}
	address, roots := startProsody(t, binary, "")
	config := func(user string) Config {
		return Config{
			JID: jid.MustParse(user + "@localhost"), Password: password, Address: address, Resource: "test",
			TLS: &tls.Config{RootCAs: roots}, StreamManagement: true,
		}
	}
	juliet, err := Dial(deadline(t), config("juliet"))
	if err != nil {
		t.Fatal(err)
	}
	defer juliet.Close(context.Background())
	rom, err := Dial(deadline(t), config("romeo"))
	if err != nil {
		t.Fatal(err)
	}
	defer rom.Close(context.Background())
	t.Run("requests", func(t *testing.T) { foreignRequests(t, juliet) })
	t.Run("message", func(t *testing.T) { foreignMessage(t, juliet, rom) })
	t.Run("resume", func(t *testing.T) { foreignResume(t, juliet, rom) })
	wrong := config("juliet")
	wrong.Password = "wrong"
	if _, err := Dial(deadline(t), wrong); err == nil {
		t.Error("logged in with the wrong password")
	}
}

func foreignRequests(t *testing.T, c *Client) {
	if err := c.Ping(deadline(t), jid.JID{}); err != nil {
		t.Error("ping:", err)
	}
	contact := jid.MustParse("nurse@localhost")
	if err := c.SetRoster(deadline(t), RosterItem{JID: contact, Name: "Nurse", Groups: []string{"Servants"}}); err != nil {
		t.Error("roster set:", err)
	}
	items, _, err := c.Roster(deadline(t))
	if err != nil || len(items) != 1 || items[0].JID != contact || items[0].Name != "Nurse" || items[0].Groups[0] != "Servants" {
		t.Errorf("roster: %+v, %v", items, err)
	}
	if err := c.EnableCarbons(deadline(t)); err != nil {
		t.Error("carbons:", err)
	}
	var refused *stanza.Error
	if _, err := c.IQ(deadline(t), jid.MustParse("nobody@localhost/x"), stanza.Get, "<x xmlns='urn:x'/>"); !errors.As(err, &refused) {
		t.Error("request to nobody:", err)
	}
}

// next returns the next message with a body.
func next(t *testing.T, c *Client) string {
	t.Helper()
	for {
		select {
		case st := <-c.Incoming():
			if b, ok := st.Child("jabber:client", "body"); ok {
				return b.Text()
			}
		case <-deadline(t).Done():
			t.Fatal("no message")
		}
	}
}

func foreignMessage(t *testing.T, from, to *Client) {
	if _, err := to.SendPresence(deadline(t), Presence{}); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		k, err := from.Message(deadline(t), to.JID(), fmt.Sprint("hello ", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Wait(deadline(t)); err != nil {
			t.Fatal("not acknowledged:", err)
		}
		if got := next(t, to); got != fmt.Sprint("hello ", i) {
			t.Errorf("got %q", got)
		}
	}
	var ids []string
	for it, err := range from.Archive(deadline(t), Query{Page: 3}) {
		if err != nil {
			t.Fatal("archive:", err)
		}
		ids = append(ids, it.ID)
	}
	if len(ids) != 7 {
		t.Errorf("%d messages in the archive", len(ids))
	}
}

func foreignResume(t *testing.T, from, to *Client) {
	to.Cut()
	offline(t, to)
	k, err := from.Message(deadline(t), to.JID(), "while you were away")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Message(deadline(t), from.JID(), "written offline"); err != nil {
		t.Fatal(err)
	}
	if resumed, err := to.Resume(deadline(t)); !resumed || err != nil {
		t.Fatal(resumed, err)
	}
	if got := next(t, to); got != "while you were away" {
		t.Errorf("got %q", got)
	}
	if got := next(t, from); got != "written offline" {
		t.Errorf("got %q", got)
	}
}

// startProsody runs a server with two accounts until the test ends; more is added to its configuration.
func startProsody(t *testing.T, binary, more string) (address string, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	roots = writeCertificate(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	l.Close()
	accounts := filepath.Join(dir, "data", "localhost", "accounts")
	if err := os.MkdirAll(accounts, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"juliet", "romeo"} {
		write(t, filepath.Join(accounts, user+".dat"), "return { [\"password\"] = \""+password+"\"; };\n")
	}
	write(t, filepath.Join(dir, "prosody.cfg.lua"), fmt.Sprintf(`
run_as_root = true
pidfile = %q
data_path = %q
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = true
c2s_ports = { %s }
c2s_interfaces = { "127.0.0.1" }
s2s_ports = { }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "carbons", "smacks", "mam", "presence", "message", "iq", "offline" }
modules_disabled = { "s2s" }
ssl = { certificate = %q; key = %q; }
log = { error = %q }
%s
VirtualHost "localhost"
`, dir+"/pid", dir+"/data", port, dir+"/cert.pem", dir+"/key.pem", dir+"/log", more))
	cmd := exec.Command(binary, "--config", filepath.Join(dir, "prosody.cfg.lua"), "-F")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if log, err := os.ReadFile(dir + "/log"); err == nil && t.Failed() {
			t.Logf("%s", log)
		}
	})
	for {
		nc, err := net.Dial("tcp", address)
		if err == nil {
			nc.Close()
			return address, roots
		}
		select {
		case <-deadline(t).Done():
			t.Fatal("prosody does not start")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err1 := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	secret, err2 := x509.MarshalPKCS8PrivateKey(key)
	cert, err3 := x509.ParseCertificate(der)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return roots
}
