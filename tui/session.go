package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// maxMissed bounds what is fetched after a session was lost.
const maxMissed = 1000

// maxResources bounds the resources of one contact that are remembered.
const maxResources = 64

// begin sets up a new session: copies, contacts, presence; and after an earlier one, what was missed between the two.
func (ch *chat) begin(first bool) {
	status, last, lastSet := ch.status, ch.last, ch.lastSet
	ch.settling++
	if first {
		// Names are known only then.
		ch.busy = true
	}
	go func() {
		ctx, cancel := context.WithTimeout(ch.ctx, 3*answerTime)
		defer cancel()
		err := ch.setUp(ctx, status, last, first || !lastSet)
		ch.post(func() {
			if first {
				ch.busy = false
			}
			if err != nil && !errors.Is(err, client.ErrLost) && !errors.Is(err, client.ErrClosed) {
				ch.note("the session is not complete: %s", reason(err))
			}
		})
		// The server sends presence of contacts one by one; nothing says which is the last.
		time.AfterFunc(settleTime, func() { ch.post(func() { ch.settled(first) }) })
	}()
}

// setUp does the requests of begin.
func (ch *chat) setUp(ctx context.Context, status client.Presence, last string, first bool) error {
	var refused *stanza.Error
	if err := ch.client.EnableCarbons(ctx); err != nil && !errors.As(err, &refused) {
		return err
	}
	items, _, err := ch.client.Roster(ctx)
	if err != nil {
		return err
	}
	ch.post(func() { ch.replaceRoster(items) })
	// Presence before the archive: a server that sees the archive asked first may take that for the better way and send no offline messages
	// (XEP-0313, "User Archives"), although what is not archived is only there.
	if _, err = ch.client.SendPresence(ctx, status); err != nil {
		return err
	}
	if first {
		var newest []client.Archived
		if newest, err = ch.client.Last(ctx, client.Query{}, 1); err == nil {
			ch.post(func() { ch.mark(newest) })
		}
	} else {
		err = ch.missed(ctx, last)
	}
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

// mark remembers up to where the archive is known.
func (ch *chat) mark(newest []client.Archived) {
	if ch.last == "" && len(newest) > 0 {
		ch.last = newest[len(newest)-1].ID
	}
	ch.lastSet = true
}

// missed shows what the archive has got since.
func (ch *chat) missed(ctx context.Context, last string) error {
	n := 0
	for item, err := range ch.client.Archive(ctx, client.Query{After: last}) {
		if err != nil {
			return err
		}
		if n++; n > maxMissed {
			ch.post(func() { ch.note("there is more in the archive: /history") })
			return nil
		}
		ch.post(func() {
			ch.last = item.ID
			ch.message(item.Stanza, item.ID, item.Time)
		})
	}
	return nil
}

func (ch *chat) replaceRoster(items []client.RosterItem) {
	clear(ch.roster)
	clear(ch.present)
	for _, item := range items {
		ch.roster[item.JID.Bare()] = item
	}
	ch.setPrompt()
}

// online is called when the connection is back.
func (ch *chat) online(resumed bool) {
	if resumed {
		ch.note("connected again; the session goes on")
		return
	}
	ch.note("connected again in a new session")
	// Of what was sent in the old one, the client has repeated the messages; without acknowledgements it has given them up.
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for _, o := range slices.Clone(ch.outgoing) {
		if err := o.ticket.Wait(now); errors.Is(err, client.ErrLost) || errors.Is(err, client.ErrUnmanaged) {
			ch.forget(o)
			ch.failed(o, "the connection was lost before the server acknowledged it")
		}
	}
	ch.begin(false)
}

// offline is called when the line is cut.
func (ch *chat) offline(err error) {
	select {
	case <-ch.client.Done():
		return
	default:
	}
	if !ch.quitting {
		ch.note("the connection is lost (%s); trying to come back", reason(err))
	}
}

// presence takes presence of others (RFC 6121 sections 3 and 4).
func (ch *chat) presence(st *stanza.Stanza) {
	who := st.From.Bare()
	if st.FromErr != nil || who.IsZero() {
		return
	}
	switch st.Type {
	case stanza.Available, stanza.Unavailable:
		ch.available(who, st)
	case stanza.Subscribe:
		ch.asked(who, childText(st, "status"))
	case stanza.Subscribed:
		ch.note("%s lets you see when they are here", ch.name(who))
	case stanza.Unsubscribed:
		ch.note("%s does not let you see when they are here", ch.name(who))
	case stanza.Unsubscribe:
		ch.note("%s does not ask any more when you are here", ch.name(who))
	case stanza.TypeError:
		if e := stanza.ParseError(st); e != nil {
			ch.note("✗ %s: %s", ch.name(who), reason(e))
		}
	}
}

// available takes note of one resource of a contact, or of our own.
func (ch *chat) available(who jid.JID, st *stanza.Stanza) {
	if _, known := ch.roster[who]; !known && who != ch.self {
		return
	}
	resources := ch.present[who]
	switch {
	case st.Type == stanza.Unavailable && st.From.IsBare():
		delete(ch.present, who)
	case st.Type == stanza.Unavailable:
		delete(resources, st.From.Resource())
	default:
		if resources == nil {
			resources = map[string]client.Presence{}
			ch.present[who] = resources
		}
		if _, known := resources[st.From.Resource()]; known || len(resources) < maxResources {
			resources[st.From.Resource()] = client.Presence{Show: childText(st, "show"), Status: childText(st, "status")}
		}
	}
	if ch.settling == 0 && who != ch.self {
		ch.tellState(who)
	}
}

// state says in words what is known of a contact: the resource that is most at hand counts.
func (ch *chat) state(who jid.JID) string {
	best, found := client.Presence{}, false
	order := []string{"chat", "", "away", "xa", "dnd"}
	for _, p := range ch.present[who] {
		if !found || slices.Index(order, p.Show) < slices.Index(order, best.Show) ||
			p.Show == best.Show && p.Status < best.Status {
			best, found = p, true
		}
	}
	if !found {
		return "gone"
	}
	words := map[string]string{"": "here", "chat": "here, glad to talk", "away": "away", "xa": "away for long", "dnd": "busy"}[best.Show]
	if words == "" {
		words = "here"
	}
	if best.Status != "" {
		words += " (" + Escape(short(best.Status, 100)) + ")"
	}
	return words
}

// tellState says how it is with a contact, if that has changed.
func (ch *chat) tellState(who jid.JID) {
	now, before := ch.state(who), ch.shown[who]
	if before == "" {
		before = "gone"
	}
	ch.shown[who] = now
	if now != before {
		ch.note("%s is %s", ch.name(who), now)
	}
}

// settled tells who is here when a session has begun: everybody the first time, later only what is different.
func (ch *chat) settled(first bool) {
	if ch.settling--; ch.settling > 0 {
		return
	}
	if !first {
		for _, who := range ch.contacts() {
			ch.tellState(who)
		}
		return
	}
	var here []string
	for _, who := range ch.contacts() {
		s := ch.state(who)
		if ch.shown[who] = s; s != "gone" {
			here = append(here, ch.name(who)+" is "+s)
		}
	}
	if len(here) > 0 {
		ch.note("%s", strings.Join(here, ", "))
	}
}

// asked handles a request to see our presence. Whom we have asked ourselves may see us, too; everybody else is for the person to decide.
func (ch *chat) asked(who jid.JID, text string) {
	item := ch.roster[who]
	if item.Ask || item.Subscription == "to" || item.Subscription == "both" {
		ctx, cancel := context.WithTimeout(ch.ctx, sendTime)
		defer cancel()
		if _, err := ch.client.Approve(ctx, who); err != nil {
			ch.note("cannot answer %s: %s", ch.name(who), reason(err))
			return
		}
		ch.note("%s can see when you are here", ch.name(who))
		return
	}
	const maxRequests = 1000
	if len(ch.requests) >= maxRequests {
		return
	}
	ch.requests[who] = true
	a := Escape(who.String())
	if text != "" {
		text = " (" + Escape(short(text, 200)) + ")"
	}
	ch.note("%s asks to see when you are here%s: /accept %s or /deny %s", a, text, a, a)
}

// pushed takes a change of the roster (RFC 6121 section 2.1.6).
func (ch *chat) pushed(item client.RosterItem) {
	who := item.JID.Bare()
	_, known := ch.roster[who]
	if item.Subscription == "remove" {
		if known {
			ch.note("%s is no contact any more", ch.name(who))
		}
		delete(ch.roster, who)
		delete(ch.present, who)
		delete(ch.shown, who)
	} else {
		ch.roster[who] = item
		if !known {
			ch.note("%s is a contact now", ch.name(who))
		}
	}
	ch.setPrompt()
}

// contacts are the addresses of the roster by name.
func (ch *chat) contacts() []jid.JID {
	var all []jid.JID
	for who := range ch.roster {
		all = append(all, who)
	}
	slices.SortFunc(all, func(a, b jid.JID) int {
		return strings.Compare(strings.ToLower(ch.name(a)), strings.ToLower(ch.name(b)))
	})
	return all
}

// name is what to call somebody: the name in the roster, unless two have the same, or the address.
func (ch *chat) name(who jid.JID) string {
	if who == ch.self {
		return "me"
	}
	name := ch.roster[who].Name
	if name == "" {
		return Escape(who.String())
	}
	for other, item := range ch.roster {
		if other != who && strings.EqualFold(item.Name, name) {
			return fmt.Sprintf("%s <%s>", Escape(name), Escape(who.String()))
		}
	}
	return Escape(name)
}
