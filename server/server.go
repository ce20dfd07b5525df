// Package server puts the house together: it is the only place that knows all names. A Server is a value; one process may hold several.
package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/certs"
	"stonechat/clamd"
	"stonechat/config"
	"stonechat/core"
	"stonechat/edge/c2s"
	"stonechat/edge/component"
	"stonechat/edge/proxy65"
	"stonechat/edge/web"
	"stonechat/mod/commands"
	"stonechat/mod/preview"
	"stonechat/mod/push"
	"stonechat/mod/upload"
	"stonechat/obs"
	"stonechat/outbound"
	"stonechat/picture"
	"stonechat/store"
	"stonechat/store/blob"
	"stonechat/store/sqlstore"
	"stonechat/webpush"
	"stonechat/xmpp/jid"
)

// Version of the program.
const Version = "0.1.0"

// Server is one running Stonechat. New opens everything that is kept, Run opens the doors, Shutdown closes both.
type Server struct {
	cfg        *config.Config
	obs        obs.Obs
	close      func() error
	lost       <-chan struct{} // the database belongs to another process
	db         store.Set
	begun      bool // what is on disk of sessions may change
	saltSecret []byte
	certs      *certs.Book
	tokenKey   []byte
	blobs      blob.Blobs
	scanner    *clamd.Scanner // nil: there is none
	fileKey    []byte
	outbound   *outbound.Dialler
	push       *push.Round
	relays     []byte // the secret shared with them
	tls        *tls.Config

	router   *core.Router
	pool     *core.Pool
	metrics  *core.Metrics
	reported func(reason string) // counts reports of abuse
	signups  *prometheus.CounterVec
	uploads  upload.Figures
	pictures *picture.Maker
	previews *prometheus.CounterVec
	searched func(outcome string) // counts searches
	hosts    []*core.Host
	commands []*commands.Module
	runners  []core.Runner
	clients  *c2s.Door
	proxy65  *proxy65.Door // nil: there is none
	// proxy65Port is that of the first listener, zero before it listens.
	proxy65Port atomic.Int32
	web         *web.Door
	public      atomic.Pointer[web.Site] // the first listener's; nil: there is none yet

	components *component.Door

	// Ready is closed when clients may come.
	Ready chan struct{}

	listeners []net.Listener
	serving   sync.WaitGroup
	failed    chan error
	stop      context.CancelFunc
	shut      sync.Once
	shutErr   error
}

// New checks the configuration, opens the store and installs every module. It listens to nobody yet.
func New(ctx context.Context, cfg config.Config, o obs.Obs) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	s := &Server{cfg: &cfg, obs: o, router: core.NewRouter(), failed: make(chan error, 8), Ready: make(chan struct{})}
	var err error
	if s.relays, err = cfg.External.Secret(); err != nil {
		return nil, err
	}
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	if err = s.openCertificates(); err == nil {
		s.pool = core.NewPool()
		s.metrics = core.NewMetrics(o)
		s.reported = reportMetric(o)
		s.searched = searchMetric(o)
		s.signups = o.CounterVec("signups_total", "Attempts to register or to set a password by a token, by outcome.", "outcome")
		s.uploads = upload.NewFigures(o)
		s.previews = preview.Metric(o)
		s.pictures = picture.NewMaker(picture.Limits{
			Side: cfg.Pictures.Side, Memory: cfg.Pictures.Memory, Time: cfg.Pictures.Time.D(), AtOnce: cfg.Pictures.AtOnce,
		})
		s.makeProxy65()
		if err = s.openPush(ctx); err == nil {
			err = s.addHosts(ctx)
		}
	}
	if err == nil {
		s.components, err = component.New(component.Parts{Config: &cfg, Router: s.router, Pool: s.pool, Core: s.metrics, Obs: o})
	}
	if err == nil {
		s.clients, err = c2s.New(c2s.Parts{Config: &cfg, Router: s.router, Pool: s.pool, Core: s.metrics, Obs: o, TLS: s.tls})
	}
	if err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	if !cfg.RateLimits {
		o.Log.Warn("RATE LIMITS ARE OFF: for measurement only, anybody can overload this server")
	}
	s.web = web.New(o)
	return s, nil
}

