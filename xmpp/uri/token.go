package uri

import (
	"crypto/rand"
	"strings"

	"stonechat/xmpp/jid"
)

// tokenLength is that of NewToken, characters: 130 bits in base 32.
const tokenLength = 26

// group is how many characters of a token stand together where people type it.
const group = 5

// NewToken returns a token of at least 128 random bits, lower-case letters and the digits 2 to 7 (XEP-0379 section 5.1: base 32 goes into any URI).
func NewToken() string { return strings.ToLower(rand.Text())[:tokenLength] }

// Code writes a token in groups, for people who read and type it.
func Code(token string) string {
	var b strings.Builder
	for i, c := range []byte(token) {
		if i > 0 && i%group == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Token reads a token, or the code of one as somebody has typed it: in upper case, with dashes and spaces, and with digits for letters that
// look like them. It returns "" for what cannot be one.
func Token(typed string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(typed) {
		switch {
		case c == '-' || c == ' ':
			continue
		case c == '0':
			c = 'o'
		case c == '1':
			c = 'l'
		case c == '8':
			c = 'b'
		case c >= 'a' && c <= 'z', c >= '2' && c <= '7':
		default:
			return ""
		}
		b.WriteRune(c)
	}
	if b.Len() != tokenLength {
		return ""
	}
	return b.String()
}

// Invite is what a link or code of an invite says.
type Invite struct {
	// Token of the invite.
	Token string
	// Domain where an account may be made, if Account says that one may.
	Domain jid.JID
	// Name that the account must have; empty: any.
	Name string
	// Account: the token makes an account, or sets the password of one. Otherwise, or when the reader has an account, Inviter is the contact.
	Account bool
	// Inviter is who becomes a contact; zero: nobody, or whoever the server says.
	Inviter jid.JID
}

// ParseInvite reads a link as XEP-0379, XEP-0401 and XEP-0445 have it, or a code as in "abcde-fghij-…@example.org".
func ParseInvite(text string) (Invite, error) {
	text = strings.TrimSpace(text)
	if code, domain, ok := strings.Cut(text, "@"); ok && !strings.Contains(code, ":") {
		d, err := jid.Parse(domain)
		token := Token(code)
		if err != nil || !d.IsDomain() || token == "" {
			return Invite{}, ErrForm
		}
		return Invite{Token: token, Domain: d, Account: true}, nil
	}
	u, err := Parse(text)
	if err != nil {
		return Invite{}, err
	}
	i := Invite{Token: u.Get("preauth"), Domain: u.JID.DomainJID()}
	switch {
	case i.Token == "" || u.JID.IsFull():
		return Invite{}, ErrForm
	case u.Action == Register:
		i.Account, i.Name = true, u.JID.Local()
	case u.Action == Roster && u.JID.Local() != "":
		i.Account, i.Inviter = u.Get("ibr") == "y", u.JID
	default:
		return Invite{}, ErrForm
	}
	return i, nil
}
