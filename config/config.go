// Package config holds every option of the server as plain data: its default, its meaning, no behaviour beyond reading and checking.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
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
	// RateLimits switches the token buckets of each client, rooms.deliveries, pubsub.deliveries, and the limits of connections and handshakes per address. False is for measurement
	// only and is said loudly in the log; the limits in all stay in force.
	RateLimits bool    `toml:"rate_limits"`
	TLS        TLS     `toml:"tls"`
	Listen     Listen  `toml:"listen"`
	Archive    Archive `toml:"archive"`
	Rooms      Rooms   `toml:"rooms"`
	Store      Store   `toml:"store"`
	HTTP       HTTP    `toml:"http"`
	Limits     Limits  `toml:"limits"`
	Login      Login   `toml:"login"`
	Contact    Contact `toml:"contact"`
	Log        Log     `toml:"log"`

	Strangers   Strangers   `toml:"strangers"`
	Reports     Reports     `toml:"reports"`
	Personal    Personal    `toml:"personal"`
	Pubsub      Pubsub      `toml:"pubsub"`
	Upload      Upload      `toml:"upload"`
	Files       Files       `toml:"files"`
	Pictures    Pictures    `toml:"pictures"`
	Previews    Previews    `toml:"previews"`
	Bytestreams Bytestreams `toml:"bytestreams"`
	Outbound    Outbound    `toml:"outbound"`
	Push        Push        `toml:"push"`
	External    External    `toml:"external"`
	Signup      Signup      `toml:"signup"`
	Invites     Invites     `toml:"invites"`
	Accounts    Accounts    `toml:"accounts"`
	Guessing    Guessing    `toml:"guessing"`
	Guests      Guests      `toml:"guests"`
	Components  Components  `toml:"components"`
}

// TLS names the certificates. Names without one are shown a self-signed one, which is made in the data folder. Files are read again when they
// change, or by SIGHUP or `stonechat ctl certificate reload`; nobody is disconnected. Relative paths are relative to the file's folder.
type TLS struct {
	// Certificate is a PEM file with the certificate chain, the server's own first. It is shown for every name that has no other.
	Certificate string `toml:"certificate"`
	// Key is the PEM file of its private key. Both files are named, or neither.
	Key string `toml:"key"`
	// Files are further pairs: `files = [{certificate = "a.pem", key = "a.key", domains = ["a.example"]}]`. Each must be for all domains that
	// it lists, which may be wildcards; without a list it is shown for the names that stand in it.
	Files []CertificateFiles `toml:"files"`
	// Watch is how often the files are looked at.
	Watch Duration `toml:"watch"`
	ACME  ACME     `toml:"acme"`
}

// CertificateFiles is one more certificate.
type CertificateFiles struct {
	Certificate string   `toml:"certificate"`
	Key         string   `toml:"key"`
	Domains     []string `toml:"domains"`
}

// ACME fetches and renews certificates for every served name that no file covers. They are kept in the data folder.
type ACME struct {
	// Agree says that you accept the terms of the authority named by directory, and thereby switches ACME on; the flag --acme-agree says the same.
	Agree bool `toml:"agree"`
	// Email is where the authority may write to; most need none.
	Email string `toml:"email"`
	// Directory is the address of the authority.
	Directory string `toml:"directory"`
	// Roots is a PEM file of the authorities that the directory's own certificate is checked against, for one inside a company; without it
	// the system's count.
	Roots string `toml:"roots"`
	// Services are the names before each domain that are certified as well, such as "upload" for upload.example.org. Each must lead here.
	Services []string `toml:"services"`
	// Challenges are the ways to prove a name: http-01 (port 80 leads to a listener of listen.acme), tls-alpn-01 (port 443 leads to a listener
	// with TLS), dns-01 (dns_hook). Without any they are dns-01 if there is a hook, else http-01 if there are listeners of listen.acme, and
	// tls-alpn-01 if one with TLS has port 443.
	Challenges []string `toml:"challenges"`
	// DNSHook is a program that changes the DNS, called with three arguments: present or cleanup, the full name of the TXT record, its
	// value. It returns 0 when everybody can see the record, or when it is gone. STONECHAT_DOMAIN in its environment is the name to be proven.
	DNSHook string `toml:"dns_hook"`
	// DNSHookTimeout is how long one call of it may take.
	DNSHookTimeout Duration `toml:"dns_hook_timeout"`
	// EABKeyID is the key identifier of an account that you have with the authority outside ACME, where it asks for one.
	EABKeyID string `toml:"eab_key_id"`
	// EABKeyFile is a file with the key to it, in base64url.
	EABKeyFile string `toml:"eab_key_file"`
	// Check is how often certificates are looked at whether they are to be renewed.
	Check Duration `toml:"check"`
}

