package target

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"stonechat/e2e/load/wire"
)

// prosody is Prosody 0.12 with its file store, and SQLite for archives: its
// file archive slows down with its length.
type prosody struct{}

// prosodyRounds is Prosody's own default of PBKDF2 rounds.
const prosodyRounds = 10000

func (prosody) securities() []wire.Security {
	return []wire.Security{wire.Plain, wire.StartTLS, wire.DirectTLS}
}

// hostFolder is the domain as Prosody's file store spells it.
func hostFolder() string { return strings.ReplaceAll(Host, ".", "%2e") }

func (prosody) seed(_ context.Context, s *Server, population Population) error {
	if _, err := exec.LookPath("prosody"); err != nil {
		return err
	}
	keys, err := wire.DeriveKeys(Password, []byte("5f1c2a70-benchmark-salt"), prosodyRounds)
	if err != nil {
		return err
	}
	secret := fmt.Sprintf("return {\n\t[\"stored_key\"] = %q;\n\t[\"server_key\"] = %q;\n\t[\"salt\"] = %q;\n\t[\"iteration_count\"] = %d;\n};\n",
		hex.EncodeToString(keys.StoredKey), hex.EncodeToString(keys.ServerKey), keys.Salt, keys.Rounds)
	accounts := filepath.Join(s.dir, "data", hostFolder(), "accounts")
	rosters := filepath.Join(s.dir, "data", hostFolder(), "roster")
	for _, dir := range []string{accounts, rosters} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for account := range population.Accounts() {
		if err := os.WriteFile(filepath.Join(accounts, account.Name+".dat"), []byte(secret), 0o600); err != nil {
			return err
		}
		if len(account.Contacts) == 0 {
			continue
		}
		err := writeLines(filepath.Join(rosters, account.Name+".dat"), func(w *bufio.Writer) error {
			fmt.Fprintf(w, "return {\n\t[false] = { [\"version\"] = 1; [\"pending\"] = {}; };\n")
			for _, contact := range account.Contacts {
				fmt.Fprintf(w, "\t[%q] = { [\"subscription\"] = \"both\"; [\"groups\"] = {}; };\n", JID(contact))
			}
			fmt.Fprintf(w, "};\n")
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (prosody) command(s *Server, archive bool) (*exec.Cmd, error) {
	path := filepath.Join(s.dir, "prosody.cfg.lua")
	archived := ""
	if archive {
		archived = `"muc_mam"`
	}
	text := fmt.Sprintf(prosodyConfig, s.dir, s.ports[wire.Plain], s.ports[wire.DirectTLS], s.http,
		archive, Host, Rooms, archived)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := s.nameCertificate(); err != nil {
		return nil, err
	}
	return exec.Command("prosody", "--config", path, "-F"), nil
}

// nameCertificate puts the certificate where Prosody looks one up by the name
// that a direct TLS client asks for.
func (s *Server) nameCertificate() error {
	dir := filepath.Join(s.dir, "certs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for from, to := range map[string]string{s.cert.Cert: ".crt", s.cert.Key: ".key"} {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, Host+to), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (prosody) settle(context.Context, *Server) error { return nil }

const prosodyConfig = `run_as_root = true
local dir = %q
data_path = dir .. "/data"
pidfile = dir .. "/prosody.pid"
log = { info = dir .. "/prosody.log" }
interfaces = { "127.0.0.1" }
http_interfaces = { "127.0.0.1" }
certificates = dir .. "/certs"
c2s_ports = { %d }
c2s_direct_tls_ports = { %d }
http_ports = { %d }
https_ports = {}
s2s_ports = {}
modules_disabled = { "s2s" }
modules_enabled = {
	"roster", "saslauth", "tls", "disco", "posix", "ping", "version", "time", "uptime",
	"carbons", "pep", "blocklist", "private", "vcard4", "vcard_legacy", "bookmarks",
	"smacks", "csi_simple", "mam", "bosh", "websocket",
}
c2s_require_encryption = false
consider_websocket_secure = true
authentication = "internal_hashed"
storage = { archive = "sql", muc_log = "sql" }
sql = { driver = "SQLite3", database = dir .. "/archive.sqlite" }
archive_expires_after = "never"
muc_log_expires_after = "never"
default_archive_policy = %t
VirtualHost %q
Component %q "muc"
	modules_enabled = { %s }
	restrict_room_creation = false
	muc_room_locking = false
`
