package storetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// What a crash must leave whole beside archives and rosters. Everything is said when it was answered, as in CrashWriter:
// "invite <hash>", "guest <name>", "member <name>", "token <name> <seed>", "place <name>", "block <owner> <address>", "private <owner> <name>".

const (
	crashDomain = "crash.example"
	crashCircle = "Team"
)

// crashJoining has guests come in by invites, with a device each, until ctx ends or something fails.
func crashJoining(ctx context.Context, s store.Set, say func(string, ...any)) error {
	if err := s.Circles.Make(ctx, crashDomain, crashCircle); err != nil {
		return err
	}
	began := strconv.FormatInt(time.Now().UnixNano(), 36)
	for i := 0; ; i++ {
		name := began + "-" + strconv.Itoa(i)
		now := time.Now()
		invite := store.Invite{
			Hash: name, ID: name, Domain: crashDomain, Kind: store.InviteAccount, Role: store.RoleMember, Uses: 1,
			Created: now, Expires: now.Add(time.Hour),
		}
		if err := s.Invites.Put(invite).Wait(ctx); err != nil {
			return err
		}
		say("invite %s\n", name)
		a, err := s.Invites.Register(ctx, store.Registration{
			NewAccount: store.NewAccount{Domain: crashDomain, Local: name}, Token: name, Circles: []string{crashCircle},
		})
		if err != nil {
			return err
		}
		say("guest %s\nmember %s\n", name, name)
		if err := crashGuest(ctx, s, a, say); err != nil {
			return err
		}
	}
}

// crashGuest has a guest log in.
func crashGuest(ctx context.Context, s store.Set, a store.Account, say func(string, ...any)) error {
	now := time.Now()
	err := s.Devices.Enter(a.ID, store.Login{
		Device: store.Device{ID: "d", Last: now},
		Issue:  &store.Token{Seed: []byte("seed"), Mechanism: "HT-SHA-256-NONE", Issued: now, Expires: now.Add(time.Hour)},
	}).Wait(ctx)
	if err != nil {
		return err
	}
	say("token %s seed\n", a.Local)
	j, err := jid.New("stranger", crashDomain, "")
	if err != nil {
		return err
	}
	name := store.PrivateName{Space: "a", Local: "b"}
	for what, ticket := range map[string]store.Ticket{
		"place " + a.Local:                      s.Places.SetPlace(a.ID, []byte("here"), now, 3),
		fmt.Sprintf("block %d %s", a.ID, j):     s.Blocks.ChangeBlocked(a.ID, store.BlockChange{Add: []jid.JID{j}}),
		fmt.Sprintf("private %d %s", a.ID, "b"): s.Personal.SetPrivate(a.ID, []store.PrivateData{{PrivateName: name, XML: []byte("<b/>")}}, 3, 1000),
	} {
		if err := ticket.Wait(ctx); err != nil {
			return err
		}
		say("%s\n", what)
	}
	return nil
}

// noHalves notes what guests have. An invite is used if and only if its guest is there, with everything that came in the same step.
func noHalves(t *testing.T, s Store, there map[string]bool) {
	t.Helper()
	ctx := context.Background()
	invites, err := s.Invites.List(ctx, crashDomain, store.Everybody, 1_000_000)
	must(t, err)
	members, err := s.Circles.Members(ctx, crashDomain, crashCircle)
	must(t, err)
	for _, local := range members {
		there["member "+local] = true
	}
	for _, i := range invites {
		there["invite "+i.Hash] = true
		a, err := s.Accounts.Get(ctx, crashDomain, i.Hash)
		if here := err == nil; here != (i.Used == 1) || here != there["member "+i.Hash] {
			t.Errorf("invite %s: used %d times, its guest: %v, a member: %v", i.Hash, i.Used, err, there["member "+i.Hash])
		}
		if err != nil {
			continue
		}
		there["guest "+a.Local] = true
		tokens, err := s.Devices.Tokens(ctx, a.ID, "d")
		must(t, err)
		for _, x := range tokens {
			there["token "+a.Local+" "+string(x.Seed)] = true
		}
		devices, err := s.Devices.List(ctx, a.ID)
		must(t, err)
		if len(devices) != len(tokens) {
			t.Errorf("%s: %d devices, %d tokens", a.Local, len(devices), len(tokens))
		}
		place, err := s.Places.Place(ctx, crashDomain, a.Local, []byte("here"))
		must(t, err)
		there["place "+a.Local] = !place.Seen.IsZero()
		blocked, err := s.Blocks.Blocked(ctx, a.ID)
		must(t, err)
		for _, j := range blocked {
			there[fmt.Sprintf("block %d %s", a.ID, j)] = true
		}
		xml, err := s.Personal.Private(ctx, a.ID, store.PrivateName{Space: "a", Local: "b"})
		must(t, err)
		there[fmt.Sprintf("private %d b", a.ID)] = len(xml) > 0
	}
}

// crashSession keeps a session and never ends in order: whatever a crash leaves of it is void.
func crashSession(ctx context.Context, s store.Set) error {
	if _, err := s.Sessions.Begin(ctx); err != nil {
		return err
	}
	a, err := s.Accounts.Create(ctx, store.NewAccount{Domain: crashDomain, Local: "rests" + strconv.FormatInt(time.Now().UnixNano(), 36)})
	if err != nil {
		return err
	}
	return s.Sessions.Put(store.KeptSession{Owner: a.ID, ID: []byte("id"), Ends: time.Now().Add(time.Hour), State: []byte("state")}).Wait(ctx)
}

// noSessions: a process that died has left one, and it is not taken for true.
func noSessions(t *testing.T, s Store) {
	t.Helper()
	ctx := context.Background()
	voided, err := s.Sessions.Begin(ctx)
	must(t, err)
	resting, err := s.Sessions.Resting(ctx)
	must(t, err)
	if voided != 1 || len(resting) > 0 {
		t.Errorf("%d sessions were void and %+v rest after a crash", voided, resting)
	}
	must(t, s.Sessions.End().Wait(ctx))
}
