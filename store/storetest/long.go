package storetest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// noise is text that no database can compress.
func noise(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[rng.IntN(36)]
	}
	return string(b)
}

// longest returns an address whose parts are as long as they may be, without or with a resource.
func longest(t testing.TB, rng *rand.Rand, resource int) jid.JID {
	t.Helper()
	var labels []string
	for range 17 {
		labels = append(labels, noise(rng, 59))
	}
	domain := strings.Join(labels, ".")
	j, err := jid.New(noise(rng, jid.MaxPart), domain+noise(rng, 4), noise(rng, resource))
	must(t, err)
	return j
}

// testLongTexts: what may be in a column that is searched fits into the index of every database.
func testLongTexts(t *testing.T, f *fixture) {
	rng := rand.New(rand.NewPCG(1, 2))
	bare := longest(t, rng, 0)
	if n := len(bare.String()); n < 2*jid.MaxPart-10 {
		t.Fatalf("an address of %d bytes", n)
	}
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: bare.Domain(), Local: bare.Local()})
	must(t, err)
	b, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: bare.Domain(), Local: noise(rng, jid.MaxPart)})
	must(t, err)
	circle := noise(rng, 200)
	must(t, f.Circles.Make(f.ctx, bare.Domain(), circle))
	must(t, f.Circles.Join(f.ctx, bare.Domain(), circle, a.ID, 0))
	must(t, f.Circles.Join(f.ctx, bare.Domain(), circle, b.ID, 0))
	must(t, f.Circles.Part(f.ctx, bare.Domain(), circle, b.ID))
	_, change := f.Rosters.Change(a.ID, store.RosterChange{
		Put:        &store.Contact{JID: bare, Name: noise(rng, 1023)},
		PutPending: &store.Pending{JID: bare, Stanza: []byte("<presence/>")},
	})
	_, gone := f.Rosters.Change(a.ID, store.RosterChange{Remove: bare})
	_, kept := f.Archive.Append(store.Entry{Owner: a.ID, Peer: bare.String(), Resource: noise(rng, jid.MaxPart), Offline: true, Stanza: []byte("<message/>")})
	f.wait(t, change, gone, kept,
		f.Strangers.AddAcquaintance(a.ID, bare),
		f.Strangers.AddWaiting(a.ID, longest(t, rng, jid.MaxPart), []byte("<message/>")),
		f.Activity.SetLastSeen(a.ID, f.clock.Now(), noise(rng, 5000)),
		f.Personal.SetPrivate(a.ID, []store.PrivateData{{PrivateName: store.PrivateName{Space: noise(rng, 1024), Local: noise(rng, 1024)}, XML: []byte("<x/>")}}, 10, 1<<20),
		f.Invites.Put(f.invite(noise(rng, 64), func(i *store.Invite) { i.Domain, i.Name, i.Label = bare.Domain(), bare.Local(), noise(rng, 256) })),
		f.Reports.AddReport(store.Report{Reporter: a.ID, Domain: bare.Domain(), About: longest(t, rng, jid.MaxPart).String()}, 10, time.Time{}))
	for _, j := range []jid.JID{bare, longest(t, rng, store.MaxBlocked-2*jid.MaxPart-2)} {
		f.wait(t, f.Blocks.ChangeBlocked(a.ID, store.BlockChange{Add: []jid.JID{j}}))
	}
	f.job(t, f.target(t, a.ID, noise(rng, store.MaxPushAddress-512), noise(rng, 512)), noise(rng, store.MaxPushTopic), "long")
	long := longest(t, rng, jid.MaxPart)
	if err := f.Blocks.ChangeBlocked(a.ID, store.BlockChange{Clear: true, Add: []jid.JID{long}}).Wait(f.ctx); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too long an address: %v", err)
	}
	f.wait(t, f.Blocks.ChangeBlocked(a.ID, store.BlockChange{Remove: []jid.JID{long}}))
	// This brings the row into the orders of the archive.
	if _, err := f.Archive.Expire(f.ctx, time.Unix(0, 0)); err != nil {
		t.Error(err)
	}
}
