package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"stonechat/xmpp/jid"
)

// Upload is for files that clients send by HTTP and name by their address (XEP-0363). They stand in the folder files of the data folder.
type Upload struct {
	// Domain of the service that gives slots; empty is upload. before the domain. It needs no certificate, and no name in the DNS as long as the server does
	// not talk to others. With several domains it stays empty.
	Domain string `toml:"domain"`
	// URL is where browsers reach the files, such as https://upload.example.org, if not at the web site of the domain (see http.url). A name of its own
	// keeps what people upload in another origin than everything else; it must lead to the HTTPS listener, and have a certificate (tls.acme.services).
	URL string `toml:"url"`
	// FileBytes is the size of the largest file; 0: there is no such service.
	FileBytes int64 `toml:"file_bytes"`
	// Quota is how many bytes the files of one account may have together, slots that can still be used included.
	Quota int64 `toml:"quota"`
	// StaffQuota is the same for moderators, admins and owners.
	StaffQuota int64 `toml:"staff_quota"`
	// Files is how many files one account may have.
	Files int `toml:"files"`
	// Keep is how long files are kept; 0s keeps them until their account is erased. What clients upload for a profile, or for good, is not asked.
	Keep Duration `toml:"keep"`
	// ProfileBytes is the size of the largest file that is uploaded for a profile.
	ProfileBytes int64 `toml:"profile_bytes"`
	// ProfileQuota is how many bytes those of one account may have together, apart from its quota.
	ProfileQuota int64 `toml:"profile_quota"`
	// SlotTime is how long a slot can be used. An upload that has begun may take longer.
	SlotTime Duration `toml:"slot_time"`
	// ResumeTime is how long, from the slot on, an upload may be gone on with that broke off (docs/files.md); 0s: it begins anew.
	ResumeTime Duration `toml:"resume_time"`
	// SlotsPerMinute is how many slots one account is given in a minute.
	SlotsPerMinute int `toml:"slots_per_minute"`
	// AtOnce is how many uploads of one account may be under way at once.
	AtOnce int `toml:"at_once"`
	// AtOnceTotal is how many uploads of all accounts may be.
	AtOnceTotal int `toml:"at_once_total"`
	// VoiceBytes is the size of the largest sound in Opus of which is found out how long it is, and of which an Ogg is made where its client asks for it; 0: of none.
	VoiceBytes int64 `toml:"voice_bytes"`
	// KeepFree is how many bytes of the disk no upload may take: the messages need some, too.
	KeepFree int64 `toml:"keep_free"`
}

func usualUpload() Upload {
	return Upload{
		FileBytes: 1 << 30, Quota: 10 << 30, StaffQuota: 100 << 30, Files: 10_000, ProfileBytes: 4 << 20, ProfileQuota: 64 << 20,
		SlotTime: Duration(5 * time.Minute), ResumeTime: Duration(24 * time.Hour), SlotsPerMinute: 60, AtOnce: 8, AtOnceTotal: 256, VoiceBytes: 64 << 20, KeepFree: 1 << 30,
	}
}

// Of is the domain of the service of a served domain.
func (u Upload) Of(domain string) string {
	if u.Domain != "" {
		return u.Domain
	}
	return "upload." + domain
}

// check reports what makes no sense.
func (u Upload) check() (errs []error) {
	for name, v := range map[string]int64{
		"file_bytes": u.FileBytes, "profile_bytes": u.ProfileBytes, "keep": int64(u.Keep), "resume_time": int64(u.ResumeTime), "keep_free": u.KeepFree, "voice_bytes": u.VoiceBytes,
	} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("upload.%s is negative", name))
		}
	}
	for name, v := range map[string]int64{
		"quota": u.Quota, "staff_quota": u.StaffQuota, "profile_quota": u.ProfileQuota, "files": int64(u.Files), "slot_time": int64(u.SlotTime),
		"slots_per_minute": int64(u.SlotsPerMinute), "at_once": int64(u.AtOnce), "at_once_total": int64(u.AtOnceTotal),
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("upload.%s must be positive", name))
		}
	}
	if u.URL != "" {
		// XEP-0363 section 4: nothing but TLS may be named.
		if p, err := url.Parse(u.URL); err != nil || p.Scheme != "https" || p.Host == "" || p.User != nil || p.RawQuery != "" || p.Fragment != "" {
			errs = append(errs, fmt.Errorf("upload.url is %q, not like https://upload.example.org", u.URL))
		}
	}
	return errs
}

// checkUpload checks the bounds, and the domain of the service.
func (c *Config) checkUpload() []error {
	errs := c.Upload.check()
	if d := c.Upload.Domain; d != "" {
		j, err := jid.Parse(d)
		switch {
		case err != nil || !j.IsDomain():
			return append(errs, fmt.Errorf("upload.domain is %q, not a domain", d))
		case len(c.Domains) > 1:
			return append(errs, errors.New("upload.domain is for one domain; with several each has its service at upload. before it"))
		}
		c.Upload.Domain = j.Domain()
	}
	for _, host := range c.Domains {
		d := c.Upload.Of(host)
		if slices.ContainsFunc(c.Domains, func(other string) bool { return other == d || c.Rooms.Of(other) == d || c.Pubsub.Of(other) == d }) {
			errs = append(errs, fmt.Errorf("%s is taken, so it cannot be the upload service of %s", d, host))
		}
	}
	return errs
}
