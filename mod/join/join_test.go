package join

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func TestNames(t *testing.T) {
	cfg := config.Default().Signup
	for name, want := range map[string]string{
		"carol": "carol", "Carol": "carol", "caf\u00e9": "café", "o'neil": "", "a b": "", "": "", "c": "", strings.Repeat("x", 65): "", "c\u0430rol": "",
		"\u043e\u043b\u044c\u0433\u0430": "ольга", "\u65e5\u672c\u8a9eabc": "日本語abc", "\uff43arol": "carol", "carol\u202e": "", "\u03b1lpha": "",
	} {
		got, err := prepareName(name, &cfg)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]bool{"admin": true, "ad.min": true, "post-master": true, "administrators": false, "carol": false} {
		if got := reserved(name, &cfg); got != want {
			t.Errorf("%s reserved: %v", name, got)
		}
	}
}

func TestPasswordFloor(t *testing.T) {
	cfg := config.Default().Accounts
	for password, want := range map[string]bool{
		"": false, "short": false, "1234567": false, "12345678": false, "Password1": false, "zzzzzzzzzz": false, "carolcarol": false, "QwertyUiop": false,
		"correct horse": true, "пароль пароль": true, "ünïcödé!": true, strings.Repeat("ab", 600): false, "      ": false, "        ": false,
	} {
		if got := strong(password, "carolcarol", &cfg) == nil; got != want {
			t.Errorf("%q: %v", password, got)
		}
	}
}

// The invite of a maker who could not make it any more is worth nothing.
func TestStandsFor(t *testing.T) {
	cfg := config.Default()
	m := New(Parts{Config: &cfg})
	m.host = &core.Host{Domain: jid.MustParse("example.org")}
	for _, x := range []struct {
		maker   store.Role
		active  bool
		invited store.Role
		by      string
		want    bool
	}{
		{store.RoleMember, true, store.RoleMember, "member", true},
		{store.RoleMember, true, store.RoleAdmin, "member", false},
		{store.RoleMember, true, store.RoleMember, "admin", false},
		{store.RoleAdmin, true, store.RoleMember, "admin", true},
		{store.RoleAdmin, true, store.RoleAdmin, "admin", true},
		{store.RoleAdmin, true, store.RoleOwner, "member", false},
		{store.RoleAdmin, false, store.RoleMember, "member", false},
		{store.RoleGuest, true, store.RoleMember, "member", false},
		{store.RoleBot, true, store.RoleBot, "member", false},
	} {
		cfg.Invites.By = x.by
		i := store.Invite{Owner: 7, Kind: store.InviteAccount, Maker: "maker", MakerRole: x.maker, MakerActive: x.active, Role: x.invited}
		if got := m.standsFor(&i); got != x.want {
			t.Errorf("%+v: %v", x, got)
		}
	}
	if !m.standsFor(&store.Invite{Kind: store.InviteAccount, Role: store.RoleOwner}) {
		t.Error("the operator's own invite does not stand")
	}
}

func TestCircleNames(t *testing.T) {
	for name, want := range map[string]bool{"Team": true, "": false, " x": false, "a/b": false, "a\x00b": false, "Größe 2": true, strings.Repeat("x", 201): false} {
		if got := circleName(name) == nil; got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestAccountForm(t *testing.T) {
	field := func(name, value string) string {
		return "<field var='" + name + "'><value>" + value + "</value></field>"
	}
	read := func(fields string) (wish, error) {
		tree, err := xmltok.Tree("<x xmlns='jabber:x:data' type='submit'>"+fields+"</x>", "")
		if err != nil {
			t.Fatal(err)
		}
		return accountWish(tree)
	}
	w, err := read(field("username", "carol") + field("roster-subscription", "true") + field("uses", "3") + field("hours", "48") + field("role", "admin") +
		"<field var='circles'><value>A</value><value/><value>B</value></field>")
	if err != nil || w.name != "carol" || !w.befriend || w.uses != 3 || w.life != 48*time.Hour || w.role != store.RoleAdmin || len(w.circles) != 2 || !w.account {
		t.Errorf("%+v, %v", w, err)
	}
	for _, bad := range []string{field("uses", "-1"), field("uses", "many"), field("hours", "99999999999999999999"), field("roster-subscription", "perhaps"), "<field/>"} {
		if w, err := read(bad); err == nil {
			t.Errorf("%s: %+v", bad, w)
		}
	}
}

// FuzzAccountForm: whatever is submitted becomes a bounded wish or a stanza error.
func FuzzAccountForm(f *testing.F) {
	for _, s := range []string{
		"", "<field var='username'><value>carol</value></field>", "<field var='uses'><value>3</value></field><field var='hours'><value>1</value></field>",
		"<field var='circles'><value>a</value><value>b</value></field>", "<field var='roster-subscription'><value>x</value></field>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, fields string) {
		tree, err := xmltok.Tree("<x xmlns='jabber:x:data' type='submit'>"+fields+"</x>", "")
		if err != nil {
			return
		}
		w, err := accountWish(tree)
		var se *stanza.Error
		if err != nil && !errors.As(err, &se) {
			t.Fatalf("%q: %v", fields, err)
		}
		if err == nil && (w.uses < 0 || w.life < 0 || w.life > 100_000*time.Hour) {
			t.Fatalf("%q: %+v", fields, w)
		}
	})
}

// FuzzRegister: whatever a stranger sends is read or refused with a stanza error, and a name that passes is prepared.
func FuzzRegister(f *testing.F) {
	for _, s := range []string{
		"<username>bill</username><password>Calliope</password>", "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>a</value></field></x>",
		"<x xmlns='jabber:x:data' type='cancel'/>", "<remove/>", "<username/><username>x</username>", "<username><b/>x</username>", "<instructions>x</instructions>",
	} {
		f.Add(s)
	}
	cfg := config.Default()
	f.Fuzz(func(t *testing.T, inner string) {
		st, err := stanza.Parse("<iq xmlns='jabber:client' type='set' id='1'><query xmlns='jabber:iq:register'>" + inner + "</query></iq>")
		if err != nil {
			return
		}
		in, err := parse(st)
		var se *stanza.Error
		if err != nil && !errors.As(err, &se) {
			t.Fatalf("%q: %v", inner, err)
		}
		if local, err := prepareName(in.name, &cfg.Signup); err == nil {
			if _, err := jid.New(local, "example.org", ""); err != nil {
				t.Fatalf("%q is a name that no address can have: %v", local, err)
			}
		}
		_ = strong(in.password, in.name, &cfg.Accounts)
	})
}
