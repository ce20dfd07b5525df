package muc

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func tree(t testing.TB, xml string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree(xml, ns.Client)
	if err != nil {
		t.Fatalf("%s: %v", xml, err)
	}
	return n
}

var (
	crone = jid.MustParse("crone1@shakespeare.example/desktop")
	hag   = jid.MustParse("hag66@shakespeare.example")
	coven = jid.MustParse("coven@chat.shakespeare.example/thirdwitch")
)

func TestNames(t *testing.T) {
	for a := Outcast; a <= Owner; a++ {
		if got, ok := ParseAffiliation(a.String()); !ok || got != a {
			t.Errorf("%v read as %v", a, got)
		}
	}
	for r := Absent; r <= Moderator; r++ {
		if got, ok := ParseRole(r.String()); !ok || got != r {
			t.Errorf("%v read as %v", r, got)
		}
	}
	if _, ok := ParseAffiliation("moderator"); ok {
		t.Error("a role taken for an affiliation")
	}
	if s := RolesOf(Absent, Visitor, Moderator); s.Has(Absent) || !s.Has(Visitor) || s.Has(Participant) || !s.Has(Moderator) {
		t.Errorf("set %b", s)
	}
}

func TestParseJoin(t *testing.T) {
	for _, c := range []struct {
		inner string
		want  Join
		err   error
	}{
		{"", Join{History: AnyHistory}, nil},
		{"<password>cauldronburn</password>", Join{Password: "cauldronburn", History: AnyHistory}, nil},
		{"<history maxchars='0'/>", Join{History: History{MaxChars: 0, MaxStanzas: NoLimit, Seconds: NoLimit}}, nil},
		{"<history maxstanzas='20' seconds='180'/>", Join{History: History{MaxChars: NoLimit, MaxStanzas: 20, Seconds: 180}}, nil},
		{
			"<history since='1970-01-01T00:00:00Z'/>",
			Join{History: History{MaxChars: NoLimit, MaxStanzas: NoLimit, Seconds: NoLimit, Since: time.Unix(0, 0).UTC()}},
			nil,
		},
		{"<history maxstanzas='-1'/>", Join{History: AnyHistory}, nil},
		{"<history maxstanzas='9999999999'/>", Join{History: AnyHistory}, nil},
		{"<history since='yesterday'/>", Join{History: AnyHistory}, nil},
		{"<mav xmlns='urn:xmpp:muc:affiliations:1'/>", Join{History: AnyHistory, Versions: true}, nil},
		{"<mav xmlns='urn:xmpp:muc:affiliations:1' since='v1'/>", Join{History: AnyHistory, Versions: true, Since: "v1"}, nil},
		{"<mav xmlns='urn:xmpp:muc:affiliations:0' since='v1'/>", Join{History: AnyHistory}, nil},
		{"<password xmlns='urn:other'>x</password>", Join{History: AnyHistory}, nil},
	} {
		got, err := ParseJoin(tree(t, "<x xmlns='"+ns.MUC+"'>"+c.inner+"</x>"))
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v", c.inner, got, err)
		}
		if err == nil {
			if again, err := ParseJoin(tree(t, string(got.AppendXML(nil)))); err != nil || again != got {
				t.Errorf("%s: written and read again %+v, %v", c.inner, again, err)
			}
		}
	}
	if _, err := ParseJoin(tree(t, "<x xmlns='"+ns.MUCUser+"'/>")); !errors.Is(err, ErrNotMUC) {
		t.Errorf("another element: %v", err)
	}
}

