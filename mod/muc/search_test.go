package muc

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

func TestParseSearch(t *testing.T) {
	for _, c := range []struct{ fields, want string }{
		{"q=cave", ""},
		{"q=cave;key=" + byAddress, ""},
		{"q=cave;key=" + byOccupants, ""},
		{"all=1", ""},
		{"q=x;unknown=y", ""},
		{"q=cave;key=x", "invalid-sort-key"},
		{"q=cave;all=true", "conflicting-fields"},
		{"", "no-search-conditions"},
		{"all=0", "no-search-conditions"},
		{"q=  ", "invalid-search-terms"},
		{"q=" + strings.Repeat("x", 257), "invalid-search-terms"},
		{"all=maybe", "does not fit"},
	} {
		f := form.New(form.Submit, "urn:xmpp:channel-search:0:search-params")
		for part := range strings.SplitSeq(c.fields, ";") {
			if name, v, ok := strings.Cut(part, "="); ok {
				f.Fields = append(f.Fields, form.Field{Var: name, Values: []string{v}})
			}
		}
		got := ""
		if _, err := parseSearch(f); err != nil {
			got = stanza.AsError(err).App + err.Error()
		}
		if c.want == "" != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %q", c.fields, got, c.want)
		}
	}
}

var addresses = regexp.MustCompile(`address='([^@]*)@`)

// TestSearch walks through what is found, in both orders, and finds nothing that is hidden.
func TestSearch(t *testing.T) {
	v, _, romeo := inCave(t)
	for i, c := range []string{
		`{"public":true,"name":"The Forest","description":"Oaks and elms","broadcast":14,"lists":14}`,
		`{"public":true,"name":"Glade","description":"In the FOREST","broadcast":14,"lists":14}`,
		`{"public":true,"name":"Heath","members_only":true,"broadcast":14,"lists":14}`,
		`{"name":"Forest of secrets","broadcast":14,"lists":14}`,
	} {
		made := v.db.Rooms.Create(store.Room{
			Domain: "rooms." + domain, Local: fmt.Sprint("wood", i), Config: []byte(c), Public: i < 3, Secret: []byte("s"), Creator: "juliet@" + domain,
		}, nil, func(store.Owner) {})
		if err := made.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	romeo.send("<presence xmlns='jabber:client' to='wood1@rooms." + domain + "/romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	romeo.expect("<subject", "wood1@")
	ask := func(set string, fields ...string) (answer, got string) {
		romeo.ids++
		id := fmt.Sprint("s", romeo.ids)
		x := "<field var='FORM_TYPE'><value>urn:xmpp:channel-search:0:search-params</value></field>"
		for _, f := range fields {
			name, value, _ := strings.Cut(f, "=")
			x += "<field var='" + name + "'><value>" + value + "</value></field>"
		}
		romeo.send("<iq xmlns='jabber:client' type='get' id='" + id + "' to='rooms." + domain + "'><search xmlns='urn:xmpp:channel-search:0:search'>" +
			"<x xmlns='jabber:x:data' type='submit'>" + x + "</x>" + set + "</search></iq>")
		answer = romeo.expect("<iq", "id='"+id+"'")
		for _, m := range addresses.FindAllStringSubmatch(answer, -1) {
			got += m[1] + " "
		}
		return answer, got
	}
	page := func(max int, after string) string {
		if after != "" {
			after = "<after>" + after + "</after>"
		}
		return fmt.Sprintf("<set xmlns='http://jabber.org/protocol/rsm'><max>%d</max>%s</set>", max, after)
	}
	for _, c := range []struct {
		set    string
		fields []string
		want   string
	}{
		{"", []string{"q=forest"}, "wood0 wood1 "},
		{"", []string{"q=Forest", "sindescription=0"}, "wood0 "},
		{"", []string{"q=forest the elms"}, "wood0 "},
		{"", []string{"q=wood2", "sinaddress=0"}, ""},
		{"", []string{"q=wood2"}, "wood2 "},
		{"", []string{"all=1"}, "wood0 wood1 wood2 "},
		{"", []string{"all=1", "key=" + byOccupants}, "wood1 wood0 wood2 "},
		{"", []string{"all=1", "types=xep-0369"}, ""},
		{page(2, ""), []string{"all=1"}, "wood0 wood1 "},
		{page(2, "wood1"), []string{"all=1"}, "wood2 "},
		{page(1, "wood1"), []string{"all=1", "key=" + byOccupants}, "wood0 "},
		{page(0, ""), []string{"all=1"}, ""},
	} {
		if answer, got := ask(c.set, c.fields...); got != c.want || !strings.Contains(answer, "type='result'") {
			t.Errorf("%s %q: %s, want %s", c.set, c.fields, answer, c.want)
		}
	}
	if answer, _ := ask("", "q=heath"); strings.Contains(answer, "nusers") || strings.Contains(answer, "is-open") {
		t.Errorf("of a closed room: %s", answer)
	}
	if v.host.PeekRoom(t.Context(), jid.MustParse("wood0@rooms."+domain), func(*core.Room) {}) {
		t.Error("a search has loaded a room")
	}
	for range maxSearches {
		if answer, _ := ask("", "all=1"); strings.Contains(answer, "rate-limit") {
			return
		}
	}
	t.Error("somebody searches without end")
}
