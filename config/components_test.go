package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestComponents(t *testing.T) {
	for _, c := range []struct {
		name string
		x    Component
		want string // in the complaint; empty: none
	}{
		{"good", Component{Domain: "IRC.example.org", Secret: strings.Repeat("s", 16), Roster: "both", Message: "outgoing", Presence: "managed_entity"}, ""},
		{"elsewhere", Component{Domain: "sms.example.net", Secret: strings.Repeat("s", 16)}, ""},
		{"no domain", Component{Domain: "a@example.org"}, "not a domain"},
		{"the server's own", Component{Domain: "example.org"}, "taken"},
		{"its rooms'", Component{Domain: "rooms.example.org"}, "taken"},
		{"two secrets", Component{Domain: "irc.example.org", Secret: "x", SecretFile: "y"}, "name one"},
		{"roster", Component{Domain: "irc.example.org", Roster: "all"}, "roster is none"},
		{"presence", Component{Domain: "irc.example.org", Presence: "roster"}, "presence is none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := Default()
			conf.Domains = []string{"example.org", "chat.example.org"}
			conf.Components.Serve = []Component{c.x}
			err := conf.Check()
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
	conf := Default()
	conf.Domains = []string{"example.org", "chat.example.org"}
	for component, host := range map[string]string{"irc.example.org": "example.org", "irc.chat.example.org": "chat.example.org", "sms.example.net": "example.org"} {
		if got := conf.HostOf(component); got != host {
			t.Errorf("%s belongs to %s", component, got)
		}
	}
	conf.Components.Serve = []Component{{Domain: "irc.example.org", Secret: strings.Repeat("s", 16)}, {Domain: "irc.example.org", Secret: strings.Repeat("s", 16)}}
	if err := conf.Check(); err == nil {
		t.Error("one domain twice")
	}
}

func TestComponentKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("the secret of the file \nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := Component{Domain: "irc-2.example.org", SecretFile: file}
	if key, err := x.Key(); err != nil || key != "the secret of the file" {
		t.Errorf("%q, %v", key, err)
	}
	t.Setenv("STONECHAT_COMPONENT_IRC_2_EXAMPLE_ORG", "the secret of the environment")
	if key, err := x.Key(); err != nil || key != "the secret of the environment" {
		t.Errorf("%q, %v", key, err)
	}
	t.Setenv("STONECHAT_COMPONENT_IRC_2_EXAMPLE_ORG", "too short")
	if _, err := x.Key(); err == nil || strings.Contains(err.Error(), "too short") {
		t.Errorf("%v", err)
	}
}