func TestHistoryWants(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, c := range []struct {
		name string
		h    History
		n    int
		size int
		age  time.Duration
		want bool
	}{
		{"no wish", AnyHistory, 500, 1e6, time.Hour, true},
		{"none by stanzas", History{NoLimit, 0, NoLimit, time.Time{}}, 1, 10, 0, false},
		{"the last by stanzas", History{NoLimit, 3, NoLimit, time.Time{}}, 3, 10, 0, true},
		{"none by characters", History{0, NoLimit, NoLimit, time.Time{}}, 1, 10, 0, false},
		{"the last by characters", History{10, NoLimit, NoLimit, time.Time{}}, 1, 10, 0, true},
		{"too old", History{NoLimit, NoLimit, 60, time.Time{}}, 1, 10, 61 * time.Second, false},
		{"before since", History{NoLimit, NoLimit, NoLimit, now}, 1, 10, time.Second, false},
		{"at since", History{NoLimit, NoLimit, NoLimit, now}, 1, 10, 0, true},
	} {
		if got := c.h.Wants(c.n, c.size, now.Add(-c.age), now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestParseAdmin(t *testing.T) {
	for _, c := range []struct {
		typ   stanza.Type
		inner string
		want  []Item
		err   error
	}{
		// Section 8.2, the kick.
		{
			stanza.Set, "<item nick='pistol' role='none'><reason>Avaunt, you cullion!</reason></item>",
			[]Item{{HasRole: true, Nick: "pistol", HasNick: true, Reason: "Avaunt, you cullion!"}},
			nil,
		},
		// Section 10.3: a full address means the bare one.
		{
			stanza.Set, "<item affiliation='owner' jid='hag66@shakespeare.example/pda'/>",
			[]Item{{Affiliation: Owner, HasAffiliation: true, JID: hag}},
			nil,
		},
		// Section 9.3: to unset a reserved nick.
		{
			stanza.Set, "<item affiliation='member' jid='hag66@shakespeare.example' nick=''/>",
			[]Item{{Affiliation: Member, HasAffiliation: true, JID: hag, HasNick: true}},
			nil,
		},
		{stanza.Get, "<item affiliation='outcast'/>", []Item{{Affiliation: Outcast, HasAffiliation: true}}, nil},
		{stanza.Get, "<item role='moderator'/>", []Item{{Role: Moderator, HasRole: true}}, nil},
		{stanza.Get, "", nil, ErrOneItem},
		{stanza.Get, "<item role='moderator'/><item role='visitor'/>", nil, ErrOneItem},
		{stanza.Get, "<item/>", nil, ErrItem},
		{stanza.Set, "", nil, ErrItem},
		// Section 13.3: both in one item.
		{stanza.Set, "<item nick='a' jid='a@b' role='none' affiliation='none'/>", nil, ErrItem},
		{stanza.Set, "<item jid='a@b' role='none'/>", nil, ErrItem},
		{stanza.Set, "<item nick='a' affiliation='none'/>", nil, ErrItem},
		{stanza.Set, "<item nick='a' role='king'/>", nil, ErrValue},
		{stanza.Set, "<item affiliation='king' jid='a@b'/>", nil, ErrValue},
		{stanza.Set, "<item affiliation='member' jid='@'/>", nil, ErrAddress},
		{stanza.Set, strings.Repeat("<item nick='a' role='none'/>", MaxItems+1), nil, ErrTooMany},
	} {
		got, err := ParseAdmin(tree(t, "<query xmlns='"+ns.MUCAdmin+"'>"+c.inner+"</query>"), c.typ)
		if !errors.Is(err, c.err) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.80s: %+v, %v", c.inner, got, err)
		}
		if err == nil {
			again, err := ParseAdmin(tree(t, string(AppendAdmin(nil, got))), c.typ)
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%s: written and read again %+v, %v", c.inner, again, err)
			}
		}
	}
}

func TestParseOwner(t *testing.T) {
	query := func(inner string) *xmltok.Node { return tree(t, "<query xmlns='"+ns.MUCOwner+"'>"+inner+"</query>") }
	config := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + ns.MUCRoomConfig + "</value></field></x>"
	for _, c := range []struct {
		typ             stanza.Type
		inner           string
		err             error
		form, end, take bool
	}{
		{typ: stanza.Get},
		{typ: stanza.Set, inner: "<x xmlns='jabber:x:data' type='submit'/>", form: true, take: true},
		{typ: stanza.Set, inner: "<x xmlns='jabber:x:data' type='cancel'/>", form: true},
		{typ: stanza.Set, inner: config, form: true},
		{typ: stanza.Set, inner: strings.Replace(config, "#roomconfig", "#register", 1), err: ErrFormType},
		{typ: stanza.Set, inner: "<destroy jid='coven@chat.shakespeare.example'><reason>Macbeth doth come.</reason></destroy>", end: true},
		{typ: stanza.Set, inner: "<destroy jid='@'/>", err: ErrAddress},
		{typ: stanza.Set, inner: "", err: ErrOwner},
		{typ: stanza.Set, inner: "<destroy/>" + config, err: ErrOwner},
		{typ: stanza.Set, inner: "<x xmlns='jabber:x:data' type='form'/>", err: form.ErrType},
	} {
		r, err := ParseOwner(query(c.inner), c.typ)
		if !errors.Is(err, c.err) || (r.Form != nil) != c.form || (r.Destroy != nil) != c.end || r.Instant() != c.take {
			t.Errorf("%s: %+v, %v", c.inner, r, err)
		}
		if c.end && (r.Destroy.Reason != "Macbeth doth come." || r.Destroy.JID != coven.Bare()) {
			t.Errorf("%+v", r.Destroy)
		}
		if err == nil && c.typ == stanza.Set {
			again, err := ParseOwner(tree(t, string(AppendOwner(nil, r))), c.typ)
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("%s: written and read again %+v, %v", c.inner, again, err)
			}
		}
	}
}

