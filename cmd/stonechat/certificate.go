package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"stonechat/certs"
)

// certificateCmd are the commands of certificates.
type certificateCmd struct {
	List   certificateListCmd   `cmd:"" help:"Show which certificate each name has."`
	Reload certificateReloadCmd `cmd:"" help:"Read certificate files again, and have ACME try again what it could not get."`
}

type certificateListCmd struct{}

// Run is called by the command line.
func (*certificateListCmd) Run(c *ctlCmd) error {
	var list []certs.Certificate
	if err := c.call("GET", "/certificates", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSOURCE\tEXPIRES\tISSUER\tFINGERPRINT (SHA-256)\tPROBLEM")
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, x.Source, x.Expires.Format("2006-01-02 15:04"), printable(x.Issuer), x.Fingerprint, printable(x.Problem))
	}
	return w.Flush()
}

type certificateReloadCmd struct{}

// Run is called by the command line.
func (*certificateReloadCmd) Run(c *ctlCmd) error {
	var list []certs.Reloaded
	if err := c.call("POST", "/certificates/reload", nil, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Println("No certificate files are configured.")
	}
	refused := false
	for _, x := range list {
		fmt.Println(x.File, x.State, printable(x.Error))
		refused = refused || x.State == "refused"
	}
	if refused {
		return errors.New("what was refused is not shown; the old certificate is")
	}
	return nil
}
