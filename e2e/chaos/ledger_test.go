package chaos

import (
	"maps"
	"testing"
)

// promised returns a ledger in which user 0 sent three messages to user 1, all
// acknowledged and seen, and archives that hold them all.
func promised() (*Ledger, map[int][]Message) {
	l := NewLedger()
	archives := make(map[int][]Message)
	for range 3 {
		m := l.Next(0, 1)
		l.Acked(m)
		l.Seen(m)
		archives[0], archives[1] = append(archives[0], m), append(archives[1], m)
	}
	return l, archives
}

func TestCompareFindsEachFault(t *testing.T) {
	first, second, third := Message{0, 1, 1}, Message{0, 1, 2}, Message{0, 1, 3}
	for _, c := range []struct {
		name    string
		sender  []Message
		receive []Message
		want    Findings
	}{
		{"nothing wrong", []Message{first, second, third}, []Message{first, second, third}, Findings{}},
		{"lost at the sender", []Message{first, third}, []Message{first, second, third}, Findings{LostSender: 1}},
		{"lost at the receiver", []Message{first, second, third}, []Message{second, third}, Findings{LostReceiver: 1, LostSeen: 1}},
		{"stored twice", []Message{first, second, second, third}, []Message{first, second, third}, Findings{Double: 1}},
		{"out of order", []Message{first, second, third}, []Message{first, third, second}, Findings{Disordered: 1}},
		{"never sent", []Message{first, second, third, {0, 1, 4}}, []Message{first, second, third}, Findings{Unknown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, archives := promised()
			archives[0], archives[1] = c.sender, c.receive
			got := *l.Compare(archives)
			if (len(got.Examples) > 0) != c.want.Bad() {
				t.Errorf("examples = %q", got.Examples)
			}
			got.Examples = nil
			if got.Bad() != c.want.Bad() || got.Lost() != c.want.Lost() || got.Double != c.want.Double || got.Disordered != c.want.Disordered || got.Unknown != c.want.Unknown {
				t.Errorf("found %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestCompareForgivesWhatWasNotPromised(t *testing.T) {
	l, archives := promised()
	l.Next(0, 1) // sent, never acknowledged
	refused := l.Next(0, 1)
	l.Acked(refused)
	l.Refused(refused, "resource-constraint")
	if f := l.Compare(archives); f.Bad() {
		t.Errorf("found %+v in archives that hold every promise", f)
	}
	if got, want := l.Conditions(), map[string]int{"resource-constraint": 1}; !maps.Equal(got, want) {
		t.Errorf("conditions = %v, want %v", got, want)
	}
	if sum := l.Totals(); sum.Sent != 5 || sum.Acked != 3 || sum.Refused != 1 || sum.Seen != 3 {
		t.Errorf("totals = %+v", sum)
	}
}

func TestSeenCountsInversionsAndRepetitions(t *testing.T) {
	l := NewLedger()
	var sent []Message
	for range 3 {
		sent = append(sent, l.Next(0, 1))
	}
	for _, i := range []int{0, 2, 1, 1} {
		l.Seen(sent[i])
	}
	if sum := l.Totals(); sum.Inverted != 1 || sum.Twice != 1 {
		t.Errorf("inverted %d, seen twice %d, want 1 and 1", sum.Inverted, sum.Twice)
	}
}

func TestContactsMayGoOnButNotBack(t *testing.T) {
	l := NewLedger()
	for range 3 {
		l.ContactAsked(0, 5)
	}
	l.ContactKept(0, 5, 2)
	for version, want := range map[int]Findings{1: {Contacts: 1}, 2: {}, 3: {}, 4: {Unknown: 1}} {
		var have [contactSlots]int
		have[5] = version
		var f Findings
		l.CompareContacts(&f, 0, have)
		if f.Contacts != want.Contacts || f.Unknown != want.Unknown {
			t.Errorf("version %d: found %+v, want %+v", version, f, want)
		}
	}
}

func TestContactVersionsReadsItems(t *testing.T) {
	const push = `<iq type='set'><query xmlns='jabber:iq:roster'><item jid='c3@example.org' name='v.3.17'/><item name="v.4.2" jid='c4@example.org'><group>g</group></item><item jid='other@example.org' name='Friend'/></query></iq>`
	got := contactVersions([]byte(push))
	if want := map[int]int{3: 17, 4: 2}; !maps.Equal(got, want) {
		t.Errorf("versions = %v, want %v", got, want)
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{"m.0.1.1", "m.3.2.17 lorem ipsum", "m.1.2", "m.-1.0.1", "m.1.2.x", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := ParseMessage(text)
		if !ok {
			return
		}
		again, ok := ParseMessage(m.String() + " filler")
		if !ok || again != m {
			t.Errorf("%q reads as %v, and that as %v", text, m, again)
		}
	})
}
