package tui

import (
	"bufio"
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

// Open prepares standard input and output: raw mode when both are a terminal, plain lines otherwise. restore undoes it.
func Open(in, out *os.File) (t Terminal, restore func() error, err error) {
	t = Terminal{In: in, Out: out}
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return t, func() error { return nil }, nil
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return t, nil, err
	}
	t.Raw = true
	t.Width = func() int {
		w, _, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 80
		}
		return w
	}
	return t, func() error { return term.Restore(int(in.Fd()), old) }, nil
}

// ErrNoPassword says that there is nobody to ask for the password.
var ErrNoPassword = errors.New("no password: set STONECHAT_PASSWORD, give --password-file, or start from a terminal")

// errInterrupted says that the person does not want to log in.
var errInterrupted = errors.New("interrupted")

// AskPassword asks without echo. An interrupt leaves the terminal as it was.
func AskPassword(in, out *os.File, prompt string) (password string, err error) {
	fd := int(in.Fd())
	if !term.IsTerminal(fd) {
		return "", ErrNoPassword
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, term.Restore(fd, old)) }()
	if _, err := out.WriteString(prompt); err != nil {
		return "", err
	}
	password, err = readSecret(in)
	_, e := out.WriteString("\r\n")
	return password, errors.Join(err, e)
}

// readSecret reads keys until Enter.
func readSecret(in io.Reader) (string, error) {
	// What is typed behind the password belongs to the conversation: nothing is read ahead.
	r := bufio.NewReader(oneByte{in})
	var secret []rune
	for {
		k, c, err := readKey(r)
		switch {
		case err != nil:
			return "", err
		case k == keyEnter:
			return string(secret), nil
		case k == keyInterrupt, k == keyEOF && len(secret) == 0:
			return "", errInterrupted
		case k == keyBackspace && len(secret) > 0:
			secret = secret[:len(secret)-1]
		case k == keyCutLeft:
			secret = nil
		case k == keyRune && len(secret) < maxTyped:
			secret = append(secret, c)
		}
	}
}

// oneByte reads one byte at a time.
type oneByte struct{ r io.Reader }

// Read implements io.Reader.
func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }
