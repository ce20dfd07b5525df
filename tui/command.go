package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
)

// maxHistory bounds how much /history shows at once.
const maxHistory = 1000

// command is one thing that a line beginning with a slash can do.
type command struct {
	name, args, help string
	run              func(ch *chat, args string) error
}

// commandTable lists all commands in the order of /help.
func commandTable() []command {
	return append([]command{
		{"to", "NAME or ADDRESS", "open the chat with a contact; what you type goes there", (*chat).cmdTo},
		{"contacts", "", "list contacts", (*chat).cmdContacts},
		{"who", "", "who is here now, and your own devices", (*chat).cmdWho},
		{"history", "[N]", "show the last N messages of the open chat (20)", (*chat).cmdHistory},
		{"add", "ADDRESS [NAME]", "add a contact and ask to see when they are here; they may then see you, too", (*chat).cmdAdd},
		{"add", "LINK", "add whoever has given you an invite link", (*chat).cmdAdd},
		{"invite", "", "make a link that lets somebody in as your contact", (*chat).cmdInvite},
		{"accept", "ADDRESS", "let somebody see when you are here, and ask the same", (*chat).cmdAccept},
		{"deny", "ADDRESS", "refuse a request, or let somebody no longer see when you are here", (*chat).cmdDeny},
		{"remove", "NAME or ADDRESS", "remove a contact", (*chat).cmdRemove},
		{"status", "away|dnd|available [TEXT]", "say how it is with you", (*chat).cmdStatus},
		{"seen", "NAME or ADDRESS", "when somebody was here last", (*chat).cmdSeen},
		{"lastseen", "[contacts|nobody]", "say or set who may ask that about you", (*chat).cmdLastSeen},
	}, append(apartCommands(), []command{
		{"help", "", "this list", (*chat).cmdHelp},
		{"quit", "", "leave", nil},
	}...)...)
}

// line does what one line says; true at the end.
func (ch *chat) line(text string) (quit bool) {
	text = strings.TrimRight(text, "\r\n")
	switch {
	case strings.TrimSpace(text) == "":
		return false
	case strings.HasPrefix(text, "//"):
		ch.send(text[1:])
		return false
	case text[0] != '/':
		ch.send(text)
		return false
	}
	name, args, _ := strings.Cut(text[1:], " ")
	if name == "quit" {
		return true
	}
	for _, c := range commandTable() {
		if c.name == name {
			if err := c.run(ch, strings.TrimSpace(args)); err != nil {
				ch.note("%s", reason(err))
			}
			return false
		}
	}
	ch.note("no command /%s; /help lists them, // begins a text with a slash", Escape(short(name, shortText)))
	return false
}

func (ch *chat) cmdHelp(string) error {
	var lines []string
	for _, c := range commandTable() {
		lines = append(lines, fmt.Sprintf("-- %-32s %s", "/"+strings.TrimSpace(c.name+" "+c.args), c.help))
	}
	ch.screen.print(append(lines,
		"-- Anything else is sent to the open chat; // begins a text with a slash.",
		"-- ✓ the server has it for good, … it has not said so yet, ✗ it was not delivered.")...)
	return nil
}

func (ch *chat) cmdTo(args string) error {
	if args == "" {
		return errors.New("who? /to NAME or ADDRESS")
	}
	who, err := ch.find(args)
	if err != nil {
		return err
	}
	ch.open = who
	ch.setPrompt()
	ch.note("this is the chat with %s: %s", ch.called(who), ch.known(who))
	return nil
}

// called is the name together with the address.
func (ch *chat) called(who jid.JID) string {
	name, addr := ch.name(who), Escape(who.String())
	if strings.Contains(name, addr) {
		return name
	}
	return name + " (" + addr + ")"
}

// known says what is known of somebody's presence.
func (ch *chat) known(who jid.JID) string {
	switch item, contact := ch.roster[who]; {
	case !contact:
		return "no contact"
	case ch.state(who) != "gone":
		return ch.state(who)
	case item.Subscription == "none" || item.Subscription == "from":
		return "you cannot see whether they are here"
	}
	return "not here"
}

