package muc

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

const (
	versionLog   = 1000 // changes of affiliations that are remembered of a room
	listOfOne    = 250  // affiliations in one message
	versionBytes = 16
)

// versions counts the states of a room's list of affiliations (XEP-0463): the version is a sum over what stands in it, keyed by the room's secret, so
// that the same list has the same version after a restart, and nobody can name one that they were never told.
type versions struct {
	sum [versionBytes]byte
	log []versionChange // the last ones, oldest first
}

type versionChange struct {
	before  string // the version
	who     jid.JID
	was, is muc.Affiliation
}

// now is the version of the list.
func (v *versions) now() string { return base64.RawURLEncoding.EncodeToString(v.sum[:]) }

// change takes over that an affiliation has become another, and returns the versions before and after.
func (v *versions) change(secret []byte, who jid.JID, was, is muc.Affiliation) (before, after string) {
	before = v.now()
	if was == is {
		return before, before
	}
	for _, a := range []muc.Affiliation{was, is} {
		if a == muc.Unaffiliated {
			continue
		}
		h := hmac.New(sha256.New, secret)
		h.Write([]byte("affiliation\x00" + a.String() + "\x00" + who.String()))
		for i, b := range h.Sum(nil)[:versionBytes] {
			v.sum[i] ^= b
		}
	}
	if len(v.log) >= versionLog {
		v.log = slices.Delete(v.log, 0, versionLog/10)
	}
	v.log = append(v.log, versionChange{before, who, was, is})
	return before, v.now()
}

// since is what has changed behind a version, each address once as it stands now; bans are for those who may see them. ok is false when that is not
// known, or nothing of it can be seen.
func (v *versions) since(version string, bans bool) (items []muc.Item, ok bool) {
	from := len(v.log) - 1
	for from >= 0 && v.log[from].before != version {
		from--
	}
	if from < 0 {
		return nil, false
	}
	first := make(map[jid.JID]muc.Affiliation)
	last := make(map[jid.JID]muc.Affiliation)
	for _, c := range v.log[from:] {
		if _, again := first[c.who]; !again {
			first[c.who] = c.was
		}
		last[c.who] = c.is
	}
	for who, is := range last {
		if is = shownAs(is, bans); is != shownAs(first[who], bans) {
			items = append(items, muc.Item{JID: who, Affiliation: is, HasAffiliation: true})
		}
	}
	return sorted(items), len(items) > 0
}

// shownAs is an affiliation as somebody sees it who may see bans, or not.
func shownAs(a muc.Affiliation, bans bool) muc.Affiliation {
	if a < muc.Unaffiliated && !bans {
		return muc.Unaffiliated
	}
	return a
}

func sorted(items []muc.Item) []muc.Item {
	slices.SortFunc(items, func(a, b muc.Item) int {
		return cmp.Or(cmp.Compare(b.Affiliation, a.Affiliation), cmp.Compare(a.JID.String(), b.JID.String()))
	})
	return items
}

// opening is what a session is told before any presence when it enters, and the version that its own presence tells.
type opening struct {
	first []*stanza.Stanza
	until string
}

// open answers a client that keeps the list of affiliations (XEP-0463 section 4.2.1). Rooms that hide addresses have no such lists for everybody, and
// do not announce that they tell versions.
func (x *room) open(s *session, j muc.Join, id string) (o opening) {
	if !j.Versions || !x.config.NonAnonymous {
		return o
	}
	who := x.standingOf(s.jid)
	for _, a := range []muc.Affiliation{muc.Owner, muc.Admin, muc.Member} {
		if err := mayReadAffiliations(&x.config, who, a); err != nil {
			err.By = x.address
			st, bad := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.TypeError, From: x.address, ID: id}, string(err.Append(nil)))
			if bad == nil {
				o.first = append(o.first, st.Seal())
			}
			return o
		}
	}
	o.until = x.versions.now()
	if j.Since == o.until {
		return o
	}
	bans := mayReadAffiliations(&x.config, who, muc.Outcast) == nil
	since := j.Since
	items, ok := x.versions.since(since, bans)
	if !ok {
		since, items = "", x.everybody(bans)
	}
	o.first = x.lists(items, since, o.until)
	return o
}

// listing is as how many deliveries the list counts that a client asks for when it enters.
func (x *room) listing(j muc.Join) int {
	if !j.Versions || !x.config.NonAnonymous || j.Since == x.versions.now() {
		return 0
	}
	return len(x.people) / listed
}

// everybody are all affiliations.
func (x *room) everybody(bans bool) (items []muc.Item) {
	for who, p := range x.people {
		if a := shownAs(p.affiliation, bans); a != muc.Unaffiliated {
			items = append(items, muc.Item{JID: who, Affiliation: a, HasAffiliation: true})
		}
	}
	return sorted(items)
}

// lists are the messages that tell items. Those of several are joined by versions of their own, which nobody is known by: who has got some of them
// only gets everything the next time.
func (x *room) lists(items []muc.Item, since, until string) (out []*stanza.Stanza) {
	for part := 0; part == 0 || len(items) > 0; part++ {
		n := min(len(items), listOfOne)
		u := muc.User{Items: items[:n], Since: since, Until: until}
		if items = items[n:]; len(items) > 0 {
			u.Until = until + "." + strconv.Itoa(part)
		}
		since = u.Until
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, From: x.address}, string(u.AppendXML(nil)))
		if err != nil {
			return nil // cannot be: addresses are well-formed
		}
		out = append(out, st.Seal())
	}
	return out
}
