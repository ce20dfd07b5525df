package commands

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// Imported is one line of an import.
type Imported struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	// Credentials instead of a password, in the form of RFC 5803: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
	Credentials []string          `json:"credentials"`
	Role        string            `json:"role"`
	Contacts    []ImportedContact `json:"contacts"`
	// Pending are addresses whose requests to subscribe are open; Requests are payloads of IQs of type set that the account sends to itself.
	Pending  []string `json:"pending"`
	Requests []string `json:"requests"`
}

// ImportedContact is one roster item of it.
type ImportedContact struct {
	JID          string   `json:"jid"`
	Name         string   `json:"name"`
	Subscription string   `json:"subscription"`
	Ask          bool     `json:"ask"`
	Groups       []string `json:"groups"`
}

const (
	importChunk = 256 // lines that are derived and kept together
	importBytes = 16 << 20
	maxLine     = 16 << 20
)

// ImportSum tells what an import has done.
type ImportSum struct {
	store.Imported
	// Failed are parts of accounts that were not imported, the first of them in words.
	Failed  int
	Reasons []string
}

// importUsers takes JSON lines. What precedes a bad line is imported; accounts that exist are left alone, unless ?again has what belongs to them said once more,
// as after an import that broke off. ?dry checks all lines and changes nothing: the sum is what would be.
func (m *Module) importUsers(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var sum ImportSum
	again, keep := r.URL.Query().Has("again"), m.keepAll
	if r.URL.Query().Has("dry") {
		keep = m.lookUp
	}
	in := importing{Scanner: bufio.NewScanner(r.Body)}
	in.Buffer(nil, maxLine)
	for {
		chunk, bad := in.chunk()
		accounts, err := m.prepare(actor, chunk)
		if err != nil {
			bad = err // it comes before the line that ended the chunk
		}
		chunk = chunk[:len(accounts)]
		switch err := keep(ctx, accounts, chunk, again, &sum); {
		case err != nil:
			return sum, known(err)
		case errors.Is(bad, io.EOF):
			return sum, nil
		case bad != nil:
			return sum, known(stanza.NewError(stanza.BadRequest, bad.Error()))
		}
	}
}

// keepAll creates the accounts of some lines, with all that belongs to them.
func (m *Module) keepAll(ctx context.Context, accounts []store.NewAccount, lines []Imported, again bool, sum *ImportSum) error {
	rest, err := m.unfinished(ctx, accounts, lines, again)
	if err != nil {
		return err
	}
	done, err := m.accounts.Import(ctx, slices.Values(accounts))
	m.host.Credentials.Add(1)
	sum.Created += done.Created
	sum.Existing += done.Existing
	if err != nil {
		return err
	}
	return m.furnish(ctx, rest, sum)
}

// lookUp counts what keepAll would do.
func (m *Module) lookUp(ctx context.Context, accounts []store.NewAccount, _ []Imported, _ bool, sum *ImportSum) error {
	for _, a := range accounts {
		switch _, err := m.accounts.Get(ctx, a.Domain, a.Local); {
		case err == nil:
			sum.Existing++
		case errors.Is(err, store.ErrNotFound):
			sum.Created++
		default:
			return err
		}
	}
	return nil
}

// importing reads the lines of an import.
type importing struct {
	*bufio.Scanner
	line int
}

// chunk reads the next lines, and why there are no more after them: io.EOF at the end.
func (in *importing) chunk() (out []Imported, err error) {
	for size := 0; len(out) < importChunk && size < importBytes; size += len(in.Bytes()) {
		if !in.Scan() {
			return out, cmp.Or(in.Err(), io.EOF)
		}
		in.line++
		var u Imported
		if err := json.Unmarshal(in.Bytes(), &u); err != nil {
			return out, fmt.Errorf("line %d: %w", in.line, err)
		}
		if core.HasNUL(in.Bytes()) {
			return out, fmt.Errorf("line %d: a text has a NUL character", in.line)
		}
		out = append(out, u)
	}
	return out, nil
}

// prepare checks the lines and derives their credentials, on all processors. With an error come the accounts before the one that it is about.
func (m *Module) prepare(actor core.Actor, chunk []Imported) ([]store.NewAccount, error) {
	out := make([]store.NewAccount, len(chunk))
	errs := make([]error, len(chunk))
	workers := runtime.GOMAXPROCS(0)
	done := make(chan struct{}, workers)
	var next atomic.Int64
	for range workers {
		go func() {
			for j := int(next.Add(1)) - 1; j < len(chunk); j = int(next.Add(1)) - 1 {
				out[j], errs[j] = m.newAccount(chunk[j])
			}
			done <- struct{}{}
		}()
	}
	for range workers {
		<-done
	}
	for i, err := range errs {
		if err == nil {
			err = m.allowed(actor, core.ActEditAccounts, store.Account{Role: out[i].Role})
		}
		if err != nil {
			return out[:i], fmt.Errorf("account %q: %w", chunk[i].Name, err)
		}
	}
	return out, nil
}

func (m *Module) newAccount(u Imported) (store.NewAccount, error) {
	n := store.NewAccount{Domain: m.host.Domain.Domain(), Role: store.Role(u.Role)}
	if n.Role == "" {
		n.Role = store.RoleMember
	}
	if !n.Role.Known() {
		return n, fmt.Errorf("no such role: %q", u.Role)
	}
	var err error
	if n.Local, err = jid.PrepareLocal(u.Name); err != nil {
		return n, err
	}
	if len(u.Credentials) == 0 {
		n.Credentials, err = m.derive(u.Password, m.login.Iterations)
	} else {
		n.Credentials, err = credentials(u.Credentials)
	}
	if err != nil {
		return n, err
	}
	for _, c := range u.Contacts {
		x, err := contact(c)
		if err != nil {
			return n, err
		}
		n.Contacts = append(n.Contacts, x)
	}
	return n, nil
}

func credentials(texts []string) ([]store.Credential, error) {
	var out []store.Credential
	for _, t := range texts {
		var c sasl.Credential
		if err := c.UnmarshalText([]byte(t)); err != nil {
			return nil, err
		}
		out = append(out, store.Credential{
			Mechanism: "SCRAM-" + c.Hash.String(), Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey,
		})
	}
	return out, nil
}

func contact(c ImportedContact) (store.Contact, error) {
	j, err := jid.Parse(c.JID)
	if err != nil {
		return store.Contact{}, err
	}
	sub := store.Subscription(c.Subscription)
	switch sub {
	case "":
		sub = store.SubscriptionNone
	case store.SubscriptionNone, store.SubscriptionTo, store.SubscriptionFrom, store.SubscriptionBoth:
	default:
		return store.Contact{}, fmt.Errorf("no such subscription: %q", c.Subscription)
	}
	return store.Contact{JID: j.Bare(), Name: c.Name, Subscription: sub, Ask: c.Ask, Groups: c.Groups}, nil
}
