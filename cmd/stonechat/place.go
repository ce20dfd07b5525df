package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"stonechat/config"
	"stonechat/store/sqlstore"
)

// postgresEnv wins over the configuration: orchestrators hand secrets over in the environment.
const postgresEnv = "STONECHAT_POSTGRES"

// fromEnvironment puts into the configuration what the environment says.
func fromEnvironment(c *config.Config) {
	if url := os.Getenv(postgresEnv); url != "" {
		c.Store.Postgres, c.Store.PostgresFile = url, ""
	}
}

// place says where a server's data is, for commands that work beside it.
type place struct {
	Config string `type:"existingfile" placeholder:"FILE" help:"The server's configuration, which says where its data is."`
	Data   string `type:"path" placeholder:"DIR" help:"The server's data folder; stonechat-data where no configuration is named."`
}

// find returns the data folder and the URL of the database, which is empty for the embedded one.
func (p *place) find() (folder, url string, err error) {
	c := config.Default()
	if p.Config != "" {
		if c, err = config.Load(p.Config); err != nil {
			return "", "", err
		}
	}
	if p.Data != "" {
		c.Data = p.Data
	}
	fromEnvironment(&c)
	url, err = c.Store.PostgresURL()
	return c.Data, url, err
}

// destination names a PostgreSQL database to copy into.
type destination struct {
	To     string `placeholder:"URL" help:"Empty PostgreSQL database, postgres://…; a password in it can be seen in the list of processes."`
	ToFile string `type:"existingfile" placeholder:"FILE" help:"The URL is the first line of this file."`
}

// choose returns the database that is named here, or otherwise.
func (d *destination) choose(otherwise string) (string, error) {
	if d.To != "" && d.ToFile != "" {
		return "", errors.New("--to and --to-file say the same: name one")
	}
	url := d.To
	if d.ToFile != "" {
		c := config.Store{PostgresFile: d.ToFile}
		var err error
		if url, err = c.PostgresURL(); err != nil {
			return "", errors.New(strings.TrimPrefix(err.Error(), "store.postgres_file: "))
		}
	}
	if url == "" {
		url = otherwise
	}
	if url == "" {
		return "", nil
	}
	return url, sqlstore.PostgresURL(url)
}

// progressEvery is how often people are told how far it is.
const progressEvery = time.Second

// showProgress returns what tells people on standard error how far it is.
func showProgress() func(table string, rows int64) {
	next := time.Now().Add(progressEvery)
	return func(table string, rows int64) {
		if time.Now().After(next) {
			fmt.Fprintf(os.Stderr, "%s: %d rows\n", table, rows)
			next = time.Now().Add(progressEvery)
		}
	}
}

// untilInterrupted ends when somebody wants the command to stop.
func untilInterrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// megabytes is a size for people.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
