package pubsub

import (
	"strconv"
	"strings"
	"testing"

	"stonechat/store"
)

// Who comes online is not drowned in what a contact keeps; what is small comes first.
func TestLastItemsAreBounded(t *testing.T) {
	v := newWorld(t, 1, nil)
	me := v.bind(juliet, "a")
	me.online("")
	var wants []string
	for i := range 20 {
		node := "n" + strconv.Itoa(i)
		wants = append(wants, node)
		me.publish(node, "large", "<x xmlns='urn:x'>"+strings.Repeat("x", 150_000)+"</x>")
	}
	me.publish("small", "small", payload)
	friend := v.bind(v.friends[0], "b", append(wants, "small")...)
	friend.online("")
	friend.rest()
	got := friend.take()
	if n := strings.Count(got, "<item id='large'"); n < 5 || len(got) > lastBytes+100_000 || !strings.Contains(got, "<item id='small'") {
		t.Errorf("%d large items, %d bytes", n, len(got))
	}
}

// What somebody has published while a contact was away reaches the contact when both are there, whoever comes first, and once.
func TestLastItemsOfWhoComesLater(t *testing.T) {
	v := newWorld(t, 1, nil)
	acc, err := v.db.Accounts.Get(t.Context(), "example.org", "juliet")
	if err != nil {
		t.Fatal(err)
	}
	_, ticket := v.db.Nodes.Publish(acc.ID, store.NewNodeItem{
		Node: "n", ID: "1", Publisher: juliet, Payload: []byte(payload), Keep: 1, Make: &store.NewNode{Creator: juliet, Config: defaults("n").kept()},
	})
	if err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	friend := v.bind(v.friends[0], "b", "n")
	friend.online("")
	if n := friend.events(); n != 0 {
		t.Errorf("%d last items of who is not there", n)
	}
	me := v.bind(juliet, "a")
	me.online("")
	if n := friend.events(); n != 1 {
		t.Errorf("%d last items of who has come", n)
	}
	me.say("<presence><show>away</show></presence>")
	if n := friend.events(); n != 0 {
		t.Errorf("%d last items of who is still there", n)
	}
}
