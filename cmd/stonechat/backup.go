package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"stonechat/server"
	"stonechat/store/backup"
	"stonechat/store/dump"
	"stonechat/store/sqlstore"
)

// backupCmd writes everything into one file while the server runs, or looks at such a file.
type backupCmd struct {
	place
	File        string `arg:"" type:"path" help:"The backup."`
	Verify      bool   `help:"Read the backup and compare it with what it promises, instead of writing one."`
	Replace     bool   `help:"Replace an older backup of this name when the new one is whole."`
	IgnoreSpace bool   `help:"Begin also where the data would not fit without compression."`
}

// Help is shown below the flags.
func (*backupCmd) Help() string {
	return `Everything that was acknowledged before the command began is in the backup, whether the server runs or not: accounts, messages,
secrets, and the files of the data folder, such as certificates. Files outside of it, such as a certificate that the configuration names, are not.
Whoever can read the backup can read all messages and stand in for the server: keep it accordingly.`
}

// Run is called by the command line.
func (b *backupCmd) Run() error {
	if b.Verify {
		r, err := backup.Verify(b.File)
		if err != nil {
			return err
		}
		fmt.Printf("%s is whole.\n", b.File)
		return showReport(&r)
	}
	folder, url, err := b.find()
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	r, err := backup.Write(ctx, b.File, backup.Options{
		Folder: folder, Store: sqlstore.Options{Postgres: url}, Program: server.Version, Replace: b.Replace, NoSpace: b.IgnoreSpace, Progress: showProgress(),
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s holds everything up to %s.\n", b.File, r.Head.Made.Format(time.RFC3339))
	return showReport(&r)
}

// showReport prints what a backup holds.
func showReport(r *dump.Report) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tHASH")
	empty := 0
	for _, t := range r.Head.Tables {
		sum := r.Manifest.Tables[t.Name]
		if sum.Rows == 0 {
			empty++
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%.16s\n", t.Name, sum.Rows, sum.Hash)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d tables are empty. %d files, schema %d, made by %s, %s.\n", empty, len(r.Manifest.Files), r.Head.Schema, r.Head.Program, megabytes(r.Bytes))
	return nil
}

// restoreCmd makes a data folder of a backup.
type restoreCmd struct {
	place
	destination
	File string `arg:"" type:"existingfile" help:"The backup."`
}

// Help is shown below the flags.
func (*restoreCmd) Help() string {
	return `The data folder must not exist, or be empty. It appears when everything in it is proved and durable. The data goes into the embedded
database, or into the empty PostgreSQL database that --to, --to-file, STONECHAT_POSTGRES or the configuration names, whichever kind it came from.

What was ended, changed or used since the backup is as it was then. Sessions that could be resumed and links that set a password are void.`
}

// Run is called by the command line.
func (r *restoreCmd) Run() error {
	folder, url, err := r.find()
	if err != nil {
		return err
	}
	if r.Data == "" && r.Config == "" {
		return errors.New("where to? --data FOLDER, or --config FILE")
	}
	if url, err = r.choose(url); err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	report, err := backup.Restore(ctx, r.File, folder, sqlstore.Options{Postgres: url}, showProgress())
	if err != nil {
		return err
	}
	fmt.Printf("%s holds everything again, as of %s. Accounts, passwords, devices and invites that were ended, changed or used since are as they were\n"+
		"then: look at \"ctl invite list\" and \"ctl device list\". Links that set a password and sessions that could be resumed are void.\n",
		folder, report.Head.Made.Local().Format(time.RFC1123))
	return showReport(&report)
}
