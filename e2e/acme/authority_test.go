package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/port"
	"stonechat/obs/obstest"
)

var withoutFlag = flag.Bool("without", true, "skip when the authority cannot be built; otherwise fail")

// programs builds pebble and its name server once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stonechat-acme")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-C", "pebble", "-o", dir+"/",
		"github.com/letsencrypt/pebble/v2/cmd/pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// hookEnv makes the test binary the program that changes the DNS; its value is the address of the name server's management.
const hookEnv = "STONECHAT_TEST_DNS"

func TestMain(m *testing.M) {
	if management := os.Getenv(hookEnv); management != "" {
		os.Exit(changeDNS(management, os.Args[1:]))
	}
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// changeDNS is the hook.
func changeDNS(management string, args []string) int {
	if len(args) != 3 || os.Getenv("STONECHAT_DOMAIN") == "" {
		return 2
	}
	path := map[string]string{"present": "/set-txt", "cleanup": "/clear-txt"}[args[0]]
	body, err := json.Marshal(map[string]string{"host": args[1] + ".", "value": args[2]})
	if err != nil {
		return 2
	}
	resp, err := http.Post("http://"+management+path, "application/json", bytes.NewReader(body))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, resp.Status)
		return 1
	}
	return 0
}

// authority is one pebble with a name server to which every name leads to this machine.
type authority struct {
	t                  *testing.T
	dir                string
	domain             string // another one for each test: certmagic keeps open challenges by name, for the whole process
	directory          string // address
	roots              string // file that trusts the directory's certificate
	management, dns    string
	dnsManagement      string
	httpPort, tlsPort  int // where challenges are looked for
	config             string
	pebble, nameserver *exec.Cmd
}

// newAuthority prepares one whose certificates are valid for so many seconds; start starts it.
func newAuthority(t *testing.T, validity int, accounts map[string]string) *authority {
	t.Helper()
	dir, err := programs()
	if err != nil {
		if *withoutFlag {
			t.Skipf("THIS MACHINE LACKS: pebble (github.com/letsencrypt/pebble from the Go module proxy): %v", err)
		}
		t.Fatal(err)
	}
	a := &authority{t: t, dir: t.TempDir(), domain: strings.ToLower(t.Name()) + ".example", httpPort: freePort(t), tlsPort: freePort(t)}
	local := func() string { return fmt.Sprintf("127.0.0.1:%d", freePort(t)) }
	listen := local()
	a.directory, a.management, a.dns, a.dnsManagement = "https://"+listen+"/dir", local(), local(), local()
	a.roots = filepath.Join(a.dir, "directory.crt")
	writePair(t, a.roots, filepath.Join(a.dir, "directory.key"), "127.0.0.1", time.Hour)
	settings := map[string]any{
		"listenAddress": listen, "managementListenAddress": a.management, "certificate": a.roots, "privateKey": filepath.Join(a.dir, "directory.key"),
		"httpPort": a.httpPort, "tlsPort": a.tlsPort, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":                       map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": validity}},
		"externalAccountBindingRequired": len(accounts) > 0, "externalAccountMACKeys": accounts,
	}
	text, err := json.Marshal(map[string]any{"pebble": settings})
	if err != nil {
		t.Fatal(err)
	}
	a.config = filepath.Join(a.dir, "pebble.json")
	if err := os.WriteFile(a.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a.nameserver = exec.Command(filepath.Join(dir, "pebble-challtestsrv"), "-dnsserver", a.dns, "-management", a.dnsManagement,
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", "")
	a.run(a.nameserver)
	return a
}

func (a *authority) run(cmd *exec.Cmd) {
	a.t.Helper()
	log := &obstest.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if a.t.Failed() {
			a.t.Logf("%s:\n%s", filepath.Base(cmd.Path), log.String())
		}
	})
}

// start starts the authority and returns when it answers.
func (a *authority) start() *authority {
	a.t.Helper()
	dir, err := programs()
	if err != nil {
		a.t.Fatal(err)
	}
	a.pebble = exec.Command(filepath.Join(dir, "pebble"), "-config", a.config, "-dnsserver", a.dns, "-strict")
	a.pebble.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	a.run(a.pebble)
	wait(a.t, "the authority", func() bool { return a.ask("/roots/0") != nil })
	return a
}

func (a *authority) stop() {
	_ = a.pebble.Process.Kill()
	_ = a.pebble.Wait() // it was killed
}

// ask reads from the authority's management.
func (a *authority) ask(path string) []byte {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Get("https://" + a.management + path)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	return body
}

// trust is what a client needs to believe the authority's certificates.
func (a *authority) trust() *x509.CertPool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.ask("/roots/0")) {
		a.t.Fatal("the authority has no root")
	}
	return pool
}

func freePort(t *testing.T) int {
	t.Helper()
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wait polls until f is true.
func wait(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 90 seconds", what)
		}
	}
}

// writePair makes a self-signed certificate.
func writePair(t *testing.T, chain, key, name string, validity time.Duration) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity), IsCA: true, BasicConstraintsValid: true}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{chain: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
