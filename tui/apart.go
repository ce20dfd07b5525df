package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stonechat/xmpp/client"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// strangersSpace is Stonechat's own namespace for messages of people that one does not know.
const strangersSpace = "urn:stonechat:strangers:1"

// maxReported is how many of somebody's newest messages are named in a report.
const maxReported = 5

// apartCommands are about people that one does not want to hear, or does not know.
func apartCommands() []command {
	return []command{
		{"block", "NAME or ADDRESS", "neither hear from them nor be seen by them any more; a domain means everybody there", (*chat).cmdBlock},
		{"unblock", "ADDRESS or all", "the opposite", (*chat).cmdUnblock},
		{"blocked", "", "whom you have blocked", (*chat).cmdBlocked},
		{"report", "NAME or ADDRESS spam|abuse [TEXT]", "block them and tell the moderators, with their newest messages", (*chat).cmdReport},
		{"requests", "", "messages of strangers that wait for you", (*chat).cmdRequests},
		{"admit", "ADDRESS", "let a stranger in: what waits of theirs comes", (*chat).cmdAdmit},
		{"dismiss", "ADDRESS", "throw away what waits of a stranger", (*chat).cmdDismiss},
		{"strangers", "[open|quiet|closed]", "let messages of strangers come, wait for you, or be refused", (*chat).cmdStrangers},
	}
}

// anyAddress reads what may be blocked: a contact's name, an address, or a domain.
func (ch *chat) anyAddress(text string) (jid.JID, error) {
	switch {
	case text == "":
		return jid.JID{}, errors.New("whom?")
	case strings.ContainsAny(text, "@/."):
		j, err := jid.Parse(text)
		if err != nil {
			return jid.JID{}, fmt.Errorf("this is no address: %w", err)
		}
		return j, nil
	}
	return ch.find(text)
}

// item is an item of a request about blocking.
func item(who jid.JID, inner string) string {
	return string(xmltok.AppendAttr([]byte("<item"), "jid", who.String())) + ">" + inner + "</item>"
}

func (ch *chat) cmdBlock(args string) error {
	who, err := ch.anyAddress(args)
	if err != nil {
		return err
	}
	ch.tell("<block xmlns='"+ns.Blocking+"'>"+item(who, "")+"</block>", func() { ch.gone(who, "%s is blocked") })
	return nil
}

// gone says that somebody was blocked. Nothing more is heard of their presence, so nothing is shown of it.
func (ch *chat) gone(who jid.JID, said string) {
	ch.note(said, ch.name(who))
	for contact := range ch.present {
		if contact == who || who.IsDomain() && contact.Domain() == who.Domain() && contact != ch.self {
			delete(ch.present, contact)
			delete(ch.shown, contact)
		}
	}
}

// tell sends a request for the own account and does the rest when it is granted.
func (ch *chat) tell(payload string, then func()) {
	ch.request(func(ctx context.Context) (func(), error) {
		_, err := ch.client.IQ(ctx, jid.JID{}, stanza.Set, payload)
		return then, err
	})
}

func (ch *chat) cmdUnblock(args string) error {
	if args == "all" {
		ch.tell("<unblock xmlns='"+ns.Blocking+"'/>", func() { ch.note("nobody is blocked any more") })
		return nil
	}
	who, err := ch.anyAddress(args)
	if err != nil {
		return err
	}
	ch.tell("<unblock xmlns='"+ns.Blocking+"'>"+item(who, "")+"</unblock>", func() { ch.note("%s is not blocked any more", ch.name(who)) })
	return nil
}

// ask sends a request for what the own account has and gives the payload of the answer to then.
func (ch *chat) ask(payload string, then func(*xmltok.Node)) {
	ch.request(func(ctx context.Context) (func(), error) {
		answer, err := ch.client.IQ(ctx, jid.JID{}, stanza.Get, payload)
		if err != nil {
			return nil, err
		}
		child, _ := answer.Payload()
		tree, err := child.Tree()
		if err != nil {
			return nil, err
		}
		return func() { then(tree) }, nil
	})
}

func (ch *chat) cmdBlocked(string) error {
	ch.ask("<blocklist xmlns='"+ns.Blocking+"'/>", func(list *xmltok.Node) {
		items := list.All(ns.Blocking, "item")
		lines := []string{fmt.Sprintf("-- blocked: %d", len(items))}
		for _, i := range items {
			lines = append(lines, "--   "+Escape(i.Attr("jid")))
		}
		ch.screen.print(lines...)
	})
	return nil
}

