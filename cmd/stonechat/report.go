package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"stonechat/tui"
)

// report is a report of abuse as the server tells it.
type report struct {
	ID                                            int64
	By, About, Reason, Text, References, Messages string
	At                                            time.Time
	Closed                                        *time.Time
	ClosedBy                                      string `json:"closed_by"`
	Note                                          string
}

type reportListCmd struct {
	All bool `help:"Closed ones, too."`
	Max int  `default:"100" help:"The newest so many (${default})."`
}

// Run is called by the command line.
func (l *reportListCmd) Run(c *ctlCmd) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tAT\tBY\tABOUT\tREASON\tSTATE\tTEXT")
	query := ""
	if l.All {
		query = "&all=1"
	}
	for before, left := int64(0), l.Max; left > 0; {
		var page []report
		path := "/reports?before=" + query
		if before > 0 {
			path = "/reports?before=" + strconv.FormatInt(before, 10) + query
		}
		if err := c.call("GET", path, nil, &page); err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page[:min(left, len(page))] {
			state := "open"
			if r.Closed != nil {
				state = "closed"
			}
			text, _, _ := strings.Cut(r.Text, "\n")
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.At.Format(time.DateTime), r.By, r.About,
				tui.Escape(strings.TrimPrefix(r.Reason, "urn:xmpp:reporting:")), state, tui.Escape(text))
		}
		before, left = page[len(page)-1].ID, left-len(page)
	}
	return w.Flush()
}

type reportShowCmd struct {
	Number int64 `arg:""`
}

// Run is called by the command line. What others have written cannot move the cursor.
func (s *reportShowCmd) Run(c *ctlCmd) error {
	var r report
	if err := c.call("GET", "/reports/"+strconv.FormatInt(s.Number, 10), nil, &r); err != nil {
		return err
	}
	line := func(name, text string) {
		for part := range strings.SplitSeq(text, "\n") {
			if text != "" {
				fmt.Printf("%-11s %s\n", name, tui.Escape(part))
			}
			name = ""
		}
	}
	line("number", strconv.FormatInt(r.ID, 10))
	line("at", r.At.Format(time.RFC3339))
	line("by", r.By)
	line("about", r.About)
	line("reason", r.Reason)
	line("text", r.Text)
	line("names", strings.ReplaceAll(r.References, "/><", "/>\n<"))
	line("messages", strings.ReplaceAll(r.Messages, "</message><", "</message>\n<"))
	if r.Closed != nil {
		line("closed", r.Closed.Format(time.RFC3339)+" by "+r.ClosedBy)
		line("note", r.Note)
	}
	return nil
}

type reportCloseCmd struct {
	Number int64  `arg:""`
	Note   string `arg:"" optional:"" help:"What was found and done."`
}

// Run is called by the command line.
func (k *reportCloseCmd) Run(c *ctlCmd) error {
	return c.send("POST", "/reports/"+url.PathEscape(strconv.FormatInt(k.Number, 10))+"/close", map[string]string{"note": k.Note})
}
