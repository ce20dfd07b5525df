package chaos

import (
	"maps"
	"slices"
	"testing"
)

// spokenOf returns a ledger in which users 0 and 1 said two things each in
// room 0, all acknowledged and heard by both in the order of the archive.
func spokenOf() (*Said, []Saying) {
	l := NewSaid()
	archive := make([]Saying, 0, 4)
	for range 2 {
		for from := range 2 {
			s := l.Next(0, from)
			l.Acked(s)
			for occupant := range 2 {
				l.Heard(occupant, s)
			}
			archive = append(archive, s)
		}
	}
	return l, archive
}

func TestCompareFindsEachFaultOfRooms(t *testing.T) {
	a1, b1, a2, b2 := Saying{0, 0, 1}, Saying{0, 1, 1}, Saying{0, 0, 2}, Saying{0, 1, 2}
	for _, c := range []struct {
		name    string
		archive []Saying
		want    Findings
	}{
		{"nothing wrong", []Saying{a1, b1, a2, b2}, Findings{}},
		{"lost in the middle", []Saying{a1, a2, b2}, Findings{LostSaid: 1}},
		{"lost at the end", []Saying{a1, b1}, Findings{LostSaid: 2}},
		{"kept twice", []Saying{a1, b1, b1, a2, b2}, Findings{Double: 1}},
		{"kept twice, the second time at the end", []Saying{a1, b1, a2, b2, a1}, Findings{Double: 1}},
		{"two senders in another order than they were heard in", []Saying{b1, a1, a2, b2}, Findings{Disordered: 2}},
		{"one sender in another order", []Saying{a2, b1, a1, b2}, Findings{Disordered: 5}},
		{"never said", []Saying{a1, b1, a2, b2, {0, 1, 3}}, Findings{Unknown: 1}},
		{"said in another room", []Saying{a1, b1, a2, b2, {1, 0, 1}}, Findings{Unknown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := spokenOf()
			l.Next(1, 0) // in the other room, and lost, as it may be
			var got Findings
			l.Compare(&got, map[int][]Saying{0: c.archive, 1: nil})
			if (len(got.Examples) > 0) != c.want.Bad() {
				t.Errorf("examples = %q", got.Examples)
			}
			if got.LostSaid != c.want.LostSaid || got.Double != c.want.Double || got.Disordered != c.want.Disordered || got.Unknown != c.want.Unknown || got.Bad() != c.want.Bad() {
				t.Errorf("found %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestCompareOfRoomsForgivesWhatWasNotPromised(t *testing.T) {
	l, archive := spokenOf()
	l.Next(0, 0)                            // nobody was told anything of it, and it is not there
	archive = append(archive, l.Next(0, 1)) // likewise, but it is there
	refused := l.Next(0, 0)                 // acknowledged, since it was handled
	l.Acked(refused)
	l.Refused(refused, "forbidden")
	var f Findings
	if l.Compare(&f, map[int][]Saying{0: archive}); f.Bad() {
		t.Errorf("found %+v in an archive that holds every promise", f)
	}
	if got, want := l.Totals(), (SaidTotals{Sent: 7, Acked: 4, Refused: 1, Heard: 4}); got != want {
		t.Errorf("totals = %+v, want %+v", got, want)
	}
	if got, want := l.Conditions(), map[string]int{"forbidden": 1}; !maps.Equal(got, want) {
		t.Errorf("conditions = %v, want %v", got, want)
	}
}

func TestWhoeverWasAcknowledgedIsInTheArchive(t *testing.T) {
	l, archive := spokenOf()
	l.Acked(l.Next(0, 0)) // before anybody could hear it
	var f Findings
	if l.Compare(&f, map[int][]Saying{0: archive}); f.LostSaid != 1 {
		t.Errorf("found %+v, want one loss", f)
	}
}

func TestMissedAndHeardTwice(t *testing.T) {
	l, _ := spokenOf()
	if got := l.Missed(2); len(got) > 0 {
		t.Errorf("missed %q although everybody heard everything", got)
	}
	s := l.Next(0, 0)
	if got := l.Missed(2); len(got) > 0 {
		t.Errorf("missed %q although nobody knows whether it was said", got)
	}
	l.Heard(0, s)
	if got, want := l.Missed(2), []string{"r.0.0.3 was not heard by user1"}; !slices.Equal(got, want) {
		t.Errorf("missed %q, want %q", got, want)
	}
	l.Acked(l.Next(0, 1))
	if got := l.Missed(2); len(got) != 3 {
		t.Errorf("missed %q, want one more by each", got)
	}
	l.Heard(0, s)
	if got := l.Totals().Twice; got != 1 {
		t.Errorf("heard twice: %d, want 1", got)
	}
}

func FuzzParseSaying(f *testing.F) {
	for _, seed := range []string{"r.0.1.1", "r.1.7.300", "m.0.1.1", "r.1.2", "r.-1.0.1", "r.1.2.x", "r.1.2.3 filler", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := ParseSaying(text)
		if !ok {
			return
		}
		again, ok := ParseSaying(s.String())
		if !ok || again != s {
			t.Errorf("%q reads as %v, and that as %v", text, s, again)
		}
	})
}
