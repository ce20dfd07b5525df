package uri

import (
	"errors"
	"strings"
	"testing"

	"stonechat/xmpp/jid"
)

func TestParse(t *testing.T) {
	for _, x := range []struct {
		text, address, action, preauth string
	}{
		{"xmpp:romeo@montague.net?roster;preauth=1tMFqYDdKhfe2pwp;name=Romeo+Montague", "romeo@montague.net", "roster", "1tMFqYDdKhfe2pwp"},
		{"XMPP:example.com?register;preauth=TOKEN", "example.com", "register", "TOKEN"},
		{"xmpp:example.com", "example.com", "", ""},
		{"xmpp:pubsub.example.com?;node=blog;preauth=x", "pubsub.example.com", "", "x"},
		{"xmpp://guest@example.com/support@example.com?message", "support@example.com", "message", ""},
		{"xmpp:nasty!%23$%25()*+,-.;=%3F%5B%5C%5D%5E_%60%7B%7C%7D~node@example.com", "nasty!#$%()*+,-.;=?[\\]^_`{|}~node@example.com", "", ""},
		{"xmpp:node@example.com/repulsive%20!%23%22$%25&'()*+,-.%2F:;%3C=%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~resource#part", "node@example.com/repulsive !#\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~resource", "", ""},
	} {
		u, err := Parse(x.text)
		if err != nil || u.JID.String() != x.address || u.Action != x.action || u.Get("preauth") != x.preauth {
			t.Errorf("%s: %+v, %v", x.text, u, err)
			continue
		}
		again, err := Parse(u.String())
		if err != nil || again.String() != u.String() || again.JID != u.JID {
			t.Errorf("%s is written %s and read %+v, %v", x.text, u, again, err)
		}
	}
	for text, want := range map[string]error{
		"mailto:a@b": ErrScheme, "xmpp:": nil, "xmpp:a%zz@b": ErrForm, "xmpp://a@b": ErrForm, "xmpp:a@b?roster;=1": ErrForm,
		"xmpp:" + strings.Repeat("a", MaxLength): ErrTooLong,
	} {
		if _, err := Parse(text); err == nil || (want != nil && !errors.Is(err, want)) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func TestInvites(t *testing.T) {
	token := NewToken()
	inviter := jid.MustParse("romeo@example.com")
	for text, want := range map[string]Invite{
		"xmpp:juliet@example.com?register;preauth=T":        {Token: "T", Domain: inviter.DomainJID(), Name: "juliet", Account: true},
		"xmpp:example.com?register;preauth=T":               {Token: "T", Domain: inviter.DomainJID(), Account: true},
		"xmpp:romeo@example.com?roster;preauth=T;ibr=y":     {Token: "T", Domain: inviter.DomainJID(), Account: true, Inviter: inviter},
		"xmpp:romeo@example.com?roster;preauth=T":           {Token: "T", Domain: inviter.DomainJID(), Inviter: inviter},
		" " + strings.ToUpper(Code(token)) + "@example.com": {Token: token, Domain: inviter.DomainJID(), Account: true},
	} {
		if got, err := ParseInvite(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "xmpp:example.com?register", "xmpp:example.com?roster;preauth=T", "xmpp:a@b/c?roster;preauth=T", "abc@example.com", "xmpp:a@b?message;preauth=T"} {
		if got, err := ParseInvite(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestToken(t *testing.T) {
	token := NewToken()
	if len(token) != 26 || Token(token) != token || Token(Code(token)) != token || token == NewToken() {
		t.Errorf("token %q, code %q", token, Code(token))
	}
	if got := Token("0I8DE-fghij abcde-fghij-abcde-a"); got != "oibdefghijabcdefghijabcdea" {
		t.Errorf("typed: %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"xmpp:romeo@montague.net?roster;preauth=1tMFqYDdKhfe2pwp;name=Romeo+Montague", "xmpp:example.com?register;preauth=TOKEN", "xmpp://a@b/c@d/e?x;y=z#f",
		"xmpp:%e3%81%82@[::1]?roster;preauth=%20", "abcde-fghij-abcde-fghij-abcde-a@example.org",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err == nil {
			again, err := Parse(u.String())
			if err != nil && !errors.Is(err, ErrTooLong) {
				t.Fatalf("%q is written %q, which cannot be read: %v", s, u, err)
			}
			if err == nil && again.String() != u.String() {
				t.Fatalf("%q is written %q and then %q", s, u, again)
			}
		}
		if i, err := ParseInvite(s); err == nil && (i.Token == "" || !i.Domain.IsDomain()) {
			t.Fatalf("%q: %+v", s, i)
		}
	})
}
