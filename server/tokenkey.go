package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// tokenKeyFile holds the key that makes tokens of what the database keeps of them: beside the database and never in it, so that a copy of the
// database lets nobody log in. Without the file there is a new key, and every device logs in with its password once.
const tokenKeyFile = "tokens.key"

const tokenKeySize = 32

// tokenKey reads the key, or makes one. Only one process uses a data folder at a time.
func tokenKey(folder string) ([]byte, error) {
	path := filepath.Join(folder, tokenKeyFile)
	key, err := os.ReadFile(path)
	switch {
	case err == nil && len(key) == tokenKeySize:
		return key, nil
	case err == nil:
		return nil, fmt.Errorf("%s is no key: it has %d bytes, not %d", path, len(key), tokenKeySize)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	key = make([]byte, tokenKeySize)
	rand.Read(key)
	// Under another name first: half a key must not stand there after a power cut.
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(key)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return nil, err
	}
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	// A token that was given must not be worth nothing after a power cut.
	return key, errors.Join(dir.Sync(), dir.Close())
}
