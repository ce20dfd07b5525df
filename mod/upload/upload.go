// Package upload takes files by HTTP and gives them to whoever knows their address: XEP-0363 1.2.0, with all its purposes.
//
// Hooks: Sent and Said, since files go with the messages that are taken back (XEP-0424, XEP-0425). It serves a domain (core.Host.ServeDomain) for slots, and a
// page (core.Page) for the files themselves. Contents are kept by hash (store/blob), everything else of them in store.Files: see docs/decisions/0027-files.md,
// 0032-more-of-files.md, and 0033-pictures.md for what is done with pictures and voice. Left out: headers that a client must send with its PUT, since the
// address says all.
package upload

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/clamd"
	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/picture"
	"stonechat/store"
	"stonechat/store/blob"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Path is what addresses of files begin with at the web site.
const Path = "/files/"

// Parts are what the module is made of.
type Parts struct {
	Files store.Files
	Own   store.OwnFiles
	// Archive is read to find what is taken back.
	Archive store.Archive
	Blobs   blob.Blobs
	Config  config.Upload
	// Scanner looks into contents before their addresses work; nil: nobody does. ScanAll refuses what it could not look into.
	Scanner *clamd.Scanner
	ScanAll bool
	// Pictures says what is done with such, and Maker does it: one for all hosts, since it is one machine whose memory they take.
	Pictures config.Pictures
	Maker    *picture.Maker
	// Key makes the codes in addresses.
	Key []byte
	// Site is what addresses at a domain's web site begin with, without a slash at the end; false: there is none, or not yet.
	Site    func(domain string) (string, bool)
	Figures Figures
	Obs     obs.Obs
}

// Figures are the module's metrics; they are shared by all hosts.
type Figures struct {
	Stored, StoredBytes, Fetched prometheus.Counter
	Dropped                      prometheus.Counter
	Unscanned                    prometheus.Counter
	Refused                      *prometheus.CounterVec // by reason
	Looks                        *prometheus.CounterVec // by outcome
}

// NewFigures registers them.
func NewFigures(o obs.Obs) Figures {
	return Figures{
		Stored:      o.Counter("upload_stored_total", "Files that were uploaded and are durable."),
		StoredBytes: o.Counter("upload_stored_bytes_total", "Bytes of such files."),
		Fetched:     o.Counter("upload_fetched_total", "Requests for files that were answered."),
		Dropped:     o.Counter("upload_dropped_total", "Files that went with a message that was taken back."),
		Unscanned:   o.Counter("upload_unscanned_total", "Files that were taken although the scanner could not look into them."),
		Refused:     o.CounterVec("upload_refused_total", "Slots, uploads and requests for files that were refused, by reason.", "reason"),
		Looks:       o.CounterVec("upload_looks_total", "Uploaded pictures and sounds that were looked into: made, too_large, unreadable, late, refused or fault.", "outcome"),
	}
}

// Module is the feature.
type Module struct {
	Parts
	host  *core.Host
	codes codes
	slots core.Quota // given within a minute, by account
	// underway are the uploads of each account, and under "" those of all.
	underway core.Quota
	// resuming are the files that somebody appends to.
	resuming core.Quota
}

// New returns the module.
func New(p Parts) *Module {
	if p.Scanner != nil && p.ScanAll {
		p.Config.FileBytes = min(p.Config.FileBytes, p.Scanner.Bytes)
	}
	return &Module{Parts: p, codes: codes{p.Key}}
}

// Name of the module.
func (m *Module) Name() string { return "upload" }

