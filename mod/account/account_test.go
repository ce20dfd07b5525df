package account

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// uuidSalt and rawSalt are what two kinds of servers take for salts.
const uuidSalt = "6d2ab2ae-6b43-4a37-9c39-3b8e1f0c9d11"

func rawSalt(i int) string { return fmt.Sprintf("\xff\x00%014d", i) }

// world is a host with this module and what it reads.
type world struct {
	*testing.T
	db *sqlstore.DB
	m  *Module
}

func newWorld(t *testing.T, accounts func(w *world)) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, db: db}
	accounts(w)
	w.m = New(Stores{Accounts: db.Accounts, Shapes: db.Shapes}, config.Default().Login, Keys{Names: []byte("0123456789abcdef")})
	cfg := config.Default()
	o := obs.Discard()
	w.m.Install(core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: core.NewPool(), Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings,
	}))
	return w
}

func (w *world) add(name string, disabled bool, list ...store.Credential) {
	w.Helper()
	_, err := w.db.Accounts.Create(w.Context(), store.NewAccount{Domain: "example.org", Local: name, Disabled: disabled, Credentials: list})
	if err != nil {
		w.Fatal(err)
	}
}

func stored(h sasl.Hash, salt string, iterations int) store.Credential {
	key := make([]byte, h.Size())
	return store.Credential{Mechanism: "SCRAM-" + h.String(), Salt: []byte(salt), Iterations: iterations, StoredKey: key, ServerKey: key}
}

// shown is what anybody sees of a name: the first message of the server, without what is random in it.
func (w *world) shown(name string, h sasl.Hash) (salt string, iterations int, own bool) {
	w.Helper()
	c, ok, err := w.m.Credential(w.Context(), jid.MustParse(name+"@example.org"), h)
	if err != nil {
		w.Fatal(err)
	}
	return string(c.Salt), c.Iterations, ok
}

// look describes a salt as far as it can be told from others.
func look(salt string, iterations int) string {
	form := "raw"
	switch {
	case uuid.MatchString(salt):
		form = "uuid"
	case hex.MatchString(salt):
		form = "hex"
	case text.MatchString(salt):
		form = "text"
	}
	return fmt.Sprintf("%s %d %d", form, len(salt), iterations)
}

// A name that nobody has looks like one of the accounts that there are, as often as those are, and always the same.
func TestNobodyLooksLikeSomebody(t *testing.T) {
	w := newWorld(t, func(w *world) {
		for i := range 60 {
			w.add(fmt.Sprint("imported", i), false, stored(sasl.SHA1, uuidSalt, 4096))
		}
		for i := range 30 {
			w.add(fmt.Sprint("own", i), false, stored(sasl.SHA1, rawSalt(i), 10_000), stored(sasl.SHA256, rawSalt(i), 10_000))
		}
		for i := range 10 {
			w.add(fmt.Sprint("bare", i), false, stored(sasl.SHA256, "c2FsdC1zYWx0", 5000))
		}
	})
	looks := func(names string, n int) map[string]float64 {
		out := map[string]float64{}
		for i := range n {
			name := fmt.Sprint(names, i)
			salt1, i1, _ := w.shown(name, sasl.SHA1)
			salt2, i2, _ := w.shown(name, sasl.SHA256)
			again, _, _ := w.shown(strings.ToUpper(name), sasl.SHA1)
			if again != salt1 {
				t.Fatalf("%s shows %q and %q", name, salt1, again)
			}
			out[look(salt1, i1)+", "+look(salt2, i2)] += 100 / float64(n)
		}
		return out
	}
	// A zero salt is what the mechanism makes up by itself, as for accounts that lack a credential.
	want := map[string]float64{
		"uuid 36 4096, raw 0 0": 60, "raw 16 10000, raw 16 10000": 30, "raw 0 0, text 12 5000": 10,
	}
	got := looks("nobody", 2000)
	for l, share := range want {
		if math.Abs(got[l]-share) > 5 {
			t.Errorf("%.1f %% look like %q, among accounts it is %.0f", got[l], l, share)
		}
	}
	if len(got) != len(want) {
		t.Errorf("names that nobody has show what nobody shows: %v", got)
	}
	for _, x := range []struct{ names, look string }{{"imported", "uuid 36 4096, raw 0 0"}, {"own", "raw 16 10000, raw 16 10000"}, {"bare", "raw 0 0, text 12 5000"}} {
		if got := looks(x.names, 10); got[x.look] < 99 {
			t.Errorf("accounts look like %v", got)
		}
	}
	salts := map[string]bool{}
	for i := range 100 {
		salt, _, _ := w.shown(fmt.Sprint("nobody", i), sasl.SHA1)
		salts[salt] = true
	}
	if len(salts) < 60 {
		t.Errorf("only %d salts for 100 names", len(salts))
	}
}

// Whoever is disabled shows what it always did, and is not let in.
func TestDisabled(t *testing.T) {
	w := newWorld(t, func(w *world) { w.add("juliet", true, stored(sasl.SHA1, "her own salt", 7000)) })
	if salt, iterations, ok := w.shown("juliet", sasl.SHA1); ok || salt != "her own salt" || iterations != 7000 {
		t.Errorf("shows %q, %d, let in %v", salt, iterations, ok)
	}
}

// An account of a shape that was not there before has everybody looked at again.
func TestNewShape(t *testing.T) {
	w := newWorld(t, func(w *world) { w.add("own", false, stored(sasl.SHA1, rawSalt(1), 10_000)) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.m.Run(ctx) }()
	before := w.m.shapes.Load()
	w.shown("own", sasl.SHA1)
	w.shown("nobody", sasl.SHA1)
	if len(w.m.news) != 0 {
		t.Error("an old shape is news")
	}
	for i := range 50 {
		w.add(fmt.Sprint("imported", i), false, stored(sasl.SHA1, uuidSalt, 4096))
	}
	w.shown("imported7", sasl.SHA1)
	for ; w.m.shapes.Load() == before; time.Sleep(time.Millisecond) {
		if t.Context().Err() != nil {
			t.Fatal("never looked again")
		}
	}
	if salt, iterations, _ := w.shown("nobody", sasl.SHA1); !uuid.MatchString(salt) || iterations != 4096 {
		t.Errorf("among 50 imported accounts and one other nobody shows %q, %d", salt, iterations)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
