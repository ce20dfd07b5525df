package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// memory keeps one account and the tokens of its devices; other stores are not asked.
type memory struct {
	account store.Account
	tokens  map[string][]store.Token
	logins  []store.Login
	err     error
	all     []string
	some    []string
}

type (
	accounts struct {
		store.Accounts
		m *memory
	}
	devices struct {
		store.Devices
		m *memory
	}
	credentials struct {
		store.Credentials
		m *memory
	}
)

func (x accounts) Get(_ context.Context, domain, local string) (store.Account, error) {
	if domain != x.m.account.Domain || local != x.m.account.Local {
		return store.Account{}, store.ErrNotFound
	}
	return x.m.account, nil
}

func (x devices) Tokens(_ context.Context, owner store.Owner, device string) ([]store.Token, error) {
	if owner != x.m.account.ID {
		return nil, nil
	}
	return x.m.tokens[device], nil
}

func (x devices) Enter(_ store.Owner, l store.Login) store.Ticket {
	x.m.logins = append(x.m.logins, l)
	if l.Issue != nil && x.m.err == nil {
		x.m.tokens[l.Device.ID] = []store.Token{*l.Issue}
	}
	return store.Settled(x.m.err)
}

func (x credentials) Shared(context.Context, string) (all, some []string, err error) {
	return x.m.all, x.m.some, x.m.err
}

type noShapes struct{}

func (noShapes) Shapes(context.Context, string, []string, int) ([]store.Shape, error) {
	return nil, nil
}

var juliet = jid.MustParse("juliet@example.org")

// rig is the module on a host whose clock is moved by hand.
func rig(t *testing.T, login config.Login) (*Module, *memory, *time.Time) {
	t.Helper()
	m := &memory{account: store.Account{ID: 7, Domain: "example.org", Local: "juliet"}, tokens: map[string][]store.Token{}}
	keys := Keys{Names: []byte("0123456789abcdef"), Tokens: []byte("another key")}
	x := New(Stores{Accounts: accounts{m: m}, Credentials: credentials{m: m}, Devices: devices{m: m}, Shapes: noShapes{}}, login, keys)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	x.Install(&core.Host{Domain: jid.MustParse("example.org"), Obs: obs.Discard(), Now: func() time.Time { return now }})
	return x, m, &now
}

func days(n int) config.Duration { return config.Duration(time.Duration(n) * 24 * time.Hour) }

func TestTokensRotateAndExpire(t *testing.T) {
	x, m, now := rig(t, config.Login{TokenLife: days(21), TokenRotate: days(1), Devices: 5})
	ctx := t.Context()
	got, err := x.Enter(ctx, core.DeviceLogin{Account: juliet, Device: "d", Mechanism: sasl.ScramSHA256, Want: sasl.HTNone, Credential: sasl.Credential{StoredKey: []byte("k")}})
	if err != nil || got == nil || got.Expires != now.Add(21*24*time.Hour) || len(got.Secret) < 40 {
		t.Fatalf("%v %v", got, err)
	}
	if l := m.logins[0]; string(l.Under) != "k" || l.Keep != 5 || strings.Contains(got.Secret, string(l.Issue.Seed)) {
		t.Errorf("kept %+v", l)
	}
	tokens := func(device, mechanism string) []core.DeviceToken {
		t.Helper()
		list, err := x.Tokens(ctx, juliet, device, mechanism)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if len(tokens("d", sasl.HTExporter))+len(tokens("e", sasl.HTNone)) != 0 {
		t.Error("the token is good elsewhere")
	}
	one := tokens("d", sasl.HTNone)
	if len(one) != 1 || one[0].Secret != got.Secret || one[0].Expired || one[0].Due {
		t.Fatalf("tokens %+v", one)
	}
	use := core.DeviceLogin{Account: juliet, Device: "d", Mechanism: sasl.HTNone, Token: &one[0]}
	if got, err := x.Enter(ctx, use); got != nil || err != nil {
		t.Errorf("a fresh token is replaced: %v %v", got, err)
	}
	*now = now.Add(24 * time.Hour)
	one = tokens("d", sasl.HTNone)
	use.Token = &one[0]
	use.Invalidate = true
	if got, err := x.Enter(ctx, use); got != nil || err != nil {
		t.Errorf("a token that is given up is replaced: %v %v", got, err)
	}
	use.Invalidate = false
	next, err := x.Enter(ctx, use)
	if err != nil || next == nil || next.Secret == got.Secret {
		t.Fatalf("after a day: %v %v", next, err)
	}
	*now = now.Add(21*24*time.Hour - time.Second)
	if tokens("d", sasl.HTNone)[0].Expired {
		t.Error("expired too early")
	}
	*now = now.Add(time.Second)
	if !tokens("d", sasl.HTNone)[0].Expired {
		t.Error("never expires")
	}
	// What is kept is no token under another key.
	y := New(x.stores, x.login, Keys{Names: x.keys.Names, Tokens: []byte("restored elsewhere")})
	y.host = x.host
	if list, err := y.Tokens(ctx, juliet, "d", sasl.HTNone); err != nil || len(list) != 1 || list[0].Secret == next.Secret {
		t.Errorf("%v %v", list, err)
	}
	m.account.Disabled = true
	if len(tokens("d", sasl.HTNone)) != 0 {
		t.Error("a disabled account has tokens")
	}
	if _, err := x.Enter(ctx, use); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a disabled account enters: %v", err)
	}
}

