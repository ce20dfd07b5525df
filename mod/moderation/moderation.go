// Package moderation takes reports of abuse (XEP-0377 version 0.4.1, and the form of earlier versions) for the moderators of a domain, who see
// and close them (`stonechat ctl report`).
//
// A report comes inside of a block (XEP-0191), by the port Reports. What it says is kept as the reporter says it; the only messages kept with it are
// those that it names and the reporter's own archive has from the one reported. Nobody else's archive is looked into.
//
// Hooks: none. Port: Reports. Left out: forwarding to the reported one's server or to others, so the wish for it (report-origin, third-party)
// is not acted upon.
package moderation

import (
	"context"
	"errors"
	"strings"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

const (
	maxReason     = 256      // bytes
	maxText       = 4 << 10  // bytes; the rest is cut off
	maxReferences = 20       // messages that a report may name
	maxCopies     = 10       // of them that are copied
	maxCopy       = 16 << 10 // bytes of a message that is copied; of larger ones only the id is kept
	maxID         = 1024     // bytes of an id
	readTime      = 250 * time.Millisecond
	expireEvery   = time.Hour
)

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Reports store.Reports
	Archive store.Archive // the reporter's own
}

// Module is the feature on one host.
type Module struct {
	Stores
	config config.Reports
	obs    obs.Obs
	taken  func(reason string)
	host   *core.Host
}

// New takes the stores, the limits, and what counts a report that was kept, by reason: spam, abuse or other. That may be called from any goroutine.
func New(s Stores, c config.Reports, o obs.Obs, taken func(reason string)) *Module {
	return &Module{Stores: s, config: c, obs: o, taken: taken}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "moderation" }

// Install offers the port and the administrators' rows.
func (m *Module) Install(h *core.Host) {
	m.host = h
	h.Ports.Reports = m
	m.rows(h)
	// Conversations offers to report when it finds the older feature of a reason.
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Reporting, ns.ReportingLegacy, ns.ReportingLegacySpam, ns.ReportingLegacyAbuse)
}

// Run erases reports that were closed long ago.
func (m *Module) Run(ctx context.Context) error {
	return core.Every(ctx, expireEvery, func() {
		if _, err := m.Reports.ExpireReports(ctx, m.host.Now().Add(-m.config.Keep.D())); err != nil && ctx.Err() == nil {
			m.obs.Log.Warn("old reports not erased", obs.Err, err)
		}
	})
}

// Report is core.Reports.
func (m *Module) Report(e *core.Event, about jid.JID, report *xmltok.Node) {
	a := e.Account
	said, ok := parse(report)
	if !ok {
		// XEP-0377 section "Payload": a report has a reason. The block that it came with holds.
		m.host.Metrics().Refused("report")
		return
	}
	said.Reporter, said.By, said.Domain, said.About = a.ID, a.JID.String(), m.host.Domain.Domain(), about.String()
	said.Messages = m.copies(a, about, report)
	ticket := m.Reports.AddReport(said, m.config.PerDay, m.host.Now().Add(-24*time.Hour))
	var told store.Promise
	ticket.Done(func(err error) {
		switch {
		case errors.Is(err, store.ErrQuota):
			m.host.Metrics().Refused("reports")
			err = nil
		case err == nil:
			m.taken(kind(said.Reason))
		}
		told.Settle(err)
	})
	e.Wait(told.Ticket())
}

// kind is a reason as the metric has it: clients may make up others.
func kind(reason string) string {
	switch reason {
	case ns.ReportingSpam:
		return "spam"
	case ns.ReportingAbuse:
		return "abuse"
	}
	return "other"
}

// parse reads what a report says; false when it gives no reason.
func parse(report *xmltok.Node) (store.Report, bool) {
	r := store.Report{Reason: strings.Clone(report.Attr("reason"))}
	if report.Space == ns.ReportingLegacy {
		// Before version 0.3 the reason was an element.
		switch {
		case report.Child(ns.ReportingLegacy, "spam") != nil:
			r.Reason = ns.ReportingSpam
		case report.Child(ns.ReportingLegacy, "abuse") != nil:
			r.Reason = ns.ReportingAbuse
		}
	}
	if r.Reason == "" || len(r.Reason) > maxReason {
		return r, false
	}
	var texts []string
	for _, t := range report.All(report.Space, "text") {
		texts = append(texts, strings.TrimSpace(t.Text()))
	}
	r.Text = xmltok.Clip(strings.Join(texts, "\n"), maxText)
	var refs []byte
	for _, ref := range references(report) {
		refs = xmltok.AppendAttr(append(refs, "<stanza-id xmlns='"+ns.StanzaID+"'"...), "by", ref.by)
		refs = append(xmltok.AppendAttr(refs, "id", ref.id), "/>"...)
	}
	r.References = string(refs)
	return r, true
}

// reference names a message: its id in somebody's archive.
type reference struct{ by, id string }

// references are the messages that a report names (XEP-0377 section "Submitting Reports as Part of Blocking").
func references(report *xmltok.Node) []reference {
	var out []reference
	for _, c := range report.All(ns.StanzaID, "stanza-id") {
		r := reference{c.Attr("by"), c.Attr("id")}
		if r.id != "" && len(r.id) <= maxID && len(r.by) <= jid.MaxSize && len(out) < maxReferences {
			out = append(out, r)
		}
	}
	return out
}

// copies are the named messages that the reporter's own archive has from the one reported. They are read in the turn, within a deadline: a
// report with ids alone is better than none.
func (m *Module) copies(a *core.Account, about jid.JID, report *xmltok.Node) string {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	var out strings.Builder
	n := 0
	for _, ref := range references(report) {
		if ref.by != a.JID.String() || n == maxCopies {
			continue
		}
		n++
		res, err := m.Archive.Page(ctx, a.ID, store.Query{IDs: []string{ref.id}, Max: 1})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			m.obs.Log.Warn("reported message not read", obs.JID, a.JID.String(), obs.Err, err)
			break
		}
		for i := range res.Rows {
			if row := &res.Rows[i]; row.Direction == store.Incoming && from(row, about) && len(row.Stanza) <= maxCopy {
				out.Write(row.Stanza)
			}
		}
	}
	return out.String()
}

// from tells whether a kept message is of the address that is reported: its own, any resource's of it, or any of its domain.
func from(row *store.Row, about jid.JID) bool {
	peer, err := jid.Parse(row.Peer)
	switch {
	case err != nil:
		return false
	case about.IsDomain():
		return peer.Domain() == about.Domain()
	}
	return peer == about.Bare()
}
