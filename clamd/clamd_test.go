package clamd

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// eicar is the text that every scanner takes for malware, in two halves so that none takes this file for it.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// daemon speaks the protocol, says eicar where it is, and knows some contents that make it behave otherwise. It has a limit of a megabyte.
func daemon(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(t, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func serve(t *testing.T, conn net.Conn) {
	in := bufio.NewReader(conn)
	if command, err := in.ReadString(0); err != nil || command != "zINSTREAM\x00" {
		t.Errorf("it is told %q, %v", command, err)
		return
	}
	var all []byte
	for {
		var n uint32
		if err := binary.Read(in, binary.BigEndian, &n); err != nil {
			return // the asker gave up
		}
		if n == 0 {
			break
		}
		piece := make([]byte, n)
		if _, err := io.ReadFull(in, piece); err != nil {
			return
		}
		if all = append(all, piece...); len(all) > 1<<20 {
			fmt.Fprint(conn, "INSTREAM size limit exceeded. ERROR\x00")
			_, _ = io.Copy(io.Discard, in) // a connection that is reset may lose what was said
			return
		}
	}
	switch text := string(all); {
	case text == "wait":
		_, _ = in.ReadByte()
	case text == "hang up":
	case strings.HasPrefix(text, "say "):
		fmt.Fprint(conn, text[4:])
	case strings.Contains(text, eicar):
		fmt.Fprint(conn, "stream: Eicar-Signature FOUND\x00")
	default:
		fmt.Fprint(conn, "stream: OK\x00")
	}
}

func scanner(address string) *Scanner {
	return New(Options{Network: "tcp", Address: address, Time: 10 * time.Second, Bytes: 8 << 20, AtOnce: 2})
}

func TestScan(t *testing.T) {
	s := scanner(daemon(t))
	var malware *Malware
	much := strings.Repeat("x", 64<<10)
	for text, want := range map[string]string{
		"":                                 "",
		"hello":                            "",
		much:                               "",
		much + eicar + much:                "malware: Eicar-Signature",
		strings.Repeat("x", 2<<20):         ErrLarge.Error(), // the daemon's limit
		strings.Repeat("x", 9<<20):         ErrLarge.Error(), // ours
		"hang up":                          "scanner: EOF",
		"say stream: OK":                   "scanner: EOF", // cut off
		"say stream: x ERROR\x00":          `scanner: it says "stream: x ERROR"`,
		"say stream:  FOUND\x00":           `scanner: it says "stream:  FOUND"`,
		"say OK\x00":                       `scanner: it says "OK"`,
		"say " + strings.Repeat("x", 9000): "scanner: EOF",
	} {
		err := s.Scan(t.Context(), strings.NewReader(text), int64(len(text)))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want || errors.As(err, &malware) != strings.Contains(text, eicar) {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
	// What cannot be read is not what cannot be looked into.
	lost := errors.New("the disk is lost")
	if err := s.Scan(t.Context(), io.MultiReader(strings.NewReader("x"), &failing{lost}), 2); !errors.Is(err, lost) {
		t.Errorf("a content that cannot be read: %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A daemon that is not there, does not answer or has enough to do: nobody waits longer than was said.
func TestScanEnds(t *testing.T) {
	address := daemon(t)
	s := scanner(address)
	s.Time = 50 * time.Millisecond
	if err := s.Scan(t.Context(), strings.NewReader("wait"), 4); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := scanner(address).Scan(ctx, strings.NewReader("x"), 1); err == nil {
		t.Error("goes on when nobody waits")
	}
	<-s.free
	<-s.free
	if err := s.Scan(t.Context(), strings.NewReader("x"), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("when others are looked into: %v", err)
	}
	nobody := New(Options{Network: "unix", Address: filepath.Join(t.TempDir(), "nobody"), Time: time.Second, Bytes: 10, AtOnce: 1})
	for range 3 { // whoever failed has given its place back
		if err := nobody.Scan(t.Context(), strings.NewReader("x"), 1); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("nobody there: %v", err)
		}
	}
}

// What is sent is what the protocol says, whatever the pieces in which it comes.
func FuzzSend(f *testing.F) {
	f.Add([]byte("hello"), 1)
	f.Add(bytes.Repeat([]byte("x"), pieceBytes), 7)
	f.Add([]byte{}, 3)
	f.Fuzz(func(t *testing.T, content []byte, step int) {
		var to bytes.Buffer
		if s := send(&to, &slow{content, min(max(step, 1), 1<<20)}); s.read != nil || s.write != nil {
			t.Fatalf("%+v", s)
		}
		rest, ok := bytes.CutPrefix(to.Bytes(), []byte("zINSTREAM\x00"))
		if !ok {
			t.Fatalf("command %q", to.Bytes())
		}
		var got []byte
		for {
			n := binary.BigEndian.Uint32(rest)
			if rest = rest[4:]; n == 0 {
				break
			}
			got, rest = append(got, rest[:n]...), rest[n:]
		}
		if len(rest) != 0 || !bytes.Equal(got, content) {
			t.Errorf("%d bytes, %d behind the end", len(got), len(rest))
		}
	})
}

// slow gives step bytes at a time.
type slow struct {
	left []byte
	step int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.left)
	s.left = s.left[n:]
	return n, nil
}

// FuzzMeaning: only two answers say that somebody knows.
func FuzzMeaning(f *testing.F) {
	for _, s := range []string{"stream: OK", "stream: X FOUND", "stream: OK FOUND", "OK", "", "INSTREAM size limit exceeded. ERROR"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		var malware *Malware
		err := meaning(answer)
		if (err == nil) != (answer == "stream: OK") {
			t.Errorf("%q: %v", answer, err)
		}
		if errors.As(err, &malware) && answer != "stream: "+malware.Name+" FOUND" {
			t.Errorf("%q: %v", answer, err)
		}
	})
}

// The same with the real daemon, which is given one signature of its own so that it needs none from elsewhere. CLAMD names the program if it is not in the path.
func TestRealDaemon(t *testing.T) {
	program, err := exec.LookPath(cmp.Or(os.Getenv("CLAMD"), "clamd"))
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/clamd") // where Debian has it, and people's paths do not lead
	}
	if err != nil {
		t.Skip("THIS MACHINE LACKS: clamd (Debian: clamav-daemon), so the scanner was only tried against a daemon of the test's own")
	}
	folder := t.TempDir()
	socket := filepath.Join(folder, "s")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("own.hdb", "44d88612fea8a8f36de82e1278abb02f:68:Own.Eicar\n")
	write("conf", "LocalSocket "+socket+"\nForeground yes\nDatabaseDirectory "+folder+"\nStreamMaxLength 1M\nTemporaryDirectory "+folder+"\n")
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "-c", filepath.Join(folder, "conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	s := New(Options{Network: "unix", Address: socket, Time: time.Minute, Bytes: 8 << 20, AtOnce: 2})
	for tries := 0; ; tries++ {
		if err = s.Scan(t.Context(), strings.NewReader("x"), 1); err == nil {
			break
		}
		if tries > 600 {
			t.Fatalf("it does not come: %v\n%s", err, log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
	var malware *Malware
	if err := s.Scan(t.Context(), strings.NewReader(eicar), int64(len(eicar))); !errors.As(err, &malware) || !strings.HasPrefix(malware.Name, "Own.Eicar") {
		t.Errorf("of malware it says %v", err)
	}
	clean := strings.Repeat("hello", 100_000)
	if err := s.Scan(t.Context(), strings.NewReader(clean), int64(len(clean))); err != nil {
		t.Errorf("of nothing it says %v", err)
	}
	large := strings.Repeat("hello", 1<<20)
	if err := s.Scan(t.Context(), strings.NewReader(large), int64(len(large))); !errors.Is(err, ErrLarge) {
		t.Errorf("of what is too large it says %v", err)
	}
}
