package config

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Signup says who may make an account, in a client and without an administrator.
type Signup struct {
	// Mode is closed (nobody), invite (whoever has an invite), approve (everybody, and an administrator lets them in: ctl user pending; an
	// invite does without) or open (everybody, within the limits below). There is no CAPTCHA.
	Mode string `toml:"mode"`
	// MinName is how short a name may be, characters.
	MinName int `toml:"min_name"`
	// MaxName is how long it may be.
	MaxName int `toml:"max_name"`
	// Reserved are names that nobody gets by signing up; administrators may give them away.
	Reserved []string `toml:"reserved"`
	// PerSource is how many accounts one address (IPv6: one /64) may make in a day without an invite.
	PerSource int `toml:"per_source"`
	// PerHour is how many accounts may be made in an hour without an invite, by all together.
	PerHour int `toml:"per_hour"`
	// Tries is how many attempts to sign up, or to use a token, may fail in an hour from one address (IPv6: one /64).
	Tries int `toml:"tries"`
	// FormTime is how long somebody who may sign up has to fill in the form, instead of limits.login_time.
	FormTime Duration `toml:"form_time"`
	// Waiting is how many accounts may wait for approval at once.
	Waiting int `toml:"waiting"`
}

// Invites are links by which people come in, or become contacts.
type Invites struct {
	// By is the least role that may invite: member, moderator, admin or owner. Nobody invites above their own role.
	By string `toml:"by"`
	// Expires is how long an invite is good for where its maker says nothing, at most max_expires.
	Expires Duration `toml:"expires"`
	// MaxExpires is the longest time that an invite may be good for.
	MaxExpires Duration `toml:"max_expires"`
	// MaxUses is how many people one invite may let in; only administrators make invites for more than one.
	MaxUses int `toml:"max_uses"`
	// PerAccount is how many invites one account may have at a time.
	PerAccount int `toml:"per_account"`
	// Landing is the address of a page for people who open an invite in a browser, such as https://example.org/i/, to which the token is
	// added. Empty: no page is named in invites. The server does not serve one itself yet.
	Landing string `toml:"landing"`
}

// Accounts says how accounts are kept and how they end.
type Accounts struct {
	// Grace is how long an account that its owner or an administrator has ended can be brought back (ctl user restore); then everything that is
	// kept of it is erased.
	Grace Duration `toml:"grace"`
	// HoldName is how long nobody can sign up with the name of an erased account, so that nobody gets what was meant for somebody else.
	HoldName Duration `toml:"hold_name"`
	// MinPassword is the length of the shortest password that people may choose, characters, at least 8. Very common ones are refused as well.
	MinPassword int `toml:"min_password"`
	// ResetExpires is how long a link to set a new password is good for.
	ResetExpires Duration `toml:"reset_expires"`
	// CircleMembers is how many accounts may be in one circle; each has all others as contacts.
	CircleMembers int `toml:"circle_members"`
}

const day = Duration(24 * time.Hour)

func signup() Signup {
	return Signup{
		Mode: "closed", MinName: 2, MaxName: 64, PerSource: 3, PerHour: 30, Tries: 20, Waiting: 1000, FormTime: Duration(5 * time.Minute),
		// RFC 2142, and what people take for the server itself.
		Reserved: []string{
			"abuse", "admin", "administrator", "bot", "everyone", "ftp", "help", "hostmaster", "info", "mail", "mailer-daemon", "me", "moderator", "news", "nobody",
			"noc", "noreply", "operator", "owner", "postmaster", "root", "sales", "security", "server", "service", "staff", "stonechat", "support", "system",
			"team", "usenet", "webmaster", "www", "xmpp",
		},
	}
}

func invites() Invites {
	return Invites{By: "member", Expires: 7 * day, MaxExpires: 30 * day, MaxUses: 100, PerAccount: 50}
}

func accounts() Accounts {
	return Accounts{Grace: 14 * day, HoldName: 365 * day, MinPassword: 8, ResetExpires: day, CircleMembers: 1000}
}

func (c *Config) checkJoin() []error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	s, i, a := &c.Signup, &c.Invites, &c.Accounts
	if !oneOf(s.Mode, "closed", "invite", "approve", "open") {
		complain("signup.mode is %q, not closed, invite, approve or open", s.Mode)
	}
	if s.MinName < 1 || s.MaxName < s.MinName || s.MaxName > 1023 {
		complain("signup: 1 <= min_name <= max_name <= 1023")
	}
	if s.PerSource < 0 || s.PerHour < 0 || s.Tries < 1 || s.Waiting < 0 || s.FormTime < 0 {
		complain("signup: per_source, per_hour, form_time and waiting are not negative, tries is positive")
	}
	if !oneOf(i.By, "member", "moderator", "admin", "owner") {
		complain("invites.by is %q, not member, moderator, admin or owner", i.By)
	}
	if i.Expires <= 0 || i.MaxExpires < i.Expires || i.MaxUses < 1 || i.PerAccount < 1 {
		complain("invites: expires and max_expires are positive, expires at most max_expires; max_uses and per_account are positive")
	}
	if i.Landing != "" {
		if u, err := url.Parse(i.Landing); err != nil || u.Scheme != "https" || u.Host == "" {
			complain("invites.landing is no https address")
		}
	}
	if a.Grace < 0 || a.HoldName < 0 || a.ResetExpires <= 0 || a.MinPassword < 8 || a.CircleMembers < 1 {
		errs = append(errs, errors.New("accounts: grace and hold_name are not negative, reset_expires and circle_members are positive, min_password is at least 8"))
	}
	return errs
}
