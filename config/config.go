// Package config holds every option of the server as plain data: its default, its meaning, no behaviour beyond reading and checking.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"stonechat/xmpp/jid"
)

// Config is one complete configuration. Default gives every option its default; Load reads a strict TOML file over them.
type Config struct {
	// Domains are the served domains, first the main one. There is no default: name one here, or start with --domain or --local.
	Domains []string `toml:"domains"`
	// Data is the folder of everything that is kept: database, own certificate, control socket. One server at a time may use it.
	Data string `toml:"data"`
	// Local is for a try-out on this machine: every listener must be on a loopback address. The flag --local sets it, and with it the domain
	// localhost and loopback listeners.
	Local bool `toml:"local"`
	// RateLimits switches the token buckets of each client and the limits of connections and handshakes per address. False is for measurement
	// only and is said loudly in the log; the limits in all stay in force.
	RateLimits bool    `toml:"rate_limits"`
	TLS        TLS     `toml:"tls"`
	Listen     Listen  `toml:"listen"`
	Archive    Archive `toml:"archive"`
	Store      Store   `toml:"store"`
	HTTP       HTTP    `toml:"http"`
	Limits     Limits  `toml:"limits"`
	Login      Login   `toml:"login"`
	Contact    Contact `toml:"contact"`
	Log        Log     `toml:"log"`
}

// TLS names the certificate. Without files a self-signed one is made in the data folder. Relative paths are relative to the file's folder.
type TLS struct {
	// Certificate is a PEM file with the certificate chain, the server's own first.
	Certificate string `toml:"certificate"`
	// Key is the PEM file of its private key. Both files are named, or neither.
	Key string `toml:"key"`
}

// Listen holds the addresses (host:port) of every listener; an empty list closes that door.
type Listen struct {
	// C2S takes clients by STARTTLS, which is required.
	C2S []string `toml:"c2s"`
	// C2STLS takes clients by direct TLS (XEP-0368).
	C2STLS []string `toml:"c2s_tls"`
	// HTTP answers health and metrics: in the clear on loopback addresses, with TLS on all others.
	HTTP []string `toml:"http"`
}

// Archive is the message history.
type Archive struct {
	// Default is what is kept for accounts that made no choice of their own (XEP-0441): always, roster (only what is exchanged with
	// contacts) or never.
	Default string `toml:"default"`
}

// Store says where everything is kept: in an embedded database in the data folder, or in PostgreSQL.
type Store struct {
	// Postgres is the URL of a PostgreSQL database, version 13 or newer, that keeps everything instead of the embedded one, such as
	// postgres://stonechat@/stonechat?host=/run/postgresql or postgres://user:password@host/name?sslmode=verify-full. It is a secret if a
	// password is in it; postgres_file and the environment variable STONECHAT_POSTGRES, which wins over both, say it elsewhere. Only a Unix
	// socket, a loopback address, or TLS will do; sslmode=require is accepted with a warning. One server at a time may use a database.
	Postgres string `toml:"postgres"`
	// PostgresFile is a file whose first line is that URL.
	PostgresFile string `toml:"postgres_file"`
	// Synchronous is full, or off to prove that the power-cut judge can fail. Never set it to off for people.
	Synchronous string `toml:"synchronous"`
	// CacheKB is the page cache of the embedded database's connection that writes, in KiB.
	CacheKB int `toml:"cache_kb"`
}

// HTTP holds the options of the HTTP listener.
type HTTP struct {
	// Pprof serves profiles below /debug/pprof; allowed on loopback listeners only.
	Pprof bool `toml:"pprof"`
}

