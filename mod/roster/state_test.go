package roster

import (
	"testing"

	"stonechat/xmpp/stanza"
)

// The nine states of RFC 6121 appendix A.1, for an account that has the contact in its roster.
const (
	none       = listed
	nonePO     = listed | pendingOut
	nonePI     = listed | pendingIn
	nonePOI    = listed | pendingOut | pendingIn
	to         = listed | subTo
	toPI       = listed | subTo | pendingIn
	from       = listed | subFrom
	fromPO     = listed | subFrom | pendingOut
	both       = listed | subTo | subFrom
	noReply    = stanza.Type("")
	subscribed = stanza.Subscribed
)

var nineStates = []state{none, nonePO, nonePI, nonePOI, to, toPI, from, fromPO, both}

type outboundRow struct {
	now   state
	route bool
	next  state
}

// RFC 6121 appendix A.2, row by row. Where the note about pre-approval applies the new state carries the flag (section 3.4).
var outboundTables = map[stanza.Type][]outboundRow{
	stanza.Subscribe: { // A.2.1
		{none, true, nonePO},
		{nonePO, true, nonePO},
		{nonePI, true, nonePOI},
		{nonePOI, true, nonePOI},
		{to, true, to},
		{toPI, true, toPI},
		{from, true, fromPO},
		{fromPO, true, fromPO},
		{both, true, both},
	},
	stanza.Unsubscribe: { // A.2.2
		{none, true, none},
		{nonePO, true, none},
		{nonePI, true, nonePI},
		{nonePOI, true, nonePI},
		{to, true, none},
		{toPI, true, nonePI},
		{from, true, from},
		{fromPO, true, from},
		{both, true, from},
	},
	stanza.Subscribed: { // A.2.3
		{none, false, none | approved},
		{nonePO, false, nonePO | approved},
		{nonePI, true, from},
		{nonePOI, true, fromPO},
		{to, false, to | approved},
		{toPI, true, both},
		{from, false, from},
		{fromPO, false, fromPO},
		{both, false, both},
	},
	stanza.Unsubscribed: { // A.2.4
		{none, false, none},
		{nonePO, false, nonePO},
		{nonePI, true, none},
		{nonePOI, true, nonePO},
		{to, false, to},
		{toPI, true, to},
		{from, true, none},
		{fromPO, true, nonePO},
		{both, true, to},
	},
}

type inboundRow struct {
	now     state
	deliver bool
	reply   stanza.Type
	next    state
}

// RFC 6121 appendix A.3, row by row.
var inboundTables = map[stanza.Type][]inboundRow{
	stanza.Subscribe: { // A.3.1; the answer for From and Both is section 3.1.3
		{none, true, noReply, nonePI},
		{nonePO, true, noReply, nonePOI},
		{nonePI, false, noReply, nonePI},
		{nonePOI, false, noReply, nonePOI},
		{to, true, noReply, toPI},
		{toPI, false, noReply, toPI},
		{from, false, subscribed, from},
		{fromPO, false, subscribed, fromPO},
		{both, false, subscribed, both},
	},
	stanza.Unsubscribe: { // A.3.2
		{none, false, noReply, none},
		{nonePO, false, noReply, nonePO},
		{nonePI, true, noReply, none},
		{nonePOI, true, noReply, nonePO},
		{to, false, noReply, to},
		{toPI, true, noReply, to},
		{from, true, noReply, none},
		{fromPO, true, noReply, nonePO},
		{both, true, noReply, to},
	},
	stanza.Subscribed: { // A.3.3
		{none, false, noReply, none},
		{nonePO, true, noReply, to},
		{nonePI, false, noReply, nonePI},
		{nonePOI, true, noReply, toPI},
		{to, false, noReply, to},
		{toPI, false, noReply, toPI},
		{from, false, noReply, from},
		{fromPO, true, noReply, both},
		{both, false, noReply, both},
	},
	stanza.Unsubscribed: { // A.3.4
		{none, false, noReply, none},
		{nonePO, true, noReply, none},
		{nonePI, false, noReply, nonePI},
		{nonePOI, true, noReply, nonePI},
		{to, true, noReply, none},
		{toPI, true, noReply, nonePI},
		{from, false, noReply, from},
		{fromPO, true, noReply, from},
		{both, true, noReply, from},
	},
}

