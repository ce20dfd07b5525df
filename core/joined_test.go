package core

import (
	"errors"
	"testing"

	"stonechat/store"
)

// Whoever waits for a message waits for everything that its sender's modules keep of it, and hears of the first failure.
func TestJoinedTickets(t *testing.T) {
	if done, err := joined(nil).Outcome(); !done || err != nil {
		t.Error("nothing to wait for is waited for")
	}
	first, second := new(store.Promise), new(store.Promise)
	all := joined([]store.Ticket{first.Ticket(), second.Ticket(), {}})
	second.Settle(nil)
	if done, _ := all.Outcome(); done {
		t.Error("done before the first ticket is")
	}
	broken := errors.New("broken")
	first.Settle(broken)
	if done, err := all.Outcome(); !done || !errors.Is(err, broken) {
		t.Errorf("done %t with %v", done, err)
	}
}
