package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// administer runs a command of XEP-0133 to its end and returns its answer: notes and the form's fields, a line each.
func (r *running) administer(c *client.Client, to, node string, fields ...string) (string, error) {
	r.t.Helper()
	ask := func(rest string) (*xmltok.Node, error) {
		st, err := c.IQ(r.t.Context(), jid.MustParse(to), stanza.Set, "<command xmlns='"+ns.Commands+"' node='"+ns.Admin+"#"+node+"'"+rest)
		if err != nil {
			return nil, err
		}
		p, _ := st.Child(ns.Commands, "command")
		return p.Tree()
	}
	tree, err := ask("/>")
	if err != nil {
		return "", err
	}
	if tree.Attr("status") == "executing" {
		var form strings.Builder
		for _, f := range fields {
			name, value, _ := strings.Cut(f, "=")
			form.WriteString("<field var='" + name + "'>")
			for v := range strings.SplitSeq(value, "\n") {
				form.WriteString("<value>" + v + "</value>")
			}
			form.WriteString("</field>")
		}
		if tree, err = ask(" sessionid='" + tree.Attr("sessionid") + "' action='complete'><x xmlns='jabber:x:data' type='submit'>" + form.String() + "</x></command>"); err != nil {
			return "", err
		}
	}
	if tree.Attr("status") != "completed" {
		r.t.Errorf("%s ended as %s", node, tree.Attr("status"))
	}
	var out []string
	for _, n := range tree.All(ns.Commands, "note") {
		out = append(out, n.Attr("type")+": "+n.Text())
	}
	if x := tree.Child(ns.DataForm, "x"); x != nil {
		for _, f := range x.All(ns.DataForm, "field") {
			for _, v := range f.All(ns.DataForm, "value") {
				out = append(out, f.Attr("var")+"="+v.Text())
			}
		}
		for _, q := range x.All(ns.Roster, "query") {
			out = append(out, string(q.AppendXML(nil, "")))
		}
	}
	return strings.Join(out, "\n"), nil
}

// What an administrator does in a client is what ctl does: same effect, same rights, same line in the log.
func TestServiceAdministration(t *testing.T) {
	r := joining(t, "closed", nil)
	r.ctl("PUT", "/users/alice/role", `{"role":"owner"}`, nil)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	if err := bob.SetRoster(t.Context(), client.RosterItem{JID: jid.MustParse("carol@else.example"), Name: "Carol"}); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return name + "@" + joinDomain }
	for _, step := range []struct{ to, node, fields, want string }{
		{joinDomain, "add-user", "accountjid=" + at("carol") + "|password=long enough|password-verify=longer", "error: carol@join.example: the two passwords differ"},
		{joinDomain, "add-user", "accountjid=carol@else.example|password=long enough|password-verify=long enough", "error: carol@else.example: not an address of join.example"},
		{joinDomain, "add-user", "accountjid=@@|password=long enough|password-verify=long enough", "error: @@: *"},
		{at("alice"), "add-user", "accountjid=" + at("carol") + "|password=long enough|password-verify=long enough", ""},
		{joinDomain, "get-registered-users-num", "", "FORM_TYPE=*\nregisteredusersnum=3"},
		{joinDomain, "get-registered-users-list", "max_items=2", "warn: these are 2 of 3\nFORM_TYPE=*\nregistereduserjids=alice@join.example\nregistereduserjids=bob@join.example"},
		{joinDomain, "disable-user", "accountjids=" + at("carol") + "\n" + at("dave"), "error: dave@join.example: no such account"},
		{joinDomain, "get-disabled-users-list", "max_items=none", "FORM_TYPE=*\ndisableduserjids=carol@join.example"},
		{joinDomain, "get-disabled-users-num", "", "FORM_TYPE=*\ndisabledusersnum=1"},
		{joinDomain, "reenable-user", "accountjids=" + at("carol") + "/here", ""},
		{joinDomain, "get-disabled-users-num", "", "FORM_TYPE=*\ndisabledusersnum=0"},
		{joinDomain, "change-user-password", "accountjid=" + at("carol") + "|password=another one", ""},
		{joinDomain, "get-online-users-list", "", "FORM_TYPE=*\nonlineuserjids=alice@join.example\nonlineuserjids=bob@join.example"},
		{joinDomain, "get-active-users-num", "", "FORM_TYPE=*\nactiveusersnum=2"},
		{joinDomain, "get-idle-users-num", "", "FORM_TYPE=*\nidleusersnum=0"},
		{joinDomain, "get-idle-users", "max_items=0", "error: max_items: a number, or none"},
		{joinDomain, "get-user-roster", "accountjids=" + at("bob"), "FORM_TYPE=*\naccountjids=bob@join.example\n<query xmlns='jabber:iq:roster'><item jid='carol@else.example' name='Carol' subscription='none'/></query>"},
		{joinDomain, "get-user-lastlogin", "accountjids=" + at("bob"), "FORM_TYPE=*\naccountjids=bob@join.example\nlastlogin=20*Z"},
		{joinDomain, "user-stats", "accountjid=" + at("bob"), "FORM_TYPE=*\naccountjid=bob@join.example\nipaddresses=127.0.0.1\nonlineresources=*\nrostersize=1"},
		{joinDomain, "user-stats", "accountjid=" + at("dave"), "error: dave@join.example: no such account"},
		{joinDomain, "edit-admin", "adminjids=" + at("alice") + "\n" + at("carol"), ""},
		{joinDomain, "edit-admin", "adminjids=" + at("carol"), "error: owners are not taken out here: alice@join.example"},
		{joinDomain, "end-user-session", "accountjids=" + at("bob"), ""},
		{joinDomain, "get-online-users-num", "", "FORM_TYPE=*\nonlineusersnum=1"},
		{joinDomain, "delete-user", "accountjids=" + at("bob"), ""},
		{joinDomain, "get-registered-users-num", "", "FORM_TYPE=*\nregisteredusersnum=2"},
	} {
		var fields []string
		if step.fields != "" {
			fields = strings.Split(step.fields, "|")
		}
		if got, err := r.administer(alice, step.to, step.node, fields...); err != nil || !fits(got, step.want) {
			t.Errorf("%s %s: %v\n%s\nand not\n%s", step.node, step.fields, err, got, step.want)
		}
	}
	if err := r.login("carol", "another one"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	for _, line := range []string{
		`msg="account added" jid=carol@join.example by=alice@join.example`, `msg="password set" jid=carol@join.example by=alice@join.example`,
		`msg="log-in allowed or not" jid=carol@join.example by=alice@join.example`, `msg="contacts shown" jid=bob@join.example by=alice@join.example`,
		`msg="sessions ended" jid=bob@join.example by=alice@join.example`, `msg="account leaves" jid=bob@join.example by=alice@join.example`,
		`msg="role set" jid=carol@join.example by=alice@join.example`,
	} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("the log lacks %s", line)
		}
	}
}

