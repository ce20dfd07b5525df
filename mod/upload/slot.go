package upload

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// The purposes of XEP-0363 section 5.
const (
	forMessage = "message"
	forProfile = "profile"
	forAWhile  = "ephemeral"
	forGood    = "permanent"
)

// slotSpan is what Upload.SlotsPerMinute counts in.
const slotSpan = time.Minute

func purposes() []string { return []string{forMessage, forProfile, forAWhile, forGood} }

// request is what a client wants to upload.
type request struct {
	name, mediaType, purpose string
	size                     int64
	before                   time.Time // of forAWhile: when it must be gone
}

func malformed(text string) *stanza.Error { return stanza.NewError(stanza.BadRequest, text) }

// readRequest is XEP-0363 sections 4 and 5.
func readRequest(st *stanza.Stanza) (r request, err error) {
	p, ok := st.Payload()
	if !ok {
		return r, malformed("no request")
	}
	tree, err := p.Tree()
	if err != nil {
		return r, err
	}
	name, size := tree.Attr("filename"), tree.Attr("size")
	r.mediaType = tree.Attr("content-type")
	if r.name, ok = cleanName(name); !ok {
		return r, malformed("filename is missing")
	}
	// The schema has a positive integer.
	if r.size, err = strconv.ParseInt(size, 10, 64); err != nil || r.size <= 0 || size[0] == '+' {
		return r, malformed("size is missing, or no positive number")
	}
	if r.mediaType != "" {
		if r.mediaType, ok = mediaType(r.mediaType); !ok {
			return r, malformed("content-type is none")
		}
	}
	return r, r.readPurpose(tree)
}

// readPurpose is section 5: without one it is that of a message.
func (r *request) readPurpose(tree *xmltok.Node) (err error) {
	r.purpose = forMessage
	found := 0
	for _, name := range purposes() {
		n := tree.Child(ns.HTTPUploadPurpose, name)
		if n == nil {
			continue
		}
		found++
		r.purpose = name
		if name == forAWhile {
			if r.before, err = time.Parse(time.RFC3339, n.Attr("expire-before")); err != nil {
				return malformed("expire-before is missing, or no time of XEP-0082")
			}
		}
	}
	if found > 1 {
		return malformed("one purpose at a time")
	}
	return nil
}

// slot answers a request for one. It runs outside turns.
func (m *Module) slot(ctx context.Context, e *core.Event) (core.Answer, error) {
	r, err := readRequest(e.Stanza)
	if err != nil {
		m.Figures.Refused.WithLabelValues("malformed").Inc()
		return core.Answer{}, err
	}
	if !e.Account.Exists {
		return core.Answer{}, m.refused("forbidden", stanza.NewError(stanza.Forbidden, "files belong to accounts")) // a component asks
	}
	base, ok := m.base()
	if !ok {
		return core.Answer{}, m.refused("no web", stanza.NewError(stanza.ServiceUnavailable, "this server has no web site"))
	}
	now := m.now()
	most := m.largest(r.purpose)
	switch {
	case r.size > most:
		return core.Answer{}, m.refused("too large", tooLarge(most))
	case r.purpose == forAWhile && !r.before.After(now):
		return core.Answer{}, m.refused("malformed", stanza.NewError(stanza.NotAcceptable, "it would be gone already"))
	case !m.slots.Take(now, strconv.FormatInt(int64(e.Account.ID), 10), m.Config.SlotsPerMinute, slotSpan):
		return core.Answer{}, m.refused("too often", tooOften(m.Config.SlotsPerMinute, now.Add(slotSpan)))
	case !m.roomFor(ctx, r.size):
		return core.Answer{}, m.refused("disk", stanza.NewError(stanza.ResourceConstraint, "the server's disk has no room"))
	}
	f := store.File{
		ID: m.codes.id(), Owner: e.Account.ID, Size: r.size, Type: r.mediaType, Name: r.name, Purpose: r.purpose,
		Created: now, Due: now.Add(m.Config.SlotTime.D()), Until: m.until(r, now),
	}
	if err := m.Files.Reserve(f, m.quota(r.purpose, e.Account.Role())).Wait(ctx); err != nil {
		return core.Answer{}, m.notReserved(err)
	}
	get := base + Path + address{f.ID, f.Name}.escaped()
	put := get + "?" + m.codes.query(f.ID, f.Due)
	b := []byte("<slot xmlns='" + ns.HTTPUpload + "'><put")
	b = append(xmltok.AppendAttr(b, "url", put), "/><get"...)
	b = append(xmltok.AppendAttr(b, "url", get), "/></slot>"...)
	return core.Answer{Payload: string(b)}, nil
}

// base is what addresses of files begin with.
func (m *Module) base() (string, bool) {
	if m.Config.URL != "" {
		return strings.TrimSuffix(m.Config.URL, "/"), true
	}
	return m.Site(m.host.Domain.Domain())
}

// largest file for a purpose.
func (m *Module) largest(purpose string) int64 {
	if purpose == forProfile {
		return min(m.Config.ProfileBytes, m.Config.FileBytes)
	}
	return m.Config.FileBytes
}

// quota of an account for a purpose, with the purposes that count beside it.
func (m *Module) quota(purpose string, role store.Role) store.Quota {
	q := store.Quota{Purposes: []string{forMessage, forAWhile, forGood}, Files: m.Config.Files, Bytes: m.Config.Quota}
	switch {
	case purpose == forProfile:
		q.Purposes, q.Bytes = []string{forProfile}, m.Config.ProfileQuota
	case slices.Contains([]store.Role{store.RoleModerator, store.RoleAdmin, store.RoleOwner}, role):
		q.Bytes = m.Config.StaffQuota
	}
	return q
}

// until is when a file goes; zero: never.
func (m *Module) until(r request, now time.Time) time.Time {
	keep := m.Config.Keep.D()
	switch {
	case r.purpose == forProfile || r.purpose == forGood:
		return time.Time{}
	case keep > 0 && (r.before.IsZero() || now.Add(keep).Before(r.before)):
		return now.Add(keep)
	}
	// XEP-0363 section 5.3: earlier if need be, but never later.
	return r.before.UTC().Truncate(time.Microsecond)
}

// notReserved is what the client is told.
func (m *Module) notReserved(err error) error {
	switch {
	case errors.Is(err, store.ErrQuota):
		return m.refused("quota", &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "your files have as many bytes as they may"})
	case errors.Is(err, store.ErrTooMany):
		return m.refused("quota", &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "you have as many files as you may"})
	}
	return err
}

// tooLarge is XEP-0363 section 6.
func tooLarge(most int64) *stanza.Error {
	n := strconv.FormatInt(most, 10)
	return &stanza.Error{
		Type: stanza.Modify, Condition: stanza.NotAcceptable, Text: "File too large. The maximum file size is " + n + " bytes",
		App: "<file-too-large xmlns='" + ns.HTTPUpload + "'><max-file-size>" + n + "</max-file-size></file-too-large>",
	}
}

// tooOften is the same section for what passes by itself.
func tooOften(most int, again time.Time) *stanza.Error {
	return &stanza.Error{
		Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "You can upload " + strconv.Itoa(most) + " files a minute",
		App: "<retry xmlns='" + ns.HTTPUpload + "' stamp='" + again.UTC().Format(time.RFC3339) + "'/>",
	}
}

// fresh are random bytes that nobody can guess.
func fresh(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
