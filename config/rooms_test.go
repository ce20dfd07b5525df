package config

import (
	"strings"
	"testing"
)

func TestRoomsDomain(t *testing.T) {
	for _, x := range []struct {
		domains []string
		rooms   string
		want    string // part of the complaint; empty: none
	}{
		{[]string{"example.org"}, "", ""},
		{[]string{"example.org", "example.net"}, "", ""},
		{[]string{"example.org"}, "Conference.Example.org", ""},
		{[]string{"example.org"}, "me@example.org", "not a domain"},
		{[]string{"example.org"}, "example.org", "has accounts"},
		{[]string{"example.org", "rooms.example.org"}, "", "cannot have the rooms"},
		{[]string{"example.org", "example.net"}, "rooms.example.org", "for one domain"},
	} {
		c := Default()
		c.Domains, c.Rooms.Domain = x.domains, x.rooms
		err := c.Check()
		if (err != nil) != (x.want != "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v with rooms at %q: %v", x.domains, x.rooms, err)
		}
		if err == nil && x.rooms != "" && c.Rooms.Of("example.org") != "conference.example.org" {
			t.Errorf("rooms at %q", c.Rooms.Of("example.org"))
		}
	}
	if got := (Rooms{}).Of("example.org"); got != "rooms.example.org" {
		t.Errorf("rooms at %q", got)
	}
}
