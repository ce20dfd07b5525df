package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
)

// noticeCmds tell people what those who run the server want them to know.
type noticeCmds struct {
	Announce noticeAnnounceCmd `cmd:"" help:"Tell everybody who is here now."`
	Show     noticeShowCmd     `cmd:"" help:"Show the message of the day, or the welcome."`
	Set      noticeSetCmd      `cmd:"" help:"Set it: everybody is shown the message of the day once, newcomers the welcome."`
	Remove   noticeRemoveCmd   `cmd:"" help:"Remove it."`
}

type noticeAnnounceCmd struct {
	Text string `arg:"" optional:"" help:"What is said; without it standard input."`
}

// Run is called by the command line.
func (n *noticeAnnounceCmd) Run(c *ctlCmd) error {
	text, err := orInput(n.Text)
	if err != nil {
		return err
	}
	return c.send("POST", "/announcements", map[string]string{"text": text})
}

type noticeShowCmd struct {
	Notice string `arg:"" enum:"motd,welcome" help:"motd or welcome."`
}

// Run is called by the command line.
func (n *noticeShowCmd) Run(c *ctlCmd) error {
	var is struct{ Text, At string }
	if err := c.call("GET", "/notices/"+n.Notice, nil, &is); err != nil {
		return err
	}
	if is.Text == "" {
		return errors.New("there is none")
	}
	fmt.Printf("%s\n\nset %s\n", is.Text, is.At)
	return nil
}

type noticeSetCmd struct {
	Notice string `arg:"" enum:"motd,welcome" help:"motd or welcome."`
	Text   string `arg:"" optional:"" help:"What it says; without it standard input."`
	Edit   bool   `help:"Only correct it: who has seen it is not shown it again."`
}

// Run is called by the command line.
func (n *noticeSetCmd) Run(c *ctlCmd) error {
	text, err := orInput(n.Text)
	if err != nil {
		return err
	}
	return c.send("PUT", "/notices/"+n.Notice, map[string]any{"text": text, "edit": n.Edit})
}

type noticeRemoveCmd struct {
	Notice string `arg:"" enum:"motd,welcome" help:"motd or welcome."`
}

// Run is called by the command line.
func (n *noticeRemoveCmd) Run(c *ctlCmd) error {
	return c.send("DELETE", "/notices/"+n.Notice, nil)
}

// orInput is a text, or what standard input has.
func orInput(text string) (string, error) {
	if text != "" {
		return text, nil
	}
	b, err := io.ReadAll(io.LimitReader(os.Stdin, 64<<10))
	return string(b), err
}

type userContactsCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userContactsCmd) Run(c *ctlCmd) error {
	var list []struct {
		JID, Name, Subscription string
		Groups                  []string
	}
	if err := c.call("GET", "/users/"+url.PathEscape(u.Name)+"/contacts", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tSUBSCRIPTION\tNAME\tGROUPS")
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.JID, x.Subscription, cmp.Or(x.Name, "-"), strings.Join(x.Groups, ", "))
	}
	return w.Flush()
}
