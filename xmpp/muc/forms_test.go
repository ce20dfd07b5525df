package muc

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// odd is a configuration in which nothing is as in the zero value.
var odd = Config{
	Name: "A Dark Cave", Description: "The place for all good witches!", Lang: "en", Persistent: true, Public: true, MembersOnly: true,
	Moderated: true, NonAnonymous: true, Password: "cauldronburn", ChangeSubject: true, Invites: true, Whisper: WhisperModerators,
	MaxUsers: 37, Broadcast: RolesOf(Moderator), Lists: RolesOf(Visitor, Moderator), History: 50, Archive: true, Register: true, Slow: 20,
}

// answered is the form as a client sends it back without having changed anything.
func answered(f *form.Form) *form.Form {
	out := &form.Form{Type: form.Submit}
	for _, field := range f.Fields {
		if field.Type != form.Fixed {
			out.Fields = append(out.Fields, form.Field{Var: field.Var, Values: field.Values})
		}
	}
	return out
}

func TestConfigThereAndBack(t *testing.T) {
	staff := Staff{Admins: []jid.JID{hag}, Owners: []jid.JID{crone.Bare()}}
	for _, c := range []Config{odd, {}} {
		f, err := form.Parse(tree(t, string(c.Form("Room", staff).AppendXML(nil))))
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []Config{c, odd, {}} {
			got, s, err := from.Submit(answered(f))
			if err != nil || got != c {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c)
			}
			if !slices.Equal(s.Admins, staff.Admins) || !slices.Equal(s.Owners, staff.Owners) {
				t.Errorf("%+v", s)
			}
		}
		kept, err := json.Marshal(c)
		var again Config
		if err != nil || json.Unmarshal(kept, &again) != nil || again != c {
			t.Errorf("kept as %s, %v", kept, err)
		}
		if max := f.Field("muc#roomconfig_maxusers"); !slices.ContainsFunc(max.Options, func(o form.Option) bool { return o.Value == max.Value() }) {
			t.Errorf("the number of occupants is not among its choices: %+v", max)
		}
	}
	got, s, err := odd.Submit(form.New(form.Submit, ns.MUCRoomConfig))
	if err != nil || got != odd || s.Admins != nil || s.Owners != nil {
		t.Errorf("XEP-0004 section 3.5: what is left out changed: %+v, %+v, %v", got, s, err)
	}
}

func TestConfigRefused(t *testing.T) {
	submit := func(name string, values ...string) *form.Form {
		return form.New(form.Submit, ns.MUCRoomConfig, form.Field{Var: name, Values: values})
	}
	for _, c := range []struct {
		f    *form.Form
		want error
	}{
		{submit("muc#roomconfig_membersonly", "perhaps"), form.ErrValue},
		{submit("muc#roomconfig_whois", "nobody"), ErrRange},
		{submit("muc#roomconfig_allowpm", "kings"), ErrRange},
		{submit("muc#roomconfig_maxusers", "0"), ErrRange},
		{submit("muc#roomconfig_maxusers", "-5"), ErrRange},
		{submit("muc#maxhistoryfetch", "many"), ErrRange},
		{submit("muc#roomconfig_presencebroadcast", "king"), ErrRange},
		{submit("muc#roomconfig_roomowners", "@"), ErrAddress},
		// Section 10.1.3: a password that is blank.
		{submit("muc#roomconfig_passwordprotectedroom", "1"), ErrNoSecret},
		{form.New(form.Submit, "", form.Field{Var: "muc#roomconfig_passwordprotectedroom", Values: []string{"1"}}, form.Field{Var: "muc#roomconfig_roomsecret", Values: []string{""}}), ErrNoSecret},
	} {
		if _, _, err := (Config{}).Submit(c.f); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.f.Fields, err)
		}
	}
}

