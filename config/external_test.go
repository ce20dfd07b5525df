package config

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestExternalServices(t *testing.T) {
	for text, want := range map[string]Service{
		"stun:stun.example.org":                      {"stun", "stun.example.org", 3478, "udp"},
		"stun:192.0.2.1:99":                          {"stun", "192.0.2.1", 99, "udp"},
		"stuns:[2001:db8::1]:443":                    {"stuns", "2001:db8::1", 443, "tcp"},
		"turn:turn.example.org?transport=tcp":        {"turn", "turn.example.org", 3478, "tcp"},
		"turn:turn.example.org:3479?transport=udp":   {"turn", "turn.example.org", 3479, "udp"},
		"turns:turn.example.org":                     {"turns", "turn.example.org", 5349, "tcp"},
		"":                                           {},
		"stun":                                       {},
		"stun:":                                      {},
		"stun://stun.example.org":                    {},
		"http:stun.example.org":                      {},
		"stun:stun.example.org:0":                    {},
		"stun:stun.example.org:x":                    {},
		"stun:stun.example.org?transport=udp":        {},
		"turn:turn.example.org?transport=carrier":    {},
		"turn:turn.example.org?transport=udp&life=1": {},
		"turn:user@turn.example.org":                 {},
	} {
		got, err := (&External{Services: []string{text}}).List()
		if want == (Service{}) {
			if err == nil {
				t.Errorf("%q is %+v", text, got)
			}
		} else if err != nil || !reflect.DeepEqual(got, []Service{want}) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}

func TestExternalCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	c := usualExternal()
	c.Services = []string{"stun:a.example"}
	if errs := c.check(); errs != nil {
		t.Errorf("without a relay: %v", errs)
	}
	c.Services = append(c.Services, "turn:a.example", "turns:a.example")
	if errs := c.check(); len(errs) != 1 {
		t.Errorf("a relay without a secret: %v", errs)
	}
	c.SecretFile = file
	if errs := c.check(); errs != nil {
		t.Errorf("with a secret: %v", errs)
	}
	for text, want := range map[string]string{" secret \nmore\n": "secret", "secret": "secret", "\nsecret": "", "": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Secret(); string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if c.Life = 0; len(c.check()) != 1 {
		t.Error("credentials that are good for no time")
	}
}
