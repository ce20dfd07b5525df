package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ejabberd is ejabberd 23.01 with Mnesia, run without Erlang's distribution, so that nothing listens beyond the configured ports. The schedulers' busy wait is off.
type ejabberd struct{}

// ejabberdLib is where distributions put Erlang libraries that are no part of Erlang.
const ejabberdLib = "/usr/lib/x86_64-linux-gnu"

func (e ejabberd) prepare(s *Server) error {
	s.HTTP = ""
	domains, err := json.Marshal(s.options.Domains)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(ejabberdConfig, domains, filepath.Join(s.Dir, "both.pem"), portOf(s.C2S), portOf(s.C2STLS), portOf(s.HTTPS), s.Domain, s.options.Archive, s.options.Extra)
	if err := os.WriteFile(filepath.Join(s.Dir, "ejabberd.yml"), []byte(text), 0o600); err != nil {
		return err
	}
	return os.WriteFile(e.terms(s), []byte(e.accounts(s)), 0o600)
}

func (ejabberd) terms(s *Server) string  { return filepath.Join(s.Dir, "accounts.term") }
func (ejabberd) seeded(s *Server) string { return filepath.Join(s.Dir, "seeded") }

// accounts spells accounts and rosters as records of its tables.
func (ejabberd) accounts(s *Server) string {
	var b strings.Builder
	for _, user := range s.options.Users {
		owner := fmt.Sprintf("<<%q>>,<<%q>>", user.Name, s.Domain)
		fmt.Fprintf(&b, "{passwd,{%s},<<%q>>}.\n", owner, user.Password)
		for _, c := range user.Contacts {
			name, host, _ := strings.Cut(c.JID, "@")
			other := fmt.Sprintf("{<<%q>>,<<%q>>,<<>>}", name, host)
			fmt.Fprintf(&b, "{roster,{%s,%s},{%s},%s,<<%q>>,%s,none,[],<<>>,[]}.\n", owner, other, owner, other, c.Name, c.Subscription)
		}
	}
	return b.String()
}

func (e ejabberd) command(s *Server) (*exec.Cmd, error) {
	path, err := exec.LookPath("erl")
	if err != nil {
		return nil, err
	}
	if found, err := filepath.Glob(filepath.Join(ejabberdLib, "ejabberd-*")); err != nil || len(found) == 0 {
		return nil, fmt.Errorf("ejabberd: %w", errors.Join(err, exec.ErrNotFound))
	}
	arguments := []string{
		"+K", "true", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
		"-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(s.Dir, "mnesia")), "-s", "ejabberd",
	}
	if _, err := os.Stat(e.seeded(s)); errors.Is(err, fs.ErrNotExist) {
		arguments = append(arguments, "-eval", fmt.Sprintf(
			`{ok, T} = file:consult(%q), [mnesia:dirty_write(X) || X <- T], mnesia:sync_log(), mnesia:dump_log(), file:write_file(%q, <<"done">>).`, e.terms(s), e.seeded(s)))
	}
	cmd := exec.Command(path, arguments...)
	cmd.Env = append(os.Environ(),
		"HOME="+s.Dir,
		"ERL_LIBS="+ejabberdLib,
		"ERL_CRASH_DUMP_BYTES=0",
		"EJABBERD_CONFIG_PATH="+filepath.Join(s.Dir, "ejabberd.yml"),
		"EJABBERD_LOG_PATH="+filepath.Join(s.Dir, "ejabberd.log"),
	)
	return cmd, nil
}

func (e ejabberd) settle(ctx context.Context, s *Server, _ bool) error {
	for {
		_, err := os.Stat(e.seeded(s))
		if err == nil {
			break
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	if err := dialable(ctx, s.C2S); err != nil {
		return err
	}
	return dialable(ctx, s.C2STLS)
}

const ejabberdConfig = `loglevel: info
log_rotate_count: 0
hosts: %s
certfiles: [%q]
auth_password_format: plain
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
listen:
  -
    port: %s
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    starttls_required: true
    starttls: true
  -
    port: %s
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    tls: true
  -
    port: %s
    ip: "127.0.0.1"
    module: ejabberd_http
    tls: true
    request_handlers:
      /ws: ejabberd_http_ws
access_rules:
  local:
    allow: all
shaper_rules:
  max_user_offline_messages: infinity
  max_user_sessions: infinity
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco:
    server_info:
      -
        modules: all
        name: abuse-addresses
        urls: ["mailto:abuse@%s"]
  mod_last: {}
  mod_mam:
    default: %s
  mod_muc:
    hosts: ["rooms.@HOST@"]
    max_rooms_discoitems: 1000
    default_room_options:
      mam: true
  mod_offline:
    access_max_user_messages: max_user_offline_messages
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub:
    plugins: ["flat", "pep"]
  mod_roster:
    versioning: true
  mod_stream_mgmt: {}
  mod_time: {}
  mod_vcard: {}
  mod_version: {}
%s
`