func (s *Server) openStore(ctx context.Context) error {
	url, err := s.cfg.Store.PostgresURL()
	if err != nil {
		return err
	}
	o := sqlstore.Options{WriterCacheKiB: s.cfg.Store.CacheKB, Postgres: url, Log: s.obs.Log, NoSearch: !s.cfg.Archive.Search}
	if s.cfg.Store.Synchronous == "off" {
		s.obs.Log.Warn("SYNCHRONOUS IS OFF: what is acknowledged can be lost in a power cut; this is for tests of the crash judges only")
		o.Sync = sqlstore.SyncOff
	}
	db, err := sqlstore.Open(ctx, s.cfg.Data, o)
	if err != nil {
		return err
	}
	s.obs.Log.Info("store", "database", db.About())
	for _, w := range db.Warnings() {
		s.obs.Log.Warn("store", "warning", w)
	}
	s.close, s.db, s.lost = db.Close, db.Set, db.Lost()
	storeMetrics(s.obs, db)
	fresh := make([]byte, 32)
	rand.Read(fresh)
	if s.saltSecret, err = s.db.Secrets.Ensure(ctx, "made-up-salts", fresh); err != nil {
		return errors.Join(err, db.Close())
	}
	if s.tokenKey, err = tokenKey(s.cfg.Data); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := s.openFiles(ctx); err != nil {
		return errors.Join(err, db.Close())
	}
	if s.outbound, err = outbound.New(s.cfg.Outbound, s.obs); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// openFiles opens what is kept of uploaded files. It belongs to whoever has the data folder.
func (s *Server) openFiles(ctx context.Context) error {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	var err error
	if s.fileKey, err = s.db.Secrets.Ensure(ctx, "file-addresses", fresh); err != nil {
		return err
	}
	if _, err = s.db.Files.Recover(ctx); err != nil {
		return err
	}
	if s.blobs, err = s.openBlobs(ctx); err != nil {
		return err
	}
	s.runners = append(s.runners, upload.NewRound(s.db.Files, s.blobs, s.obs))
	if f := s.cfg.Files; f.Scanner != "" {
		network, address, _ := f.ScannerAt()
		s.scanner = clamd.New(clamd.Options{Network: network, Address: address, Time: f.ScanTime.D(), Bytes: f.ScanBytes, AtOnce: f.ScansAtOnce})
	}
	return nil
}

// checkTime is how long a start waits for the storage of contents.
const checkTime = 10 * time.Second

// openBlobs opens what keeps the contents. A storage that is not there now keeps nobody from talking: uploads are refused until it is.
func (s *Server) openBlobs(ctx context.Context) (blob.Blobs, error) {
	f, folder := s.cfg.Files, filepath.Join(s.cfg.Data, blob.FolderName)
	if f.Endpoint == "" {
		return blob.OpenFolder(folder)
	}
	secret, err := f.Secret()
	if err != nil {
		return nil, err
	}
	b, err := blob.OpenS3(folder, blob.S3Options{Endpoint: f.Endpoint, Bucket: f.Bucket, Region: f.Region, Prefix: f.Prefix, Key: f.Key, Secret: secret})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if err := b.Check(ctx); err != nil {
		s.obs.Log.Warn("the storage of uploaded files cannot be used now", obs.Err, err)
	}
	return b, nil
}

// openPush makes what sends notifications, by the key that the store has.
func (s *Server) openPush(ctx context.Context) error {
	sender, err := webpush.OpenSender(ctx, s.db.Secrets, s.cfg.PushSubject())
	if err != nil {
		return fmt.Errorf("push.contact: %w", err)
	}
	s.push = push.NewRound(push.Parts{
		Push: s.db.Push, Pushed: s.db.Pushed, Chats: s.db.Chats, Nodes: s.db.Nodes, Sender: sender, Do: s.outbound.Do, Config: s.cfg.Push, Obs: s.obs,
		Sent: push.NewFigure(s.obs),
	})
	if s.cfg.Push.Devices > 0 {
		s.runners = append(s.runners, s.push)
	}
	return nil
}

// addHosts makes a host of every domain, installs the modules in order, and starts all hosts when all are there.
func (s *Server) addHosts(ctx context.Context) error {
	for _, d := range s.cfg.Domains {
		domain, err := jid.Parse(d)
		if err != nil {
			return err
		}
		h := core.NewHost(domain, core.Parts{
			Config: s.cfg, Obs: s.obs, Router: s.router, Pool: s.pool, Metrics: s.metrics,
			Accounts: s.db.Accounts, Holdings: s.db.Holdings, Sessions: s.db.Sessions,
		})
		s.hosts = append(s.hosts, h)
		mods, c := s.modules()
		s.commands = append(s.commands, c)
		for _, m := range mods {
			m.Install(h)
			if r, ok := m.(core.Runner); ok {
				s.runners = append(s.runners, r)
			}
			if p, ok := m.(core.Preparer); ok {
				if err := p.Prepare(ctx); err != nil {
					return fmt.Errorf("host %s: %s: %w", h.Domain, m.Name(), err)
				}
			}
		}
	}
	voided, err := s.db.Sessions.Begin(ctx)
	if err != nil {
		return err
	}
	s.begun = true
	if voided > 0 {
		s.obs.Log.Info("the server did not end in order: sessions from before are not resumed", "sessions", voided)
	}
	for _, h := range s.hosts {
		if err := h.Start(); err != nil {
			return fmt.Errorf("host %s: %w", h.Domain, err)
		}
	}
	return nil
}

// abandon closes what New has opened before it failed.
func (s *Server) abandon() error {
	for _, h := range s.hosts {
		h.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	var err error
	if s.begun && s.metrics.Sessions() == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Limits.Shutdown.D())
		defer cancel()
		err = s.seal(ctx) // nobody has come: all is as it was
	}
	if s.certs != nil {
		err = errors.Join(err, s.certs.Close())
	}
	return errors.Join(err, s.close())
}

