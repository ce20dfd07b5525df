package config

import (
	"strings"
	"testing"
)

// Every limit has a value that makes sense, and a wrong one is named.
func TestCheckApart(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"strangers.default":             func(c *Config) { c.Strangers.Default = "ajar" },
		"strangers.messages must":       func(c *Config) { c.Strangers.Messages = 0 },
		"strangers.bytes is above":      func(c *Config) { c.Strangers.Bytes = 1<<20 + 1 },
		"strangers.bytes_per_sender":    func(c *Config) { c.Strangers.BytesPerSender = -1 },
		"strangers.messages_per_sender": func(c *Config) { c.Strangers.MessagesPerSender = 0 },
		"strangers.expire":              func(c *Config) { c.Strangers.Expire = 0 },
		"reports.per_day":               func(c *Config) { c.Reports.PerDay = 0 },
		"reports.keep":                  func(c *Config) { c.Reports.Keep = 0 },
		"personal.private_elements":     func(c *Config) { c.Personal.PrivateElements = 0 },
		"personal.private_bytes":        func(c *Config) { c.Personal.PrivateBytes = 0 },
		"personal.vcard_bytes":          func(c *Config) { c.Personal.VCardBytes = 0 },
		"personal.photo_bytes":          func(c *Config) { c.Personal.PhotoBytes = 0 },
		"personal.vcard_for":            func(c *Config) { c.Personal.VCardFor = "friends" },
		"limits.blocked":                func(c *Config) { c.Limits.Blocked = 0 },
	} {
		c := Default()
		c.Domains = []string{"example.org"}
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
