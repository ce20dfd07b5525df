package config

import (
	"fmt"
	"time"
)

// Push is for notifications to people whose app is closed: straight to browsers and phones (Web Push, UnifiedPush), or by the server of an app (XEP-0357).
type Push struct {
	// Contact is where whoever runs a push service can reach you: a mailto: or https: address that exists. Empty is https:// and the first domain.
	Contact string `toml:"contact"`
	// Devices is how many registrations an account may have; 0: there is no push.
	Devices int `toml:"devices"`
	// Errors is how often in a row a service may refuse before its registration is forgotten. A service that is down, or says wait, does not count.
	Errors int `toml:"errors"`
	// Window is how long nothing more is sent of the same chat to the same device; what comes meanwhile is one notification.
	Window Duration `toml:"window"`
	// Unheard is how long a device with a connection may take to confirm a message before it is notified all the same: its line may be dead.
	Unheard Duration `toml:"unheard"`
	// Life is how long a notification is worth bringing.
	Life Duration `toml:"life"`
	// AtOnce is how many notifications are sent at once.
	AtOnce int `toml:"at_once"`
}

func usualPush() Push {
	return Push{
		Devices: 10, Errors: 16, Window: Duration(10 * time.Second), Unheard: Duration(20 * time.Second), Life: Duration(72 * time.Hour), AtOnce: 32,
	}
}

// PushSubject is push.contact, or what stands for it (RFC 8292 section 2.1).
func (c *Config) PushSubject() string {
	if c.Push.Contact != "" || len(c.Domains) == 0 {
		return c.Push.Contact
	}
	return "https://" + c.Domains[0]
}

// check reports what makes no sense. Contact is checked by whoever uses it.
func (p *Push) check() (errs []error) {
	if p.Devices < 0 {
		errs = append(errs, fmt.Errorf("push.devices must not be negative"))
	}
	for name, v := range map[string]int{
		"errors": p.Errors, "window": int(p.Window), "unheard": int(p.Unheard), "life": int(p.Life), "at_once": p.AtOnce,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("push.%s must be positive", name))
		}
	}
	return errs
}
