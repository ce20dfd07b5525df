package core

import (
	"fmt"
	"slices"
	"testing"

	"stonechat/xmpp/stanza"
)

// RFC 6121 section 8.5 for messages, row by row. Indexes are of the sessions.
func TestChooseMessage(t *testing.T) {
	none := []candidate{}
	one := []candidate{{"a", true, 0}}
	several := []candidate{{"a", true, 5}, {"b", true, 0}, {"neg", true, -1}, {"quiet", false, 0}}
	negative := []candidate{{"neg", true, -1}}
	for _, c := range []struct {
		section  string
		exists   bool
		typ      stanza.Type
		resource string
		sessions []candidate
		want     []int
		outcome  outcome
	}{
		{"8.5.1", false, stanza.Normal, "", none, nil, refuse},
		{"8.5.1", false, stanza.Chat, "", none, nil, refuse},
		{"8.5.1", false, stanza.GroupChat, "", none, nil, refuse},
		{"8.5.1", false, stanza.Headline, "", none, nil, ignore},
		{"8.5.1", false, stanza.TypeError, "", none, nil, ignore},
		{"8.5.1", false, stanza.Chat, "a", none, nil, refuse},
		{"8.5.2.1.1", true, stanza.Normal, "", several, []int{0, 1}, deliver},
		{"8.5.2.1.1", true, stanza.Chat, "", several, []int{0, 1}, deliver},
		{"8.5.2.1.1", true, stanza.Headline, "", several, []int{0, 1}, deliver},
		{"8.5.2.1.1", true, stanza.GroupChat, "", several, nil, refuse},
		{"8.5.2.1.1", true, stanza.TypeError, "", several, nil, ignore},
		{"5.2.2", true, "strange", "", one, []int{0}, deliver},
		{"5.2.2", true, "strange", "gone", one, nil, refuse},
		{"8.5.2.2.1", true, stanza.Normal, "", none, nil, fallback},
		{"8.5.2.2.1", true, stanza.Chat, "", none, nil, fallback},
		{"8.5.2.2.1", true, stanza.GroupChat, "", none, nil, refuse},
		{"8.5.2.2.1", true, stanza.Headline, "", none, nil, ignore},
		{"8.5.2.2.1", true, stanza.TypeError, "", none, nil, ignore},
		{"8.5.2.1.1 negative", true, stanza.Chat, "", negative, nil, fallback},
		{"8.5.2.1.1 negative", true, stanza.Headline, "", negative, nil, ignore},
		{"8.5.3.1", true, stanza.Normal, "neg", several, []int{2}, deliver},
		{"8.5.3.1", true, stanza.Chat, "quiet", several, []int{3}, deliver},
		{"8.5.3.1", true, stanza.GroupChat, "a", several, []int{0}, deliver},
		{"8.5.3.1", true, stanza.Headline, "b", several, []int{1}, deliver},
		{"8.5.3.1", true, stanza.TypeError, "b", several, []int{1}, deliver},
		{"8.5.3.2.1", true, stanza.Normal, "gone", several, nil, refuse},
		{"8.5.3.2.1", true, stanza.GroupChat, "gone", several, nil, refuse},
		{"8.5.3.2.1", true, stanza.Headline, "gone", several, nil, refuse},
		{"8.5.3.2.1", true, stanza.TypeError, "gone", several, nil, ignore},
		{"8.5.3.2.1", true, stanza.Chat, "gone", several, []int{0, 1}, deliver},
		{"8.5.3.2.1", true, stanza.Chat, "gone", none, nil, fallback},
	} {
		t.Run(fmt.Sprintf("%s %s to %q", c.section, c.typ, c.resource), func(t *testing.T) {
			got, out := chooseMessage(nil, c.exists, c.typ, c.resource, c.sessions)
			if !slices.Equal(got, c.want) || out != c.outcome {
				t.Errorf("got %v, outcome %d; want %v, %d", got, out, c.want, c.outcome)
			}
		})
	}
}