// fits compares lines; a star in the second stands for anything in its line.
func fits(got, want string) bool {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	return slices.EqualFunc(g, w, func(g, w string) bool {
		head, tail, star := strings.Cut(w, "*")
		if !star {
			return g == w
		}
		return len(g) >= len(head)+len(tail) && strings.HasPrefix(g, head) && strings.HasSuffix(g, tail)
	})
}

// Who runs which command of XEP-0133, and upon whom: nobody above their role.
func TestServiceAdministrationRights(t *testing.T) {
	r := joining(t, "closed", nil)
	for _, name := range []string{"owner", "admin", "moderator"} {
		r.ctl("POST", "/users", fmt.Sprintf(`{"name":%q,"password":%q,"role":%q}`, name, password, name), nil)
	}
	seeing := []string{
		"get-active-users", "get-active-users-num", "get-disabled-users-list", "get-disabled-users-num", "get-idle-users", "get-idle-users-num", "get-online-users-list",
		"get-online-users-num", "get-registered-users-list", "get-registered-users-num", "get-user-lastlogin", "user-stats",
	}
	doing := []string{
		"add-user", "announce", "change-user-password", "delete-motd", "delete-user", "delete-welcome", "disable-user", "edit-motd", "end-user-session", "get-user-roster",
		"reenable-user", "set-motd", "set-welcome",
	}
	for name, want := range map[string][]string{
		"owner": slices.Concat(seeing, doing, []string{"edit-admin"}), "admin": slices.Concat(seeing, doing), "moderator": seeing, "bob": nil,
	} {
		c := r.dial(name, nil)
		for _, to := range []string{joinDomain, name + "@" + joinDomain} {
			st, err := c.IQ(t.Context(), jid.MustParse(to), stanza.Get, "<query xmlns='"+ns.DiscoItems+"' node='"+ns.Commands+"'/>")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for part := range strings.SplitSeq(st.Raw(), "node='"+ns.Admin+"#") {
				if node, _, ok := strings.Cut(part, "' name="); ok && !strings.HasPrefix(part, "<") {
					got = append(got, node)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s is offered at %s\n%q and not\n%q", name, to, got, want)
			}
		}
		for _, node := range slices.Concat(seeing, doing, []string{"edit-admin"}) {
			if _, err := r.administer(c, joinDomain, node, "accountjids=nobody"); !slices.Contains(want, node) && condition(err) != stanza.Forbidden {
				t.Errorf("%s runs %s: %v", name, node, err)
			}
		}
	}
	admin := r.dial("admin", nil)
	for _, node := range []string{"disable-user", "delete-user", "get-user-roster"} {
		if got, err := r.administer(admin, joinDomain, node, "accountjids=owner@"+joinDomain); condition(err) != stanza.Forbidden {
			t.Errorf("an admin runs %s upon an owner: %v, %s", node, err, got)
		}
		// Beside others it is a note: what could be done is done.
		if got, err := r.administer(admin, joinDomain, node, "accountjids=owner@"+joinDomain+"\nnobody"); err != nil || !strings.Contains(got, "error: owner@"+joinDomain+": forbidden") {
			t.Errorf("an admin runs %s upon an owner and another: %v, %s", node, err, got)
		}
	}
	if st, err := admin.IQ(t.Context(), jid.MustParse("owner@"+joinDomain), stanza.Get, "<query xmlns='"+ns.DiscoItems+"' node='"+ns.Commands+"'/>"); err == nil && strings.Contains(st.Raw(), ns.Admin) {
		t.Errorf("the account of another offers %s", st.Raw())
	}
}