// Only what rests on the disk waits for it.
func TestEnterOnAFullDisk(t *testing.T) {
	x, m, _ := rig(t, config.Login{TokenLife: days(21), TokenRotate: days(1), Devices: 5})
	m.err = store.ErrFull
	token := core.DeviceToken{Seed: []byte("s")}
	fresh, counted := token, core.DeviceLogin{Account: juliet, Device: "d", Token: &token, Count: 1}
	fresh.New = true
	for name, l := range map[string]struct {
		login core.DeviceLogin
		waits bool
	}{
		"seen":        {core.DeviceLogin{Account: juliet, Device: "d"}, false},
		"current":     {core.DeviceLogin{Account: juliet, Device: "d", Token: &token}, false},
		"new":         {core.DeviceLogin{Account: juliet, Device: "d", Token: &fresh}, true},
		"counted":     {counted, true},
		"invalidated": {core.DeviceLogin{Account: juliet, Device: "d", Token: &token, Invalidate: true}, true},
		"wanted":      {core.DeviceLogin{Account: juliet, Device: "d", Want: sasl.HTNone}, true},
	} {
		if got, err := x.Enter(t.Context(), l.login); got != nil || (err != nil) != l.waits {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	x.login.TokenLife = 0
	if got, err := x.Enter(t.Context(), core.DeviceLogin{Account: juliet, Device: "d", Want: sasl.HTNone}); got != nil || err != nil {
		t.Errorf("switched off: %v %v", got, err)
	}
}

func TestNamesOfDevices(t *testing.T) {
	x, _, _ := rig(t, config.Login{})
	const agent = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	other := jid.MustParse("romeo@example.org")
	id := x.ID(juliet, agent)
	if id != x.ID(juliet, strings.ToUpper(agent)) || id == x.ID(other, agent) || len(id) != 16 || strings.Contains(agent, id) {
		t.Errorf("id %s", id)
	}
	r := x.Resource(juliet, agent, "Tag")
	if r != x.Resource(juliet, agent, "Tag") || r == x.Resource(juliet, agent, "") || r == x.Resource(other, agent, "Tag") || len(r) != 12 {
		t.Errorf("resource %s", r)
	}
}

func TestHashes(t *testing.T) {
	x, m, _ := rig(t, config.Login{})
	const one, two, five = "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"
	for _, c := range []struct {
		all, some []string
		want      []sasl.Hash
	}{
		{nil, nil, []sasl.Hash{sasl.SHA512, sasl.SHA256, sasl.SHA1}},
		{[]string{one, two, five}, []string{one, two, five}, []sasl.Hash{sasl.SHA512, sasl.SHA256, sasl.SHA1}},
		{[]string{one, two}, []string{one, two, five}, []sasl.Hash{sasl.SHA256, sasl.SHA1}},
		{[]string{one}, []string{one}, []sasl.Hash{sasl.SHA1}},
		{nil, []string{one, two}, []sasl.Hash{sasl.SHA256, sasl.SHA1}},
		{[]string{"OTHER"}, []string{"OTHER"}, nil},
	} {
		m.all, m.some = c.all, c.some
		got, err := x.Hashes(t.Context())
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("all have %v, some %v: %v %v", c.all, c.some, got, err)
		}
	}
	x.login.Hashes = []string{"SHA-1", "SHA-512"}
	if got, err := x.Hashes(t.Context()); err != nil || len(got) != 2 || got[0] != sasl.SHA512 || got[1] != sasl.SHA1 {
		t.Errorf("as configured: %v %v", got, err)
	}
}
