package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// prosody is Prosody 0.12 with its file store.
type prosody struct{}

func (p prosody) prepare(s *Server) error {
	s.HTTP = ""
	policy := map[string]string{"always": "true", "never": "false", "roster": `"roster"`}[s.options.Archive]
	text := fmt.Sprintf(prosodyConfig, s.Dir, portOf(s.C2S), portOf(s.C2STLS), portOf(s.HTTPS), policy, s.Domain, s.options.Extra)
	for _, domain := range s.options.Domains {
		text += fmt.Sprintf("VirtualHost %q\n\tssl = { key = %q, certificate = %q }\n", domain, s.key(), s.cert())
	}
	for _, domain := range s.options.Domains {
		text += fmt.Sprintf(prosodyRooms, "rooms."+domain)
		text += fmt.Sprintf(prosodyNodes, "pubsub."+domain)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "mod_members_create.lua"), []byte(prosodyCreate), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "prosody.cfg.lua"), []byte(text), 0o600); err != nil {
		return err
	}
	for _, user := range s.options.Users {
		if err := p.account(s, user); err != nil {
			return err
		}
	}
	return nil
}

// account writes one account and its roster in the form of Prosody's file store.
func (prosody) account(s *Server, user User) error {
	host := filepath.Join(s.data(), lua(s.Domain))
	files := map[string]string{"accounts": fmt.Sprintf("return {\n\t[\"password\"] = %q;\n};\n", user.Password)}
	if len(user.Contacts) > 0 {
		var b strings.Builder
		b.WriteString("return {\n\t[false] = { [\"version\"] = 1; [\"pending\"] = {}; };\n")
		for _, c := range user.Contacts {
			fmt.Fprintf(&b, "\t[%q] = { [\"subscription\"] = %q; [\"groups\"] = {};", c.JID, c.Subscription)
			if c.Name != "" {
				fmt.Fprintf(&b, " [\"name\"] = %q;", c.Name)
			}
			b.WriteString(" };\n")
		}
		b.WriteString("};\n")
		files["roster"] = b.String()
	}
	for kind, text := range files {
		if err := os.MkdirAll(filepath.Join(host, kind), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(host, kind, lua(user.Name)+".dat"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// lua spells a name as the file store does: whatever is no letter or digit as %hh.
func lua(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

func (prosody) command(s *Server) (*exec.Cmd, error) {
	path, err := exec.LookPath("prosody")
	if err != nil {
		return nil, err
	}
	return exec.Command(path, "--config", filepath.Join(s.Dir, "prosody.cfg.lua"), "-F"), nil
}

func (prosody) settle(ctx context.Context, s *Server, _ bool) error {
	if err := dialable(ctx, s.C2STLS); err != nil {
		return err
	}
	return dialable(ctx, s.C2S)
}

const prosodyConfig = `run_as_root = true
local dir = %q
data_path = dir .. "/data"
plugin_paths = { dir }
pidfile = dir .. "/prosody.pid"
log = { { levels = { min = "info" }, to = "console", timestamps = true } }
interfaces = { "127.0.0.1" }
c2s_ports = { %s }
c2s_direct_tls_ports = { %s }
http_ports = {}
https_ports = { %s }
https_interfaces = { "127.0.0.1" }
https_ssl = { key = dir .. "/key.pem", certificate = dir .. "/cert.pem" }
cross_domain_websocket = true
s2s_ports = {}
modules_disabled = { "s2s" }
modules_enabled = {
	"roster", "saslauth", "tls", "disco", "posix", "ping", "version", "time", "uptime", "lastactivity", "carbons", "pep", "blocklist", "private",
	"vcard4", "bookmarks", "smacks", "csi", "csi_simple", "mam", "offline", "server_contact_info", "websocket",
}
authentication = "internal_plain"
storage = "internal"
archive_expires_after = "never"
default_archive_policy = %s
mam_smart_enable = false
c2s_require_encryption = true
allow_unencrypted_plain_auth = false
ssl = { key = dir .. "/key.pem", certificate = dir .. "/cert.pem" }
contact_info = { abuse = { "mailto:abuse@%s" } }
%s
`

// prosodyRooms is the service of rooms of one domain. Rooms are archived unless their owner says otherwise, and whoever may enter may register.
const prosodyRooms = `Component %q "muc"
	modules_enabled = { "muc_mam" }
	muc_log_expires_after = "never"
	allow_unaffiliated_register = true
	muc_registration_include_form = true
`

// prosodyNodes is the pubsub service of one domain.
const prosodyNodes = `Component %q "pubsub"
	modules_enabled = { "members_create" }
	expose_publisher = true
`

// prosodyCreate lets everybody create nodes of the service, which Prosody leaves to its admins.
const prosodyCreate = `local config = module:depends("pubsub").service.config
local usual = config.capabilities
local function creating(kind) return setmetatable({ create = true }, { __index = usual[kind] }) end
config.capabilities = setmetatable({ none = creating("none"), member = creating("member") }, { __index = usual })
`
