package chaos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/webpush/webpushtest"
)

// TestKillPush kills the server while a push service does not answer well: what it owes to whoever is away it brings when it is back, once for each chat.
func TestKillPush(t *testing.T) {
	if *serverFlag == "prosody" {
		t.Skip("Prosody sends no Web Push")
	}
	const friends = 6
	rng := random(t)
	service := webpushtest.NewService(t)
	s := newServer(t, friends+1, fmt.Sprintf("[outbound]\nallow = [\"127.0.0.1\"]\nroots = %q\n[push]\nwindow = \"1m\"\n", service.Roots()))
	keys := wire.NewKeys()
	away, err := Login(t.Context(), s, keys, 0, "phone", false)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, away, "<iq type='set' id='r'><register xmlns='urn:stonechat:push:1' endpoint='"+service.URL+"/phone' p256dh='"+service.Device.Key()+"' auth='"+service.Device.Auth()+"'/></iq>")
	if err := away.Drop(); err != nil {
		t.Fatal(err)
	}
	service.Answer(func(w http.ResponseWriter, _ webpushtest.Brought) { w.WriteHeader(http.StatusServiceUnavailable) })
	for i := range friends {
		friend, err := Login(t.Context(), s, keys, i+1, "talk", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := friend.Send([]byte("<message type='chat' to='" + Address(s, 0) + "'><body>x</body></message>")); err != nil {
			t.Fatal(err)
		}
		defer friend.Drop()
	}
	chats := func(all []webpushtest.Brought) map[string]int {
		out := map[string]int{}
		for _, b := range all {
			var n struct{ From string }
			if err := json.Unmarshal([]byte(b.Text), &n); err != nil {
				t.Fatal(err)
			}
			out[n.From]++
		}
		return out
	}
	until(t, "every chat was tried", func() bool { return len(chats(service.Got())) == friends })
	// Now each is known to be on disk: it was tried, so it was leased. What became of that may not be.
	pause(t, time.Duration(rng.IntN(2000))*time.Millisecond)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	before := len(service.Got())
	service.Answer(nil)
	start(t, s)
	until(t, "every chat is told", func() bool { return len(chats(service.Got()[before:])) == friends })
	pause(t, time.Second)
	for chat, n := range chats(service.Got()[before:]) {
		if n != 1 {
			t.Errorf("%s was told %d times", chat, n)
		}
	}
}

// until waits for something that comes by itself, within the longest that a notification may be held up by a crash.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		pause(t, 10*time.Millisecond)
	}
}

// ask sends a request and reads its answer.
func ask(t *testing.T, session *wire.Session, request string) {
	t.Helper()
	if err := session.Send([]byte(request)); err != nil {
		t.Fatal(err)
	}
	for {
		element, err := session.Next()
		if err != nil {
			t.Fatal(err)
		}
		if kind := string(wire.Attr(element, "type")); wire.Named(element, "iq") && (kind == "result" || kind == "error") {
			if kind == "error" {
				t.Fatalf("%s", element)
			}
			return
		}
	}
}
