package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/BurntSushi/toml"

	"stonechat/tui"
	"stonechat/xmpp/jid"
)

// chatCmd talks: with a person at the terminal, or for a script. Flags win over the environment, the environment over the file.
type chatCmd struct {
	Account string `arg:"" optional:"" help:"Your address, like alice@example.org."`
	Text    string `arg:"" optional:"" help:"With --send: the text, or - for standard input. It may stand alone where your address is known otherwise."`

	As           string        `placeholder:"ADDRESS" help:"Your address, where the account argument is taken by a text. Also STONECHAT_JID, or jid in the configuration file."`
	Server       string        `name:"server" aliases:"address" placeholder:"HOST[:PORT]" help:"Where the server is, if not at the domain (direct TLS 5223, then STARTTLS 5222); also wss://HOST/ws."`
	Local        bool          `help:"A server on this machine: loopback only, whatever its certificate."`
	Certificate  string        `type:"existingfile" placeholder:"FILE" help:"Trust this certificate, or this authority, instead of the system's (PEM)."`
	PasswordFile string        `type:"existingfile" placeholder:"FILE" help:"The password is the first line of this file. Also STONECHAT_PASSWORD; asked for otherwise."`
	Remember     bool          `help:"Stay logged in on this machine: keep a token instead of asking for the password. Also remember in the configuration file."`
	Config       string        `type:"path" placeholder:"FILE" help:"TOML file with jid, server, certificate, password_file, local, remember; usually stonechat/chat.toml in your configuration folder."`
	Timeout      time.Duration `default:"30s" help:"For log-in, --send and --history."`

	Invite  string `placeholder:"LINK" xor:"mode" help:"Use an invite, a link or a code: make an account and talk."`
	Reset   string `placeholder:"LINK" xor:"mode" help:"Use a link for a new password, and talk."`
	Send    string `placeholder:"ADDRESS" xor:"mode" help:"Send one message and leave: exit status 0 when the server has acknowledged it, 1 otherwise."`
	Listen  bool   `xor:"mode" help:"Print incoming messages as JSON lines until interrupted."`
	Count   int    `placeholder:"N" help:"With --listen: leave after so many messages."`
	History string `placeholder:"ADDRESS" xor:"mode" help:"Print what the archive has of a conversation, oldest first, and leave."`
	Max     int    `default:"20" placeholder:"N" help:"With --history: the newest so many (${default})."`
	JSON    bool   `name:"json" help:"With --history: JSON lines instead of text."`
}

// chatFile is the configuration file of chat.
type chatFile struct {
	JID          string `toml:"jid"`
	Server       string `toml:"server"`
	Certificate  string `toml:"certificate"`
	PasswordFile string `toml:"password_file"`
	Local        bool   `toml:"local"`
	Remember     bool   `toml:"remember"`
}

// Help is shown below the flags.
func (*chatCmd) Help() string {
	return `In a conversation /help shows what can be done. For scripts:

    stonechat chat --as bot@example.org --send bob@example.org "text"
    make report | stonechat chat --as bot@example.org --send bob@example.org -
    stonechat chat --as bot@example.org --listen --count 1
    stonechat chat --as bot@example.org --history bob@example.org --max 20 --json

The exit status is 0 when everything was done: for --send, when the server has acknowledged the message; for --listen, also when interrupted.
It is 1 when something failed, with the reason on standard error, and 80 for a command line that cannot be read.`
}

// Run is called by the command line.
func (c *chatCmd) Run() error {
	account, text, err := c.arguments()
	if err != nil {
		return err
	}
	who := c.account
	if c.Invite != "" || c.Reset != "" {
		who = c.newcomer
	}
	// Questions are asked before signals are caught: an interrupt ends them.
	a, err := who(account)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	bounded, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	switch {
	case c.Send != "":
		to, err := jid.Parse(c.Send)
		if err != nil {
			return fmt.Errorf("--send: %w", err)
		}
		return tui.Send(bounded, a, to, text)
	case c.History != "":
		with, err := jid.Parse(c.History)
		if err != nil {
			return fmt.Errorf("--history: %w", err)
		}
		return tui.History(bounded, a, with, c.Max, os.Stdout, c.JSON)
	case c.Listen:
		return tui.Listen(ctx, a, os.Stdout, c.Count, c.Timeout)
	}
	return c.talk(ctx, a)
}

// talk is for a person.
func (c *chatCmd) talk(ctx context.Context, a tui.Account) error {
	t, restore, err := tui.Open(os.Stdin, os.Stdout)
	if err != nil {
		return err
	}
	return errors.Join(tui.Chat(ctx, a, t), restore())
}

