package archive

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file is the search of archives by words (XEP-0431): what may stand in the text, and the search itself. docs/search.md is for users.

const (
	maxSought  = 1024            // bytes of the text
	searchTime = 2 * time.Second // for one search
)

// fulltextField is the field of the form (XEP-0431 section 4.1).
const fulltextField = "{" + ns.Fulltext + "}fulltext"

// How a search ended, for whoever counts it.
const (
	searchDone    = "done"
	searchBehind  = "behind"  // the newest messages could not be looked at
	searchRefused = "refused" // the text could not be read, or asks for too much
	searchLate    = "late"    // it took too long
	searchFailed  = "failed"
)

// Finder is what searches take; its zero value offers none.
type Finder struct {
	Search store.Search
	// Count is told how each search ended: done, behind, refused, late or failed. It may be nil.
	Count func(outcome string)
}

func (f Finder) count(outcome string) {
	if f.Count != nil {
		f.Count(outcome)
	}
}

// sought is the text of a search: words and phrases, and conditions in the form name:value.
type sought struct {
	phrases       []store.Phrase
	link          bool
	from, in      string
	before, after time.Time // before: excluded; after: included
}

// empty: nothing is looked for.
func (s *sought) empty() bool {
	return len(s.phrases) == 0 && !s.link && s.from == "" && s.in == "" && s.before.IsZero() && s.after.IsZero()
}

// parseSought reads what somebody has typed. Words and "phrases" are wanted all; a minus before one means that it is not. What is no
// condition of ours is words.
func parseSought(text string) (sought, error) {
	var s sought
	if len(text) > maxSought {
		return s, bad("the text to search for is too long")
	}
	for text = strings.TrimLeftFunc(text, unicode.IsSpace); text != ""; text = strings.TrimLeftFunc(text, unicode.IsSpace) {
		not := false
		if rest, ok := strings.CutPrefix(text, "-"); ok {
			not, text = true, rest
		}
		if name, rest, ok := condition(text); ok && !not {
			var value string
			value, text = term(rest)
			if err := s.condition(name, value); err != nil {
				return s, err
			}
			continue
		}
		var value string
		if value, text = term(text); strings.TrimSpace(value) == "" {
			continue
		}
		if len(s.phrases) == store.MaxPhrases {
			return s, bad("too many words to search for")
		}
		s.phrases = append(s.phrases, store.Phrase{Text: value, Not: not})
	}
	return s, nil
}

// term cuts the next word off, or what stands between quotation marks. The last mark may be missing.
func term(text string) (value, rest string) {
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		value, rest, _ = strings.Cut(inner, `"`)
		return value, rest
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '"' }); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// condition tells whether a text begins with the name of a condition and something behind it.
func condition(text string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(text, ":")
	if !ok || rest == "" || strings.IndexFunc(rest, unicode.IsSpace) == 0 {
		return "", "", false
	}
	switch name = strings.ToLower(name); name {
	case "from", "in", "has", "before", "after":
		return name, rest, true
	}
	return "", "", false
}

// condition notes one.
func (s *sought) condition(name, value string) (err error) {
	once := func(has bool) error {
		if has {
			return bad(name + ": is said twice")
		}
		return nil
	}
	switch name {
	case "has":
		if !strings.EqualFold(value, "link") {
			return bad("has: can only be followed by link")
		}
		s.link = true
	case "from":
		err = once(s.from != "")
		s.from = value
	case "in":
		err = once(s.in != "")
		s.in = value
	case "before":
		if err = once(!s.before.IsZero()); err == nil {
			s.before, _, err = day(value)
		}
	case "after":
		if err = once(!s.after.IsZero()); err == nil {
			_, s.after, err = day(value)
		}
	}
	return err
}

// day reads a day, of UTC, or a moment (XEP-0082), and returns its beginning and its end.
func day(text string) (begin, end time.Time, err error) {
	if begin, err = time.Parse(time.DateOnly, text); err == nil {
		return begin, begin.AddDate(0, 0, 1), nil
	}
	if begin, err = forward.ParseStamp(text); err != nil {
		return begin, begin, bad("not a day such as 2026-01-31")
	}
	return begin, begin, nil
}

