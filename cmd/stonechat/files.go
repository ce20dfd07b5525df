package main

import (
	"fmt"
	"net/url"
	"os"
	"text/tabwriter"
)

type userFilesCmd struct {
	Name string `arg:"" help:"Name of the account."`
}

// Run is called by the command line.
func (u *userFilesCmd) Run(c *ctlCmd) error {
	var list []struct {
		Purpose      string
		Files        int
		Bytes, Quota int64
	}
	if err := c.call("GET", "/users/"+url.PathEscape(u.Name)+"/files", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PURPOSE\tFILES\tBYTES\tQUOTA")
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", x.Purpose, x.Files, x.Bytes, x.Quota)
	}
	return w.Flush()
}
