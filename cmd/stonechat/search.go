package main

import (
	"fmt"
	"time"

	"stonechat/store"
)

// searchCmds are the commands of the search of archives.
type searchCmds struct {
	State   searchStateCmd   `cmd:"" default:"1" help:"Say how far the words of messages can be found."`
	Rebuild searchRebuildCmd `cmd:"" help:"Forget all words and read the archives anew, beside everything else."`
}

type searchStateCmd struct{}

// Run is called by the command line.
func (*searchStateCmd) Run(c *ctlCmd) error {
	var s store.SearchState
	if err := c.call("GET", "/search", nil, &s); err != nil {
		return err
	}
	fmt.Printf("%d messages looked at since the start", s.Rows)
	if s.Behind > 0 {
		fmt.Printf("; those of the last %v cannot be found yet", s.Behind.Round(time.Second))
	}
	fmt.Println()
	if s.Failed != "" {
		fmt.Println("words cannot be noted at present:", printable(s.Failed))
	}
	return nil
}

type searchRebuildCmd struct{}

// Run is called by the command line.
func (*searchRebuildCmd) Run(c *ctlCmd) error {
	return c.call("POST", "/search/rebuild", nil, new(any))
}