// Listen holds the addresses (host:port) of every listener; an empty list closes that door.
type Listen struct {
	// C2S takes clients by STARTTLS, which is required.
	C2S []string `toml:"c2s"`
	// C2STLS takes clients by direct TLS (XEP-0368).
	C2STLS []string `toml:"c2s_tls"`
	// HTTPS serves the web on one port with TLS: WebSocket on /ws (RFC 7395), discovery (XEP-0156), and clients that ask for direct TLS by ALPN.
	// The word auto is :443, or :5443 where that is not allowed or taken, and 127.0.0.1:5443 with --local; a server that gets none goes on without.
	HTTPS []string `toml:"https"`
	// HTTP answers health and metrics: in the clear on loopback addresses, with TLS on all others.
	HTTP []string `toml:"http"`
	// Component takes the programs of components.serve: in the clear on loopback addresses, with TLS on all others. Nobody listens while there is none to serve.
	Component []string `toml:"component"`
	// Proxy65 is where clients that cannot reach each other hand over files (XEP-0065), such as [":7777"]; see [bytestreams]. Anybody may connect, in the clear; bytes
	// pass only between two whom an account of this server brings together.
	Proxy65 []string `toml:"proxy65"`
	// ACME answers the challenges of tls.acme in the clear, and sends everybody else to https. Used only with tls.acme.agree; port 80 of the
	// served names must lead here.
	ACME []string `toml:"acme"`
	// Proxies are the networks (address/bits) of proxies that say in front of each connection, to c2s, c2s_tls and https, for whom they make it
	// (PROXY protocol, version 1 or 2). What comes from there without it is refused; what comes from elsewhere is never asked for it.
	Proxies []string `toml:"proxies"`
}

