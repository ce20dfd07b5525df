package play

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/e2e/peers"
)

// Stage is the server that plays are performed on.
type Stage struct {
	Domain    string
	STARTTLS  string // host:port
	DirectTLS string // host:port
	WebSocket string // host:port of /ws; empty where there is none
	Roots     *x509.CertPool
	Restart   func(ctx context.Context, kill bool) error // nil if the server is not this play's alone
}

// Way is how clients connect.
type Way string

// The ways that a run can take.
const (
	STARTTLS  Way = "starttls"
	DirectTLS Way = "tls"
	WebSocket Way = "websocket"
)

// Performance is one run of a play with accounts of its own.
type Performance struct {
	Play     *Play
	Run      string        // suffix that makes its names unique
	Way      Way           // how clients come; empty means STARTTLS
	Patience time.Duration // how long to wait for what must come

	ctx        context.Context
	stage      Stage
	password   string
	clients    map[string]*client
	order      []*client
	values     Values
	fence      int
	rooms      bool // fences go through the room, too
	transcript []string
}

// New prepares a performance. Its accounts must exist before Perform.
func New(play *Play) *Performance {
	return &Performance{Play: play, Run: strings.ToLower(rand.Text()[:8]), Patience: 5 * time.Second}
}

// Users are the accounts that the play needs, with their rosters.
func (p *Performance) Users(domain string) []peers.User {
	var users []peers.User
	index := map[string]int{}
	accounts := map[string]string{}
	for _, role := range p.Play.Cast {
		if role.Guest {
			continue
		}
		accounts[role.Name] = role.Account
		if _, known := index[role.Account]; !known {
			index[role.Account] = len(users)
			users = append(users, peers.User{Name: p.user(role.Account), Password: "secret-" + p.Run})
		}
	}
	opposite := map[string]string{"both": "both", "to": "from"}
	for _, relation := range p.Play.Contacts {
		a, b := &users[index[accounts[relation.A]]], &users[index[accounts[relation.B]]]
		a.Contacts = append(a.Contacts, peers.Contact{JID: b.Name + "@" + domain, Subscription: relation.Subscription})
		b.Contacts = append(b.Contacts, peers.Contact{JID: a.Name + "@" + domain, Subscription: opposite[relation.Subscription]})
	}
	return users
}

// GuestsTalkTo are the addresses that guests may talk to.
func (p *Performance) GuestsTalkTo(domain string) []string {
	var out []string
	for _, role := range p.Play.Cast {
		if slices.Contains(p.Play.Guests, role.Name) {
			out = append(out, p.user(role.Account)+"@"+domain)
		}
	}
	return out
}

func (p *Performance) user(account string) string { return account + "-" + p.Run }

// Failure is a play that did not go as written.
type Failure struct {
	Path       string
	Step       Step
	Err        error
	Transcript []string
}

// Error shows line, expectation, what came instead, and the conversation before.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %s\n%v\n", f.Path, f.Step.Line, f.Step.Text, f.Err)
	const most = 40
	from := max(0, len(f.Transcript)-most)
	fmt.Fprintf(&b, "conversation before (%d of %d lines):\n", len(f.Transcript)-from, len(f.Transcript))
	for _, line := range f.Transcript[from:] {
		b.WriteString("    " + strings.ReplaceAll(line, "\n", "\n    ") + "\n")
	}
	return b.String()
}

// Unwrap returns what went wrong.
func (f *Failure) Unwrap() error { return f.Err }

// Perform performs the play; the error is a *Failure.
func (p *Performance) Perform(ctx context.Context, stage Stage) error {
	p.ctx, p.stage, p.password = ctx, stage, "secret-"+p.Run
	p.clients = map[string]*client{}
	p.values = Values{"domain": stage.Domain, "run": p.Run, "rooms": p.roomService(), "room": p.roomAddress()}
	p.rooms = p.Play.usesRooms()
	for _, role := range p.Play.Cast {
		c := &client{role: role, user: p.user(role.Account), way: p.wayOf(role), show: p, autoAck: true, fences: map[string]bool{}, refused: map[string]bool{}}
		c.full = c.bare() + "/" + role.Resource
		p.clients[role.Name] = c
		p.order = append(p.order, c)
		if role.Guest {
			continue
		}
		p.values[role.Name+".bare"] = c.bare()
		p.values[role.Name+".full"] = c.full
		p.values[role.Name+".user"] = c.user
		p.values[role.Name+".resource"] = role.Resource
	}
	defer func() {
		for _, c := range p.order {
			c.drop()
		}
	}()
	for _, step := range p.Play.Steps {
		p.transcript = append(p.transcript, fmt.Sprintf("%d: %s", step.Line, step.Text))
		if err := p.step(step); err != nil {
			return &Failure{Path: p.Play.Path, Step: step, Err: err, Transcript: p.transcript}
		}
	}
	return nil
}

func (p *Performance) wayOf(role Role) Way {
	switch {
	case role.DirectTLS:
		return DirectTLS
	case role.WebSocket:
		return WebSocket
	case role.STARTTLS || p.Way == "":
		return STARTTLS
	}
	return p.Way
}

func (p *Performance) note(c *client, way, text string) {
	p.transcript = append(p.transcript, fmt.Sprintf("  %s %s %s", c.role.Name, way, strings.ReplaceAll(text, "\n", "\n      ")))
}

// expand puts values into a text that is sent.
func (p *Performance) expand(text string) (string, error) {
	p.counters()
	var failed error
	text = placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.Trim(found, "{}")
		if value, known := p.values[name]; known {
			return escape(value)
		}
		value, err := p.made(name)
		if err != nil {
			failed = err
		}
		return value
	})
	return text, failed
}

// made makes a value that is not kept.
func (p *Performance) made(name string) (string, error) {
	words := strings.Fields(name)
	switch {
	case len(words) == 3 && words[0] == "repeat":
		times, err := strconv.Atoi(words[1])
		return strings.Repeat(words[2], max(0, times)), err
	case len(words) == 2 && words[0] == "bytes":
		raw, err := hex.DecodeString(words[1])
		return string(raw), err
	case len(words) >= 2 && words[0] == "plain" && p.clients[words[1]] != nil:
		as := ""
		if len(words) == 4 && p.clients[words[3]] != nil {
			as = p.clients[words[3]].bare()
		}
		return base64.StdEncoding.EncodeToString([]byte(as + "\x00" + p.clients[words[1]].user + "\x00" + p.password)), nil
	case len(words) == 2 && words[0] == "scram" && p.clients[words[1]] != nil:
		return base64.StdEncoding.EncodeToString([]byte("n,,n=" + p.clients[words[1]].user + ",r=nonce" + p.Run)), nil
	case len(words) == 3 && words[0] == "token" && p.clients[words[1]] != nil && p.values[words[2]] != "":
		return hashedToken(p.clients[words[1]].user, p.values[words[2]]), nil
	}
	return "", fmt.Errorf("{%s} has no value", name)
}

// counters brings the values of stream management up to date.
func (p *Performance) counters() {
	for name, c := range p.clients {
		p.values[name+".sent"] = strconv.FormatUint(uint64(c.sent), 10)
		p.values[name+".received"] = strconv.FormatUint(uint64(c.received), 10)
		p.values[name+".sm"] = c.sm
	}
}
