package peers_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stonechat/e2e/peers"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// dinoDomain is the domain that Dino talks to. Dino 0.4 can be told neither a host nor a port nor a certificate: it resolves the domain, and trusts the machine's authorities
// alone. But it goes through the proxy that its environment names, and takes what is below .onion at its own word.
const dinoDomain = "stonechat.onion"

// dinoClient is Dino on a desktop.
type dinoClient struct{ *desktop }

// startDino logs alice in with Dino through a web proxy.
func startDino(t *testing.T, s *peers.Server, resource, proxy string) dinoClient {
	t.Helper()
	home := t.TempDir()
	database := filepath.Join(home, "data", "dino", "dino.db")
	profile(
		t, database,
		"CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, bare_jid TEXT NOT NULL UNIQUE, resourcepart TEXT, password TEXT, alias TEXT,"+
			" enabled INTEGER, roster_version TEXT, mam_earliest_synced INTEGER)",
		fmt.Sprintf("INSERT INTO account VALUES (1, 'alice@%s', '%s', '%s', NULL, 1, NULL, 0)", s.Domain, resource, password),
	)
	// The resolver is asked for SRV records first; where there is none it shall not take long.
	d := newDesktop(t, "dino of alice/"+resource, home, "http_proxy="+proxy, "https_proxy="+proxy, "all_proxy="+proxy, "no_proxy=", "RES_OPTIONS=timeout:1 attempts:1")
	d.database, d.bodies = database, "SELECT body FROM message"
	d.open("dino-im", "--print-xmpp=all")
	return dinoClient{d}
}

// lists waits until the list of contacts has somebody with a subscription.
func (d dinoClient) lists(whom jid.JID, subscription string) {
	d.t.Helper()
	d.finds("never lists "+whom.String(), fmt.Sprintf("SELECT subscription FROM roster WHERE jid = '%s'", whom), subscription)
}

// finds waits until a query of Dino's database finds something; any: whatever it is.
func (d dinoClient) finds(complaint, query, want string) string {
	d.t.Helper()
	var found string
	d.until(complaint, func() (string, bool) {
		got, err := d.read(query)
		if len(got) == 0 {
			return fmt.Sprint(err), false
		}
		found = got[0]
		return found, want == "" || found == want
	})
	return found
}

// says types a message into the conversation, which an address of the xmpp scheme brings to the front.
func (d dinoClient) says(to jid.JID, body string) {
	d.t.Helper()
	d.do("dino-im", "xmpp:"+to.String()+"?message")
	d.finds("opens no conversation", conversation(to), "")
	d.do("xdotool", "type", "--delay", "20", body)
	d.do("xdotool", "key", "Return")
}

// conversation asks for the number of a conversation.
func conversation(with jid.JID) string {
	return fmt.Sprintf("SELECT conversation.id FROM conversation JOIN jid ON jid.id = jid_id WHERE jid.bare_jid = '%s' AND active = 1", with)
}

// act does what a button of Dino would.
func (d dinoClient) act(action, parameter string) {
	d.t.Helper()
	d.do("gdbus", "call", "--session", "--dest", "im.dino.Dino", "--object-path", "/im/dino/Dino", "--method", "org.gtk.Actions.Activate", action, parameter, "{}")
}

// tunnels starts a web proxy that goes to target, wherever it is asked to go, and returns its URL.
func tunnels(t *testing.T, target string) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server, err := net.Dial("tcp", target)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		w.WriteHeader(http.StatusOK)
		browser, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer browser.Close()
		go func() {
			_, _ = io.Copy(server, browser)
			_, _ = server.Close(), browser.Close()
		}()
		_, _ = io.Copy(browser, server)
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// dino talks with two partners: log-in, contacts, a newcomer in the list, messages both ways, a cut line, an absence, the archive on a second device, carbons.
func dino(t *testing.T, s *peers.Server) {
	line, err := peers.NewProxy(s.C2S)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	proxy := tunnels(t, line.Addr)
	bob, carol := newPartner(t, s, "bob"), newPartner(t, s, "carol")
	alice := bob.address("alice")
	desk := startDino(t, s, "desk", proxy)
	desk.lists(bob.address("bob"), "both")
	bob.sees(alice, "")
	bob.says(alice, "good morrow")
	desk.has("good morrow")
	desk.says(bob.address("bob"), "and to you")
	bob.hears("and to you")
	carol.asks(alice)
	desk.act("accept-subscription", "[<int32 "+desk.finds("does not show the request", conversation(bob.address("carol")), "")+">]")
	carol.sees(alice, "")
	desk.lists(bob.address("carol"), "both") // who accepts asks back, and carol had agreed in advance

	if line.Cut() == 0 {
		t.Error("there was no line to cut")
	}
	bob.says(alice, "sent in the tunnel")
	bob.settles()
	// Dino 0.4 does not notice the end of a line that was cut within TLS, only that it hears nothing for two minutes, or that the machine wakes up.
	wake(desk)
	desk.logs("}:resumed ")
	desk.has("sent in the tunnel")
	desk.says(bob.address("bob"), "out of the tunnel")
	bob.hears("out of the tunnel")

	desk.act("quit", "[]")
	bob.sees(alice, stanza.Unavailable)
	<-desk.client.ended
	said := []string{"good morrow", "and to you", "sent in the tunnel", "out of the tunnel"}
	for i := range 3 { // Dino fetches the newest page only, of 20 messages, and the markers of what was read count
		said = append(said, fmt.Sprintf("read it later, line %d", i))
		bob.says(alice, said[len(said)-1])
	}
	bob.settles()
	desk.again()
	desk.has(said...)
	phone := startDino(t, s, "phone", proxy)
	phone.has(said...)

	desk.says(bob.address("bob"), "from the desk")
	bob.hears("from the desk")
	bob.says(alice, "a copy for everybody")
	said = append(said, "from the desk", "a copy for everybody")
	for _, d := range []dinoClient{desk, phone} {
		d.has(said...)
		d.hasEachOnce(said)
	}
}

// wake tells Dino that the machine has slept.
func wake(d dinoClient) {
	d.t.Helper()
	interpreter, err := python("gi")
	if err != nil {
		d.t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("foreign", "wake.py"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.do(interpreter, "-c", strings.TrimSpace(string(script)))
}
