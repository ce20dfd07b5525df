package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os"

	"stonechat/store/pie"
	"stonechat/xmpp/xmltok"
)

type userExportCmd struct {
	Names []string `arg:"" help:"Accounts of the domain."`
	File  string   `short:"o" default:"-" help:"The file to write, which must not exist; - is standard output. Whoever has it can try passwords at leisure, and read all messages."`
}

// Run is called by the command line.
func (u *userExportCmd) Run(c *ctlCmd) (err error) {
	if err := c.find(); err != nil {
		return err
	}
	to := os.Stdout
	if u.File != "-" {
		if to, err = os.OpenFile(u.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		defer func() {
			if cerr := to.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				_ = os.Remove(u.File) // half an account is none
			}
		}()
	}
	out := bufio.NewWriter(to)
	if err := u.write(c, out); err != nil {
		return err
	}
	return out.Flush()
}

func (u *userExportCmd) write(c *ctlCmd, out io.Writer) error {
	head := xmltok.AppendAttr([]byte("<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='"+pie.Space+"'>\n<host"), "jid", c.Domain)
	if _, err := out.Write(append(head, ">\n"...)); err != nil {
		return err
	}
	for _, name := range u.Names {
		err := c.lines("GET", "/users/"+url.PathEscape(name)+"/export", func(line []byte) error {
			var part struct{ XML []byte }
			if err := json.Unmarshal(line, &part); err != nil {
				return err
			}
			_, err := out.Write(part.XML)
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, "</host>\n</server-data>\n")
	return err
}