// Invites are the one-time invites for the first administrator, by domain; empty when there are accounts already. Asking makes older ones worthless.
func (s *Server) Invites(ctx context.Context) (map[string]string, error) {
	out := make(map[string]string)
	for i, h := range s.hosts {
		token, err := s.commands[i].FirstInvite(ctx)
		if err != nil {
			return nil, err
		}
		if token != "" {
			out[h.Domain.Domain()] = token
		}
	}
	return out, nil
}

// Run opens the doors and serves until ctx ends, Shutdown is called or a door fails; then it shuts down in order and returns.
func (s *Server) Run(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	err := s.open()
	if err == nil {
		for _, r := range s.runners {
			s.serving.Go(func() { s.report(r.Run(ctx)) })
		}
		s.web.SetReady(true)
		close(s.Ready)
		s.obs.Log.Info("ready", "domains", s.cfg.Domains, "version", Version)
		select {
		case <-ctx.Done():
		case <-s.lost:
			err = errors.New("the database is lost, see the log: this process cannot keep anything any more")
		case err = <-s.failed:
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Limits.Shutdown.D())
	defer cancel()
	return errors.Join(err, s.Shutdown(end))
}

func (s *Server) report(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		select {
		case s.failed <- err:
		default: // one reason is enough to stop
		}
	}
}

// Shutdown ends the server in order: nothing acknowledged is lost, clients are told. The deadline of ctx is shared by its steps.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shut.Do(func() { s.shutErr = s.shutdown(ctx) })
	return s.shutErr
}

func (s *Server) shutdown(ctx context.Context) error {
	var errs []error
	step := func(name string, share time.Duration, f func(context.Context) error) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, share)
		defer cancel()
		err := f(ctx)
		s.obs.Log.Info("shutdown", "step", name, "took", time.Since(began), obs.Err, err)
		if err != nil {
			errs = append(errs, fmt.Errorf("shutdown: %s: %w", name, err))
		}
	}
	whole := s.cfg.Limits.Shutdown.D()
	step("close listeners", whole/10, func(context.Context) error {
		s.web.SetReady(false)
		return s.closeListeners()
	})
	step("stop reading", whole/10, func(context.Context) error {
		s.clients.StopReading()
		s.components.StopReading()
		return nil
	})
	step("settle", whole*3/10, func(ctx context.Context) error { return s.eachHost(ctx, (*core.Host).Drain) })
	step("end sessions", whole*2/10, func(ctx context.Context) error { return s.eachHost(ctx, (*core.Host).End) })
	// Each host only when all have ended theirs: what one ends is told to the sessions of another.
	step("keep sessions", whole*2/10, func(ctx context.Context) error { return s.eachHost(ctx, (*core.Host).Keep) })
	step("close connections", whole*2/10, func(ctx context.Context) error { return errors.Join(s.clients.Wait(ctx), s.components.Wait(ctx)) })
	step("stop work", whole/10, func(ctx context.Context) error {
		if s.stop != nil {
			s.stop()
		}
		err := errors.Join(s.web.Shutdown(ctx), s.certs.Close())
		if s.proxy65 != nil {
			err = errors.Join(err, s.proxy65.Shutdown(ctx))
		}
		s.serving.Wait()
		s.outbound.Close()
		for _, h := range s.hosts {
			h.Close()
		}
		s.pool.Close()
		return err
	})
	step("seal sessions", whole/10, s.seal)
	step("close store", whole, func(context.Context) error { return s.close() })
	return errors.Join(errs...)
}

// seal says that what is on disk of sessions is true. Where that is not known their clients log in anew after the start, and find in the archive
// what they missed.
func (s *Server) seal(ctx context.Context) error {
	for _, h := range s.hosts {
		if !h.Intact(ctx) {
			s.obs.Log.Warn("sessions are not resumed after the start", "host", h.Domain.String())
			return nil
		}
	}
	return s.db.Sessions.End().Wait(ctx)
}

func (s *Server) eachHost(ctx context.Context, f func(*core.Host, context.Context) error) error {
	var errs []error
	for _, h := range s.hosts {
		errs = append(errs, f(h, ctx))
	}
	return errors.Join(errs...)
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if err := os.Remove(s.cfg.SocketPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
