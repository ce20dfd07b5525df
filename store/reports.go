package store

import (
	"context"
	"time"
)

// Report is a complaint of an owner about an address (XEP-0377).
type Report struct {
	ID       int64     // dealt out by the store, in the order of arrival
	Reporter Owner     // the report goes with this account
	By       string    // its bare address
	Domain   string    // of By: whose moderators see it
	About    string    // the address that was blocked with it
	At       time.Time // microseconds, UTC
	Reason   string    // a URN
	Text     string
	// References are the elements <stanza-id/> of the report, one after the other.
	References string
	// Messages are copies out of the reporter's own archive, as standalone XML one after the other.
	Messages string
	// Closed is when a moderator was done with it, zero before; ClosedBy is who that was, and Note what they found.
	Closed         time.Time
	ClosedBy, Note string
}

// Reports keeps complaints for moderators.
type Reports interface {
	// AddReport keeps a report; ID and At are set by the store. The ticket ends with ErrQuota, and nothing was kept, when the reporter has sent
	// most reports since that time.
	AddReport(r Report, most int, since time.Time) Ticket
	// Reports returns up to limit reports of a domain with ids below before (zero: the newest), newest first; open ones only, or all.
	// References and Messages are left out.
	Reports(ctx context.Context, domain string, before int64, open bool, limit int) ([]Report, error)
	// Report returns one report with everything, or ErrNotFound.
	Report(ctx context.Context, domain string, id int64) (Report, error)
	// CloseReport notes that a moderator is done with it. ErrNotFound: there is no such report. ErrConflict: it is closed already.
	CloseReport(ctx context.Context, domain string, id int64, by, note string) error
	// ExpireReports erases the reports that were closed before a time, and returns how many.
	ExpireReports(ctx context.Context, closedBefore time.Time) (int64, error)
}
