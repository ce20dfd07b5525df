package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"stonechat/store/pie"
)

type userImportCmd struct {
	File   string `arg:"" help:"JSON lines, or what another server exported by XEP-0227 (prosodyctl with its storage xep0227, ejabberdctl export_piefxis)."`
	DryRun bool   `help:"Only check the file, and count what would be done."`
	Again  bool   `help:"Also bring what belongs to accounts that exist, as after an import that broke off; it replaces what they keep under the same names."`
}

// Run is called by the command line.
func (u *userImportCmd) Run(c *ctlCmd) error {
	file, folder := os.Stdin, ""
	if u.File != "-" {
		f, err := os.Open(u.File)
		if err != nil {
			return err
		}
		defer f.Close()
		file, folder = f, filepath.Dir(u.File)
	}
	in := bufio.NewReader(file)
	query := ""
	switch {
	case u.DryRun:
		query = "?dry"
	case u.Again:
		query = "?again"
	}
	var lines io.Reader = in
	left := make(map[string]int)
	unread := func() error { return nil }
	if portable(in) {
		if err := c.find(); err != nil {
			return err
		}
		lines, unread = converted(in, folder, c.Domain, left)
	}
	var sum struct {
		Created, Existing, Failed int
		Reasons                   []string
	}
	err := c.call("POST", "/users/import"+query, lines, &sum)
	if broken := unread(); broken != nil {
		return broken // what the server says of it is less
	}
	if err != nil {
		return err
	}
	if u.DryRun {
		fmt.Printf("%d accounts would be created, %d exist already.\n", sum.Created, sum.Existing)
	} else {
		fmt.Printf("%d accounts created, %d existed already.\n", sum.Created, sum.Existing)
	}
	for _, what := range slices.Sorted(maps.Keys(left)) {
		fmt.Printf("left out: %d x %s\n", left[what], what)
	}
	for _, r := range sum.Reasons {
		fmt.Println("refused:", r)
	}
	if more := sum.Failed - len(sum.Reasons); more > 0 {
		fmt.Printf("refused: %d more\n", more)
	}
	return nil
}

// portable tells whether a file is XML; JSON lines begin otherwise.
func portable(in *bufio.Reader) bool {
	head, _ := in.Peek(64)
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"), []byte("<"))
}

// converted are the lines of such a file. end waits until nothing more is read, and tells why the file could not be.
func converted(in io.Reader, folder, domain string, left map[string]int) (lines io.Reader, end func() error) {
	read, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := convert(in, folder, domain, out, left)
		out.CloseWithError(err)
		done <- err
	}()
	return read, func() error {
		read.Close() // whoever writes must not wait for ever
		if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
		return nil
	}
}

// convert writes the accounts of a domain as lines. left counts what no line can say.
func convert(in io.Reader, folder, domain string, to io.Writer, left map[string]int) error {
	out := json.NewEncoder(to)
	r := pie.Reader{Left: left, Each: func(a *pie.Account) error {
		if a.Host != domain {
			left["account of "+a.Host]++
			return nil
		}
		return out.Encode(a)
	}}
	if folder != "" {
		r.Open = func(name string) (io.ReadCloser, error) { return os.OpenInRoot(folder, name) }
	}
	return r.Read(in)
}
