package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/mod/account"
	"stonechat/obs"
	"stonechat/obs/obstest"
	"stonechat/server"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// running is a server with two accounts, alice and bob.
type running struct {
	*server.Server
	t      *testing.T
	domain string
	data   string
	log    *obstest.Buffer
	end    context.CancelFunc
	done   chan error
}

const password = "correct horse battery staple"

func settings(domain, data string) config.Config {
	c := config.Default()
	c.Domains, c.Data, c.Local = []string{domain}, data, true
	c.Login.Iterations, c.Login.ChannelBinding = 4096, "all"
	c.Listen = config.Listen{C2S: []string{"127.0.0.1:0"}, C2STLS: []string{"127.0.0.1:0"}, HTTPS: []string{"127.0.0.1:0"}, HTTP: []string{"127.0.0.1:0"}}
	return c
}

func start(t *testing.T, domain string) *running {
	t.Helper()
	data := t.TempDir()
	addUsers(t, data, domain)
	return open(t, domain, data)
}

// startWith is start with another configuration.
func startWith(t *testing.T, domain string, change func(*config.Config)) *running {
	t.Helper()
	data := t.TempDir()
	addUsers(t, data, domain)
	return openWith(t, domain, data, change)
}

// addUsers makes the accounts before the server starts.
func addUsers(t *testing.T, data, domain string) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), data, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob"} {
		creds, err := account.Credentials(password, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: domain, Local: name, Credentials: creds}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, domain, data string) *running { return openWith(t, domain, data, nil) }

func openWith(t *testing.T, domain, data string, change func(*config.Config)) *running {
	t.Helper()
	log := &obstest.Buffer{}
	o, err := obs.New(log, "debug", "text")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cfg := settings(domain, data)
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(ctx, cfg, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	r := &running{Server: s, t: t, domain: domain, data: data, log: log, end: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	<-s.Ready
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	if r.end == nil {
		return
	}
	r.end()
	r.end = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("%s: %v", r.domain, err)
	}
	if strings.Contains(r.log.String(), "panic") {
		r.t.Errorf("%s panicked:\n%s", r.domain, r.log.String())
	}
}

// dial logs a user in.
func (r *running) dial(name string, change func(*client.Config)) *client.Client {
	r.t.Helper()
	cfg := client.Config{
		JID: jid.MustParse(name + "@" + r.domain), Password: password, Address: r.Addresses("c2s")[0].String(),
		TLS: &tls.Config{InsecureSkipVerify: true}, StreamManagement: true,
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, cfg)
	if err != nil {
		r.t.Fatalf("log-in of %s: %v", cfg.JID, err)
	}
	r.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// next is the next message that comes in.
func next(t *testing.T, c *client.Client) *stanza.Stanza {
	t.Helper()
	for {
		select {
		case st := <-c.Incoming():
			if st.Kind == stanza.Message {
				return st
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no message came")
		}
	}
}

// One process holds three servers, which know nothing of each other.
func TestThreeServers(t *testing.T) {
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := start(t, fmt.Sprintf("s%d.example", i))
			alice, bob := r.dial("alice", nil), r.dial("bob", func(c *client.Config) { c.DirectTLS, c.Address = true, r.Addresses("c2s_tls")[0].String() })
			if _, err := bob.SendPresence(t.Context(), client.Presence{}); err != nil {
				t.Fatal(err)
			}
			ticket, err := alice.Message(t.Context(), jid.MustParse("bob@"+r.domain), "hello "+r.domain)
			if err != nil {
				t.Fatal(err)
			}
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if st := next(t, bob); !strings.Contains(st.Inner(), "hello "+r.domain) {
				t.Errorf("got %s", st.Raw())
			}
		})
	}
}

