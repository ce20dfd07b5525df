package main

import (
	"fmt"
	"net/url"
	"time"

	"stonechat/mod/push"
)

// pushCmds are the commands of notifications.
type pushCmds struct {
	List pushListCmd `cmd:"" help:"Show an account's registrations, why they were told something or not, and what their services answered."`
	Test pushTestCmd `cmd:"" help:"Send a test to all devices of an account that are registered."`
}

type pushListCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (p *pushListCmd) Run(c *ctlCmd) error {
	var list []push.Registration
	if err := c.call("GET", "/users/"+url.PathEscape(p.Name)+"/push", nil, &list); err != nil {
		return err
	}
	for _, r := range list {
		fmt.Printf("%d  %s by %s  since %s  refused %d times", r.ID, r.Way, printable(r.Service), r.Enabled.Local().Format(time.DateTime), r.Errors)
		if r.Device != "" {
			fmt.Printf("  device %s", printable(r.Device))
		}
		fmt.Println()
		for _, d := range r.Decisions {
			fmt.Printf("    %s  %s  %s\n", d.At.Local().Format(time.DateTime), printable(d.Chat), printable(d.Why))
		}
		for _, a := range r.Answers {
			fmt.Printf("    %s  service: %s\n", a.At.Local().Format(time.DateTime), printable(a.Said))
		}
	}
	return nil
}

type pushTestCmd struct {
	Name string `arg:""`
}

// Run is called by the command line.
func (p *pushTestCmd) Run(c *ctlCmd) error {
	var told struct{ Devices int }
	if err := c.call("POST", "/users/"+url.PathEscape(p.Name)+"/push/test", nil, &told); err != nil {
		return err
	}
	fmt.Printf("%d devices are told; `stonechat ctl push list %s` says what their services answer\n", told.Devices, printable(p.Name))
	return nil
}
