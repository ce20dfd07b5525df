package core

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"stonechat/xmpp/stanza"
)

// Target is whom an IQ of a row is addressed to.
type Target uint8

// The targets of IQ rows.
const (
	ToHost     Target = iota + 1 // the served domain
	ToOwn                        // the sender's own account: its bare address, or no address
	ToContact                    // the bare address of another account of this host
	ToDevice                     // the full address of any account: the device answers, but Do may refuse in its place
	ToRooms                      // the domain of rooms; answered in a turn of the asker
	ToRoom                       // the bare address of a room that exists; in a turn of the room
	ToOccupant                   // the full address of an occupant, in a turn of the room; without a row Rooms.Receive gets it
	ToService                    // the domain of a service of parts (Rooms.Find), about none of them, or one of Host.ServeDomain; answered in a turn of the asker
	ToPart                       // the same, about a part, whether or not that exists; in a turn of the part
)

// String is the target as people read it.
func (t Target) String() string {
	return [...]string{"?", "host", "own", "contact", "device", "rooms", "room", "occupant", "service", "part"}[t]
}

// served tells whether rows with this target belong to the module that serves the domain asked.
func (t Target) served() bool { return t == ToRooms || t == ToService }

// Answer is what an IQ handler gives: the payload of the result, perhaps preceded by stanzas that go to the asker first.
type Answer struct {
	Payload string
	// Before are pulled as the asker's connection takes them, and arrive before the result.
	Before Source
}

// IQ is one row of the table: who answers which request. Exactly one row answers.
type IQ struct {
	// Space and Local name the payload.
	Space, Local string
	// Type is stanza.Get or stanza.Set.
	Type stanza.Type
	To   Target
	// Action is the right it takes; a row without one stops the server at start.
	Action Action
	// Slow rows run outside turns in a bounded pool; they may wait but not touch Account or Session beyond their fixed fields.
	Slow bool
	// Do answers. Its error, if not a *stanza.Error, becomes internal-server-error and is logged.
	Do func(context.Context, *Event) (Answer, error)
	// Module is who registered it. Of rows ToRooms and ToService those answer whose module serves the domain that is asked, or, when that has none for the
	// payload, those that answer Anywhere.
	Module   string
	Anywhere bool
}

type iqKey struct {
	space, local string
	typ          stanza.Type
	to           Target
	server       string // the module that serves the domain, for ToRooms and ToService; empty: whoever does
}

// IQTable holds every row.
type IQTable struct {
	rows map[iqKey]*IQ
	errs []error
}

// Handle adds a row. Contradictions are reported when the host starts.
func (t *IQTable) Handle(row IQ) {
	if t.rows == nil {
		t.rows = make(map[iqKey]*IQ)
	}
	k := iqKey{row.Space, row.Local, row.Type, row.To, ""}
	if row.To.served() && !row.Anywhere {
		k.server = row.Module
	}
	switch {
	case t.rows[k] != nil:
		t.errs = append(t.errs, fmt.Errorf("iq %s %s %s to %s: both %s and %s answer", row.Type, row.Space, row.Local, row.To, t.rows[k].Module, row.Module))
	case row.Action == "":
		t.errs = append(t.errs, fmt.Errorf("iq %s %s %s to %s: no action", row.Type, row.Space, row.Local, row.To))
	case row.Do == nil || (row.Type != stanza.Get && row.Type != stanza.Set) || row.To == 0 || (row.Slow && row.To == ToDevice):
		t.errs = append(t.errs, fmt.Errorf("iq %s %s %s: incomplete row", row.Type, row.Space, row.Local))
	default:
		t.rows[k] = &row
	}
}

// Rows lists all rows in a fixed order, for tests and people.
func (t *IQTable) Rows() []IQ {
	out := make([]IQ, 0, len(t.rows))
	for _, r := range t.rows {
		out = append(out, *r)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Space != b.Space {
			return a.Space < b.Space
		}
		if a.Local != b.Local {
			return a.Local < b.Local
		}
		if a.To != b.To {
			return a.To < b.To
		}
		if a.Type != b.Type {
			return a.Type < b.Type
		}
		return a.Module < b.Module
	})
	return out
}

func (t *IQTable) find(st *stanza.Stanza, to Target) *IQ { return t.findOf(st, to, "") }

func (t *IQTable) findOf(st *stanza.Stanza, to Target, server string) *IQ {
	p, ok := st.Payload()
	if !ok {
		return nil
	}
	return t.rows[iqKey{p.Space, p.Local, st.Type, to, server}]
}

// row that answers a request to an account, to the host, or to a domain that a module serves.
func (h *Host) row(st *stanza.Stanza, to Target) *IQ {
	if s := h.Router.services[st.To.Domain()]; to.served() && s != nil {
		if row := h.IQ.findOf(st, to, s.Module); row != nil {
			return row
		}
	}
	return h.IQ.find(st, to) // among those are rows that answer anywhere
}

// checkIQ applies RFC 6120 section 8.2.3.
func checkIQ(st *stanza.Stanza) *stanza.Error {
	switch st.Type {
	case stanza.Get, stanza.Set:
		if st.Len() != 1 {
			return stanza.NewError(stanza.BadRequest, "an iq of type get or set has exactly one child")
		}
	case stanza.TypeResult, stanza.TypeError:
	default:
		return stanza.NewError(stanza.BadRequest, "an iq has type get, set, result or error")
	}
	if st.ID == "" {
		return stanza.NewError(stanza.BadRequest, "an iq has an id")
	}
	return nil
}

// asStanzaError turns any error into one that may be shown, and logs what may not.
func (h *Host) asStanzaError(st *stanza.Stanza, err error) *stanza.Error {
	var se *stanza.Error
	if errors.As(err, &se) {
		return se
	}
	return h.storeError(st, err)
}
