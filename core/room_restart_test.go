package core_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/core"
	"stonechat/store"
)

// found makes the room in the store.
func (m *den) found(c *client, room string) {
	c.say("<message to='"+room+"' type='groupchat'><body>/make</body></message>", talk(room, "found"))
	c.wait("id='found'")
}

// Whoever can be resumed is still in the room behind a restart, without anybody touching it; who cannot is seen to leave.
func TestRoomSurvivesRestart(t *testing.T) {
	m := &den{}
	x := build(t, []string{"juliet", "romeo", "nurse"}, m.install)
	juliet, romeo, nurse := x.online("juliet", "j"), x.online("romeo", "r"), x.online("nurse", "n")
	j, r := juliet.enable(), romeo.enable()
	in(cave, map[*client]string{juliet: "J", romeo: "R", nurse: "N"})
	m.found(juliet, cave)
	x.restart(true)

	// The room is there already: whoever asks finds it in memory, with its occupants.
	host := x.rooms[0].host
	for deadline := time.Now().Add(10 * time.Second); core.RoomsInMemory(host) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the room was not woken")
		}
	}
	romeo, err := x.resume("romeo", r, 0)
	if err != nil {
		t.Fatal(err)
	}
	romeo.say(talk(cave, "again"))
	romeo.wait("id='again'")
	juliet, err = x.resume("juliet", j, 0)
	if err != nil {
		t.Fatal(err)
	}
	juliet.wait("id='again'", "from='"+cave+"/N' type='unavailable'")
	if strings.Contains(romeo.text(), "from='"+cave+"/J' type='unavailable'") || strings.Contains(juliet.text(), "from='"+cave+"/R' type='unavailable'") {
		t.Errorf("who stayed was seen to leave: %s", juliet.text())
	}
	if b, err := m.db.Occupants.Occupants(t.Context(), x.numberOf(m, "cave")); b != nil || err != nil {
		t.Errorf("the row is still there: %s, %v", b, err)
	}

	// After a kill nobody is in it, whatever an older row says.
	kept := map[string]string{"juliet@example.org/j": "J", "romeo@example.org/r": "R"}
	b, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.db.Occupants.SetOccupants(x.numberOf(m, "cave"), b).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.restart(false)
	nurse = x.online("nurse", "n")
	in(cave, map[*client]string{nurse: "N"})
	nurse.fence()
	nurse.say("<iq type='get' id='who' to='" + cave + "'><who xmlns='urn:den'/></iq>")
	nurse.wait("id='who'")
	if !strings.Contains(nurse.text(), "n='1'") {
		t.Errorf("ghosts: %s", nurse.text())
	}
}

func (x *house) numberOf(m *den, name string) store.Owner {
	x.t.Helper()
	r, err := m.db.Rooms.Get(context.Background(), denDomain.Domain(), name)
	if err != nil {
		x.t.Fatal(err)
	}
	return r.ID
}

// A detached session stays in the room, and leaves it when its time is over.
func TestDetachedOccupant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &den{}
		x := build(t, []string{"juliet", "romeo"}, m.install)
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		romeo.enable()
		in(cave, map[*client]string{juliet: "J", romeo: "R"})
		romeo.lose()
		juliet.say(talk(cave, "still"))
		time.Sleep(x.config.Limits.Resume.D() - time.Second)
		juliet.fence()
		left := "from='" + cave + "/R' type='unavailable'"
		if strings.Contains(juliet.text(), left) {
			t.Fatal("it has left already")
		}
		time.Sleep(2 * time.Second)
		juliet.wait(left)
	})
}