// Limits are the bounds on what others can make us hold.
type Limits struct {
	// Connections is how many client connections may exist at once.
	Connections int `toml:"connections"`
	// ConnectionsPerSource is how many of them may come from one address (IPv6: from one /64).
	ConnectionsPerSource int `toml:"connections_per_source"`
	// Handshakes is how many connections may be on the way to a log-in at once.
	Handshakes int `toml:"handshakes"`
	// HandshakesPerSource is how many of them may come from one address (IPv6: from one /64).
	HandshakesPerSource int `toml:"handshakes_per_source"`
	// LoginTime is how long a connection may take until it is bound.
	LoginTime Duration `toml:"login_time"`
	// LoginFailures is how many wrong passwords one stream may try.
	LoginFailures int `toml:"login_failures"`
	// StanzaBytes is the size of the largest stanza after log-in, at least 10000.
	StanzaBytes int `toml:"stanza_bytes"`
	// StanzaBytesLogin is the size of the largest element before log-in, at least 4096.
	StanzaBytesLogin int `toml:"stanza_bytes_login"`
	// LoginBytes is all that a connection may send before it is logged in, at least stanza_bytes_login.
	LoginBytes int `toml:"login_bytes"`
	// Depth is how deep elements may be nested.
	Depth int `toml:"depth"`
	// Attributes is how many attributes one element may have.
	Attributes int `toml:"attributes"`
	// Namespaces is how many namespaces one element may declare; four times as many may be in scope.
	Namespaces int `toml:"namespaces"`
	// BytesPerSecond is how fast the bytes that a client may send come back to it; a client that sends faster is read slower.
	BytesPerSecond int `toml:"bytes_per_second"`
	// BytesBurst is how many bytes a client may send at once, at least stanza_bytes.
	BytesBurst int `toml:"bytes_burst"`
	// StanzasPerSecond is how fast the stanzas that a client may send come back to it.
	StanzasPerSecond int `toml:"stanzas_per_second"`
	// StanzasBurst is how many stanzas a client may send at once.
	StanzasBurst int `toml:"stanzas_burst"`
	// WindowStanzas is how many stanzas of one client may be in hand and not settled; then it is not read until some are.
	WindowStanzas int `toml:"window_stanzas"`
	// WindowBytes is the same in bytes. A stanza may pass it, the next one waits.
	WindowBytes int `toml:"window_bytes"`
	// WindowTotal is how many bytes of all clients together may be in hand and not settled, at least window_bytes; with more every window
	// shrinks to 8 stanzas and an eighth of its bytes until there is room again.
	WindowTotal int `toml:"window_total"`
	// OutboxBytes is how much may wait for one client, what it has not acknowledged included; with more the session ends, and its client finds the rest in the archive.
	OutboxBytes int `toml:"outbox_bytes"`
	// OutboxMerge is how many bytes may wait before presence is merged and typing notices are dropped.
	OutboxMerge int `toml:"outbox_merge"`
	// Stall is how long an outbox may stand without progress; on Linux also how long a line may leave sent bytes unconfirmed before it counts
	// as dead.
	Stall Duration `toml:"stall"`
	// Resume is how long a session without a connection can be resumed (XEP-0198).
	Resume Duration `toml:"resume"`
	// IdlePing is how long a silent client is left alone before it is pinged; it has a minute to answer.
	IdlePing Duration `toml:"idle_ping"`
	// Sessions is how many sessions one account may have at once.
	Sessions int `toml:"sessions"`
	// RosterItems is how many contacts one account may have.
	RosterItems int `toml:"roster_items"`
	// DirectedPresence is how many addresses one session may have sent directed presence to.
	DirectedPresence int `toml:"directed_presence"`
	// Shutdown is how long an orderly end may take.
	Shutdown Duration `toml:"shutdown"`
}

// Login says how people prove who they are.
type Login struct {
	// Plain offers SASL PLAIN beside SCRAM, inside TLS only.
	Plain bool `toml:"plain"`
	// ChannelBinding offers the mechanisms that bind the log-in to the TLS connection, and refuses clients that could bind but say that the
	// server cannot, as RFC 5802 has it. Some old clients say that wrongly (slixmpp before 1.8.5, Poezio with it) and cannot log in then.
	ChannelBinding bool `toml:"channel_binding"`
	// Iterations is how often the hash of a new password is repeated, at least 4096.
	Iterations int `toml:"iterations"`
}

// Contact are the addresses announced by XEP-0157, as URIs (mailto:, xmpp:, https:).
type Contact struct {
	// Abuse takes complaints about users of this server. When it is empty, mailto:abuse@ the domain is announced (RFC 2142).
	Abuse []string `toml:"abuse"`
	// Admin reaches those who run the server.
	Admin []string `toml:"admin"`
	// Feedback takes opinions about the service.
	Feedback []string `toml:"feedback"`
	// Sales answers questions before a purchase.
	Sales []string `toml:"sales"`
	// Security takes reports of vulnerabilities.
	Security []string `toml:"security"`
	// Status tells whether the service is up.
	Status []string `toml:"status"`
	// Support helps users.
	Support []string `toml:"support"`
}

// Log says what is logged and how.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `toml:"level"`
	// Format is text or json.
	Format string `toml:"format"`
}

// Duration is a time span written as in "90s" or "10m".
type Duration time.Duration

// UnmarshalText reads a span as time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes a span as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// D is the span as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// Default returns the configuration in force when nothing is set.
func Default() Config {
	return Config{
		Data:       "stonechat-data",
		RateLimits: true,
		Listen:     Listen{C2S: []string{":5222"}, C2STLS: []string{":5223"}, HTTP: []string{"127.0.0.1:5280"}},
		Archive:    Archive{Default: "always"},
		Store:      Store{Synchronous: "full", CacheKB: 8192},
		Login:      Login{Iterations: 10000},
		Log:        Log{Level: "info", Format: "text"},
		Limits: Limits{
			Connections: 100_000, ConnectionsPerSource: 1000, Handshakes: 10_000, HandshakesPerSource: 200,
			LoginTime: Duration(30 * time.Second), LoginFailures: 3,
			StanzaBytes: 256 << 10, StanzaBytesLogin: 10_000, LoginBytes: 64 << 10,
			Depth: 100, Attributes: 256, Namespaces: 64,
			BytesPerSecond: 256 << 10, BytesBurst: 1 << 20, StanzasPerSecond: 100, StanzasBurst: 500,
			WindowStanzas: 64, WindowBytes: 64 << 10, WindowTotal: 256 << 20,
			OutboxBytes: 4 << 20, OutboxMerge: 256 << 10, Stall: Duration(30 * time.Second),
			Resume: Duration(10 * time.Minute), IdlePing: Duration(5 * time.Minute),
			Sessions: 50, RosterItems: 10_000, DirectedPresence: 2_000,
			Shutdown: Duration(10 * time.Second),
		},
	}
}

