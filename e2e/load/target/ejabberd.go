package target

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"stonechat/e2e/load/wire"
)

// ejabberd is ejabberd 23.01 with Mnesia, and SQLite for archives, as the
// comment in its packaged configuration advises. The schedulers' busy wait is
// switched off, in its favour.
//
// The servers of e2e/peers are set up for tests of behaviour, with plain
// passwords and each server's default store; those here are set up for speed.
type ejabberd struct{}

const (
	ejabberdRounds = 4096 // its default of PBKDF2 rounds
	ejabberdLib    = "/usr/lib/x86_64-linux-gnu"
	ejabberdSchema = "/usr/share/ejabberd/sql/lite.sql"
)

func (ejabberd) securities() []wire.Security {
	return []wire.Security{wire.Plain, wire.StartTLS, wire.DirectTLS}
}

// seed starts ejabberd once to make its tables, writes the accounts into
// Mnesia in that run, and makes the SQL tables.
func (e ejabberd) seed(ctx context.Context, s *Server, population Population) error {
	if _, err := exec.LookPath("erl"); err != nil {
		return err
	}
	if _, err := os.Stat(ejabberdSchema); err != nil {
		return fmt.Errorf("%w: %w", exec.ErrNotFound, err)
	}
	schema, err := os.ReadFile(ejabberdSchema)
	if err != nil {
		return err
	}
	if err := execSQL(ctx, e.database(s), string(schema)); err != nil {
		return err
	}
	list := filepath.Join(s.dir, "accounts.txt")
	err = writeLines(list, func(w *bufio.Writer) error {
		for account := range population.Accounts() {
			fmt.Fprintln(w, strings.Join(append([]string{account.Name}, account.Contacts...), " "))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := e.configure(s, false); err != nil {
		return err
	}
	keys, err := wire.DeriveKeys(Password, []byte("benchmark-salt16"), ejabberdRounds)
	if err != nil {
		return err
	}
	encode := base64.StdEncoding.EncodeToString
	secret := fmt.Sprintf("{scram,<<%q>>,<<%q>>,<<%q>>,sha,%d}",
		encode(keys.StoredKey), encode(keys.ServerKey), encode(keys.Salt), keys.Rounds)
	return s.run(e.erl(ctx, s, "-eval", fmt.Sprintf(ejabberdSeed, list, Host, secret)))
}

// ejabberdSeed reads lines of a name and its contacts into Mnesia's tables.
// They are kept in memory alone meanwhile and written out as a whole, since
// Mnesia's own writing takes a quarter of a millisecond a row; the indexes are
// made at the next start.
const ejabberdSeed = `{ok, File} = file:read_file(%q), H = <<%q>>, Secret = %s, Tables = [passwd, roster],
[{atomic, ok} = mnesia:change_table_copy_type(T, node(), ram_copies) || T <- Tables],
lists:foreach(fun(Line) ->
	[N | Contacts] = binary:split(Line, <<" ">>, [global]),
	ets:insert(passwd, {passwd, {N, H}, Secret}),
	ets:insert(roster, [{roster, {N, H, {C, H, <<>>}}, {N, H}, {C, H, <<>>}, <<>>, both, none, [], <<>>, []} || C <- Contacts])
end, binary:split(File, <<"\n">>, [global, trim])),
[{atomic, ok} = mnesia:change_table_copy_type(T, node(), disc_copies) || T <- Tables],
init:stop().`

func (ejabberd) database(s *Server) string { return filepath.Join(s.dir, "archive.sqlite") }

func (e ejabberd) configure(s *Server, archive bool) error {
	policy := "never"
	if archive {
		policy = "always"
	}
	text := fmt.Sprintf(ejabberdConfig, Host, s.cert.Both, e.database(s),
		s.ports[wire.Plain], s.ports[wire.DirectTLS], s.http, policy, Rooms, archive)
	return os.WriteFile(filepath.Join(s.dir, "ejabberd.yml"), []byte(text), 0o600)
}

// erl returns the Erlang machine without distribution, so that nothing listens
// beyond the configured ports.
func (ejabberd) erl(ctx context.Context, s *Server, more ...string) *exec.Cmd {
	arguments := []string{
		"+K", "true", "+P", "250000", "+Q", "32000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
		"-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(s.dir, "mnesia")), "-s", "ejabberd",
	}
	cmd := exec.CommandContext(ctx, "erl", append(arguments, more...)...)
	cmd.Env = append(os.Environ(),
		"HOME="+s.dir,
		"ERL_LIBS="+ejabberdLib,
		"ERL_CRASH_DUMP_BYTES=0",
		"EJABBERD_CONFIG_PATH="+filepath.Join(s.dir, "ejabberd.yml"),
		"EJABBERD_LOG_PATH="+filepath.Join(s.dir, "ejabberd.log"),
	)
	cmd.Dir = s.dir
	return cmd
}

func (e ejabberd) command(s *Server, archive bool) (*exec.Cmd, error) {
	// Logging goes to the file alone, not to the terminal as well.
	return e.erl(context.Background(), s, "-eval", "logger:remove_handler(default)."), e.configure(s, archive)
}

func (ejabberd) settle(context.Context, *Server) error { return nil }

const ejabberdConfig = `loglevel: info
log_rotate_count: 0
hosts: [%q]
certfiles: [%q]
sql_type: sqlite
sql_database: %q
auth_password_format: scram
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
listen:
  -
    port: %d
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    starttls: true
    backlog: 1000
  -
    port: %d
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    tls: true
    backlog: 1000
  -
    port: %d
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /ws: ejabberd_http_ws
      /bosh: mod_bosh
access_rules:
  local:
    allow: all
shaper_rules:
  max_user_offline_messages: infinity
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_bosh: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_mam:
    db_type: sql
    default: %s
  mod_muc:
    host: %q
    access_create: local
    max_users: 5000
    max_users_presence: 5000
    history_size: 0
    default_room_options:
      mam: %t
      max_users: 5000
  mod_offline:
    access_max_user_messages: max_user_offline_messages
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub:
    plugins: ["flat", "pep"]
  mod_roster: {}
  mod_stream_mgmt: {}
  mod_vcard: {}
  mod_version: {}
`
