package server_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// Nobody invites above themselves, and what only administrators may do members may not.
func TestInviteRights(t *testing.T) {
	r := joining(t, "invite", nil)
	for body, want := range map[string]int{
		`{"as":"bob"}`: 200, `{"as":"bob","role":"admin"}`: 403, `{"as":"bob","uses":2}`: 403, `{"as":"bob","name":"carol"}`: 403, `{"as":"bob","circles":["x"]}`: 403,
		`{"as":"alice","role":"admin"}`: 200, `{"as":"alice","role":"owner"}`: 403, `{"role":"owner"}`: 200, `{"role":"nonsense"}`: 400, `{"uses":1000}`: 400,
		`{"seconds":99999999}`: 400, `{"as":"alice","name":"admin"}`: 200, `{"as":"alice","name":"bob"}`: 409, `{"as":"nobody"}`: 404,
	} {
		if status, text := r.tryCtl("POST", "/invites", body, nil); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	bob := r.dial("bob", nil)
	_, err := command(t, bob, "<command xmlns='"+ns.Commands+"' node='urn:xmpp:invite#create-account'/>")
	if condition(err) != stanza.Forbidden {
		t.Errorf("a member creates accounts: %v", err)
	}
	// The invite is worth what its maker is worth when it is used.
	boss := r.makeInvite(`{"as":"alice","role":"admin"}`).token(t)
	r.ctl("PUT", "/users/alice/role", `{"role":"member"}`, nil)
	if _, err := r.enter("mallory", "long enough for me", boss, nil); !errors.Is(err, stream.ErrToken) {
		t.Errorf("an administrator's invite of one who is none any more: %v", err)
	}
}

// Members see and end their own invites, administrators all.
func TestOwnInvites(t *testing.T) {
	r := joining(t, "invite", nil)
	r.makeInvite(`{"as":"alice","label":"hers"}`)
	mine := r.makeInvite(`{"as":"bob","label":"mine"}`)
	bob, alice := r.dial("bob", nil), r.dial("alice", nil)
	list := func(c *client.Client) int {
		st, err := c.IQ(t.Context(), jid.MustParse(joinDomain), stanza.Set, "<command xmlns='"+ns.Commands+"' node='urn:stonechat:invites#list'/>")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(st.Raw(), mine.token(t)) {
			t.Error("a list tells a token")
		}
		return strings.Count(st.Raw(), "<item>")
	}
	if b, a := list(bob), list(alice); b != 1 || a != 2 {
		t.Errorf("bob sees %d, alice %d", b, a)
	}
	var all []struct{ ID, Label string }
	r.ctl("GET", "/invites", "", &all)
	const node = "<command xmlns='" + ns.Commands + "' node='urn:stonechat:invites#revoke'"
	end := func(c *client.Client, id string) error {
		form, err := command(t, c, node+"/>")
		if err == nil {
			_, err = c.IQ(t.Context(), jid.MustParse(joinDomain), stanza.Set, node+" sessionid='"+form["sessionid"]+"' action='complete'><x xmlns='jabber:x:data' type='submit'><field var='id'><value>"+id+"</value></field></x></command>")
		}
		return err
	}
	for _, i := range all {
		if err := end(bob, i.ID); (err == nil) != (i.Label == "mine") {
			t.Errorf("bob ends %q: %v", i.Label, err)
		}
	}
	if err := end(alice, mine.ID); condition(err) != stanza.ItemNotFound {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := r.enter("carol", "long enough for me", mine.token(t), nil); !errors.Is(err, stream.ErrToken) {
		t.Errorf("an invite that was ended: %v", err)
	}
}

// XEP-0401 section 5.2: the form, its submission, a reserved name and a circle.
func TestCreateAccount(t *testing.T) {
	r := joining(t, "invite", nil)
	r.ctl("PUT", "/circles/Team", "", nil)
	alice := r.dial("alice", nil)
	const node = "<command xmlns='" + ns.Commands + "' node='urn:xmpp:invite#create-account'"
	form, err := command(t, alice, node+" action='execute'/>")
	if err != nil || form["status"] != "executing" || form["sessionid"] == "" {
		t.Fatalf("%v, %v", form, err)
	}
	submit := func(id, fields string) (map[string]string, error) {
		return command(t, alice, node+" sessionid='"+id+"'><x xmlns='jabber:x:data' type='submit'>"+fields+"</x></command>")
	}
	field := func(name, value string) string {
		return "<field var='" + name + "'><value>" + value + "</value></field>"
	}
	if _, err := submit("forged", field("username", "carol")); condition(err) != stanza.BadRequest {
		t.Errorf("a forged session: %v", err)
	}
	done, err := submit(form["sessionid"], field("username", "carol")+field("roster-subscription", "1")+field("circles", "Team"))
	if err != nil || done["status"] != "completed" || !strings.HasPrefix(done["uri"], "xmpp:carol@"+joinDomain+"?register;preauth=") {
		t.Fatalf("%v, %v", done, err)
	}
	token := link{URI: done["uri"], Code: done["code"]}.token(t)
	if _, err := submit(form["sessionid"], field("username", "carol")); condition(err) != stanza.Conflict {
		t.Errorf("the name is reserved already: %v", err)
	}
	if _, err := r.enter("dave", "long enough for me", token, nil); condition(err) != stanza.NotAcceptable {
		t.Errorf("another name than the invite's: %v", err)
	}
	if _, err := r.enter("carol", "long enough for me", r.makeInvite(`{}`).token(t), nil); condition(err) != stanza.Conflict {
		t.Errorf("a reserved name with another invite: %v", err)
	}
	carol, err := r.enter("carol", "long enough for me", token, nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "alice has carol", func() bool {
		return slices.Equal(contacts(t, alice), []string{"carol@" + joinDomain + " both"})
	})
	if got := contacts(t, carol); !slices.Equal(got, []string{"alice@" + joinDomain + " both"}) {
		t.Errorf("carol has %v", got)
	}
	var members []string
	r.ctl("GET", "/circles/Team", "", &members)
	if !slices.Equal(members, []string{"carol@" + joinDomain}) {
		t.Errorf("circle: %v", members)
	}
}
