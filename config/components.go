package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"stonechat/xmpp/jid"
)

// leastSecret is how long a component's secret is at least, bytes: all that stands between somebody at the port and the domain.
const leastSecret = 16

// Components are other programs that serve domains through this server, such as gateways to other networks (XEP-0114). They connect to listen.component.
type Components struct {
	// Serve lists them: `serve = [{domain = "irc.example.org", secret_file = "irc.secret"}]`. The secret, of at least 16 bytes, is the file's first line, or the
	// value of secret, or of the environment variable STONECHAT_COMPONENT_IRC_EXAMPLE_ORG, which wins. A name is what people are shown. A component belongs to the domain
	// that it stands below, else to the first. What it may do with the accounts there (XEP-0356) is nothing, unless roster is get, set or both, message is outgoing
	// or presence is managed_entity; roster_push = false spares it changes of rosters. Every use of a privilege is written to the log.
	Serve []Component `toml:"serve"`
	// Clear takes them without TLS on other than loopback addresses, too. Only for networks where nobody else is, such as one of containers.
	Clear bool `toml:"clear"`
	// QueueBytes is how much may wait for one component; what comes then is refused.
	QueueBytes int `toml:"queue_bytes"`
	// BytesPerSecond is how fast the bytes that a component may send come back to it; one that sends faster is read slower.
	BytesPerSecond int `toml:"bytes_per_second"`
	// BytesBurst is how many bytes it may send at once.
	BytesBurst int `toml:"bytes_burst"`
	// StanzasPerSecond is how fast the stanzas that a component may send come back to it.
	StanzasPerSecond int `toml:"stanzas_per_second"`
	// StanzasBurst is how many stanzas it may send at once.
	StanzasBurst int `toml:"stanzas_burst"`
}

// Component is one of them.
type Component struct {
	Domain     string `toml:"domain"`
	Name       string `toml:"name"`
	Secret     string `toml:"secret"`
	SecretFile string `toml:"secret_file"`
	Roster     string `toml:"roster"`
	RosterPush *bool  `toml:"roster_push"`
	Message    string `toml:"message"`
	Presence   string `toml:"presence"`
}

func usualComponents() Components {
	return Components{
		QueueBytes: 16 << 20, BytesPerSecond: 4 << 20, BytesBurst: 16 << 20, StanzasPerSecond: 2000, StanzasBurst: 10_000,
	}
}

// paths are the options that name files.
func (c *Components) paths() []*string {
	var list []*string
	for i := range c.Serve {
		list = append(list, &c.Serve[i].SecretFile)
	}
	return list
}

// Variable of the environment that holds the component's secret.
func (c *Component) Variable() string {
	return "STONECHAT_COMPONENT_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(c.Domain))
}

// Key is the component's secret, from wherever it is said. No error repeats it.
func (c *Component) Key() (string, error) {
	secret := c.Secret
	if v := os.Getenv(c.Variable()); v != "" {
		secret = v
	} else if c.SecretFile != "" {
		b, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return "", fmt.Errorf("the secret of component %s: %w", c.Domain, err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		secret = strings.TrimSpace(line)
	}
	if len(secret) < leastSecret {
		return "", fmt.Errorf("the secret of component %s has fewer than %d bytes", c.Domain, leastSecret)
	}
	return secret, nil
}

// Pushes tells whether the component is told of changes of rosters (XEP-0356 section 4.1).
func (c *Component) Pushes() bool {
	return oneOf(c.Roster, "get", "both") && (c.RosterPush == nil || *c.RosterPush)
}

// HostOf is the served domain that a component belongs to.
func (c *Config) HostOf(component string) string {
	best := ""
	for _, d := range c.Domains {
		if strings.HasSuffix(component, "."+d) && len(d) > len(best) {
			best = d
		}
	}
	if best == "" && len(c.Domains) > 0 {
		best = c.Domains[0]
	}
	return best
}

// checkComponents checks bounds and every component.
func (c *Config) checkComponents() (errs []error) {
	p := &c.Components
	for name, v := range map[string]int{"bytes_per_second": p.BytesPerSecond, "stanzas_per_second": p.StanzasPerSecond, "stanzas_burst": p.StanzasBurst} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("components.%s must be positive", name))
		}
	}
	if p.QueueBytes < 2*c.Limits.StanzaBytes || p.BytesBurst < c.Limits.StanzaBytes {
		errs = append(errs, errors.New("components: queue_bytes >= 2 * limits.stanza_bytes, bytes_burst >= limits.stanza_bytes"))
	}
	var seen []string
	for i := range p.Serve {
		errs = append(errs, c.checkComponent(&p.Serve[i], seen)...)
		seen = append(seen, p.Serve[i].Domain)
	}
	return errs
}

func (c *Config) checkComponent(x *Component, seen []string) (errs []error) {
	j, err := jid.Parse(x.Domain)
	if err != nil || !j.IsDomain() {
		return []error{fmt.Errorf("components.serve: %q is not a domain", x.Domain)}
	}
	x.Domain = j.Domain()
	taken := slices.ContainsFunc(c.Domains, func(d string) bool {
		return oneOf(x.Domain, d, c.Rooms.Of(d), c.Pubsub.Of(d)) || c.Upload.FileBytes > 0 && x.Domain == c.Upload.Of(d)
	})
	if taken || slices.Contains(seen, x.Domain) {
		errs = append(errs, fmt.Errorf("components.serve: %s is taken", x.Domain))
	}
	if x.Secret != "" && x.SecretFile != "" {
		errs = append(errs, fmt.Errorf("components.serve: secret and secret_file of %s say the same: name one", x.Domain))
	}
	if !oneOf(x.Roster, "", "none", "get", "set", "both") || !oneOf(x.Message, "", "none", "outgoing") || !oneOf(x.Presence, "", "none", "managed_entity") {
		errs = append(errs, fmt.Errorf("components.serve: %s: roster is none, get, set or both, message is none or outgoing, presence is none or managed_entity", x.Domain))
	}
	return errs
}
