package peers_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"stonechat/e2e/peers"
)

const componentSecret = "a secret that a bridge shares"

// TestForeignComponent drives slixmpp as a component, with privileges (XEP-0114, XEP-0356).
func TestForeignComponent(t *testing.T) {
	interpreter, err := python("slixmpp")
	if err != nil {
		if *lackFlag {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if *peerFlag != string(peers.Stonechat) {
		t.Skip("how others are told of components differs")
	}
	s, err := peers.Start(t.Context(), peers.Stonechat, peers.Options{
		Binary: *binaryFlag, Domains: []string{"example.org"}, Users: []peers.User{{Name: "alice", Password: password}},
		Extra: "[components]\nserve = [{domain = \"bridge.example.org\", secret = \"" + componentSecret + "\", roster = \"both\", message = \"outgoing\", presence = \"managed_entity\"}]",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	setup, err := json.Marshal(map[string]string{
		"domain": s.Domain, "address": s.C2S, "component": s.Component, "ca": filepath.Join(s.Dir, "cert.pem"), "password": password, "alice": "alice",
		"secret": componentSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), interpreter, "-B", filepath.Join("foreign", "slixmpp_component.py"), string(setup))
	steps(t, cmd, s, nil, 8)
}
