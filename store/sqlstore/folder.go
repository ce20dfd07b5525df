package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// makeFolder makes the folder and those above it, each durable in the one that holds it.
func makeFolder(folder string) error {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if _, err := os.Stat(abs); err == nil {
		return nil
	}
	if above := filepath.Dir(abs); above != abs {
		if err := makeFolder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(abs, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncFolderOf(abs)
}

// migratedName is what a database is called whose data went to PostgreSQL.
const migratedName = fileName + ".migrated"

// refuseMigrated refuses to begin anew where the data has gone to PostgreSQL: that would be a server without accounts.
func refuseMigrated(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	migrated := filepath.Join(filepath.Dir(path), migratedName)
	if _, err := os.Lstat(migrated); err != nil {
		return nil
	}
	return fmt.Errorf("the data went to PostgreSQL: set store.postgres. To go back to what it was before, rename %s to %s", migrated, path)
}

// createFile makes an empty file that only we can read; the log files of the database inherit that.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// syncFolderOf makes the name of a file durable. Without it a file that was synced may have no name after a power cut.
func syncFolderOf(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