// cmdReport blocks somebody and reports them (XEP-0377).
func (ch *chat) cmdReport(args string) error {
	f := strings.Fields(args)
	if len(f) < 2 || f[1] != "spam" && f[1] != "abuse" {
		return errors.New("/report ADDRESS spam or /report ADDRESS abuse, and what happened if you like")
	}
	who, err := ch.anyAddress(f[0])
	if err != nil {
		return err
	}
	reason := map[string]string{"spam": ns.ReportingSpam, "abuse": ns.ReportingAbuse}[f[1]]
	text := strings.Join(f[2:], " ")
	ch.request(func(ctx context.Context) (func(), error) {
		var named []client.Archived
		if !who.IsDomain() {
			// Without the archive the report says less.
			named, _ = ch.client.Last(ctx, client.Query{With: who.Bare()}, 4*maxReported)
		}
		payload := "<block xmlns='" + ns.Blocking + "'>" + item(who, reportXML(reason, text, ch.self, who, named)) + "</block>"
		_, err := ch.client.IQ(ctx, jid.JID{}, stanza.Set, payload)
		return func() { ch.gone(who, "%s is blocked and reported to the moderators") }, err
	})
	return nil
}

// reportXML is a report that names the newest messages of the one it is about, by their ids in the own archive.
func reportXML(reason, text string, self, who jid.JID, kept []client.Archived) string {
	b := append(xmltok.AppendAttr([]byte("<report xmlns='"+ns.Reporting+"'"), "reason", reason), '>')
	var ids []string
	for _, k := range kept {
		if k.Stanza.From.Bare() == who.Bare() {
			ids = append(ids, k.ID)
		}
	}
	for _, id := range ids[max(0, len(ids)-maxReported):] {
		b = xmltok.AppendAttr(append(b, "<stanza-id xmlns='"+ns.StanzaID+"'"...), "by", self.String())
		b = append(xmltok.AppendAttr(b, "id", id), "/>"...)
	}
	if text != "" {
		b = append(xmltok.AppendEscaped(append(b, "<text>"...), text), "</text>"...)
	}
	return string(append(b, "</report>"...))
}

func (ch *chat) cmdRequests(string) error {
	ch.ask("<requests xmlns='"+strangersSpace+"'/>", func(list *xmltok.Node) {
		senders := list.All(strangersSpace, "request")
		lines := []string{fmt.Sprintf("-- strangers who wait: %d", len(senders))}
		for _, s := range senders {
			a := Escape(s.Attr("jid"))
			lines = append(lines, fmt.Sprintf("-- %s: /admit %s or /dismiss %s", a, a, a))
			for _, f := range s.All(ns.Forward, "forwarded") {
				lines = append(lines, waitingLines(f)...)
			}
		}
		ch.screen.print(lines...)
	})
	return nil
}

// waitingLines shows one message that waits.
func waitingLines(forwarded *xmltok.Node) []string {
	f, err := forward.Parse(forwarded)
	if err != nil {
		return nil
	}
	text := f.Stanza.Child(ns.Client, "body").Text()
	if text == "" {
		text = "(no text)"
	}
	return show(f.Delay.Stamp, " ", Escape(f.Stanza.Attr("from")), text)
}

// stranger is a request about one sender.
func (ch *chat) stranger(local, args, done string) error {
	who, err := address(args)
	if err != nil {
		return err
	}
	payload := xmltok.AppendAttr([]byte("<"+local+" xmlns='"+strangersSpace+"'"), "jid", who.String())
	ch.tell(string(append(payload, "/>"...)), func() { ch.note(done, ch.name(who)) })
	return nil
}

func (ch *chat) cmdAdmit(args string) error {
	return ch.stranger("accept", args, "%s is no stranger any more")
}

func (ch *chat) cmdDismiss(args string) error {
	return ch.stranger("reject", args, "what waited of %s is gone")
}

func (ch *chat) cmdStrangers(args string) error {
	say := func(n *xmltok.Node) {
		members := "people of your own server are strangers, too"
		if n.Attr("members") == "known" {
			members = "people of your own server are no strangers"
		}
		ch.note("for strangers you are %s; %s; messages that wait: %s", Escape(n.Attr("mode")), members, Escape(n.Attr("waiting")))
	}
	switch args {
	case "":
		ch.ask("<strangers xmlns='"+strangersSpace+"'/>", say)
	case "open", "quiet", "closed":
		ch.tell("<strangers xmlns='"+strangersSpace+"' mode='"+args+"'/>", func() { ch.note("for strangers you are %s from now on", args) })
	default:
		return errors.New("/strangers open, /strangers quiet or /strangers closed")
	}
	return nil
}
