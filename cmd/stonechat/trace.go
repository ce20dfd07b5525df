package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"stonechat/obs"
)

type traceCmd struct {
	Address string        `arg:"" help:"Address of an account, or of one session (with its resource)."`
	Count   int           `default:"10" help:"How many stanzas, at most 1000."`
	For     time.Duration `default:"1m" help:"How long, at most 10m."`
	JSON    bool          `help:"Print lines of JSON as they come."`
}

// Run is called by the command line.
func (t *traceCmd) Run(c *ctlCmd) error {
	if _, domain, ok := strings.Cut(t.Address, "@"); ok && c.Domain == "" {
		c.Domain, _, _ = strings.Cut(domain, "/")
	}
	path := "/trace?of=" + url.QueryEscape(t.Address) + "&count=" + strconv.Itoa(t.Count) + "&for=" + url.QueryEscape(t.For.String())
	return c.lines("GET", path, func(line []byte) error {
		if t.JSON {
			_, err := os.Stdout.Write(append(line, '\n'))
			return err
		}
		return printSpan(os.Stdout, line)
	})
}

// traceLine is any line of the answer.
type traceLine struct {
	obs.Span
	Watching       string `json:"watching"`
	Ended          string `json:"ended"`
	LostSpans      uint64 `json:"lost_spans"`
	SkippedStanzas uint64 `json:"skipped_stanzas"`
}

// printSpan shows one line for people. What clients have chosen is shown without its control characters.
func printSpan(w io.Writer, line []byte) error {
	var s traceLine
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	switch {
	case s.Watching != "":
		_, err := fmt.Fprintf(w, "watching %s\n", printable(s.Watching))
		return err
	case s.Ended != "":
		_, err := fmt.Fprintf(w, "ended: %s; %d spans lost, %d stanzas skipped\n", s.Ended, s.LostSpans, s.SkippedStanzas)
		return err
	}
	b := &strings.Builder{}
	if h := s.Stanza; h != nil {
		fmt.Fprintf(b, "#%d %s type=%q id=%q %s -> %s, %d bytes: %s\n", s.Trace, h.Kind, h.Type, h.ID, printable(h.From), printable(h.To), h.Bytes,
			printable(strings.Join(h.Payload, ", ")))
	}
	hop := "  "
	if s.Hop > 0 {
		hop = fmt.Sprintf("%2d", s.Hop)
	}
	fmt.Fprintf(b, "#%d %s %9s  %-24s %s", s.Trace, hop, micros(s.At), s.Name, printable(s.Owner))
	if s.Waited > 0 {
		fmt.Fprintf(b, "  waited %s", micros(s.Waited))
	}
	if s.Outcome != "" {
		fmt.Fprintf(b, "  %s", printable(s.Outcome))
	}
	if len(s.Targets) > 0 {
		fmt.Fprintf(b, "  to %s", printable(strings.Join(s.Targets, ", ")))
	}
	b.WriteByte('\n')
	for _, k := range s.Hooks {
		fmt.Fprintf(b, "#%d    %9s    %s %s %s\n", s.Trace, "+"+micros(k.Took), k.Point, k.Module, k.Verdict)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func micros(n int64) string { return fmt.Sprintf("%.3fms", float64(n)/1000) }

// printable is a text that moves no cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// maxLine is the longest line of an answer that comes bit by bit, bytes.
const maxLine = 1 << 20

// lines sends one request and calls f for each line of the answer.
func (c *ctlCmd) lines(method, path string, f func([]byte) error) error {
	resp, err := c.ask(method, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, maxLine)
	ended := false
	for in.Scan() {
		if err := f(in.Bytes()); err != nil {
			return err
		}
		ended = strings.HasPrefix(in.Text(), `{"ended"`)
	}
	if err := in.Err(); err != nil || !ended {
		return errors.Join(errors.New("the server has ended the answer"), err)
	}
	return nil
}
