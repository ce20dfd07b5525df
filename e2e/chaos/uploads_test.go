package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// uploaded is a file on its way. What is in it follows from its seed.
type uploaded struct {
	put, get string
	seed     uint64
	size     int
	answered bool // by 201
}

func (u *uploaded) content() []byte {
	b := make([]byte, u.size)
	source := rand.New(rand.NewPCG(u.seed, 0))
	for i := range b {
		b[i] = byte(source.Uint32())
	}
	return b
}

var slotAddress = regexp.MustCompile(`<put url='([^']*)'/><get url='([^']*)'/>`)

// uploadSlots asks for some.
func uploadSlots(t *testing.T, s *peers.Server, keys *wire.Keys, rng *rand.Rand, n int) []*uploaded {
	t.Helper()
	session, err := Login(t.Context(), s, keys, 0, "uploads", false)
	if err != nil {
		t.Fatal(err)
	}
	var all []*uploaded
	for i := range n {
		u := &uploaded{seed: rng.Uint64(), size: 1 + rng.IntN(300_000)}
		answer, err := session.IQ(fmt.Sprint("slot", i), "get", "upload."+s.Domain, fmt.Sprintf("<request xmlns='urn:xmpp:http:upload:0' filename='a.bin' size='%d'/>", u.size))
		if err != nil {
			t.Fatal(err)
		}
		m := slotAddress.FindSubmatch(answer)
		if m == nil {
			t.Fatalf("no slot: %s", answer)
		}
		u.put, u.get = string(m[1]), string(m[2])
		all = append(all, u)
	}
	if err := session.Drop(); err != nil {
		t.Fatal(err)
	}
	return all
}

// site is a client for the server's web site, whatever the name in an address.
func site(s *peers.Server) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.Roots, ServerName: s.Domain},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.HTTPS)
		},
	}}
}

// send uploads one; an error is what a kill looks like.
func (u *uploaded) send(ctx context.Context, c *http.Client) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, u.put, bytes.NewReader(u.content()))
	if err != nil {
		return err
	}
	a, err := c.Do(q)
	if err != nil {
		return err
	}
	u.answered = a.StatusCode == http.StatusCreated
	return a.Body.Close()
}

// check reads one. What was answered must be there; what was not is whole, or not there at all.
func (u *uploaded) check(t *testing.T, c *http.Client) {
	t.Helper()
	a, err := c.Get(u.get)
	if err != nil {
		t.Error(err)
		return
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Error(err)
	}
	if err := a.Body.Close(); err != nil {
		t.Error(err)
	}
	switch {
	case a.StatusCode == http.StatusOK && bytes.Equal(b, u.content()):
	case a.StatusCode == http.StatusNotFound && !u.answered:
	default:
		t.Errorf("%s is %s with %d bytes of %d; answered with 201: %v", u.get, a.Status, len(b), u.size, u.answered)
	}
}

// uploadOptions let one user upload as fast as it can.
const uploadOptions = "[upload]\nslots_per_minute = 10000\nat_once = 16\nkeep_free = 0\n"

// TestKillUploads kills the server while files are uploaded: each that was answered with 201 is there afterwards, and no half one.
func TestKillUploads(t *testing.T) {
	rng := random(t)
	s := newServer(t, 2, uploadOptions)
	surviveUploads(t, s, rng, kill)
}

// TestPowerCutUploads is the same with cuts of the power: a disk loses what was not synced, names included.
func TestPowerCutUploads(t *testing.T) {
	rng := random(t)
	s, c := newCutServer(t, 2, uploadOptions)
	surviveUploads(t, s, rng, c.strike)
}

// surviveUploads strikes the server while files are uploaded.
func surviveUploads(t *testing.T, s *peers.Server, rng *rand.Rand, strike func(*testing.T, *peers.Server, *rand.Rand) string) {
	t.Helper()
	keys := wire.NewKeys()
	var all []*uploaded
	for range *cycles {
		now := uploadSlots(t, s, keys, rng, 24)
		all = append(all, now...)
		var sending sync.WaitGroup
		for i := range 6 {
			sending.Go(func() {
				for n := i; n < len(now); n += 6 {
					if now[n].send(t.Context(), site(s)) != nil {
						return
					}
				}
			})
		}
		pause(t, time.Duration(50+rng.IntN(250))*time.Millisecond)
		t.Log(strike(t, s, rng))
		sending.Wait()
		start(t, s)
	}
	answered := 0
	for _, u := range all {
		u.check(t, site(s))
		if u.answered {
			answered++
		}
	}
	t.Logf("%d of %d were answered with 201 before", answered, len(all))
	if answered == 0 {
		t.Error("nothing was answered, so nothing is proved")
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, "*", "files", "incoming", "*")); err != nil || len(left) > 0 {
		t.Errorf("half files lie about: %v, %v", left, err)
	}
}