func TestAppendDirect(t *testing.T) {
	room := jid.MustParse("coven@rooms.example")
	for _, c := range []struct {
		invite         Invite
		password, want string
	}{
		{Invite{}, "", "<x xmlns='jabber:x:conference' jid='coven@rooms.example'/>"},
		{Invite{From: room, To: room, Thread: "none without continue"}, "", "<x xmlns='jabber:x:conference' jid='coven@rooms.example'/>"},
		{
			Invite{Reason: "it's <time>", Continue: true, Thread: "t'1"},
			"cauldron'burn",
			"<x xmlns='jabber:x:conference' jid='coven@rooms.example' password='cauldron&apos;burn' reason='it&apos;s &lt;time&gt;' continue='true' thread='t&apos;1'/>",
		},
	} {
		if got := string(c.invite.AppendDirect(nil, room, c.password)); got != c.want {
			t.Errorf("%+v: %s", c.invite, got)
		}
	}
}

func TestParseUser(t *testing.T) {
	in := "<x xmlns='" + ns.MUCUser + "'><invite to='hag66@shakespeare.example'><reason>Come!</reason><continue thread='t1'/></invite>" +
		"<invite to='crone1@shakespeare.example/desktop'/><password>cauldronburn</password></x>"
	u, err := ParseUser(tree(t, in))
	want := User{
		Invites:  []Invite{{To: hag, Reason: "Come!", Continue: true, Thread: "t1"}, {To: crone}},
		Password: "cauldronburn",
	}
	if err != nil || !reflect.DeepEqual(u, want) {
		t.Errorf("%+v, %v", u, err)
	}
	if got := string(u.AppendXML(nil)); got != in {
		t.Errorf("written\n%s", got)
	}
	u, err = ParseUser(tree(t, "<x xmlns='"+ns.MUCUser+"'><decline to='crone1@shakespeare.example/desktop'><reason>No</reason></decline></x>"))
	if err != nil || u.Decline == nil || u.Decline.To != crone || u.Decline.Reason != "No" {
		t.Errorf("%+v, %v", u, err)
	}
	for inner, want := range map[string]error{
		"<invite to='@'/>": ErrAddress,
		strings.Repeat("<invite to='a@b'/>", MaxInvites+1): ErrTooMany,
		"<item role='king'/>":                              ErrValue,
		"<status code='11x'/><status code='7'/>":           nil,
	} {
		if u, err := ParseUser(tree(t, "<x xmlns='"+ns.MUCUser+"'>"+inner+"</x>")); !errors.Is(err, want) || len(u.Status) > 0 {
			t.Errorf("%.60s: %+v, %v", inner, u, err)
		}
	}
}

func TestPresence(t *testing.T) {
	in, err := stanza.Parse("<presence><show>away</show><x xmlns='" + ns.MUC + "'><password>secret</password></x><x xmlns='" + ns.MUCUser +
		"'><item affiliation='owner'/></x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><c xmlns='http://jabber.org/protocol/caps'/></presence>")
	if err != nil {
		t.Fatal(err)
	}
	p := Presence{
		From: coven, ID: "n1", Content: Cleaned(in).Inner(), OccupantID: "dd72",
		Item:   Item{Affiliation: Member, Role: Participant, JID: crone},
		Status: []Status{StatusNickAssigned},
	}
	for _, c := range []struct {
		jid  bool
		more []Status
		want string
	}{
		{false, nil, "<item affiliation='member' role='participant'/><status code='210'/>"},
		{true, nil, "<item affiliation='member' jid='crone1@shakespeare.example/desktop' role='participant'/><status code='210'/>"},
		{false, []Status{StatusNonAnonymous, StatusSelf}, "<item affiliation='member' role='participant'/><status code='100'/><status code='110'/><status code='210'/>"},
	} {
		s, err := p.For(c.jid, c.more...)
		if err != nil {
			t.Fatal(err)
		}
		want := "<presence to='hag66@shakespeare.example' from='coven@chat.shakespeare.example/thirdwitch' id='n1'><show>away</show>" +
			"<c xmlns='http://jabber.org/protocol/caps'/><x xmlns='" + ns.MUCUser + "'>" + c.want +
			"</x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72'/></presence>"
		if got := string(s.AppendTo(nil, hag, "")); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestPresenceSaysWhyItEnds(t *testing.T) {
	p := Presence{
		From: coven, Type: stanza.Unavailable,
		Item:    Item{Reason: "<Avaunt>", Actor: "Fluellen"},
		Status:  []Status{StatusKicked},
		Destroy: &Destroy{JID: coven.Bare(), Reason: "Macbeth doth come.", Password: "p"},
	}
	s, err := p.For(true)
	if err != nil {
		t.Fatal(err)
	}
	want := "<x xmlns='" + ns.MUCUser + "'><item affiliation='none' role='none'><actor nick='Fluellen'/><reason>&lt;Avaunt&gt;</reason></item>" +
		"<destroy jid='coven@chat.shakespeare.example'><password>p</password><reason>Macbeth doth come.</reason></destroy><status code='307'/></x>"
	if s.Inner() != want {
		t.Errorf("got  %s\nwant %s", s.Inner(), want)
	}
}
