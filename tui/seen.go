package tui

import (
	"context"
	"errors"
	"strconv"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// lastSeenSpace is the namespace of the request that sets who may know when somebody was here last: docs/lastseen.md.
const lastSeenSpace = "urn:stonechat:last-seen"

// cmdSeen asks when somebody was here last (XEP-0012 section 3).
func (ch *chat) cmdSeen(args string) error {
	who, err := ch.find(args)
	if err != nil {
		return err
	}
	ch.request(func(ctx context.Context) (func(), error) {
		answer, err := ch.client.IQ(ctx, who.Bare(), stanza.Get, "<query xmlns='"+ns.LastActivity+"'/>")
		var refused *stanza.Error
		if errors.As(err, &refused) && refused.Condition == stanza.Forbidden {
			return func() { ch.note("%s does not say that", ch.name(who)) }, nil
		}
		if err != nil {
			return nil, err
		}
		p, _ := answer.Payload()
		text, _ := p.Attr("seconds")
		seconds, err := strconv.ParseInt(text, 10, 32)
		if err != nil || seconds < 0 {
			return nil, errors.New("the server gives no answer that could be read")
		}
		return func() {
			if seconds == 0 {
				ch.note("%s is here", ch.name(who))
				return
			}
			words := ""
			if p.Text() != "" {
				words = ", and said: " + Escape(p.Text())
			}
			ch.note("%s was here %s ago%s", ch.name(who), time.Duration(seconds)*time.Second, words)
		}, nil
	})
	return nil
}

// cmdLastSeen says or sets who may ask.
func (ch *chat) cmdLastSeen(args string) error {
	if args != "" && args != "contacts" && args != "nobody" {
		return errors.New("/lastseen contacts or /lastseen nobody")
	}
	ch.request(func(ctx context.Context) (func(), error) {
		typ, payload := stanza.Get, "<last-seen xmlns='"+lastSeenSpace+"'/>"
		if args != "" {
			typ, payload = stanza.Set, "<last-seen xmlns='"+lastSeenSpace+"' shown='"+args+"'/>"
		}
		answer, err := ch.client.IQ(ctx, jid.JID{}, typ, payload)
		if err != nil {
			return nil, err
		}
		shown := args
		if shown == "" {
			p, _ := answer.Payload()
			shown, _ = p.Attr("shown")
		}
		return func() {
			if shown == "nobody" {
				ch.note("nobody may know when you were here last")
			} else {
				ch.note("your contacts may know when you were here last")
			}
		}, nil
	})
	return nil
}
