package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"stonechat/store/backup"
	"stonechat/store/sqlstore"
)

// migrateCmd copies an embedded database into PostgreSQL.
type migrateCmd struct {
	place
	destination
}

// Help is shown below the flags.
func (*migrateCmd) Help() string {
	return `The server must be stopped, and the database empty. Every table is compared when it has arrived. The database gets everything or
nothing, so an interrupted run is simply started again. The embedded database is renamed to stonechat.db.migrated. Where neither --to nor --to-file is given, STONECHAT_POSTGRES
or the configuration names the database.`
}

// Run is called by the command line.
func (m *migrateCmd) Run() error {
	folder, url, err := m.find()
	if err != nil {
		return err
	}
	if url, err = m.choose(url); err != nil {
		return err
	}
	if url == "" {
		return errors.New("where to? --to postgres://…, --to-file FILE, " + postgresEnv + ", or store.postgres of --config FILE")
	}
	ctx, stop := untilInterrupted()
	defer stop()
	tables, stays, err := backup.Migrate(ctx, folder, sqlstore.Options{Postgres: url}, showProgress())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tHASH ON BOTH SIDES")
	for _, t := range tables {
		fmt.Fprintf(w, "%s\t%d\t%.16s\n", t.Table, t.Rows, t.Hash)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nEverything was copied. Set store.postgres (or store.postgres_file, or %s) and start the server on the same data folder.\n", postgresEnv)
	if len(stays) > 0 {
		fmt.Printf("These files stay in %s, where the server looks for them: %s\n", folder, strings.Join(stays, ", "))
	}
	fmt.Println("The embedded database is called stonechat.db.migrated now, and is not used any more. What is written to PostgreSQL from now on is not in it.")
	return nil
}