func TestOutboundTables(t *testing.T) {
	for typ, rows := range outboundTables {
		seen := map[state]bool{}
		for _, row := range rows {
			seen[row.now] = true
			got := outbound(row.now, typ)
			want := step{next: row.next, route: row.route}
			if got != want {
				t.Errorf("%s sent in state %07b: %+v, want %+v", typ, row.now, got, want)
			}
		}
		complete(t, typ, seen)
	}
	if len(outboundTables) != 4 {
		t.Error("not all four types are covered")
	}
}

func TestInboundTables(t *testing.T) {
	for typ, rows := range inboundTables {
		seen := map[state]bool{}
		for _, row := range rows {
			seen[row.now] = true
			got := inbound(row.now, typ)
			want := step{next: row.next, deliver: row.deliver, reply: row.reply}
			if got != want {
				t.Errorf("%s received in state %07b: %+v, want %+v", typ, row.now, got, want)
			}
		}
		complete(t, typ, seen)
	}
	if len(inboundTables) != 4 {
		t.Error("not all four types are covered")
	}
}

func complete(t *testing.T, typ stanza.Type, seen map[state]bool) {
	t.Helper()
	for _, s := range nineStates {
		if !seen[s] {
			t.Errorf("%s: no row for state %07b", typ, s)
		}
	}
}

// RFC 6121 section 3.4: what a pre-approval changes.
func TestPreApproval(t *testing.T) {
	for _, s := range []state{none, nonePO, to} {
		got := inbound(s|approved, stanza.Subscribe)
		want := step{next: s | approved | subFrom, reply: stanza.Subscribed}
		if got != want {
			t.Errorf("request in state %07b: %+v, want %+v", s|approved, got, want)
		}
		got = outbound(s|approved, stanza.Unsubscribed)
		if want := (step{next: s}); got != want {
			t.Errorf("taken back in state %07b: %+v, want %+v", s|approved, got, want)
		}
	}
	// A cancelled subscription must not come back by a pre-approval that was given before.
	if got := outbound(from|approved, stanza.Unsubscribed); got.next.has(approved) {
		t.Error("cancelling a subscription leaves the pre-approval")
	}
	// The other side's leaving is not our taking back.
	if got := inbound(from|approved, stanza.Unsubscribe); !got.next.has(approved) {
		t.Error("the contact's unsubscribing took the pre-approval away")
	}
}

// RFC 6121 section 3.1.3: a request alone makes no roster item, everything else of the account's own does.
func TestListing(t *testing.T) {
	if s := inbound(0, stanza.Subscribe).next; s != pendingIn {
		t.Errorf("request of a stranger gives state %07b", s)
	}
	if s := inbound(pendingIn, stanza.Unsubscribe).next; s != 0 {
		t.Errorf("withdrawn request leaves state %07b", s)
	}
	if s := outbound(pendingIn, stanza.Unsubscribed).next; s != 0 {
		t.Errorf("refused request leaves state %07b", s)
	}
	if s := outbound(pendingIn, stanza.Subscribed).next; s != from {
		t.Errorf("granted request gives state %07b", s)
	}
	if s := outbound(0, stanza.Subscribe).next; s != nonePO {
		t.Errorf("own request gives state %07b", s)
	}
	if s := outbound(0, stanza.Subscribed).next; s != none|approved {
		t.Errorf("pre-approval gives state %07b", s)
	}
	if got := inbound(nonePO, stanza.Unsubscribed); got.next != none {
		t.Errorf("refused own request gives state %07b", got.next)
	}
}

// RFC 6121 section 2.5.2.
func TestParting(t *testing.T) {
	for s, want := range map[state][]stanza.Type{
		none: nil, none | approved: nil,
		to: {stanza.Unsubscribe}, nonePO: {stanza.Unsubscribe},
		from: {stanza.Unsubscribed}, nonePI: {stanza.Unsubscribed},
		both: {stanza.Unsubscribe, stanza.Unsubscribed}, toPI: {stanza.Unsubscribe, stanza.Unsubscribed},
		fromPO: {stanza.Unsubscribe, stanza.Unsubscribed}, nonePOI: {stanza.Unsubscribe, stanza.Unsubscribed},
	} {
		got := parting(s)
		if len(got) != len(want) {
			t.Errorf("state %07b: %v, want %v", s, got, want)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("state %07b: %v, want %v", s, got, want)
			}
		}
	}
}
