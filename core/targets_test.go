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
		typ      stanza.Type
		resource string
		sessions []candidate
		want     []int
		outcome  outcome
	}{
		{"8.5.2.1.1", stanza.Normal, "", several, []int{0, 1}, deliver},
		{"8.5.2.1.1", stanza.Chat, "", several, []int{0, 1}, deliver},
		{"8.5.2.1.1", stanza.Headline, "", several, []int{0, 1}, deliver},
		{"8.5.2.1.1", stanza.GroupChat, "", several, nil, refuse},
		{"8.5.2.1.1", stanza.TypeError, "", several, nil, ignore},
		{"5.2.2", "strange", "", one, []int{0}, deliver},
		{"5.2.2", "strange", "gone", one, nil, refuse},
		{"8.5.2.2.1", stanza.Normal, "", none, nil, fallback},
		{"8.5.2.2.1", stanza.Chat, "", none, nil, fallback},
		{"8.5.2.2.1", stanza.GroupChat, "", none, nil, refuse},
		{"8.5.2.2.1", stanza.Headline, "", none, nil, ignore},
		{"8.5.2.2.1", stanza.TypeError, "", none, nil, ignore},
		{"8.5.2.1.1 negative", stanza.Chat, "", negative, nil, fallback},
		{"8.5.2.1.1 negative", stanza.Headline, "", negative, nil, ignore},
		{"8.5.3.1", stanza.Normal, "neg", several, []int{2}, deliver},
		{"8.5.3.1", stanza.Chat, "quiet", several, []int{3}, deliver},
		{"8.5.3.1", stanza.GroupChat, "a", several, []int{0}, deliver},
		{"8.5.3.1", stanza.Headline, "b", several, []int{1}, deliver},
		{"8.5.3.1", stanza.TypeError, "b", several, []int{1}, deliver},
		{"8.5.3.2.1", stanza.Normal, "gone", several, nil, refuse},
		{"8.5.3.2.1", stanza.GroupChat, "gone", several, nil, refuse},
		{"8.5.3.2.1", stanza.Headline, "gone", several, nil, refuse},
		{"8.5.3.2.1", stanza.TypeError, "gone", several, nil, ignore},
		{"8.5.3.2.1", stanza.Chat, "gone", several, []int{0, 1}, deliver},
		{"8.5.3.2.1", stanza.Chat, "gone", none, nil, fallback},
	} {
		t.Run(fmt.Sprintf("%s %s to %q", c.section, c.typ, c.resource), func(t *testing.T) {
			got, out := chooseMessage(nil, c.typ, c.resource, c.sessions)
			if !slices.Equal(got, c.want) || out != c.outcome {
				t.Errorf("got %v, outcome %d; want %v, %d", got, out, c.want, c.outcome)
			}
		})
	}
}
