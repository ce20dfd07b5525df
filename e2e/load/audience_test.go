package main

import (
	"strings"
	"testing"
	"time"

	"stonechat/e2e/load/target"
)

// holdEvents publishes to four contacts, who want it or not.
func holdEvents(t *testing.T, f *fake, interested bool) error {
	t.Helper()
	const n = 4
	a := newAudience(n, false, interested, impatient())
	a.run = 7
	for i := range n {
		m := a.fans[i].read(i, f.visitor(target.Name("c", i)), a.hear)
		if err := m.Send([]byte(a.fans[i].presence())); err != nil {
			return err
		}
	}
	a.star = read(0, f.visitor(star(n)), a.starSees)
	ctx := t.Context()
	asked := int64(n) // everybody who has capabilities
	if !interested {
		asked = n / 2
	}
	for a.stanzas.Load() < asked {
		time.Sleep(time.Millisecond)
	}
	before := a.stanzas.Load()
	if interested {
		if err := a.warm(ctx); err != nil {
			return err
		}
		for range 3 {
			if _, err := a.publish(ctx, n); err != nil {
				return err
			}
		}
		before = a.stanzas.Load()
	} else {
		a.strict.Store(1)
		for range 3 {
			if _, err := a.publish(ctx, 0); err != nil {
				return err
			}
		}
	}
	_, err := a.silence(ctx, before)
	return err
}

func TestAudienceAccountsForEverything(t *testing.T) {
	third := func(does func(string) []string) func(to, stanza string) []string {
		seen := 0
		return func(to, stanza string) []string {
			// The items behind the first are sure to be those measured.
			if to == "c2" && strings.Contains(stanza, "<title>") && !strings.Contains(stanza, "0000000001</title>") {
				if seen++; seen == 2 {
					return does(stanza)
				}
			}
			return []string{stanza}
		}
	}
	tests := []struct {
		name       string
		interested bool
		twist      func(to, stanza string) []string
		want       string
	}{
		{"right", true, nil, ""},
		{"nobody wants it", false, nil, ""},
		{"the first item comes twice", true, once(3, kindOf("0000000001</title>"), twice), ""},
		{"an item lost", true, third(lost), "missing"},
		{"an item twice", true, third(twice), "again"},
		{"an item skipped", true, third(changed("0000000003</title>", "0000000004</title>")), "without item"},
		{"somebody never hears", true, func(to, stanza string) []string {
			if to == "c1" && strings.Contains(stanza, "<title>") {
				return nil
			}
			return []string{stanza}
		}, "missing"},
		{"an item refused", true, once(3, kindOf("id='publish'"), changed("result", "error")), "refused"},
		{"an item unanswered", true, once(3, kindOf("id='publish'"), lost), "missing"},
		{"a stanza to somebody who wants none", false, once(2, kindOf("<status>fence"), changed("<presence ", "<message from='bench.local'/><presence ")), "who want nothing"},
		{"an item to somebody who wants none", false, once(1, kindOf("<status>fence"), changed("<presence ",
			"<message from='star4@bench.local'><event><title>00000000070000000003</title></event></message><presence ")), "who wants none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			check(t, holdEvents(t, newFake(t, test.twist), test.interested), test.want)
		})
	}
}

// XEP-0115 section 5.1, hashed apart from this program.
func TestCapsHash(t *testing.T) {
	f := features(tuneNode)
	if got, want := strings.Join(f, " "), "http://jabber.org/protocol/caps http://jabber.org/protocol/disco#info http://jabber.org/protocol/tune+notify"; got != want {
		t.Errorf("features %q", got)
	}
	if got, want := capsHash(f), "b51sKPoHO3il148tRZl9Jl+qxZE="; got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func TestFanAnswers(t *testing.T) {
	f := fan{features: features(tuneNode)}
	got := f.answer([]byte(`<iq type="get" id="7" from="bench.local"><query xmlns="http://jabber.org/protocol/disco#info" node="a#b"/></iq>`))
	for _, want := range []string{"<iq type='result' id='7' to='bench.local'>", "node='a#b'", "tune+notify", "</query></iq>"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	for _, request := range []string{"<iq type='get' id='8'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='get' id='8'><query xmlns='jabber:iq:version'/></iq>"} {
		if got := f.answer([]byte(request)); !strings.HasPrefix(got, "<iq type='error' id='8'>") {
			t.Errorf("%s is answered %s", request, got)
		}
	}
}

func TestHasEventing(t *testing.T) {
	for info, want := range map[string]bool{
		"<query><identity category='account' type='registered'/><identity type=\"pep\" category=\"pubsub\"/></query>": true,
		"<query><identity category='pubsub' type='service'/><identity category='account' type='pep'/></query>":        false,
		"": false,
	} {
		if got := hasEventing([]byte(info)); got != want {
			t.Errorf("%s: %v", info, got)
		}
	}
}
