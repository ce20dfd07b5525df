package server_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net"
	"testing"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const proxyDomain = "proxy." + uploadDomain

// proxied asks the proxy for something.
func proxied(t *testing.T, c *client.Client, typ stanza.Type, inner string) (*stanza.Stanza, error) {
	t.Helper()
	return c.IQ(t.Context(), jid.MustParse(proxyDomain), typ, inner)
}

// meets connects a party to where the proxy says that it is.
func meets(t *testing.T, c *client.Client, hash string) net.Conn {
	t.Helper()
	st, err := proxied(t, c, stanza.Get, "<query xmlns='http://jabber.org/protocol/bytestreams'/>")
	if err != nil {
		t.Fatal(err)
	}
	var q struct {
		Host struct {
			JID  string `xml:"jid,attr"`
			Host string `xml:"host,attr"`
			Port string `xml:"port,attr"`
		} `xml:"streamhost"`
	}
	if err := xml.Unmarshal([]byte(st.Inner()), &q); err != nil || q.Host.JID != proxyDomain || q.Host.Host != uploadDomain {
		t.Fatalf("%s: %v", st.Inner(), err)
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", q.Host.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	answer := make([]byte, 2+5+40+2)
	if _, err = io.WriteString(conn, "\x05\x01\x00\x05\x01\x00\x03\x28"+hash+"\x00\x00"); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil || answer[3] != 0 {
		t.Fatalf("%q, %v", answer, err)
	}
	return conn
}

// Two clients hand over bytes through the server (XEP-0065 section 6); only the one who asked the other may have it begin.
func TestBytestreams(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Listen.Proxy65 = []string{"127.0.0.1:0"} })
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	sum := sha1.Sum([]byte("sid" + alice.JID().String() + bob.JID().String()))
	hash := hex.EncodeToString(sum[:])
	activate := func(c *client.Client, sid, target string) stanza.Condition {
		t.Helper()
		_, err := proxied(t, c, stanza.Set, "<query xmlns='http://jabber.org/protocol/bytestreams' sid='"+sid+"'><activate>"+target+"</activate></query>")
		return condition(err)
	}
	if got := activate(alice, "sid", bob.JID().String()); got != stanza.ItemNotFound {
		t.Errorf("with nobody: %q", got)
	}
	to := meets(t, bob, hash)
	if got := activate(alice, "sid", bob.JID().String()); got != stanza.NotAllowed {
		t.Errorf("with one party: %q", got)
	}
	from := meets(t, alice, hash)
	for _, x := range []struct {
		who         *client.Client
		sid, target string
		want        stanza.Condition
	}{
		{bob, "sid", alice.JID().String(), stanza.ItemNotFound},
		{bob, "sid", bob.JID().String(), stanza.ItemNotFound},
		{alice, "dis", bob.JID().String(), stanza.ItemNotFound},
		{alice, "", bob.JID().String(), stanza.BadRequest},
		{alice, "sid", "", stanza.BadRequest},
		{alice, "sid", "a@b@c", stanza.JIDMalformed},
		{alice, "sid", bob.JID().String(), ""},
		{alice, "sid", bob.JID().String(), stanza.ItemNotFound},
	} {
		if got := activate(x.who, x.sid, x.target); got != x.want {
			t.Errorf("%s activates %q with %q: %q, want %q", x.who.JID(), x.sid, x.target, got, x.want)
		}
	}
	if _, err := io.WriteString(from, "a file"); err != nil {
		t.Fatal(err)
	}
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(to); err != nil || string(got) != "a file" {
		t.Errorf("%q, %v", got, err)
	}
	r.hasMetrics("stonechat_proxy65_bytes_total 6")
}

// Without a listener there is no such service.
func TestNoBytestreams(t *testing.T) {
	r := start(t, uploadDomain)
	if _, err := proxied(t, r.dial("alice", nil), stanza.Get, "<query xmlns='http://jabber.org/protocol/bytestreams'/>"); condition(err) != stanza.RemoteServerNotFound {
		t.Errorf("%v", err)
	}
}
