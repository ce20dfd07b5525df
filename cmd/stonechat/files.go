package main

import (
	"fmt"
	"net/url"
	"os"
	"text/tabwriter"
	"time"
)

type userFilesCmd struct {
	Name   string `arg:"" help:"Name of the account."`
	List   bool   `xor:"what" help:"List the files, newest first."`
	Delete string `xor:"what" placeholder:"ID" help:"Remove the file with this id: its address ends at once."`
}

// Run is called by the command line.
func (u *userFilesCmd) Run(c *ctlCmd) error {
	path := "/users/" + url.PathEscape(u.Name) + "/files"
	switch {
	case u.Delete != "":
		return c.send("DELETE", path+"/"+url.PathEscape(u.Delete), nil)
	case u.List:
		return u.list(c, path+"/each")
	}
	return u.usage(c, path)
}

// usage prints how much there is.
func (u *userFilesCmd) usage(c *ctlCmd, path string) error {
	var list []struct {
		Purpose      string
		Files        int
		Bytes, Quota int64
	}
	if err := c.call("GET", path, nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PURPOSE\tFILES\tBYTES\tQUOTA")
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", x.Purpose, x.Files, x.Bytes, x.Quota)
	}
	return w.Flush()
}

// list prints what there is.
func (u *userFilesCmd) list(c *ctlCmd, path string) error {
	var list []struct {
		ID, Name, Type, Purpose string
		Bytes                   int64
		Created, Expires        time.Time
	}
	if err := c.call("GET", path, nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCREATED\tEXPIRES\tBYTES\tPURPOSE\tNAME")
	for _, x := range list {
		expires := "never"
		if !x.Expires.IsZero() {
			expires = x.Expires.Format(time.RFC3339)
		}
		// Names are what clients say; their server has taken out what would not be seen.
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", x.ID, x.Created.Format(time.RFC3339), expires, x.Bytes, x.Purpose, x.Name)
	}
	return w.Flush()
}
