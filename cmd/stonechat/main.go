// Stonechat is self-hosted instant messaging: one program that serves XMPP, is administered by itself, and brings a terminal client.
package main

import (
	"os"

	"github.com/alecthomas/kong"

	"stonechat/server"
)

// commands are the subcommands, one file each.
type commands struct {
	Serve   serveCmd         `cmd:"" help:"Run the server."`
	Ctl     ctlCmd           `cmd:"" help:"Administer a running server through its control socket."`
	Chat    chatCmd          `cmd:"" help:"Talk in the terminal."`
	Backup  backupCmd        `cmd:"" help:"Write everything into one file while the server runs, or verify such a file."`
	Restore restoreCmd       `cmd:"" help:"Make a data folder of a backup."`
	Migrate migrateCmd       `cmd:"" help:"Copy a stopped server's embedded database into PostgreSQL."`
	Version kong.VersionFlag `help:"Show the version."`
}

func main() {
	var c commands
	k := kong.Parse(&c, kong.Name("stonechat"), kong.Description("Self-hosted instant messaging on XMPP."),
		kong.UsageOnError(), kong.Vars{"version": server.Version})
	if err := k.Run(); err != nil {
		k.Errorf("%s", err)
		os.Exit(1)
	}
}
