package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// inviteCmds are the commands of ctl invite.
type inviteCmds struct {
	New    inviteNewCmd    `cmd:"" help:"Make an invite and print its link, once."`
	List   inviteListCmd   `cmd:"" help:"List invites."`
	Revoke inviteRevokeCmd `cmd:"" help:"End an invite."`
}

// exchange sends a body, if there is one, and decodes the answer.
func (c *ctlCmd) exchange(method, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.call(method, path, bytes.NewReader(b), into)
}

// link is an invite as it is told once.
type link struct {
	ID, URI, Code, Landing string
	Expires                time.Time
}

func (l *link) print() {
	fmt.Printf("%s\n", l.URI)
	if l.Landing != "" {
		fmt.Printf("page:  %s\n", l.Landing)
	}
	fmt.Printf("code:  %s\nuntil: %s\n", l.Code, l.Expires.Local().Format(time.DateTime))
}

type inviteNewCmd struct {
	As      string        `placeholder:"NAME" help:"As this account makes it: the guest becomes its contact, with no higher role."`
	Name    string        `placeholder:"NAME" help:"Name that the new account gets; it is reserved until then."`
	Role    string        `default:"member" help:"Role of the new account: member, moderator, admin or owner."`
	Uses    int           `default:"1" placeholder:"N" help:"How many people it lets in (${default})."`
	Expires time.Duration `placeholder:"TIME" help:"How long it is good for, such as 48h; invites.expires without it."`
	Circle  []string      `placeholder:"NAME" help:"Circle that the new account joins; may be repeated."`
	Label   string        `placeholder:"TEXT" help:"Note for yourself."`
}

// Run is called by the command line.
func (i *inviteNewCmd) Run(c *ctlCmd) error {
	var l link
	err := c.exchange("POST", "/invites", map[string]any{
		"as": i.As, "name": i.Name, "role": i.Role, "uses": i.Uses, "seconds": int64(i.Expires.Seconds()), "circles": i.Circle, "label": i.Label,
	}, &l)
	if err != nil {
		return err
	}
	l.print()
	return nil
}

type inviteListCmd struct {
	Of string `arg:"" optional:"" help:"Name of an account; all without it."`
}

// Run is called by the command line.
func (i *inviteListCmd) Run(c *ctlCmd) error {
	var list []struct {
		ID, Maker, Kind, Role, Name, Label string
		Circles                            []string
		Uses, Used                         int
		Expires                            time.Time
	}
	if err := c.call("GET", "/invites?of="+url.QueryEscape(i.Of), nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tBY\tFOR\tROLE\tNAME\tUSED\tUNTIL\tCIRCLES\tLABEL")
	for _, v := range list {
		until := v.Expires.Local().Format(time.DateTime)
		if v.Expires.Before(time.Now()) {
			until = "expired"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d/%d\t%s\t%s\t%q\n", v.ID, v.Maker, v.Kind, v.Role, v.Name, v.Used, v.Uses, until, strings.Join(v.Circles, ","), v.Label)
	}
	return w.Flush()
}

type inviteRevokeCmd struct {
	ID string `arg:""`
}

// Run is called by the command line.
func (i *inviteRevokeCmd) Run(c *ctlCmd) error {
	return c.send("DELETE", "/invites/"+url.PathEscape(i.ID), nil)
}

type userPendingCmd struct{}

// Run is called by the command line.
func (*userPendingCmd) Run(c *ctlCmd) error {
	var list []struct {
		Address string
		Since   time.Time
	}
	if err := c.call("GET", "/waiting", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tSINCE")
	for _, u := range list {
		fmt.Fprintf(w, "%s\t%s\n", u.Address, u.Since.Local().Format(time.DateTime))
	}
	return w.Flush()
}

type userApproveCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userApproveCmd) Run(c *ctlCmd) error {
	return c.send("POST", "/waiting/"+url.PathEscape(u.Name), nil)
}

type userRejectCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userRejectCmd) Run(c *ctlCmd) error {
	return c.send("DELETE", "/waiting/"+url.PathEscape(u.Name), nil)
}

type userResetCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userResetCmd) Run(c *ctlCmd) error {
	var l link
	if err := c.exchange("POST", "/users/"+url.PathEscape(u.Name)+"/reset", nil, &l); err != nil {
		return err
	}
	l.print()
	return nil
}

type userDeleteCmd struct {
	Name string `arg:""`
	Now  bool   `help:"Erase at once what is kept of it; without this after accounts.grace, until when ctl user restore brings it back."`
}

// Run is called by the command line.
func (u *userDeleteCmd) Run(c *ctlCmd) error {
	path := "/users/" + url.PathEscape(u.Name)
	if u.Now {
		path += "?now=1"
	}
	return c.send("DELETE", path, nil)
}

type userRestoreCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (u *userRestoreCmd) Run(c *ctlCmd) error {
	return c.send("POST", "/users/"+url.PathEscape(u.Name)+"/restore", nil)
}

// circleCmds are the commands of ctl circle.
type circleCmds struct {
	Add     circleAddCmd     `cmd:"" help:"Make a circle, or add members to one: everybody in it becomes everybody's contact."`
	Remove  circleRemoveCmd  `cmd:"" help:"Take members out of a circle, or end it."`
	List    circleListCmd    `cmd:"" help:"List circles."`
	Members circleMembersCmd `cmd:"" help:"List the members of a circle."`
}

func circlePath(circle string) string { return "/circles/" + url.PathEscape(circle) }

type circleAddCmd struct {
	Circle  string   `arg:""`
	Members []string `arg:"" optional:""`
}

// Run is called by the command line.
func (a *circleAddCmd) Run(c *ctlCmd) error {
	if err := c.send("PUT", circlePath(a.Circle), nil); err != nil {
		return err
	}
	for _, name := range a.Members {
		if err := c.send("PUT", circlePath(a.Circle)+"/"+url.PathEscape(name), nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

type circleRemoveCmd struct {
	Circle  string   `arg:""`
	Members []string `arg:"" optional:"" help:"Without any the circle itself ends."`
}

// Run is called by the command line.
func (r *circleRemoveCmd) Run(c *ctlCmd) error {
	if len(r.Members) == 0 {
		return c.send("DELETE", circlePath(r.Circle), nil)
	}
	for _, name := range r.Members {
		if err := c.send("DELETE", circlePath(r.Circle)+"/"+url.PathEscape(name), nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

type circleListCmd struct{}

// Run is called by the command line.
func (*circleListCmd) Run(c *ctlCmd) error {
	var list []struct {
		Name    string
		Members int
	}
	if err := c.call("GET", "/circles", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "MEMBERS\tCIRCLE")
	for _, x := range list {
		fmt.Fprintf(w, "%d\t%s\n", x.Members, x.Name)
	}
	return w.Flush()
}

type circleMembersCmd struct {
	Circle string `arg:""`
}

// Run is called by the command line.
func (m *circleMembersCmd) Run(c *ctlCmd) error {
	var list []string
	if err := c.call("GET", circlePath(m.Circle), nil, &list); err != nil {
		return err
	}
	for _, address := range list {
		fmt.Println(address)
	}
	return nil
}
