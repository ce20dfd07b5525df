package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/server"
)

// serveCmd runs the server. Flags win over the file, the file over the defaults.
type serveCmd struct {
	Config  string   `type:"existingfile" placeholder:"FILE" help:"TOML file with options."`
	Domain  []string `placeholder:"DOMAIN" help:"Domain to serve; may be repeated."`
	Local   bool     `help:"Try it on this machine: domain localhost, loopback addresses, a certificate of its own."`
	Data    string   `type:"path" placeholder:"DIR" help:"Folder of everything that is kept."`
	C2S     []string `name:"c2s" placeholder:"ADDRESS" help:"Listen for clients (STARTTLS)."`
	C2STLS  []string `name:"c2s-tls" placeholder:"ADDRESS" help:"Listen for clients (direct TLS)."`
	HTTPS   []string `name:"https" placeholder:"ADDRESS" help:"Listen for the web: WebSocket, discovery, and direct TLS by ALPN."`
	HTTP    []string `name:"http" placeholder:"ADDRESS" help:"Listen for health checks and metrics."`
	Cert    string   `type:"existingfile" placeholder:"FILE" help:"Certificate chain (PEM)."`
	Key     string   `type:"existingfile" placeholder:"FILE" help:"Private key (PEM)."`
	Agree   bool     `name:"acme-agree" help:"Accept the terms of the certificate authority (tls.acme.directory) and get certificates from it."`
	NoRates bool     `name:"no-rate-limits" help:"Switch rate limits off, for measurement only."`
	Log     string   `enum:",debug,info,warn,error" default:"" placeholder:"LEVEL" help:"debug, info, warn or error."`
}

// Run is called by the command line.
func (c *serveCmd) Run() error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	o, err := obs.New(os.Stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	s, err := server.New(ctx, cfg, o)
	if err != nil {
		return err
	}
	go keepMemory(ctx)
	go onHangup(ctx, s.ReloadCertificates)
	go func() {
		select {
		case <-s.Ready:
			c.welcome(ctx, s, &cfg)
		case <-ctx.Done():
		}
	}()
	return s.Run(ctx)
}

// onHangup calls f for each SIGHUP until ctx ends.
func onHangup(ctx context.Context, f func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			f()
		case <-ctx.Done():
			return
		}
	}
}

// welcome tells what to type next where there is no account yet.
func (c *serveCmd) welcome(ctx context.Context, s *server.Server, cfg *config.Config) {
	invites, err := s.Invites(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "no invite:", err)
	}
	for domain, token := range invites {
		fmt.Printf("\nWelcome. %s has no account yet. Make the first administrator, in another terminal:\n\n"+
			"    %s ctl --data %s join --domain %s %s YOUR-NAME\n\nthen talk: %[2]s chat YOUR-NAME@%[6]s%[7]s, or use any XMPP client.\n\n",
			domain, os.Args[0], cfg.Data, domain, token, domain, map[bool]string{true: " --local"}[cfg.Local])
	}
}

// config joins defaults, file and flags.
func (c *serveCmd) config() (config.Config, error) {
	cfg := config.Default()
	if c.Config != "" {
		var err error
		if cfg, err = config.Load(c.Config); err != nil {
			return cfg, err
		}
	}
	fromEnvironment(&cfg)
	if c.Local {
		cfg.Local = true
		if len(cfg.Domains) == 0 {
			cfg.Domains = []string{"localhost"}
		}
		cfg.Listen = config.Listen{C2S: []string{"127.0.0.1:5222"}, C2STLS: []string{"127.0.0.1:5223"}, HTTPS: []string{config.Auto}, HTTP: []string{"127.0.0.1:5280"}}
	}
	for _, o := range []struct {
		flag []string
		to   *[]string
	}{{c.Domain, &cfg.Domains}, {c.C2S, &cfg.Listen.C2S}, {c.C2STLS, &cfg.Listen.C2STLS}, {c.HTTPS, &cfg.Listen.HTTPS}, {c.HTTP, &cfg.Listen.HTTP}} {
		if len(o.flag) > 0 {
			*o.to = o.flag
		}
	}
	for _, o := range []struct {
		flag string
		to   *string
	}{{c.Data, &cfg.Data}, {c.Cert, &cfg.TLS.Certificate}, {c.Key, &cfg.TLS.Key}, {c.Log, &cfg.Log.Level}} {
		if o.flag != "" {
			*o.to = o.flag
		}
	}
	cfg.TLS.ACME.Agree = cfg.TLS.ACME.Agree || c.Agree
	cfg.RateLimits = cfg.RateLimits && !c.NoRates
	return cfg, nil
}
