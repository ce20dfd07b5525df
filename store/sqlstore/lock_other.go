//go:build !unix

package sqlstore

import (
	"errors"
	"os"
)

// lockFolder has no way here to keep a second process out, and two of them would give the same keys twice.
func lockFolder(path string) (*os.File, error) {
	return nil, errors.New("this system has no file locks that the store can use")
}