// What was acknowledged is there after an orderly end and a new start, for a client that reads no archive too.
func TestRestartKeepsEverything(t *testing.T) {
	r := start(t, "example.org")
	alice := r.dial("alice", nil)
	for i := range 10 {
		ticket, err := alice.Message(t.Context(), jid.MustParse("bob@example.org"), fmt.Sprint("waiting ", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	if log := r.log.String(); strings.Contains(log, "waiting 3") || strings.Contains(log, password) {
		t.Error("the log holds a body or a secret")
	}
	r = open(t, "example.org", r.data)
	bob := r.dial("bob", nil)
	if _, err := bob.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if st := next(t, bob); !strings.Contains(st.Inner(), fmt.Sprint("waiting ", i)) {
			t.Fatalf("message %d is %s", i, st.Raw())
		}
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	r := start(t, "example.org")
	_, err := server.New(t.Context(), settings("example.org", r.data), obs.Discard())
	if err == nil || !strings.Contains(err.Error(), "process") {
		t.Errorf("a second server on the same folder: %v", err)
	}
}

// Clients are told when the server goes down.
func TestShutdownTellsClients(t *testing.T) {
	r := start(t, "example.org")
	told := make(chan error, 1)
	r.dial("alice", func(c *client.Config) { c.Offline = func(err error) { told <- err } })
	r.stop()
	select {
	case err := <-told:
		if err == nil || !strings.Contains(err.Error(), "system-shutdown") {
			t.Errorf("told %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the client was not told")
	}
}

func TestHealthAndMetrics(t *testing.T) {
	r := start(t, "example.org")
	base := "http://" + r.Addresses("http")[0].String()
	get := func(path string) (int, string) {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, b.String()
	}
	r.dial("alice", nil)
	if code, body := get("/health/ready"); code != http.StatusOK || body != "ready\n" {
		t.Errorf("ready: %d %q", code, body)
	}
	_, body := get("/metrics")
	for _, want := range []string{
		"# HELP stonechat_sessions ", "stonechat_sessions 1", `stonechat_logins_total{mechanism="SCRAM-SHA-512-PLUS",outcome="accepted"} 1`,
		"stonechat_panics_total 0", "stonechat_store_commits_total", "go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if code, _ := get("/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles without being asked for: %d", code)
	}
}

// A kept one-to-one message writes one row for each of the two, and nothing else while both are online.
func TestWriteBudget(t *testing.T) {
	r := start(t, "example.org")
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	if _, err := bob.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	rows := func(kind string) (n float64) {
		resp, err := http.Get("http://" + r.Addresses("http")[0].String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(b.String(), "\nstonechat_store_"+kind+"_rows_total ")
		if _, err := fmt.Sscan(after, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	r.idle() // what the log-ins have written is no message's
	archive, other := rows("archive"), rows("other")
	const messages = 25
	for i := range messages {
		if _, err := alice.Message(t.Context(), jid.MustParse("bob@example.org"), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		next(t, bob)
	}
	if got := rows("archive") - archive; got != 2*messages {
		t.Errorf("%v archive rows for %d messages", got, messages)
	}
	if got := rows("other") - other; got != 0 {
		t.Errorf("%v other rows for %d messages", got, messages)
	}
}

// At level debug the log says why the connection of a session ended.
func TestTheLogTellsHowConnectionsEnd(t *testing.T) {
	r := start(t, "example.org")
	closed, cut, replaced := r.dial("alice", nil), r.dial("bob", nil), r.dial("bob", nil)
	if err := closed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cut.Cut()
	again := r.dial("bob", func(c *client.Config) { c.Resource = replaced.JID().Resource() })
	<-replaced.Done()
	if err := again.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	for c, why := range map[*client.Client]string{closed: "EOF", cut: "", replaced: "conflict"} {
		line := regexp.MustCompile(`msg="connection ended" conn=\d+ jid=` + regexp.QuoteMeta(c.JID().String()) + ` peer=\S+ err=.*` + why)
		if !line.MatchString(r.log.String()) {
			t.Errorf("no line %s in\n%s", line, r.log.String())
		}
	}
}
