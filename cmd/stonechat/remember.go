package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"stonechat/tui"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stream"
)

// chatState is what chat --remember keeps: who this installation is (XEP-0388 section 2.3), and its tokens by account (XEP-0484). Whoever can read
// the file can log in until the tokens are revoked, so nobody else can.
type chatState struct {
	path   string
	Agent  string                  `json:"agent"`
	Tokens map[string]stream.Token `json:"tokens"`
}

// statePath is the file beside the configuration of chat.
func statePath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("--remember: %w", err)
	}
	return filepath.Join(dir, "stonechat", "chat.tokens"), nil
}

// readState reads the file; without one it is a new installation.
func readState(path string) (*chatState, error) {
	s := &chatState{path: path}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(b, s); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if s.Agent == "" {
		s.Agent = newUUID()
	}
	if s.Tokens == nil {
		s.Tokens = map[string]stream.Token{}
	}
	return s, nil
}

// newUUID is one of version 4 (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// remembered is the part of one account.
func (s *chatState) remembered(account jid.JID) *tui.Remembered {
	key := account.Bare().String()
	return &tui.Remembered{Agent: s.Agent, Token: s.Tokens[key], Keep: func(t stream.Token) error {
		// Another process may have changed its own part meanwhile.
		if fresh, err := readState(s.path); err == nil && fresh.Agent == s.Agent {
			s.Tokens = fresh.Tokens
		}
		if s.Tokens[key] = t; t.Secret == "" {
			delete(s.Tokens, key)
		}
		return s.write()
	}}
}

// write replaces the file in one step.
func (s *chatState) write() error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".chat.tokens-*") // for nobody else: mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