// find turns what a person types into an address: an address, or the name of a contact or the beginning of it.
func (ch *chat) find(text string) (jid.JID, error) {
	if strings.Contains(text, "@") {
		return address(text)
	}
	text = strings.ToLower(text)
	names := func(who jid.JID) []string {
		return []string{strings.ToLower(ch.roster[who].Name), who.Local(), who.String()}
	}
	for _, match := range []func(string) bool{
		func(n string) bool { return n == text },
		func(n string) bool { return strings.HasPrefix(n, text) },
	} {
		var found []jid.JID
		for _, who := range ch.contacts() {
			if slices.ContainsFunc(names(who), match) {
				found = append(found, who)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return jid.JID{}, fmt.Errorf("%d contacts are called so; give the address", len(found))
		}
	}
	return jid.JID{}, errors.New("no contact is called so; give the address, like name@example.org")
}

// address reads a bare address.
func address(text string) (jid.JID, error) {
	j, err := jid.Parse(text)
	if err != nil {
		return jid.JID{}, fmt.Errorf("this is no address: %w", err)
	}
	return j.Bare(), nil
}

func (ch *chat) cmdContacts(string) error {
	var lines []string
	for _, who := range ch.contacts() {
		item := ch.roster[who]
		how := map[string]string{
			"both": "you see each other", "to": "you see them", "from": "they see you", "none": "you do not see each other",
		}[item.Subscription]
		if item.Ask {
			how += ", asked"
		}
		lines = append(lines, fmt.Sprintf("--   %s: %s; %s", ch.called(who), ch.known(who), how))
	}
	for who := range ch.requests {
		lines = append(lines, fmt.Sprintf("--   %s asks to see when you are here", Escape(who.String())))
	}
	ch.screen.print(append([]string{fmt.Sprintf("-- contacts: %d", len(ch.roster))}, lines...)...)
	return nil
}

func (ch *chat) cmdWho(string) error {
	lines := []string{}
	for _, who := range ch.contacts() {
		if s := ch.state(who); s != "gone" {
			lines = append(lines, fmt.Sprintf("--   %s is %s", ch.name(who), s))
		}
	}
	head := fmt.Sprintf("-- contacts here: %d", len(lines))
	mine := ch.client.JID().Resource()
	for r := range ch.present[ch.self] {
		if r != mine {
			lines = append(lines, "--   another device of yours: "+Escape(r))
		}
	}
	ch.screen.print(append([]string{head}, lines...)...)
	return nil
}

func (ch *chat) cmdHistory(args string) error {
	n := 20
	if args != "" {
		var err error
		if n, err = strconv.Atoi(args); err != nil || n < 1 || n > maxHistory {
			return fmt.Errorf("how many? /history N, from 1 to %d", maxHistory)
		}
	}
	if ch.open.IsZero() {
		return errors.New("no chat is open: /to ADDRESS opens one")
	}
	with := ch.open
	ch.request(func(ctx context.Context) (func(), error) {
		items, err := ch.client.Last(ctx, client.Query{With: with}, n)
		return func() { ch.showHistory(with, items) }, err
	})
	return nil
}

// showHistory shows what the archive has, both directions, by time.
func (ch *chat) showHistory(with jid.JID, items []client.Archived) {
	lines := []string{fmt.Sprintf("-- history with %s", ch.name(with))}
	n := 0
	for _, item := range items {
		text := body(item.Stanza)
		if text == "" {
			continue
		}
		n++
		who := ch.name(with)
		if item.Stanza.From.Bare() == ch.self {
			who = "me"
		}
		lines = append(lines, show(item.Time, " ", who, text)...)
	}
	ch.screen.print(append(lines, fmt.Sprintf("-- end of history, %d messages", n))...)
}

func (ch *chat) cmdAdd(args string) error {
	text, name, _ := strings.Cut(args, " ")
	if strings.HasPrefix(strings.ToLower(text), "xmpp:") {
		return ch.addByLink(text)
	}
	who, err := address(text)
	if err != nil {
		return err
	}
	if who == ch.self {
		return errors.New("this is your own address")
	}
	item := client.RosterItem{JID: who, Name: strings.TrimSpace(name), Groups: ch.roster[who].Groups}
	if item.Name == "" {
		item.Name = ch.roster[who].Name
	}
	subscribed := ch.roster[who].Subscription
	ch.request(func(ctx context.Context) (func(), error) {
		// RFC 6121 section 3.1.1: the contact goes into the roster first.
		if err := ch.client.SetRoster(ctx, item); err != nil {
			return nil, err
		}
		if subscribed == "to" || subscribed == "both" {
			return nil, nil
		}
		_, err := ch.client.Subscribe(ctx, who)
		return func() { ch.note("asked %s", ch.name(who)) }, err
	})
	return nil
}

func (ch *chat) cmdAccept(args string) error {
	who, err := address(args)
	if err != nil {
		return err
	}
	item := ch.roster[who]
	asks := item.Subscription != "to" && item.Subscription != "both" && !item.Ask
	ch.request(func(ctx context.Context) (func(), error) {
		if _, err := ch.client.Approve(ctx, who); err != nil {
			return nil, err
		}
		if asks {
			if _, err := ch.client.Subscribe(ctx, who); err != nil {
				return nil, err
			}
		}
		return func() {
			delete(ch.requests, who)
			ch.note("%s can see when you are here", ch.name(who))
		}, nil
	})
	return nil
}

func (ch *chat) cmdDeny(args string) error {
	who, err := address(args)
	if err != nil {
		return err
	}
	ch.request(func(ctx context.Context) (func(), error) {
		_, err := ch.client.Deny(ctx, who)
		return func() {
			delete(ch.requests, who)
			ch.note("%s cannot see when you are here", ch.name(who))
		}, err
	})
	return nil
}

func (ch *chat) cmdRemove(args string) error {
	who, err := ch.find(args)
	if err != nil {
		return err
	}
	if _, known := ch.roster[who]; !known {
		return errors.New("this is no contact")
	}
	ch.request(func(ctx context.Context) (func(), error) { return nil, ch.client.RemoveRoster(ctx, who) })
	return nil
}

func (ch *chat) cmdStatus(args string) error {
	word, text, _ := strings.Cut(args, " ")
	known := map[string]struct{ show, said string }{
		"available": {"", "available"}, "away": {"away", "away"}, "dnd": {"dnd", "busy"}, "xa": {"xa", "away for long"}, "chat": {"chat", "glad to talk"},
	}
	is, ok := known[word]
	if !ok {
		return errors.New("/status away, /status dnd or /status available, and a text if you like")
	}
	status := client.Presence{Show: is.show, Status: strings.TrimSpace(text)}
	ch.status = status
	ch.request(func(ctx context.Context) (func(), error) {
		_, err := ch.client.SendPresence(ctx, status)
		return func() { ch.note("you are %s", is.said) }, err
	})
	return nil
}
