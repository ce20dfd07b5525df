package pubsub

import (
	"strconv"
	"strings"
	"testing"
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
