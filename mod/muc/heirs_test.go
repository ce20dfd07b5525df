package muc

import (
	"context"
	"strings"
	"testing"

	"stonechat/xmpp/jid"
)

// delete deletes an account as an administrator does.
func (v *world) delete(name string) {
	v.Helper()
	who := jid.MustParse(name + "@" + domain)
	a, err := v.db.Accounts.Get(v.Context(), domain, name)
	if err != nil {
		v.Fatal(err)
	}
	if err := v.host.DeleteAccount(v.Context(), who, func(ctx context.Context) error { return v.db.Accounts.Delete(ctx, a.ID) }); err != nil {
		v.Fatal(err)
	}
}

const lasting = "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"

// A room whose only owner is gone has another one at once, whom everybody sees, and who may do what owners may; whoever stands there under the old name is nobody.
func TestHeirs(t *testing.T) {
	v, juliet, romeo := inCave(t)
	tybalt := v.bind("tybalt")
	juliet.configure(lasting)
	juliet.admin("<item affiliation='member' jid='tybalt@" + domain + "' nick='Tybalt'/>")
	juliet.admin("<item affiliation='admin' jid='romeo@" + domain + "' nick='Romeo'/>")
	tybalt.enter("Tybalt")
	tybalt.expect("<subject")
	v.delete("juliet")
	tybalt.expect("<presence", cave+"/romeo", "affiliation='owner'", "role='moderator'")
	romeo.expect("<presence", cave+"/romeo", "affiliation='owner'", "code='110'")
	if got := romeo.configure(lasting); !strings.Contains(got, "type='result'") {
		t.Error(got)
	}
	if got := romeo.ask("get", "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner'/></query>"); strings.Contains(got, "juliet") ||
		!strings.Contains(got, "nick='Romeo'") {
		t.Errorf("owners: %s", got)
	}
	// One after the other, while there is somebody.
	v.delete("romeo")
	tybalt.expect("<presence", cave+"/Tybalt", "affiliation='owner'", "code='110'")
}

// A room to which nobody belongs goes with its owner, also with people in it, and so does its name.
func TestRoomsOfNobody(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.configure(lasting)
	v.delete("juliet")
	romeo.expect("<presence", cave+"/romeo", "type='unavailable'", "<destroy")
	if n, err := v.db.Rooms.CountBy(t.Context(), "rooms."+domain, "juliet@"+domain); n != 0 || err != nil {
		t.Errorf("%d rooms, %v", n, err)
	}
	romeo.enter("romeo")
	romeo.expect("<presence", "code='201'")
}

// Without its owner a temporary room is what it was, until the last one leaves.
func TestTemporaryRoomWithoutAnOwner(t *testing.T) {
	v, _, romeo := inCave(t)
	v.delete("juliet")
	romeo.expect("<presence", cave+"/juliet", "type='unavailable'")
	if got := romeo.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"); !strings.Contains(got, "type='result'") {
		t.Error(got)
	}
}