// Install serves the domain and registers rows.
func (m *Module) Install(h *core.Host) {
	if m.Config.FileBytes == 0 {
		return
	}
	m.host = h
	domain, err := jid.Parse(m.Config.Of(h.Domain.Domain()))
	if err != nil {
		// The configuration is checked: what stands before a domain makes one, unless it is too long. Serve reports it at the start.
		m.Obs.Log.Error("no domain for uploads", obs.Err, err)
	}
	h.ServeDomain(m.Name(), domain)
	for _, row := range []core.IQ{
		{Space: ns.HTTPUpload, Local: "request", Action: core.ActUpload, Slow: true, Do: m.slot},
		{Space: Space, Local: "about", Action: core.ActUpload, Slow: true, Do: m.about},
		{Space: Space, Local: "files", Action: core.ActUpload, Slow: true, Do: m.own},
		{Space: Space, Local: "remove", Type: stanza.Set, Action: core.ActUpload, Slow: true, Do: m.removeOwn},
		{Space: ns.DiscoInfo, Local: "query", Action: core.ActSeeHost, Do: m.info},
		{Space: ns.DiscoItems, Local: "query", Action: core.ActSeeHost, Do: items},
		{Space: ns.Ping, Local: "ping", Action: core.ActSeeHost, Do: func(context.Context, *core.Event) (core.Answer, error) { return core.Answer{}, nil }},
	} {
		row.Module, row.Type, row.To = m.Name(), cmp.Or(row.Type, stanza.Get), core.ToService
		h.IQ.Handle(row)
	}
	h.HTTP.Handle(core.Route{Pattern: "GET /users/{name}/files", Action: core.ActSeeAccounts, Do: m.usage})
	h.HTTP.Handle(core.Route{Pattern: "GET /users/{name}/files/each", Action: core.ActEditAccounts, Do: m.list})
	h.HTTP.Handle(core.Route{Pattern: "DELETE /users/{name}/files/{id}", Action: core.ActEditAccounts, Do: m.remove})
	h.Hooks.Sent.Add(m.Name(), m.sent)
	h.Hooks.Said = append(h.Hooks.Said, core.SaidHook{Module: m.Name(), Do: m.said})
	h.Web.Handle(core.Page{Path: Path, Action: core.ActFetch, Serve: m.serve, Module: m.Name()})
	h.Disco.HostItems = append(h.Disco.HostItems, core.DiscoItem{JID: domain, Name: "Files"})
}

// info is XEP-0363 section 3.
func (m *Module) info(_ context.Context, e *core.Event) (core.Answer, error) {
	if hasNode(e) {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	i := disco.Info{
		Identities: []disco.Identity{{Category: "store", Type: "file", Name: "Files"}},
		Features:   []string{ns.DiscoInfo, ns.DiscoItems, ns.Ping, ns.HTTPUpload, Space},
		Forms: []*form.Form{form.New(form.Result, ns.HTTPUpload, form.Field{
			Var: "max-file-size", Values: []string{strconv.FormatInt(m.Config.FileBytes, 10)},
		})},
	}
	for _, p := range purposes() {
		i.Features = append(i.Features, ns.HTTPUploadPurpose+"#"+p)
	}
	if m.Config.ResumeTime > 0 {
		i.Features = append(i.Features, Space+"#resume")
	}
	return core.Answer{Payload: string(i.AppendXML(nil))}, nil
}

// items: nobody may list what others have uploaded.
func items(_ context.Context, e *core.Event) (core.Answer, error) {
	if hasNode(e) {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	return core.Answer{Payload: "<query xmlns='" + ns.DiscoItems + "'/>"}, nil
}

func hasNode(e *core.Event) bool {
	p, _ := e.Stanza.Payload()
	node, _ := p.Attr("node")
	return node != ""
}

func (m *Module) now() time.Time { return m.host.Now().UTC().Truncate(time.Microsecond) }

// refused counts a refusal and returns what the client is told.
func (m *Module) refused(reason string, err *stanza.Error) error {
	m.Figures.Refused.WithLabelValues(reason).Inc()
	return err
}

// roomFor tells whether so many bytes leave the disk as much as is to stay free. What is not known is no obstacle.
func (m *Module) roomFor(ctx context.Context, bytes int64) bool {
	free, known, err := m.Blobs.Free(ctx)
	if err != nil {
		m.Obs.Log.Warn("free space for uploads is not known", obs.Err, err)
	}
	return err != nil || !known || free-bytes >= m.Config.KeepFree
}
