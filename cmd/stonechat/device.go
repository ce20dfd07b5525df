package main

import (
	"fmt"
	"net/url"
	"os"
	"text/tabwriter"
)

type deviceListCmd struct {
	Name string `arg:"" help:"Name of the account."`
}

// Run is called by the command line.
func (d *deviceListCmd) Run(c *ctlCmd) error {
	var list []struct {
		ID, Name, Software, First, Last, From string
		Tokens, Sessions                      int
	}
	if err := c.call("GET", "/users/"+url.PathEscape(d.Name)+"/devices", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tDEVICE\tSOFTWARE\tFIRST\tLAST\tFROM\tTOKENS\tSESSIONS")
	for _, x := range list {
		// What clients say of themselves may hold anything.
		fmt.Fprintf(w, "%s\t%q\t%q\t%s\t%s\t%s\t%d\t%d\n", x.ID, x.Name, x.Software, x.First, x.Last, x.From, x.Tokens, x.Sessions)
	}
	return w.Flush()
}

type deviceRevokeCmd struct {
	Name string `arg:"" help:"Name of the account."`
	ID   string `arg:"" optional:"" help:"Id of the device, as device list shows it."`
	All  bool   `help:"All devices of the account."`
}

// Run is called by the command line.
func (d *deviceRevokeCmd) Run(c *ctlCmd) error {
	if (d.ID == "") != d.All {
		return fmt.Errorf("name a device, or say --all")
	}
	path := "/users/" + url.PathEscape(d.Name) + "/devices"
	if d.ID != "" {
		path += "/" + url.PathEscape(d.ID)
	}
	var done struct{ Revoked, Ended int }
	if err := c.call("DELETE", path, nil, &done); err != nil {
		return err
	}
	fmt.Printf("%d devices revoked, %d sessions ended.\n", done.Revoked, done.Ended)
	return nil
}
