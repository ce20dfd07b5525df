package sasl

import (
	"testing"

	"github.com/xdg-go/scram"
)

var oracles = map[string]scram.HashGeneratorFcn{ScramSHA1: scram.SHA1, ScramSHA256: scram.SHA256, ScramSHA512: scram.SHA512}

// names holds what needs escaping, and letters outside ASCII.
var names = []struct{ user, password string }{
	{"juliet", "pencil"}, {"a=b,c", "comma,=equals"}, {"j\u00fcrgen", "p\u00e4ss w\u00f6rt"},
}

func TestServerAgainstForeignClient(t *testing.T) {
	for mechanism, hash := range oracles {
		m, _ := ParseMechanism(mechanism)
		for _, n := range names {
			s := newServer(t, mechanism, users{n.user: credential(t, m.Hash, n.password)}, Options{})
			client, err := hash.NewClient(n.user, n.password, "")
			if err != nil {
				t.Fatal(err)
			}
			conv := client.NewConversation()
			msg, err := conv.Step("")
			for done := false; !done; {
				if err != nil {
					t.Fatalf("%s %s: client: %v", mechanism, n.user, err)
				}
				var out []byte
				if out, done, err = s.Next([]byte(msg)); err != nil {
					t.Fatalf("%s %s: server: %v", mechanism, n.user, err)
				}
				msg, err = conv.Step(string(out))
			}
			if err != nil || !conv.Valid() {
				t.Errorf("%s %s: client does not believe us: %v", mechanism, n.user, err)
			}
		}
	}
}

func TestClientAgainstForeignServer(t *testing.T) {
	for mechanism, hash := range oracles {
		for _, n := range names {
			stored, err := hash.NewClient(n.user, n.password, "")
			if err != nil {
				t.Fatal(err)
			}
			creds, err := stored.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salty salt", Iters: 5000})
			if err != nil {
				t.Fatal(err)
			}
			server, err := hash.NewServer(func(name string) (scram.StoredCredentials, error) {
				if name != n.user {
					t.Errorf("server saw user %q", name)
				}
				return creds, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			conv := server.NewConversation()
			c, err := NewClient([]string{mechanism}, Login{Username: n.user, Password: n.password})
			if err != nil {
				t.Fatal(err)
			}
			out, err := conv.Step(string(c.Start()))
			if err != nil {
				t.Fatal(err)
			}
			msg, err := c.Next([]byte(out))
			if err != nil {
				t.Fatal(err)
			}
			if out, err = conv.Step(string(msg)); err != nil || !conv.Valid() {
				t.Fatalf("%s %s: %v", mechanism, n.user, err)
			}
			if err := c.Finish([]byte(out)); err != nil {
				t.Errorf("%s %s: %v", mechanism, n.user, err)
			}
		}
	}
}