// Load reads a TOML file over the defaults. Unknown keys are errors; relative paths are relative to the file's folder.
func Load(path string) (Config, error) {
	c := Default()
	meta, err := toml.DecodeFile(path, &c)
	if err != nil {
		return c, fmt.Errorf("config %s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return c, fmt.Errorf("config %s: unknown option %q", path, unknown[0].String())
	}
	dir := filepath.Dir(path)
	for _, p := range []*string{&c.Data, &c.TLS.Certificate, &c.TLS.Key, &c.Store.PostgresFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return c, nil
}

// Check reports every contradiction in the configuration.
func (c *Config) Check() error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Domains) == 0 {
		complain("no domain: set domains in the file, or start with --domain or --local")
	}
	for i, d := range c.Domains {
		j, err := jid.Parse(d)
		if err != nil || !j.IsDomain() {
			complain("%q is not a domain", d)
			continue
		}
		c.Domains[i] = j.Domain()
	}
	if c.Data == "" {
		complain("no data folder")
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		complain("tls.certificate and tls.key go together")
	}
	if !oneOf(c.Archive.Default, "always", "roster", "never") {
		complain("archive.default is %q, not always, roster or never", c.Archive.Default)
	}
	if c.Store.Postgres != "" && c.Store.PostgresFile != "" {
		complain("store.postgres and store.postgres_file say the same: name one")
	}
	if !oneOf(c.Store.Synchronous, "full", "off") {
		complain("store.synchronous is %q, not full or off", c.Store.Synchronous)
	}
	if !oneOf(c.Log.Level, "debug", "info", "warn", "error") || !oneOf(c.Log.Format, "text", "json") {
		complain("log.level is debug, info, warn or error; log.format is text or json")
	}
	if c.Login.Iterations < 4096 {
		complain("login.iterations is %d, below 4096", c.Login.Iterations)
	}
	if c.HTTP.Pprof && !allLoopback(c.Listen.HTTP) {
		complain("http.pprof needs loopback HTTP listeners")
	}
	if c.Local {
		for _, l := range [][]string{c.Listen.C2S, c.Listen.C2STLS, c.Listen.HTTP} {
			if !allLoopback(l) {
				complain("--local listens on loopback addresses only")
			}
		}
	}
	errs = append(errs, c.Limits.check()...)
	return errors.Join(errs...)
}

func (l *Limits) check() []error {
	var errs []error
	for name, v := range map[string]int{
		"connections": l.Connections, "connections_per_source": l.ConnectionsPerSource, "handshakes": l.Handshakes,
		"handshakes_per_source": l.HandshakesPerSource, "login_failures": l.LoginFailures, "bytes_per_second": l.BytesPerSecond,
		"stanzas_per_second": l.StanzasPerSecond, "stanzas_burst": l.StanzasBurst, "window_stanzas": l.WindowStanzas, "depth": l.Depth,
		"attributes": l.Attributes, "namespaces": l.Namespaces, "outbox_bytes": l.OutboxBytes, "outbox_merge": l.OutboxMerge,
		"sessions": l.Sessions, "roster_items": l.RosterItems, "directed_presence": l.DirectedPresence,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("limits.%s must be positive", name))
		}
	}
	// RFC 6120 section 13.12: a server must accept stanzas of at least 10,000 bytes.
	if l.StanzaBytes < 10_000 || l.StanzaBytesLogin < 4_096 || l.LoginBytes < l.StanzaBytesLogin || l.BytesBurst < l.StanzaBytes || l.WindowTotal < l.WindowBytes {
		errs = append(errs, errors.New("limits: stanza_bytes >= 10000, stanza_bytes_login >= 4096, login_bytes >= stanza_bytes_login, bytes_burst >= stanza_bytes, window_total >= window_bytes"))
	}
	return errs
}

// PostgresURL is the URL of the database, from wherever it is said; empty for the embedded one. It is a secret.
func (s *Store) PostgresURL() (string, error) {
	if s.PostgresFile == "" {
		return s.Postgres, nil
	}
	b, err := os.ReadFile(s.PostgresFile)
	if err != nil {
		return "", fmt.Errorf("store.postgres_file: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("store.postgres_file: the first line of %s is empty", s.PostgresFile)
	}
	return line, nil
}

// SocketPath is the Unix socket of the control commands.
func (c *Config) SocketPath() string { return filepath.Join(c.Data, "ctl.sock") }

func oneOf(v string, allowed ...string) bool {
	for _, a := range allowed {
		if v == a {
			return true
		}
	}
	return false
}

func allLoopback(addrs []string) bool {
	for _, a := range addrs {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			return false
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}
