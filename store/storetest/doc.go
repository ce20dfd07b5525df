// Package storetest is the contract of package store: an implementation passes Run. Crash needs a process of its own, see there.
package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// Store is an implementation under test.
type Store struct {
	store.Set
	// Close gives everything up; what was promised must be there when the same folder is opened again.
	Close func() error
}

// Clock is a clock that stands still until it is moved.
type Clock struct{ nanos atomic.Int64 }

// NewClock starts at the given time.
func NewClock(t time.Time) *Clock {
	c := new(Clock)
	c.nanos.Store(t.UnixNano())
	return c
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

// Move moves the clock.
func (c *Clock) Move(d time.Duration) { c.nanos.Add(int64(d)) }

// Open opens the store in a folder with a clock.
type Open func(t testing.TB, folder string, now func() time.Time) Store

// Run checks every part of the contract.
func Run(t *testing.T, open Open) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"Tickets", testTickets},
		{"Accounts", testAccounts},
		{"AccountsList", testAccountsList},
		{"AccountsImport", testAccountsImport},
		{"AccountsDelete", testAccountsDelete},
		{"Holdings", testHoldings},
		{"Roster", testRoster},
		{"RosterVersions", testRosterVersions},
		{"RosterOrder", testRosterOrder},
		{"Pending", testPending},
		{"ArchiveIDs", testArchiveIDs},
		{"ArchiveReplace", testArchiveReplace},
		{"ArchivePages", testArchivePages},
		{"ArchiveTimes", testArchiveTimes},
		{"ArchiveRandomQueries", testArchiveRandomQueries},
		{"ArchiveUnknownIDs", testArchiveUnknownIDs},
		{"ArchiveLimits", testArchiveLimits},
		{"ArchiveBounds", testArchiveBounds},
		{"ArchiveRecent", testArchiveRecent},
		{"ArchiveExpire", testArchiveExpire},
		{"ArchiveConcurrency", testArchiveConcurrency},
		{"ArchiveOwnRows", testArchiveOwnRows},
		{"Chats", testChats},
		{"ChatsRandom", testChatsRandom},
		{"ChatsOfRooms", testChatsOfRooms},
		{"Fastenings", testFastenings},
		{"FasteningLimits", testFasteningLimits},
		{"Search", testSearch},
		{"SearchChanges", testSearchChanges},
		{"SearchKept", testSearchKept},
		{"Offline", testOffline},
		{"Order", testOrder},
		{"Prefs", testPrefs},
		{"Secrets", testSecrets},
		{"Blocks", testBlocks},
		{"Reports", testReports},
		{"Strangers", testStrangers},
		{"Personal", testPersonal},
		{"Sessions", testSessions},
		{"SessionsDisorder", testSessionsDisorder},
		{"SessionMessages", testSessionMessages},
		{"Activity", testActivity},
		{"Invites", testInvites},
		{"Register", testRegister},
		{"TokenRace", testTokenRace},
		{"Reset", testReset},
		{"Leavers", testLeavers},
		{"Circles", testCircles},
		{"Places", testPlaces},
		{"Shapes", testShapes},
		{"Devices", testDevices},
		{"DeviceTokens", testDeviceTokens},
		{"DevicesRevoked", testDevicesRevoked},
		{"Credentials", testCredentials},
		{"Rooms", testRooms},
		{"RoomsErased", testRoomsErased},
		{"Tombstones", testTombstones},
		{"TombstoneLimits", testTombstoneLimits},
		{"TombstonesErased", testTombstonesErased},
		{"Disinherited", testDisinherited},
		{"Bereaved", testBereaved},
		{"Nodes", testNodes},
		{"NodeTies", testNodeTies},
		{"NodesShown", testShown},
		{"NodeItems", testNodeItems},
		{"NodeLimits", testNodeLimits},
		{"Files", testFiles},
		{"FilesQuota", testFilesQuota},
		{"FilesGo", testFilesGo},
		{"OwnFiles", testOwnFiles},
		{"PushTargets", testPushTargets},
		{"PushJobs", testPushJobs},
		{"PushLeases", testPushLeases},
		{"PushShown", testPushShown},
		{"PushDevices", testPushDevices},
		{"LeaveOrder", testLeaveOrder},
		{"EndIsLast", testEndIsLast},
		{"ManySessions", testManySessions},
		{"OfNobody", testOfNobody},
		{"Storm", testStorm},
		{"LoginRaces", testLoginRaces},
		{"Quotas", testQuotas},
		{"LongTexts", testLongTexts},
		{"Reopen", testReopen},
		{"Closed", testClosed},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, newFixture(t, open)) })
	}
}

// fixture is a fresh store with its clock.
type fixture struct {
	Store
	open   Open
	folder string
	clock  *Clock
	ctx    context.Context
}

func newFixture(t testing.TB, open Open) *fixture {
	f := &fixture{open: open, folder: t.TempDir(), clock: NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	f.ctx = ctx
	t.Cleanup(cancel)
	f.Store = open(t, f.folder, f.clock.Now)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

// reopen closes the store and opens it again.
func (f *fixture) reopen(t testing.TB) {
	t.Helper()
	must(t, f.Close())
	f.Store = f.open(t, f.folder, f.clock.Now)
}

// wait waits for a ticket that must succeed.
func (f *fixture) wait(t testing.TB, tickets ...store.Ticket) {
	t.Helper()
	for _, ticket := range tickets {
		must(t, ticket.Wait(f.ctx))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func address(t testing.TB, s string) jid.JID {
	t.Helper()
	j, err := jid.Parse(s)
	must(t, err)
	return j
}

// account makes an account and returns its id.
func (f *fixture) account(t testing.TB, local string) store.Owner {
	t.Helper()
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: local})
	must(t, err)
	return a.ID
}
