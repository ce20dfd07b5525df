package tui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/obs/obstest"
	"stonechat/server"
	"stonechat/store/sqlstore"
	"stonechat/tui"
	"stonechat/xmpp/jid"
)

// patience is for what should take milliseconds.
const patience = 30 * time.Second

// house is a running server.
type house struct {
	data, address string
	stop          func()
}

// start runs a server on a data folder, with accounts whose password is their name.
func start(t *testing.T, data string, users ...string) house {
	t.Helper()
	return startWith(t, data, func(*config.Config) {}, users...)
}

func startWith(t *testing.T, data string, change func(*config.Config), users ...string) house {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Local, cfg.Domains = data, true, []string{"localhost"}
	cfg.Listen = config.Listen{C2STLS: []string{"127.0.0.1:0"}}
	change(&cfg)
	s, err := server.New(t.Context(), cfg, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	h := house{data: data, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server: %v", err)
		}
	})}
	t.Cleanup(h.stop)
	ctl := control(data)
	until(t, "control socket", func() bool {
		r, err := ctl.Get("http://ctl/")
		if err != nil {
			return false
		}
		return r.Body.Close() == nil
	})
	for _, u := range users {
		b, err := json.Marshal(map[string]string{"name": u, "password": u, "role": "member"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ctl.Post("http://ctl/localhost/users", "application/json", bytes.NewReader(b))
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("account %s: %v %v", u, r, err)
		}
		r.Body.Close()
	}
	h.address = s.Addresses("c2s_tls")[0].String()
	return h
}

// control asks a server on its control socket.
func control(data string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(data, "ctl.sock"))
	}}}
}

// sessions lists the sessions of everybody, with their states.
func (h house) sessions(t *testing.T) (list []struct{ Address, State string }) {
	t.Helper()
	r, err := control(h.data).Get("http://ctl/localhost/sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (h house) account(name string) tui.Account {
	return tui.Account{JID: jid.MustParse(name + "@localhost"), Password: name, Server: h.address, Local: true}
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("does not happen: %s", what)
		}
	}
}

// person is somebody at a terminal.
type person struct {
	t   *testing.T
	in  *io.PipeWriter
	out obstest.Buffer
	end chan error
}

func sit(t *testing.T, a tui.Account) *person {
	r, w := io.Pipe()
	p := &person{t: t, in: w, end: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		err := tui.Chat(ctx, a, tui.Terminal{In: r, Out: &p.out})
		r.CloseWithError(fmt.Errorf("the client has ended: %w", errors.Join(err, io.ErrClosedPipe)))
		p.end <- err
	}()
	t.Cleanup(func() {
		cancel()
		w.Close()
		if t.Failed() {
			t.Logf("%s saw:\n%s", a.JID, p.out.String())
		}
	})
	p.sees("connected as")
	return p
}

func (p *person) types(lines ...string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, strings.Join(lines, "\n")+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) sees(what string) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("%q is shown", what), func() bool { return strings.Contains(p.out.String(), what) })
}

func (p *person) times(what string) int { return strings.Count(p.out.String(), what) }

func (p *person) leaves() error {
	p.t.Helper()
	p.in.Close()
	select {
	case err := <-p.end:
		return err
	case <-time.After(patience):
		p.t.Fatal("does not leave")
		return nil
	}
}

// cutter is a proxy that cuts, and can turn to another server.
type cutter struct {
	l      net.Listener
	mu     sync.Mutex
	target string // empty: nobody is there
	conns  []net.Conn
}

func cutters(t *testing.T, target string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l, target: target}
	t.Cleanup(func() { l.Close(); c.cut("") })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			c.join(in)
		}
	}()
	return c
}

func (c *cutter) join(in net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := net.Dial("tcp", c.target)
	if c.target == "" || err != nil {
		in.Close()
		return
	}
	c.conns = append(c.conns, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			pair[0].Close()
		}()
	}
}

// cut ends all connections; new ones go to target.
func (c *cutter) cut(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nc := range c.conns {
		nc.Close()
	}
	c.conns, c.target = nil, target
}

// forget makes a server that is not running lose its sessions, as if it had been killed.
func forget(t *testing.T, data string) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), data, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Sessions.Begin(t.Context())
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
