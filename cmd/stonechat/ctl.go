package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// ctlCmd talks to a running server.
type ctlCmd struct {
	Data   string `type:"path" default:"stonechat-data" placeholder:"DIR" help:"The server's data folder."`
	Domain string `placeholder:"DOMAIN" help:"Which domain, where several are served."`

	User struct {
		Add      userAddCmd      `cmd:"" help:"Add an account; asks for its password, or reads one line of standard input."`
		List     userListCmd     `cmd:"" help:"List accounts."`
		Import   userImportCmd   `cmd:"" help:"Import accounts: JSON lines, or a file of XEP-0227; - is standard input."`
		Export   userExportCmd   `cmd:"" help:"Write accounts with all that they keep as a file of XEP-0227."`
		Password userPasswordCmd `cmd:"" help:"Set a password."`
		Role     userRoleCmd     `cmd:"" help:"Set a role."`
		Disable  userDisableCmd  `cmd:"" help:"Forbid log-in and end all sessions."`
		Enable   userEnableCmd   `cmd:"" help:"Allow log-in again."`
		Reset    userResetCmd    `cmd:"" help:"Print a link by which the account's owner sets a new password, once."`
		Delete   userDeleteCmd   `cmd:"" help:"End an account: it is gone for everybody at once, and erased after some days."`
		Restore  userRestoreCmd  `cmd:"" help:"Bring back an account that has ended and is not erased yet."`
		Pending  userPendingCmd  `cmd:"" help:"List who waits for approval."`
		Approve  userApproveCmd  `cmd:"" help:"Let somebody in who waits."`
		Reject   userRejectCmd   `cmd:"" help:"Refuse somebody who waits."`
		Files    userFilesCmd    `cmd:"" help:"Show how much an account has uploaded; list its files, or remove one."`
		LastSeen userLastSeenCmd `cmd:"" name:"lastseen" help:"Say or set who may know when an account was there last."`
		Contacts userContactsCmd `cmd:"" help:"List the contacts of an account."`
	} `cmd:"" help:"Accounts."`
	Session struct {
		List  sessionListCmd  `cmd:"" help:"List sessions."`
		Close sessionCloseCmd `cmd:"" help:"End one session, or all of an account."`
	} `cmd:"" help:"Sessions."`
	Certificate certificateCmd `cmd:"" help:"Certificates."`

	Trace  traceCmd `cmd:"" help:"Show the way of an account's next stanzas through the server, without their contents."`
	Report struct {
		List  reportListCmd  `cmd:"" help:"List reports of abuse, newest first."`
		Show  reportShowCmd  `cmd:"" help:"Show one, with the messages that came with it."`
		Close reportCloseCmd `cmd:"" help:"Say that a report is dealt with."`
	} `cmd:"" help:"Reports of abuse."`
	Notice noticeCmds `cmd:"" help:"Announcements, the message of the day, the welcome."`
	Invite inviteCmds `cmd:"" help:"Invites."`
	Circle circleCmds `cmd:"" help:"Circles: people who are contacts of each other."`
	Search searchCmds `cmd:"" help:"The search of archives by words."`
	Push   pushCmds   `cmd:"" help:"Notifications to devices that are not connected."`
	Hooks  hooksCmd   `cmd:"" help:"Show the order of hooks."`
	Join   joinCmd    `cmd:"" help:"Use the invite that the server printed: make the first administrator."`
	Device struct {
		List   deviceListCmd   `cmd:"" help:"List the devices of an account."`
		Revoke deviceRevokeCmd `cmd:"" help:"Forget devices with their tokens and end their sessions."`
	} `cmd:"" help:"Devices that log in."`
}

