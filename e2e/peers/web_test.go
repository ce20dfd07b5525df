package peers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"stonechat/e2e/peers"
)

// library drives a client written in JavaScript by its script in foreign/web, which reports so many steps; page is where its web site is served, if it needs one.
func library(name, page string, want int) func(*testing.T, *peers.Server) {
	return func(t *testing.T, s *peers.Server) {
		folder := libraries(t)
		proxy, err := peers.NewProxy(s.HTTPS)
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		setup := map[string]any{"domain": s.Domain, "password": password, "url": s.WebSocket(s.HTTPS), "proxy": s.WebSocket(proxy.Addr), "screens": *screensFlag}
		if _, number, err := net.SplitHostPort(page); err == nil {
			setup["site"] = number
		}
		if path, err := exec.LookPath("chromium"); err == nil {
			setup["chromium"] = path
		}
		text, err := json.Marshal(setup)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "node", filepath.Join(folder, name+".mjs"), string(text))
		// The server's certificate names its domain, which no resolver knows.
		cmd.Env = append(os.Environ(), "NODE_TLS_REJECT_UNAUTHORIZED=0", "NODE_NO_WARNINGS=1")
		steps(t, cmd, s, proxy, want)
	}
}

// libraries returns a folder with the scripts and what they need, in the versions of package-lock.json. The folder stays for the next run.
func libraries(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join("foreign", "web", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	home := filepath.Join(cache, "stonechat-foreign", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("foreign", "web", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err := errors.Join(err, os.WriteFile(filepath.Join(home, filepath.Base(path)), content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(home, "node_modules", ".package-lock.json")); err == nil {
		return home
	}
	if *lackFlag {
		t.Skip("LEFT OUT: npm is asked for clients in JavaScript with -without=false only")
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return home
}
