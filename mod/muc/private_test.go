package muc

import (
	"strings"
	"testing"

	"stonechat/store"
)

// TestPrivateMessageIsKeptOnce: however many devices the other has, it is one message, which each of them finds under one id.
func TestPrivateMessageIsKeptOnce(t *testing.T) {
	v, juliet, romeo := inCave(t)
	phone := v.bindAs("juliet", "phone")
	phone.enter("juliet")
	phone.expect("<subject")
	for _, inner := range []string{"<body>plain</body>", "<body>named</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"} {
		romeo.send("<message xmlns='jabber:client' type='chat' id='p' to='" + cave + "/juliet'>" + inner + "</message>")
	}
	for _, body := range []string{">plain<", ">named<"} {
		a, b := juliet.expect("<message", body), phone.expect("<message", body)
		if !strings.Contains(a, "to='"+juliet.s.JID.String()+"'") || !strings.Contains(b, "to='"+phone.s.JID.String()+"'") {
			t.Errorf("%s\n%s", a, b)
		}
		if x := strings.Replace(b, phone.s.JID.String(), juliet.s.JID.String(), 1); x != a || !strings.Contains(a, "stanza-id") {
			t.Errorf("%s\n%s", a, x)
		}
	}
	id, err := v.db.Accounts.Get(t.Context(), domain, "juliet")
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	res, err := v.db.Archive.Page(t.Context(), id.ID, store.Query{Max: 9, Before: &last})
	if err != nil || len(res.Rows) != 2 {
		t.Errorf("%d are kept, %v", len(res.Rows), err)
	}
}