// narrow puts the times of a search into its query.
func (q *asked) narrow() {
	s := q.sought
	if !s.before.IsZero() {
		if last := s.before.Add(-time.Microsecond); q.End.IsZero() || last.Before(q.End) {
			q.End = last
		}
	}
	if s.after.After(q.Start) {
		q.Start = s.after
	}
}

// between limits the search of an account's archive to a contact: from: is who wrote, in: with whom.
func (q *asked) between(own jid.JID) error {
	if q.sought.in != "" {
		if err := q.only(q.sought.in, own); err != nil {
			return err
		}
	}
	switch from := q.sought.from; {
	case from == "":
		return nil
	case strings.EqualFold(from, "me"):
		q.by = store.ByOwner
		return nil
	default:
		q.by = store.ByPeer
		return q.only(from, own)
	}
}

// only limits a query to an address; what has no @ is a name here.
func (q *asked) only(text string, own jid.JID) error {
	if !strings.Contains(text, "@") {
		text += "@" + own.Domain()
	}
	j, err := jid.Parse(text)
	if err != nil {
		return bad("not an address")
	}
	bare := j.Bare().String()
	if q.With != "" && q.With != bare {
		return bad("two addresses at once")
	}
	if q.With = bare; j.Resource() != "" && j.Bare() != own {
		q.WithResource = j.Resource()
	}
	return nil
}

// within limits the search of a room to an occupant: by nick for everybody, by address for those who may know it.
func (q *asked) within(e *core.Event, room jid.JID) error {
	if q.sought.in != "" {
		return bad("everything here was said in the room")
	}
	switch from := q.sought.from; {
	case from == "":
		return nil
	case q.With != "":
		return bad("two addresses at once")
	case strings.EqualFold(from, "me"):
		q.With, q.mine = e.Stanza.From.Bare().String(), true
		return nil
	case strings.Contains(from, "@"):
		j, err := jid.Parse(from)
		if err != nil {
			return bad("not an address")
		}
		q.With = j.Bare().String()
		return nil
	default:
		j, err := room.WithResource(from)
		if err != nil {
			return bad("not a nick")
		}
		q.With, q.nick = room.String(), j.Resource()
		return nil
	}
}

// find answers a query with words.
func (x *archive) find(ctx context.Context, owner store.Owner, q *asked) (store.Found, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	found, err := x.finder.Search.Search(ctx, owner, store.SearchQuery{
		Query: q.Query, Phrases: q.sought.phrases, Link: q.sought.link, By: q.by,
	})
	switch {
	case err == nil && found.Behind:
		x.finder.count(searchBehind)
	case err == nil:
		x.finder.count(searchDone)
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrNotFound):
		x.finder.count(searchRefused)
	case ctx.Err() != nil:
		x.finder.count(searchLate)
		err = stanza.NewError(stanza.ResourceConstraint, "the search took too long: more words, or less time, make it shorter")
	default:
		x.finder.count(searchFailed)
		x.obs.Log.Error("search failed", obs.Err, err)
		err = stanza.NewError(stanza.ResourceConstraint, "")
	}
	return found, err
}

// searchRows registers what administrators ask.
func (x *archive) searchRows(h *core.Host) {
	h.HTTP.Handle(core.Route{Pattern: "GET /search", Action: core.ActSeeServer, Do: func(context.Context, core.Actor, *http.Request) (any, error) {
		return x.finder.Search.State(), nil
	}})
	h.HTTP.Handle(core.Route{Pattern: "POST /search/rebuild", Action: core.ActEditServer, Do: func(ctx context.Context, a core.Actor, _ *http.Request) (any, error) {
		x.obs.Log.Warn("all words of messages are noted anew", "by", a.JID.String())
		return nil, x.finder.Search.Rebuild(ctx)
	}})
}
