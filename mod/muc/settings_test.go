package muc

import (
	"slices"
	"strings"
	"testing"

	"stonechat/xmpp/muc"
)

func TestChanges(t *testing.T) {
	base := preset("channel", 20)
	change := func(f func(*muc.Config)) muc.Config {
		c := base
		f(&c)
		return c
	}
	for _, c := range []struct {
		name string
		is   muc.Config
		want []muc.Status
	}{
		{"nothing", base, nil},
		{"name", change(func(c *muc.Config) { c.Name = "Cave" }), []muc.Status{104}},
		{"archive off", change(func(c *muc.Config) { c.Archive = false }), []muc.Status{171}},
		{"addresses shown", change(func(c *muc.Config) { c.NonAnonymous = true }), []muc.Status{172}},
		{"both", change(func(c *muc.Config) { c.NonAnonymous, c.MembersOnly = true, true }), []muc.Status{172, 104}},
	} {
		if got := changes(&base, &c.is); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	group := preset("group", 20)
	if got := changes(&group, &base); !slices.Equal(got, []muc.Status{muc.StatusNowSemi, muc.StatusConfiguration}) {
		t.Errorf("group to channel: %v", got)
	}
}

func TestCheckConfig(t *testing.T) {
	c := preset("channel", 500)
	c.MaxUsers = 100_000
	if err := checkConfig(&c, 5000, 50); err != nil || c.MaxUsers != 0 || c.History != 50 {
		t.Errorf("%+v, %v", c, err)
	}
	c.Name = strings.Repeat("x", maxName+1)
	if err := checkConfig(&c, 5000, 50); short(err) != "not-acceptable" {
		t.Errorf("a long name: %v", err)
	}
}

// The space of a room is the IRI of a node, or nothing.
func TestSpaceOfARoom(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "xmpp:pubsub.example.org?;node=dev": true, "xmpp:pubsub.example.org?;node=a%2Fb": true, "xmpp:pubsub.example.org?pubsub;action=subscribe;node=dev": true,
		"xmpp:pubsub.example.org": false, "xmpp:pubsub.example.org?;node=": false, "xmpp:?;node=dev": false, "https://example.org/?;node=dev": false, "dev": false,
		"xmpp:pubsub.example.org?;node=" + strings.Repeat("x", maxNode): false,
	} {
		c := muc.Config{Node: text}
		if fail := checkConfig(&c, 10, 10); (fail == nil) != want {
			t.Errorf("%.60s: %v", text, fail)
		}
	}
}