// arguments sorts out which argument is the account and which the text.
func (c *chatCmd) arguments() (account, text string, err error) {
	switch {
	case c.Max < 1 || c.Max > tui.MaxHistory:
		return "", "", fmt.Errorf("--max is from 1 to %d", tui.MaxHistory)
	case c.Count < 0 || c.Count > 0 && !c.Listen:
		return "", "", errors.New("--count N goes with --listen")
	}
	account, text = c.Account, c.Text
	if c.Send != "" && text == "" {
		// One argument alone is the text.
		account, text = "", account
	}
	switch {
	case c.Send == "" && text != "":
		return "", "", errors.New("a text goes with --send ADDRESS")
	case c.Send != "" && text == "":
		return "", "", errors.New(`--send needs a text, or - for standard input: stonechat chat --send ADDRESS "text"`)
	case c.As != "" && account != "":
		return "", "", errors.New("your address is given twice (a text of several words stands in quotes)")
	case c.As != "":
		account = c.As
	}
	text, err = textOf(text)
	return account, text, err
}

// textOf reads standard input where the argument says so.
func textOf(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	b, err := io.ReadAll(io.LimitReader(os.Stdin, tui.MaxText+2))
	return strings.TrimRight(string(b), "\r\n"), err
}

// first returns the first value that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// account joins flags, environment and file.
func (c *chatCmd) account(account string) (tui.Account, error) {
	file, err := c.file()
	if err != nil {
		return tui.Account{}, err
	}
	address := first(account, os.Getenv("STONECHAT_JID"), file.JID)
	if address == "" {
		return tui.Account{}, errors.New("whose account? stonechat chat alice@example.org, --as, STONECHAT_JID, or jid in the configuration file")
	}
	a, err := c.place(file)
	if err != nil {
		return a, err
	}
	if a.JID, err = jid.Parse(address); err != nil {
		return a, fmt.Errorf("your address: %w", err)
	}
	if a.JID.Local() == "" {
		return a, errors.New("your address lacks the name before the @")
	}
	if c.Remember || file.Remember {
		path, err := statePath()
		if err != nil {
			return a, err
		}
		state, err := readState(path)
		if err != nil {
			return a, err
		}
		a.Remember = state.remembered(a.JID)
	}
	if a.Password, err = c.givenPassword(file); err == nil && a.Password == "" && !a.Remember.CanReturn() {
		a.Password, err = tui.AskPassword(os.Stdin, os.Stderr, "Password of "+tui.Escape(a.JID.Bare().String())+": ")
	}
	return a, err
}

// place is where the server is and how it is known, without the account.
func (c *chatCmd) place(file chatFile) (tui.Account, error) {
	a := tui.Account{Server: first(c.Server, file.Server), Local: c.Local || file.Local}
	path := first(c.Certificate, file.Certificate)
	if path == "" {
		return a, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	if a.Pinned, err = tui.Certificates(b); err != nil {
		return a, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// givenPassword is the one that need not be asked for, or "". The nearer wins: a flag over the environment, the environment over the file.
func (c *chatCmd) givenPassword(file chatFile) (string, error) {
	passwordFile, password := c.PasswordFile, os.Getenv("STONECHAT_PASSWORD")
	if password == "" {
		passwordFile = first(passwordFile, file.PasswordFile)
	}
	if passwordFile != "" {
		return passwordOf(passwordFile)
	}
	return password, nil
}

// file reads the configuration file. One that was not asked for need not exist.
func (c *chatCmd) file() (chatFile, error) {
	var f chatFile
	path := c.Config
	if path == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return f, nil
		}
		path = filepath.Join(dir, "stonechat", "chat.toml")
	}
	meta, err := toml.DecodeFile(path, &f)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Config == "":
		return f, nil
	case err != nil:
		return f, fmt.Errorf("configuration: %w", err)
	case len(meta.Undecoded()) > 0:
		return f, fmt.Errorf("configuration: %s: no option is called %s", path, meta.Undecoded()[0])
	}
	for _, p := range []*string{&f.Certificate, &f.PasswordFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	return f, nil
}

// passwordOf reads the first line of a file, and says so when others can read it, too.
func passwordOf(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(os.Stderr, "stonechat: warning: others can read %s\n", path)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	password := strings.TrimSuffix(string(line), "\r")
	if password == "" {
		return "", fmt.Errorf("%s: the first line is empty", path)
	}
	return password, nil
}
