package peers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stonechat/e2e/peers"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// gajimClient is Gajim on a desktop, told what to do over its remote control.
type gajimClient struct{ *desktop }

// startGajim logs alice in with Gajim, at an address that may be a proxy's.
func startGajim(t *testing.T, s *peers.Server, resource, address string) gajimClient {
	t.Helper()
	home := t.TempDir()
	data := filepath.Join(home, "data", "gajim")
	gajimProfile(t, s, filepath.Join(home, "config", "gajim", "settings.sqlite"), resource, address)
	certificate, err := os.ReadFile(filepath.Join(s.Dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(data, "cert_store"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "cert_store", "server"), certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDesktop(t, "gajim of alice/"+resource, home)
	d.database, d.bodies = filepath.Join(data, "logs.db"), "SELECT message FROM logs WHERE message <> ''"
	d.open("gajim", "--verbose")
	return gajimClient{d}
}

// gajimProfile is what Gajim keeps of an account, in the form of its version 1.7.
func gajimProfile(t *testing.T, s *peers.Server, path, resource, address string) {
	t.Helper()
	host, _, _ := strings.Cut(address, ":")
	account := map[string]any{
		"active": true, "name": "alice", "hostname": s.Domain, "password": password, "savepass": true, "resource": resource,
		"use_custom_host": true, "custom_host": host, "custom_port": json.Number(portOf(address)), "custom_type": "START TLS",
		"autoauth": true, // whoever asks may see alice
	}
	options := map[string]any{
		"remote_control": true, "use_keyring": false, "check_for_update": false, "plugins_update_check": false, "sounds_on": false,
		"show_notifications": false, "show_trayicon": false, "autoaway": false, "autoxa": false,
	}
	text := func(value any) string {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return "'" + strings.ReplaceAll(string(b), "'", "''") + "'"
	}
	none := map[string]any{}
	profile(
		t, path,
		"CREATE TABLE settings (name TEXT UNIQUE, settings TEXT)",
		"CREATE TABLE account_settings (account TEXT UNIQUE, settings TEXT)",
		"INSERT INTO settings VALUES ('app', "+text(options)+"), ('workspaces', "+text(map[string]any{"first": none})+"),"+
			" ('soundevents', '{}'), ('status_presets', '{}'), ('proxies', '{}'), ('plugins', '{}')",
		"INSERT INTO account_settings VALUES ('alice', "+text(map[string]any{"account": account, "contact": none, "group_chat": none})+")",
		"PRAGMA user_version = 5",
	)
}

// says sends a message. The remote control opens some seconds after the window, and refuses while there is no connection.
func (g gajimClient) says(to jid.JID, body string) {
	g.t.Helper()
	g.until("cannot say "+body, func() (string, bool) {
		out, err := g.try("gajim-remote", "send_chat_message", to.String(), body, "alice")
		return fmt.Sprint(out, err), err == nil && strings.TrimSpace(out) == "True"
	})
}

// lists waits until the list of contacts shows somebody as online or offline.
func (g gajimClient) lists(whom jid.JID, show string) {
	g.t.Helper()
	g.until(fmt.Sprintf("never lists %s as %s", whom, show), func() (string, bool) {
		out, err := g.try("gajim-remote", "list_contacts", "alice")
		return fmt.Sprint(out, err), strings.Contains(out, fmt.Sprintf("'show': '%s', 'jid': '%s'", show, whom))
	})
}

// quit says good-bye and ends. The action of the menu would ask about unread messages.
func (g gajimClient) quit() {
	g.t.Helper()
	g.do("gajim-remote", "change_status", "offline", "", "alice")
	g.logs("</stream:stream>")
	g.client.end()
}

// gajim talks with two partners: log-in, contacts, a newcomer in the list, messages both ways, a cut line, a long absence, the archive on a second device, carbons.
func gajim(t *testing.T, s *peers.Server) {
	proxy, err := peers.NewProxy(s.C2S)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	bob, carol := newPartner(t, s, "bob"), newPartner(t, s, "carol")
	alice := bob.address("alice")
	desk := startGajim(t, s, "desk", proxy.Addr)
	desk.lists(bob.address("bob"), "online")
	bob.says(alice, "good morrow")
	desk.has("good morrow")
	desk.says(bob.address("bob"), "and to you")
	bob.hears("and to you")
	carol.asks(alice)
	carol.sees(alice, "")
	desk.lists(bob.address("carol"), "offline") // alice did not ask back

	if proxy.Cut() == 0 {
		t.Error("there was no line to cut")
	}
	bob.says(alice, "sent in the tunnel")
	desk.logs("<resumed ")
	desk.has("sent in the tunnel")
	desk.says(bob.address("bob"), "out of the tunnel")
	bob.hears("out of the tunnel")

	desk.quit()
	bob.sees(alice, stanza.Unavailable)
	said := []string{"good morrow", "and to you", "sent in the tunnel", "out of the tunnel"}
	for i := range 80 { // more than Gajim's page of 70
		said = append(said, fmt.Sprintf("read it later, line %d", i))
		bob.says(alice, said[len(said)-1])
	}
	bob.settles()
	desk.again()
	desk.has(said...)
	phone := startGajim(t, s, "phone", s.C2S)
	phone.has(said...)

	desk.says(bob.address("bob"), "from the desk")
	bob.hears("from the desk")
	bob.says(alice, "a copy for everybody")
	said = append(said, "from the desk", "a copy for everybody")
	for _, g := range []gajimClient{desk, phone} {
		g.has(said...)
		g.hasEachOnce(said)
	}
}
