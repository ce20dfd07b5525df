package chaos

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// password is that of all users; nothing here tests passwords.
const password = "correct horse"

// User is the name of the i-th user.
func User(i int) string { return fmt.Sprintf("user%d", i) }

// Address is the bare address of the i-th user of a server.
func Address(s *peers.Server, i int) string { return User(i) + "@" + s.Domain }

// Users returns n accounts that are contacts of each other.
func Users(n int) []peers.User {
	users := make([]peers.User, n)
	for i := range users {
		users[i] = peers.User{Name: User(i), Password: password}
		for j := range n {
			if j != i {
				users[i].Contacts = append(users[i].Contacts, peers.Contact{JID: User(j) + "@example.org", Subscription: "both"})
			}
		}
	}
	return users
}

// loginTime bounds a log-in, also on a disk that stands still.
const loginTime = 20 * time.Second

// Login logs a user in by direct TLS, without presence.
func Login(ctx context.Context, s *peers.Server, keys *wire.Keys, user int, resource string, acks bool) (*wire.Session, error) {
	return dial(ctx, wire.Login{Resource: resource, Acks: acks}, s, keys, user)
}

// Return logs a user in again: the session before goes on if the server lets it, else there is a new one. None: it is the first.
func Return(ctx context.Context, s *peers.Server, keys *wire.Keys, user int, resource string, before *wire.Session) (*wire.Session, error) {
	return dial(ctx, wire.Login{Resource: resource, Acks: true, Resumable: true, Previous: before}, s, keys, user)
}

func dial(ctx context.Context, l wire.Login, s *peers.Server, keys *wire.Keys, user int) (*wire.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	l.Addr, l.Host, l.User, l.Password, l.Security, l.Keys = s.C2STLS, s.Domain, User(user), password, wire.DirectTLS, keys
	return wire.Dial(ctx, l)
}

var crashLine = regexp.MustCompile(`(?m)^.*(panic|fatal error:|goroutine \d+ \[|DATA RACE|traceback).*$`)

// CrashLines returns the first lines of the server's log that speak of a crash
// or of a recovered panic.
func CrashLines(s *peers.Server) ([]string, error) {
	text, err := os.ReadFile(s.LogPath())
	if err != nil {
		return nil, err
	}
	return crashLine.FindAllString(string(text), 10), nil
}
