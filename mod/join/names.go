package join

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"stonechat/config"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// taken is the answer for a name that nobody can get, whyever (XEP-0077 section 3.1).
func taken() *stanza.Error { return stanza.NewError(stanza.Conflict, "the name is taken") }

// prepareName prepares the name of a new account and applies the rules for names.
func prepareName(name string, c *config.Signup) (string, error) {
	local, err := jid.PrepareLocal(name)
	if err != nil {
		return "", stanza.NewError(stanza.NotAcceptable, "this cannot be a name")
	}
	if n := utf8.RuneCountInString(local); n < c.MinName || n > c.MaxName {
		return "", stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("a name has %d to %d characters", c.MinName, c.MaxName))
	}
	if mixed(local) {
		return "", stanza.NewError(stanza.NotAcceptable, "the letters of a name come from one alphabet")
	}
	return local, nil
}

// reserved tells whether a prepared name is for administrators to give away. What separates its parts does not count: ad.min is admin.
func reserved(local string, c *config.Signup) bool {
	plain := strings.NewReplacer(".", "", "-", "", "_", "")
	for _, r := range c.Reserved {
		if p, err := jid.PrepareLocal(r); err == nil && plain.Replace(p) == plain.Replace(local) {
			return true
		}
	}
	return false
}

// mixed tells whether letters of several alphabets stand together that look like each other: the light check against names that are taken for
// others. It does not see look-alikes within one alphabet, such as l and 1, nor whole words in another.
func mixed(local string) bool {
	seen := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic} {
		if strings.IndexFunc(local, func(r rune) bool { return unicode.Is(script, r) }) >= 0 {
			seen++
		}
	}
	return seen > 1
}

// worst are the passwords that are tried first, of eight characters and more.
const worst = " 12345678 123456789 1234567890 11111111 00000000 87654321 password password1 password123 passw0rd p@ssw0rd qwertyui qwertyuiop qwerty12 qwerty123 " +
	"asdfghjkl 1q2w3e4r 1qaz2wsx iloveyou sunshine princess football baseball superman trustno1 letmein1 welcome1 whatever starwars changeme " +
	"admin123 administrator abcdefgh abcd1234 abc12345 monkey123 dragon123 computer internet stonechat 88888888 12341234 aaaaaaaa "

// credentials are what is kept of a password that somebody chose for their account.
func (m *Module) credentials(password, local string) ([]store.Credential, error) {
	if err := strong(password, local, &m.Config.Accounts); err != nil {
		return nil, err
	}
	return m.derive(password)
}

// derive makes what is kept of a password, which takes its time.
func (m *Module) derive(password string) ([]store.Credential, error) {
	out, err := m.Derive(password, m.Config.Login.Iterations)
	if err != nil {
		return nil, stanza.NewError(stanza.NotAcceptable, "this cannot be a password")
	}
	return out, nil
}

// strong is the floor for passwords that people choose.
func strong(password, local string, c *config.Accounts) error {
	lower := strings.ToLower(password)
	switch {
	case password == "":
		return stanza.NewError(stanza.NotAcceptable, "the password is missing") // XEP-0077 section 3.1
	case utf8.RuneCountInString(password) < c.MinPassword:
		return stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("a password has %d characters or more", c.MinPassword))
	case len(password) > 1023:
		return stanza.NewError(stanza.NotAcceptable, "the password is too long")
	case strings.Contains(worst, " "+lower+" "), lower == strings.ToLower(local), strings.Trim(lower, lower[:1]) == "":
		return stanza.NewError(stanza.NotAcceptable, "this password is guessed at once, choose another")
	}
	return nil
}