func TestConfigPassword(t *testing.T) {
	field := func(name, value string) form.Field {
		return form.Field{Var: "muc#roomconfig_" + name, Values: []string{value}}
	}
	for _, c := range []struct {
		name, was, want string
		fields          []form.Field
	}{
		{"set", "", "new", []form.Field{field("passwordprotectedroom", "1"), field("roomsecret", "new")}},
		{"set by the secret alone", "", "new", []form.Field{field("roomsecret", "new")}},
		{"kept", "old", "old", []form.Field{field("passwordprotectedroom", "1")}},
		{"taken away", "old", "", []form.Field{field("passwordprotectedroom", "0"), field("roomsecret", "old")}},
		{"taken away by the secret alone", "old", "", []form.Field{field("roomsecret", "")}},
		{"untouched", "old", "old", nil},
	} {
		got, _, err := (Config{Password: c.was}).Submit(form.New(form.Submit, ns.MUCRoomConfig, c.fields...))
		if err != nil || got.Password != c.want {
			t.Errorf("%s: %q, %v", c.name, got.Password, err)
		}
	}
}

func TestInfo(t *testing.T) {
	i := odd.Info("coven", Facts{Occupants: 3, Subject: "Spells", Contacts: []jid.JID{hag}}, ns.MUCStableID)
	for _, f := range []string{ns.MUC, ns.MUCStableID, "muc_public", "muc_persistent", "muc_membersonly", "muc_moderated", "muc_nonanonymous", "muc_passwordprotected"} {
		if !i.Has(f) {
			t.Errorf("%s is not announced", f)
		}
	}
	f := i.Form(ns.MUCRoomInfo)
	if i.Identities[0].Name != "A Dark Cave" || f.Field("muc#roominfo_occupants").Value() != "3" || f.Field("muc#roominfo_subject").Value() != "Spells" {
		t.Errorf("%+v", i)
	}
	for _, field := range f.Fields {
		if field.Value() == odd.Password {
			t.Error("the password is told to everybody")
		}
	}
	plain := (&Config{}).Info("coven", Facts{Occupants: -1})
	for _, f := range []string{"muc_hidden", "muc_temporary", "muc_open", "muc_unmoderated", "muc_semianonymous", "muc_unsecured"} {
		if !plain.Has(f) {
			t.Errorf("%s is not announced", f)
		}
	}
	if f := plain.Form(ns.MUCRoomInfo); plain.Identities[0].Name != "coven" || f.Has("muc#roominfo_occupants") || f.Has("muc#roominfo_subject") {
		t.Errorf("%+v", plain)
	}
}

func TestVoiceRequest(t *testing.T) {
	v := VoiceRequest{Role: Participant, JID: crone, Nick: "thirdwitch"}
	f, err := form.Parse(tree(t, string(v.Form().AppendXML(nil))))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseVoiceRequest(answered(f))
	if want := (VoiceRequest{Role: Participant, JID: crone, Nick: "thirdwitch", Answer: true}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	// Section 7.13: the request says the role alone.
	asked := form.New(form.Submit, ns.MUCRequest, form.Field{Var: "muc#role", Values: []string{"participant"}})
	if got, err := ParseVoiceRequest(asked); err != nil || got != (VoiceRequest{Role: Participant}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseVoiceRequest(form.New(form.Submit, ns.MUCRegister)); !errors.Is(err, ErrFormType) {
		t.Errorf("another form: %v", err)
	}
}

func TestRegister(t *testing.T) {
	f, err := form.Parse(tree(t, string(RegisterForm("thirdwitch").AppendXML(nil))))
	if err != nil {
		t.Fatal(err)
	}
	if nick, err := ParseRegister(answered(f)); err != nil || nick != "thirdwitch" {
		t.Errorf("%q, %v", nick, err)
	}
	if _, err := ParseRegister(form.New(form.Submit, ns.MUCRegister)); !errors.Is(err, ErrFormType) {
		t.Errorf("without a nick: %v", err)
	}
}
