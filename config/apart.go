package config

import (
	"errors"
	"fmt"
)

// checkApart checks what keeps people apart, and what is kept for them.
func (c *Config) checkApart() []error {
	var errs []error
	for name, v := range map[string]int{
		"strangers.messages": c.Strangers.Messages, "strangers.bytes": c.Strangers.Bytes, "strangers.messages_per_sender": c.Strangers.MessagesPerSender,
		"strangers.bytes_per_sender": c.Strangers.BytesPerSender, "strangers.expire": int(c.Strangers.Expire), "reports.per_day": c.Reports.PerDay,
		"reports.keep": int(c.Reports.Keep), "personal.private_elements": c.Personal.PrivateElements, "personal.private_bytes": c.Personal.PrivateBytes,
		"personal.vcard_bytes": c.Personal.VCardBytes, "personal.photo_bytes": c.Personal.PhotoBytes,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("%s must be positive", name))
		}
	}
	if !oneOf(c.Strangers.Default, "open", "quiet", "closed") {
		errs = append(errs, fmt.Errorf("strangers.default is %q, not open, quiet or closed", c.Strangers.Default))
	}
	if c.Strangers.Bytes > 1<<20 {
		errs = append(errs, errors.New("strangers.bytes is above 1048576: the box is sent as one answer"))
	}
	if !oneOf(c.Personal.VCardFor, "everybody", "members") {
		errs = append(errs, fmt.Errorf("personal.vcard_for is %q, not everybody or members", c.Personal.VCardFor))
	}
	return errs
}
