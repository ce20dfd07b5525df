package core

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Stage is where a stream stands when its features are sent.
type Stage uint8

// The stages at which modules may offer something.
const (
	BeforeLogin Stage = iota + 1 // inside TLS
	AfterLogin                   // no resource is bound yet
)

// Stranger is a connection that is not logged in. It belongs to the goroutine of its door.
type Stranger struct {
	Host *Host
	// Source is what limits are counted by: the address, of IPv6 the network of 64 bits.
	Source netip.Prefix
	// Pass is what the module of early rows keeps of the connection between two requests.
	Pass any
	// Patience is set by a module for somebody who has a form to fill in: so long from then on they may take until they are logged in.
	Patience time.Duration
}

// EarlyIQ is a row of what may be asked before log-in. There is no account, so Do is called at the door and may wait.
type EarlyIQ struct {
	// Space and Local name the payload.
	Space, Local string
	// Type is stanza.Get or stanza.Set.
	Type stanza.Type
	// Action is the right it takes, of an actor who is nobody.
	Action Action
	// Do answers with the payload of the result. Its error, if not a *stanza.Error, becomes internal-server-error and is logged.
	Do func(ctx context.Context, s *Stranger, st *stanza.Stanza) (payload string, err error)
	// Module is who registered it.
	Module string
}

// EarlyTable holds every row that may be asked before log-in. Nothing else is answered then.
type EarlyTable struct {
	rows []EarlyIQ
	errs []error
}

// Handle adds a row. Contradictions are reported when the host starts.
func (t *EarlyTable) Handle(row EarlyIQ) {
	if row.Action == "" || row.Do == nil || (row.Type != stanza.Get && row.Type != stanza.Set) {
		t.errs = append(t.errs, fmt.Errorf("iq before log-in %s %s: incomplete row", row.Space, row.Local))
	}
	for i := range t.rows {
		if r := &t.rows[i]; r.Space == row.Space && r.Local == row.Local && r.Type == row.Type {
			t.errs = append(t.errs, fmt.Errorf("iq before log-in %s %s: both %s and %s answer", row.Space, row.Local, r.Module, row.Module))
		}
	}
	t.rows = append(t.rows, row)
}

// Rows lists all rows, for tests and people.
func (t *EarlyTable) Rows() []EarlyIQ { return t.rows }

func (t *EarlyTable) find(st *stanza.Stanza) *EarlyIQ {
	p, ok := st.Payload()
	if !ok {
		return nil
	}
	for i := range t.rows {
		if r := &t.rows[i]; r.Space == p.Space && r.Local == p.Local && r.Type == st.Type {
			return r
		}
	}
	return nil
}

// StrangerAsks answers an IQ that came before log-in; nil, when nobody may ask that before. Only a door may call it.
func (h *Host) StrangerAsks(ctx context.Context, s *Stranger, st *stanza.Stanza) *stanza.Stanza {
	row := h.Early.find(st)
	if row == nil || (st.HasTo && st.To != h.Domain) {
		return nil
	}
	payload, err := "", error(nil)
	if refused := checkIQ(st); refused != nil {
		err = refused
	} else if refused := Permit(Actor{}, row.Action, Object{}); refused != nil {
		err = refused
	} else {
		payload, err = row.Do(ctx, s, st)
	}
	// Nothing is said back of what a stranger has sent: there may be a password in it (XEP-0077 section 3.3).
	answer := stanza.Result(st, payload)
	if err != nil {
		answer = stanza.ErrorReply(st, h.asStanzaError(st, err))
	}
	if answer == nil {
		return nil
	}
	return answer.WithTo(jid.JID{}).Stamped(h.Domain).Seal()
}

// Features is everything modules offer at a stage, as XML; s is nil after log-in.
func (h *Host) Features(stage Stage, s *Stranger) string {
	out := ""
	for _, f := range h.Hooks.Features {
		out += f.Do(stage, s)
	}
	return out
}
