package server_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// XEP-0215: clients are told what is configured, each with credentials of its own that a relay can check without asking us.
func TestExternalServices(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("shared with the relay\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const domain = "calls.example"
	r := startWith(t, domain, func(c *config.Config) {
		c.External = config.External{
			Services:   []string{"stun:stun.example", "turn:relay.example:3479?transport=tcp", "turns:relay.example"},
			SecretFile: file, Life: config.Duration(time.Hour),
		}
	})
	ask := func(c *client.Client, payload string) ([]*xmltok.Node, error) {
		st, err := c.IQ(t.Context(), jid.MustParse(domain), stanza.Get, payload)
		if err != nil {
			return nil, err
		}
		p, _ := st.Payload()
		tree, err := p.Tree()
		if err != nil {
			t.Fatal(err)
		}
		return tree.All(ns.ExternalServices, "service"), nil
	}
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	list, err := ask(alice, "<services xmlns='"+ns.ExternalServices+"'/>")
	if err != nil || len(list) != 3 {
		t.Fatalf("%d services, %v", len(list), err)
	}
	if got := string(list[0].AppendXML(nil, ns.ExternalServices)); got != "<service type='stun' host='stun.example' port='3478' transport='udp'/>" {
		t.Error(got)
	}
	relay := list[1]
	if relay.Attr("port") != "3479" || relay.Attr("transport") != "tcp" || relay.Attr("restricted") != "1" {
		t.Errorf("%s", relay.AppendXML(nil, ""))
	}
	stamp, who, _ := strings.Cut(relay.Attr("username"), ":")
	end, err := strconv.ParseInt(stamp, 10, 64)
	if until := time.Until(time.Unix(end, 0)); err != nil || until > time.Hour || until < 50*time.Minute || relay.Attr("expires") != time.Unix(end, 0).UTC().Format(time.RFC3339) {
		t.Errorf("good until %s, %s: %v", stamp, relay.Attr("expires"), err)
	}
	proof := hmac.New(sha1.New, []byte("shared with the relay"))
	proof.Write([]byte(relay.Attr("username")))
	if relay.Attr("password") != base64.StdEncoding.EncodeToString(proof.Sum(nil)) {
		t.Error("a password that no relay takes")
	}
	if strings.Contains(who, "alice") {
		t.Error("the relay is told who it is")
	}
	if list, err = ask(alice, "<services xmlns='"+ns.ExternalServices+"' type='turns'/>"); err != nil || len(list) != 1 || list[0].Attr("port") != "5349" {
		t.Errorf("of a type: %v, %v", list, err)
	}
	list, err = ask(bob, "<credentials xmlns='"+ns.ExternalServices+"'><service host='relay.example' type='turn'/></credentials>")
	if err != nil || len(list) != 1 || strings.HasSuffix(list[0].Attr("username"), ":"+who) {
		t.Errorf("credentials of another: %v, %v", list, err)
	}
	for what, want := range map[string]stanza.Condition{
		"host='relay.example' type='turn' port='1'": stanza.ItemNotFound, "host='stun.example' type='stun'": stanza.ItemNotFound,
		"host='relay.example'": stanza.BadRequest, "type='turn'": stanza.BadRequest,
	} {
		if _, err := ask(bob, "<credentials xmlns='"+ns.ExternalServices+"'><service "+what+"/></credentials>"); condition(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	if strings.Contains(r.log.String(), "shared with") {
		t.Error("the log has the secret")
	}
}
