package chaos

import (
	"encoding/xml"
	"maps"
	"slices"
	"testing"

	"stonechat/e2e/peers"
)

// history returns a ledger in which a fact was a, b, gone and c, of which so
// many versions were confirmed.
func history(confirmed int) *Facts {
	l := NewFacts()
	for i, value := range []string{"a", "b", "", "c"} {
		if number := l.Asked("x", value); i < confirmed {
			l.Confirmed(number)
		}
	}
	return l
}

func TestFactsGoOnButNotBack(t *testing.T) {
	for _, c := range []struct {
		name      string
		confirmed int
		value     string
		want      Findings
	}{
		{"nothing confirmed, nothing there", 0, "", Findings{}},
		{"nothing confirmed, something there", 0, "b", Findings{}},
		{"what was confirmed", 2, "b", Findings{}},
		{"it was never made", 1, "", Findings{}}, // it may be gone already: that was asked for
		{"older than what was confirmed", 2, "a", Findings{Facts: 1}},
		{"later than what was confirmed", 2, "c", Findings{}},
		{"its end was asked for", 2, "", Findings{}},
		{"back from the dead", 3, "b", Findings{Facts: 1}},
		{"gone for good", 3, "", Findings{}},
		{"lost when it was made again", 4, "", Findings{Facts: 1}},
		{"never asked for", 4, "d", Findings{Unknown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := history(c.confirmed)
			var got Findings
			l.Compare(&got, []Reading{{"x", "here", c.value}})
			if got.Facts != c.want.Facts || got.Unknown != c.want.Unknown || got.Bad() != c.want.Bad() || (len(got.Examples) > 0) != c.want.Bad() {
				t.Errorf("found %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestEveryFormOfAFactIsCompared(t *testing.T) {
	l := history(4)
	var f Findings
	l.Compare(&f, []Reading{{"x", "in one form", "c"}, {"x", "in the other", "b"}})
	if f.Facts != 1 {
		t.Errorf("found %+v, want one loss", f)
	}
}

func TestFactsThatHaveEndedStayGone(t *testing.T) {
	l := NewFacts()
	l.Confirmed(l.Asked("x", "a"))
	end := l.Asked("x", "")
	var f Findings
	l.Compare(&f, []Reading{{"x", "here", ""}})
	if !l.Open("x", false) {
		t.Error("an end that was not confirmed is not read again")
	}
	l.Refused(end, "item-not-found")
	l.Compare(&f, []Reading{{"x", "here", ""}})
	if f.Bad() || len(l.Conditions()) > 0 {
		t.Errorf("found %+v, conditions %v: that it is not there confirms its end", f, l.Conditions())
	}
	if l.Open("x", false) || !l.Open("x", true) || l.Open("y", true) {
		t.Error("an end is read again only when all is read anew, and nothing else")
	}
	l.Compare(&f, []Reading{{"x", "here", "a"}})
	if f.Facts != 1 {
		t.Errorf("found %+v, want a fact that came back", f)
	}
	l.Asked("x", "b")
	if !l.Open("x", false) {
		t.Error("what was made again is not read")
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	l := NewFacts()
	made := l.Asked("x", "a")
	l.Refused(made, "item-not-found")
	l.Refused(l.Asked("x", ""), "forbidden")
	l.Refused(99, "item-not-found")
	if got, want := l.Conditions(), map[string]int{"item-not-found": 2, "forbidden": 1}; !maps.Equal(got, want) {
		t.Errorf("conditions = %v, want %v", got, want)
	}
	if asked, confirmed := l.Count(); asked != 2 || confirmed != 0 {
		t.Errorf("%d asked, %d confirmed, want 2 and 0", asked, confirmed)
	}
}

// TestChangesComeToAnEndAndBegin holds that a user makes, changes and ends
// each kind of thing within a few rounds, and that no value of a fact that is
// free comes twice: an older one could not be told from it.
func TestChangesComeToAnEndAndBegin(t *testing.T) {
	for user := range 5 {
		d := &doer{server: &peers.Server{Domain: "example.org"}, user: user}
		values := make(map[string][]string)
		for range 12 * len(d.kinds()) {
			made := d.next()
			values[made.fact] = append(values[made.fact], made.value)
		}
		for slot := range slots {
			for _, fact := range []string{
				strangerFact(user, slot), bookmarkFact(user, slot), itemFact(freeNode, user, slot), itemFact(feed(user), user, slot),
				nickFact(user), passingFact(user), boothName(user, 1), leafName(user, 1),
			} {
				if !slices.Contains(values[fact], "") || !slices.ContainsFunc(values[fact], func(v string) bool { return v != "" }) {
					t.Errorf("user %d: %s goes through %q", user, fact, values[fact])
				}
			}
		}
		for _, fact := range []string{titleFact(freeNode, user), titleFact(feed(user), user), vcardFact(user)} {
			list := slices.Clone(values[fact])
			slices.Sort(list)
			if len(list) < 2 || len(slices.Compact(list)) != len(values[fact]) {
				t.Errorf("user %d: %s goes through %q", user, fact, values[fact])
			}
		}
	}
}

func TestLookingForElements(t *testing.T) {
	var e element
	const text = `<iq><query><item jid='a@b' affiliation='member'/><field var='x'><value>1</value></field><field var='y'><value>2</value></field></query></iq>`
	if err := xml.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if got := e.find("field", "var", "y").find("value", "", "").text(); got != "2" {
		t.Errorf("y = %q", got)
	}
	if got := e.find("field", "var", "z").find("value", "", "").text(); got != "" {
		t.Errorf("z = %q, want nothing", got)
	}
	refused := &element{refused: "forbidden"}
	if got, attr := refused.find("field", "var", "z").find("value", "", "").text(), refused.find("item", "", "").attr("jid"); got != "forbidden" || attr != "forbidden" {
		t.Errorf("%q and %q, want the reason of the refusal", got, attr)
	}
	if got := e.find("item", "", "").attr("jid"); got != "a@b" {
		t.Errorf("jid = %q", got)
	}
}
