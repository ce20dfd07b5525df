// Package dump is the file of a backup: rows of tables, files, and a manifest that proves them. It knows no database.
//
// A backup is a compressed tar archive: head.json, then the rows of all tables in parts of some size, tables/NAME/00000000 and so on, then
// files/NAME for every file kept beside the database, and at last manifest.json. So it is written and read in one go, whatever its size; one
// without a manifest was not finished.
package dump

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	format       = 1 // the number that head.json begins with
	headName     = "head.json"
	manifestName = "manifest.json"
	tablesFolder = "tables/"
	filesFolder  = "files/"
	partName     = "%s%s/%08d"

	maxHead     = 1 << 20
	maxManifest = 64 << 20
	maxPart     = MaxRow + 1<<21
	maxTables   = 1000
	maxRows     = 1000 // that a Sink gets at once
)

// Head is what must be known before the first row.
type Head struct {
	Format  int       `json:"format"`
	Program string    `json:"program"` // version that wrote it
	Schema  int64     `json:"schema"`
	Made    time.Time `json:"made"` // when the moment of the snapshot was fixed
	Tables  []Table   `json:"tables"`
}

// Manifest closes a backup: what must have been read before it.
type Manifest struct {
	Head     string             `json:"head"` // SHA-256 of head.json
	Tables   map[string]SumText `json:"tables"`
	Counters map[string]int64   `json:"counters"` // last ids given, by table
	Files    []FileText         `json:"files"`
}

// SumText is a Sum.
type SumText struct {
	Rows int64  `json:"rows"`
	Hash string `json:"hash"`
}

// FileText is a file kept beside the database.
type FileText struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Hash string `json:"sha256"`
}

// Report is what a backup holds.
type Report struct {
	Head     Head
	Manifest Manifest
	Bytes    int64 // size of the file
}

// fits says whether a name in a backup may become a file below a folder.
func fits(name string) bool {
	return name != "" && len(name) <= 4096 && !strings.ContainsAny(name, "\\\x00:") && path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name))
}

// partOf tells which table an entry's name belongs to, and which part of it that is.
func partOf(name string) (table string, n int, ok bool) {
	rest, ok := strings.CutPrefix(name, tablesFolder)
	if !ok {
		return "", 0, false
	}
	table, digits, ok := strings.Cut(rest, "/")
	if _, err := fmt.Sscanf(digits, "%d", &n); !ok || err != nil || fmt.Sprintf(partName, tablesFolder, table, n) != name {
		return "", 0, false
	}
	return table, n, true
}
