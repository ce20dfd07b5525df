package target

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
)

// web returns a server whose HTTP address is that of a test listener.
func web(t *testing.T, handler http.HandlerFunc) *Server {
	t.Helper()
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	_, port, err := net.SplitHostPort(listener.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Name: "stonechat", dir: t.TempDir(), kind: stonechat{}}
	if s.http, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return s
}

// A server that says "not yet" is asked again.
func TestStonechatSettles(t *testing.T) {
	var asked atomic.Int32
	s := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/ready" || asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if err := s.kind.settle(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestProfile(t *testing.T) {
	s := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/debug/pprof/profile" || r.URL.Query().Get("seconds") != "2" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("profile"))
	})
	path := filepath.Join(s.dir, "cpu.pprof")
	if err := s.Profile(t.Context(), 2*time.Second, path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "profile" {
		t.Errorf("file has %q, %v", text, err)
	}
	if err := s.Profile(t.Context(), 5*time.Second, path); err == nil {
		t.Error("a refused profile is no error")
	}
}

// The command line and the configuration are the contract with the server.
func TestStonechatContract(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$@\" > said\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := &Server{
		dir: dir, kind: stonechat{}, options: Options{Stonechat: program, Profile: true}, http: 3,
		ports: map[wire.Security]int{wire.StartTLS: 1, wire.DirectTLS: 2, wire.WebSocket: 4}, cert: Certificate{Cert: "c.pem", Key: "k.pem"},
	}
	if _, err := s.Import(t.Context(), "list.jsonl"); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(filepath.Join(dir, "said"))
	if want := "ctl --data " + s.data() + " user import list.jsonl\n"; err != nil || string(said) != want {
		t.Errorf("said %q, %v; want %q", said, err, want)
	}
	cmd, err := s.kind.command(s, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cmd.Args[1:], " "); got != "serve --config "+filepath.Join(dir, "stonechat.toml") {
		t.Errorf("arguments %q", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, "stonechat.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`domains = ["bench.local"]`, "rate_limits = false", "[archive]\ndefault = \"always\"",
		`c2s = ["127.0.0.1:1"]`, `c2s_tls = ["127.0.0.1:2"]`, `https = ["127.0.0.1:4"]`, `http = ["127.0.0.1:3"]`, `certificate = "c.pem"`, "[http]\npprof = true",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