// call sends one request to the control socket and decodes the answer.
func (c *ctlCmd) call(method, path string, body io.Reader, into any) error {
	resp, err := c.ask(method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// client reaches the server by its socket.
func (c *ctlCmd) client() http.Client {
	socket := filepath.Join(c.Data, "ctl.sock")
	return http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
}

// find finds out which domain is meant.
func (c *ctlCmd) find() error {
	if c.Domain != "" {
		return nil
	}
	client := c.client()
	return c.onlyDomain(&client)
}

// ask sends one request and returns the answer, unless it is a refusal.
func (c *ctlCmd) ask(method, path string, body io.Reader) (*http.Response, error) {
	client := c.client()
	if err := c.find(); err != nil {
		return nil, err
	}
	r, err := http.NewRequest(method, "http://ctl/"+c.Domain+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("no server answers on %s (is it running on this data folder?): %w", filepath.Join(c.Data, "ctl.sock"), err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var f struct{ Condition, Text string }
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil {
		return nil, errors.New(resp.Status)
	}
	return nil, errors.New(strings.TrimSuffix(f.Condition+": "+f.Text, ": "))
}

// onlyDomain asks the server which domain it serves first.
func (c *ctlCmd) onlyDomain(client *http.Client) error {
	resp, err := client.Get("http://ctl/")
	if err != nil {
		return fmt.Errorf("no server answers in %s (is it running on this data folder?): %w", c.Data, err)
	}
	defer resp.Body.Close()
	var domains []string
	if err := json.NewDecoder(resp.Body).Decode(&domains); err != nil || len(domains) == 0 {
		return errors.New("the server does not say which domains it serves")
	}
	c.Domain = domains[0]
	return nil
}

func (c *ctlCmd) send(method, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var ignored any
	return c.call(method, path, bytes.NewReader(b), &ignored)
}

// readPassword asks twice without echo, or takes one line of standard input where that is no terminal.
func readPassword() (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && (err != io.EOF || line == "") {
			return "", fmt.Errorf("no password on standard input: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(os.Stderr, prompt)
		b, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(os.Stderr)
		return string(b), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask("Again: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ")
	}
	return first, err
}

type userAddCmd struct {
	Name string `arg:""`
	Role string `default:"member" help:"owner, admin, moderator, member, guest or bot."`
}

// Run is called by the command line.
func (u *userAddCmd) Run(c *ctlCmd) error {
	password, err := readPassword()
	if err != nil {
		return err
	}
	if err := c.send("POST", "/users", map[string]string{"name": u.Name, "password": password, "role": u.Role}); err != nil {
		return err
	}
	fmt.Printf("%s@%s was added.\n", u.Name, c.Domain)
	return nil
}

type joinCmd struct {
	Token string `arg:""`
	Name  string `arg:""`
}

// Run is called by the command line.
func (j *joinCmd) Run(c *ctlCmd) error {
	password, err := readPassword()
	if err != nil {
		return err
	}
	if err := c.send("POST", "/join", map[string]string{"token": j.Token, "name": j.Name, "password": password}); err != nil {
		return err
	}
	fmt.Printf("%s@%s is the owner of this server.\n", j.Name, c.Domain)
	return nil
}

type userListCmd struct{}

// Run is called by the command line.
func (*userListCmd) Run(c *ctlCmd) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tROLE\tCREATED\t")
	for after := ""; ; {
		var page []struct {
			Address, Role, Created     string
			Disabled, Waiting, Leaving bool
		}
		if err := c.call("GET", "/users?after="+url.QueryEscape(after), nil, &page); err != nil {
			return err
		}
		if len(page) == 0 {
			return w.Flush()
		}
		for _, u := range page {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Address, u.Role, u.Created, stateOf(u.Disabled, u.Waiting, u.Leaving))
		}
		after, _, _ = strings.Cut(page[len(page)-1].Address, "@")
	}
}

// stateOf is what is special about an account.
func stateOf(disabled, waiting, leaving bool) string {
	switch {
	case waiting:
		return "waits for approval"
	case leaving:
		return "leaving"
	case disabled:
		return "disabled"
	}
	return ""
}

type userPasswordCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userPasswordCmd) Run(c *ctlCmd) error {
	password, err := readPassword()
	if err != nil {
		return err
	}
	return c.send("PUT", "/users/"+url.PathEscape(u.Name)+"/password", map[string]string{"password": password})
}

type userRoleCmd struct {
	Name string `arg:""`
	Role string `arg:"" help:"owner, admin, moderator, member, guest or bot."`
}

// Run is called by the command line.
func (u *userRoleCmd) Run(c *ctlCmd) error {
	return c.send("PUT", "/users/"+url.PathEscape(u.Name)+"/role", map[string]string{"role": u.Role})
}

type userDisableCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userDisableCmd) Run(c *ctlCmd) error {
	return c.send("PUT", "/users/"+url.PathEscape(u.Name)+"/disabled", map[string]bool{"disabled": true})
}

type userLastSeenCmd struct {
	Name  string `arg:""`
	Shown string `arg:"" optional:"" help:"contacts or nobody."`
}

// Run is called by the command line.
func (u *userLastSeenCmd) Run(c *ctlCmd) error {
	path := "/users/" + url.PathEscape(u.Name) + "/last-seen"
	if u.Shown != "" {
		return c.send("PUT", path, map[string]string{"shown": u.Shown})
	}
	var is struct{ Shown string }
	if err := c.call("GET", path, nil, &is); err != nil {
		return err
	}
	fmt.Println(is.Shown)
	return nil
}

type userEnableCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userEnableCmd) Run(c *ctlCmd) error {
	return c.send("PUT", "/users/"+url.PathEscape(u.Name)+"/disabled", map[string]bool{"disabled": false})
}

type sessionListCmd struct {
	Of string `arg:"" optional:"" help:"Name or address of an account; all without it."`
}

// Run is called by the command line.
func (s *sessionListCmd) Run(c *ctlCmd) error {
	var list []struct{ Address, From, Since, State string }
	if err := c.call("GET", "/sessions?of="+url.QueryEscape(s.Of), nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tFROM\tSINCE\tSTATE")
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Address, x.From, x.Since, x.State)
	}
	return w.Flush()
}

type sessionCloseCmd struct {
	Address string `arg:"" help:"Full address for one session, bare address or name for all of an account."`
}

// Run is called by the command line.
func (s *sessionCloseCmd) Run(c *ctlCmd) error {
	return c.send("DELETE", "/sessions/"+url.PathEscape(s.Address), nil)
}

type hooksCmd struct{}

// Run is called by the command line.
func (*hooksCmd) Run(c *ctlCmd) error {
	var list []string
	if err := c.call("GET", "/hooks", nil, &list); err != nil {
		return err
	}
	for _, h := range list {
		fmt.Println(h)
	}
	return nil
}