// Archive is the message history.
type Archive struct {
	// Default is what is kept for accounts that made no choice of their own (XEP-0441): always, roster (only what is exchanged with
	// contacts) or never.
	Default string `toml:"default"`
	// Search lets everybody search by words what they may read (XEP-0431; docs/search.md). The words are kept beside the messages, about half as large
	// as the texts; without search they are removed.
	Search bool `toml:"search"`
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
	// URL is where browsers reach the HTTPS listener, if not on its port at the domain, as behind a proxy: https://chat.example.org. It is what
	// discovery tells.
	URL string `toml:"url"`
	// Origins are the web pages, as in https://app.example.org, that may open a WebSocket beside those of the host itself and of the domains; * is all.
	Origins []string `toml:"origins"`
	// Proxies are the networks of HTTP proxies that connect to the HTTPS listener and name the client in X-Forwarded-For.
	Proxies []string `toml:"proxies"`
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
	// HoldBytes is how many bytes of presence, typing notices and the like are held for a client that says that nobody looks at it (XEP-0352);
	// with more, all of it is sent. 0 holds nothing.
	HoldBytes int `toml:"hold_bytes"`
	// Stall is how long an outbox may stand without progress; on Linux also how long a line may leave sent bytes unconfirmed before it counts
	// as dead.
	Stall Duration `toml:"stall"`
	// Resume is how long a session without a connection can be resumed (XEP-0198).
	Resume Duration `toml:"resume"`
	// IdlePing is how long a silent client is left alone before it is pinged; it has a minute to answer.
	IdlePing Duration `toml:"idle_ping"`
	// IdlePingInactive is the same for a client that says that nobody looks at it (XEP-0352).
	IdlePingInactive Duration `toml:"idle_ping_inactive"`
	// Sessions is how many sessions one account may have at once.
	Sessions int `toml:"sessions"`
	// Blocked is how many addresses one account may block (XEP-0191).
	Blocked int `toml:"blocked"`
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
	// ChannelBinding says where the mechanisms are offered that bind the log-in to the TLS connection: sasl2 (to clients of XEP-0388 only), all
	// (also by the classic profile of RFC 6120) or off. Where they are, a client that could bind but says that the server cannot is refused, as
	// RFC 5802 has it. Some old clients say that wrongly (slixmpp before 1.8.5, Poezio with it) and cannot log in with all.
	ChannelBinding string `toml:"channel_binding"`
	// Iterations is how often the hash of a new password is repeated, at least 4096.
	Iterations int `toml:"iterations"`
	// Hashes are offered by SCRAM: SHA-512, SHA-256, SHA-1. Empty: those of which every account that may log in has a credential. Named ones
	// are offered whatever accounts have; one that lacks what its client chooses needs a new password.
	Hashes []string `toml:"hashes"`
	// TokenLife is how long a device can log in with the token that it was given (XEP-0484) without having been seen; 0s gives no tokens.
	TokenLife Duration `toml:"token_life"`
	// TokenRotate is the age at which a token is replaced when its device logs in, at most token_life.
	TokenRotate Duration `toml:"token_rotate"`
	// Devices is how many devices of an account are remembered; with more, the one not seen for longest is forgotten, with its token.
	Devices int `toml:"devices"`
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

// Strangers is what becomes of messages from people who are no contacts and with whom an account has never talked.
type Strangers struct {
	// Default is for accounts that made no choice of their own: open (they come like all others), quiet (they wait in a box, and are neither
	// shown nor archived until the account lets them in) or closed (they are refused).
	Default string `toml:"default"`
	// Members says for the same accounts that people of their own domain are no strangers.
	Members bool `toml:"members"`
	// Messages is how many may wait in the box of one account; more are refused.
	Messages int `toml:"messages"`
	// Bytes is how many bytes may wait in it, at most 1048576.
	Bytes int `toml:"bytes"`
	// MessagesPerSender is how many of them may be of one sender.
	MessagesPerSender int `toml:"messages_per_sender"`
	// BytesPerSender is the same in bytes.
	BytesPerSender int `toml:"bytes_per_sender"`
	// Expire is how long a message waits before it is erased.
	Expire Duration `toml:"expire"`
}

// Reports are complaints that people send to the moderators when they block somebody (XEP-0377).
type Reports struct {
	// PerDay is how many one account may send within 24 hours; more are dropped, while the block holds.
	PerDay int `toml:"per_day"`
	// Keep is how long a report is kept after a moderator has closed it.
	Keep Duration `toml:"keep"`
}

// Personal is what clients keep for themselves: private XML (XEP-0049), and the vCard (XEP-0054).
type Personal struct {
	// PrivateElements is how many elements one account may keep in private storage.
	PrivateElements int `toml:"private_elements"`
	// PrivateBytes is how many bytes they may have together.
	PrivateBytes int `toml:"private_bytes"`
	// VCardBytes is the size of the largest vCard.
	VCardBytes int `toml:"vcard_bytes"`
	// PhotoBytes is the size of the largest photo in it, decoded.
	PhotoBytes int `toml:"photo_bytes"`
	// VCardFor says who may read the vCard of another: everybody, or members (accounts of this server, also by way of its rooms, and contacts elsewhere).
	VCardFor string `toml:"vcard_for"`
	// Search lets members find each other by what their vCards show to everybody (XEP-0055). Switch it off where anybody can sign up and people are not to be
	// counted.
	Search bool `toml:"search"`
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
		TLS: TLS{Watch: Duration(30 * time.Second), ACME: ACME{
			Directory: "https://acme-v02.api.letsencrypt.org/directory", DNSHookTimeout: Duration(5 * time.Minute), Check: Duration(10 * time.Minute),
		}},
		Listen:  Listen{C2S: []string{":5222"}, C2STLS: []string{":5223"}, HTTPS: []string{Auto}, HTTP: []string{"127.0.0.1:5280"}, Component: []string{"127.0.0.1:5347"}, ACME: []string{":80"}},
		Archive: Archive{Default: "always", Search: true},
		Rooms:   usualRooms(),
		Store:   Store{Synchronous: "full", CacheKB: 8192},
		Login: Login{
			ChannelBinding: "sasl2", Iterations: 10000,
			TokenLife: Duration(21 * 24 * time.Hour), TokenRotate: Duration(24 * time.Hour), Devices: 50,
		},
		Log: Log{Level: "info", Format: "text"},
		Strangers: Strangers{
			Default: "open", Members: true, Messages: 100, Bytes: 256 << 10, MessagesPerSender: 10, BytesPerSender: 64 << 10,
			Expire: Duration(30 * 24 * time.Hour),
		},
		Reports:  Reports{PerDay: 20, Keep: Duration(90 * 24 * time.Hour)},
		Personal: Personal{PrivateElements: 200, PrivateBytes: 512 << 10, VCardBytes: 160 << 10, PhotoBytes: 96 << 10, VCardFor: "members", Search: true},
		Pubsub:   pubsub(),
		Upload:   usualUpload(),
		Pictures: usualPictures(),
		Previews: usualPreviews(),
		Files:    usualFiles(), Bytestreams: usualBytestreams(),
		Outbound: usualOutbound(), Push: usualPush(), External: usualExternal(), Components: usualComponents(),
		Signup: signup(), Invites: invites(), Accounts: accounts(),
		Guessing: Guessing{
			Free: 4, FreeNetwork: 40, FirstDelay: Duration(250 * time.Millisecond), LongestDelay: Duration(2 * time.Second),
			HalfLife: Duration(time.Minute), Entries: 20_000, Waiting: 2000, WaitingPerSource: 10, Places: 16,
		},
		Guests: Guests{Idle: Duration(15 * time.Minute), Most: 100, MostPerSource: 5},
		Limits: Limits{
			Connections: 100_000, ConnectionsPerSource: 1000, Handshakes: 10_000, HandshakesPerSource: 200,
			LoginTime: Duration(30 * time.Second), LoginFailures: 3,
			StanzaBytes: 256 << 10, StanzaBytesLogin: 10_000, LoginBytes: 64 << 10,
			Depth: 100, Attributes: 256, Namespaces: 64,
			BytesPerSecond: 256 << 10, BytesBurst: 1 << 20, StanzasPerSecond: 100, StanzasBurst: 500,
			WindowStanzas: 64, WindowBytes: 64 << 10, WindowTotal: 256 << 20,
			OutboxBytes: 4 << 20, OutboxMerge: 256 << 10, HoldBytes: 64 << 10, Stall: Duration(30 * time.Second),
			Resume: Duration(10 * time.Minute), IdlePing: Duration(5 * time.Minute), IdlePingInactive: Duration(15 * time.Minute),
			Sessions: 50, RosterItems: 10_000, Blocked: 1000, DirectedPresence: 2_000,
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
	own := []*string{&c.Data, &c.Store.PostgresFile, &c.Outbound.Roots, &c.External.SecretFile, &c.Files.SecretFile}
	for _, p := range slices.Concat(own, c.TLS.paths(), c.Components.paths()) {
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
	if !oneOf(c.Login.ChannelBinding, "sasl2", "all", "off") {
		complain("login.channel_binding is %q, not sasl2, all or off", c.Login.ChannelBinding)
	}
	for _, h := range c.Login.Hashes {
		if !oneOf(h, "SHA-512", "SHA-256", "SHA-1") {
			complain("login.hashes holds %q, not SHA-512, SHA-256 or SHA-1", h)
		}
	}
	if c.Login.TokenLife < 0 || c.Login.TokenRotate < 0 || c.Login.TokenRotate > c.Login.TokenLife || c.Login.Devices <= 0 {
		complain("login: 0s <= token_rotate <= token_life, devices > 0")
	}
	if c.HTTP.Pprof && !allLoopback(c.Listen.HTTP) {
		complain("http.pprof needs loopback HTTP listeners")
	}
	if c.Local {
		for _, l := range [][]string{c.Listen.C2S, c.Listen.C2STLS, c.Listen.HTTPS, c.Listen.HTTP, c.Listen.Component, c.Listen.Proxy65} {
			if !slices.Contains(l, Auto) && !allLoopback(l) {
				complain("--local listens on loopback addresses only")
			}
		}
	}
	errs = append(errs, c.checkTLS()...)
	errs = append(errs, c.checkApart()...)
	errs = append(errs, c.checkPubsub()...)
	errs = append(errs, c.checkWeb()...)
	errs = append(errs, c.Limits.check()...)
	errs = append(errs, c.checkJoin()...)
	errs = append(errs, c.checkRooms()...)
	errs = append(errs, c.checkUpload()...)
	errs = append(errs, c.Pictures.check()...)
	errs = append(errs, c.Previews.check()...)
	errs = append(errs, c.checkComponents()...)
	errs = append(errs, c.Files.check()...)
	errs = append(errs, c.checkBytestreams()...)
	errs = append(errs, c.Outbound.check()...)
	errs = append(errs, c.Push.check()...)
	errs = append(errs, c.External.check()...)
	errs = append(errs, c.Guessing.check()...)
	errs = append(errs, c.Guests.check()...)
	return errors.Join(errs...)
}

func (l *Limits) check() []error {
	var errs []error
	for name, v := range map[string]int{
		"connections": l.Connections, "connections_per_source": l.ConnectionsPerSource, "handshakes": l.Handshakes,
		"handshakes_per_source": l.HandshakesPerSource, "login_failures": l.LoginFailures, "bytes_per_second": l.BytesPerSecond,
		"stanzas_per_second": l.StanzasPerSecond, "stanzas_burst": l.StanzasBurst, "window_stanzas": l.WindowStanzas, "depth": l.Depth,
		"attributes": l.Attributes, "namespaces": l.Namespaces, "outbox_bytes": l.OutboxBytes, "outbox_merge": l.OutboxMerge,
		"sessions": l.Sessions, "roster_items": l.RosterItems, "blocked": l.Blocked, "directed_presence": l.DirectedPresence,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("limits.%s must be positive", name))
		}
	}
	if l.HoldBytes < 0 {
		errs = append(errs, errors.New("limits.hold_bytes must not be negative"))
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
	return firstLine("store.postgres_file", s.PostgresFile)
}

// firstLine of a file that an option names: a secret.
func firstLine(option, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", option, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s: the first line of %s is empty", option, path)
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
