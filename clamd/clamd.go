// Package clamd has ClamAV's daemon look into contents, by its command INSTREAM: the content is sent, so the daemon need not see the folder in which it
// stands, and may be on another machine.
package clamd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	pieceBytes  = 64 << 10 // sent at a time
	answerBytes = 4 << 10  // names of malware are shorter
)

// ErrLarge: the content is larger than the daemon's or our own limit. It was not looked into.
var ErrLarge = errors.New("too large to be looked into")

// Malware is what was found.
type Malware struct{ Name string }

// Error makes it an error.
func (m *Malware) Error() string { return "malware: " + m.Name }

// Options of a Scanner.
type Options struct {
	// Network and Address of the daemon: "unix" and a path, or "tcp" and host:port.
	Network, Address string
	// Time is how long a content may take, from when it is brought until the verdict.
	Time time.Duration
	// Bytes of the largest content.
	Bytes int64
	// AtOnce is how many are looked into at once; more wait, within their time.
	AtOnce int
}

// Scanner asks a daemon. Its methods may be called from any goroutine.
type Scanner struct {
	Options
	free chan struct{} // has an element for each that may begin
}

// New returns a scanner; it connects when it is asked.
func New(o Options) *Scanner {
	s := &Scanner{Options: o, free: make(chan struct{}, o.AtOnce)}
	for range o.AtOnce {
		s.free <- struct{}{}
	}
	return s
}

// Scan returns nil when nothing was found in a content of so many bytes, a *Malware when something was, ErrLarge, or why nobody knows. r is read while the
// daemon takes it.
func (s *Scanner) Scan(ctx context.Context, r io.Reader, size int64) error {
	if size > s.Bytes {
		return ErrLarge
	}
	ctx, cancel := context.WithTimeout(ctx, s.Time)
	defer cancel()
	select {
	case <-s.free:
		defer func() { s.free <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("scanner: too many contents at once: %w", ctx.Err())
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, s.Network, s.Address)
	if err != nil {
		return fmt.Errorf("scanner: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // fails when there is nothing to end any more
	return verdict(conn, r)
}

// verdict sends a content and reads what is said of it.
func verdict(conn net.Conn, r io.Reader) error {
	sent := send(conn, r)
	if sent.read != nil {
		return sent.read
	}
	// A daemon that takes no more says why before it hangs up.
	answer, err := bufio.NewReader(io.LimitReader(conn, answerBytes)).ReadString(0)
	if err != nil {
		return fmt.Errorf("scanner: %w", errors.Join(sent.write, err))
	}
	return meaning(strings.TrimSuffix(answer, "\x00"))
}

// sending is what went wrong while a content was sent: with the content, or with the connection.
type sending struct{ read, write error }

// send is the command: pieces behind their length, four bytes in network order, and an empty one at the end.
func send(conn io.Writer, r io.Reader) (s sending) {
	if _, s.write = io.WriteString(conn, "zINSTREAM\x00"); s.write != nil {
		return s
	}
	piece := make([]byte, 4+pieceBytes)
	for {
		n, err := io.ReadFull(r, piece[4:])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			s.read = err
			return s
		}
		binary.BigEndian.PutUint32(piece, uint32(n))
		if _, s.write = conn.Write(piece[:4+n]); s.write != nil || n == 0 {
			return s
		}
		if ended {
			_, s.write = conn.Write(make([]byte, 4))
			return s
		}
	}
}

// meaning of an answer.
func meaning(answer string) error {
	said, of := strings.CutPrefix(answer, "stream: ")
	name, found := strings.CutSuffix(said, " FOUND")
	switch {
	case of && said == "OK":
		return nil
	case of && found && name != "":
		return &Malware{name}
	case strings.HasPrefix(answer, "INSTREAM size limit exceeded"):
		return ErrLarge
	}
	return fmt.Errorf("scanner: it says %q", answer)
}
