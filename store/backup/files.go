package backup

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"stonechat/store/blob"
	"stonechat/store/sqlstore"
)

// file is one that is kept beside the database.
type file struct {
	name string // relative to the folder, with slashes
	mode fs.FileMode
	size int64
}

// filesOf lists what is kept in a data folder beside the database, such as certificates and the contents of uploaded files. Links, sockets and the like are left out.
func filesOf(folder string) ([]file, error) {
	var out []file
	err := filepath.WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(folder, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if sqlstore.NotCopied(name) || blob.Arriving(name) {
			return nil
		}
		info, err := d.Info()
		if err == nil {
			out = append(out, file{name, info.Mode().Perm(), info.Size()})
		}
		return err
	})
	return out, err
}

// syncAll makes every file and folder below durable.
func syncAll(folder string) error {
	var folders []string
	err := filepath.WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			folders = append(folders, p)
			return nil
		}
		return syncPath(p)
	})
	if err != nil {
		return err
	}
	slices.Reverse(folders)
	for _, p := range folders {
		if err := syncPath(p); err != nil {
			return err
		}
	}
	return nil
}

func syncPath(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	err = f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
