package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// Files says where the contents of uploaded files are kept, and who looks into them before. Those of a server that begins to use another place are copied there by hand: see docs/files.md.
type Files struct {
	// Endpoint is the URL of a storage that speaks the S3 protocol, such as https://s3.example.org; http: is for storages on this machine or in a network that
	// you trust. Empty: contents stand in the folder files of the data folder. Files arrive in that folder in any case.
	Endpoint string `toml:"endpoint"`
	// Bucket is where contents are kept. It must be there; nobody but this server needs to read it.
	Bucket string `toml:"bucket"`
	// Prefix is what the names of contents begin with in the bucket, such as chat/. Servers that share a bucket have one each.
	Prefix string `toml:"prefix"`
	// Region is that of the bucket.
	Region string `toml:"region"`
	// Key is the name of the access key. It needs to list the bucket, and to get, put and delete its objects.
	Key string `toml:"key"`
	// SecretFile is a file whose first line is the secret of the access key; the environment variable STONECHAT_S3_SECRET wins over it.
	SecretFile string `toml:"secret_file"`
	// Scanner is ClamAV's daemon, such as unix:/run/clamav/clamd.ctl or tcp:127.0.0.1:3310. It looks into each file before its address works; files in which it
	// finds malware are refused. Empty: nobody does.
	Scanner string `toml:"scanner"`
	// ScanBytes is the size of the largest file that the scanner is shown. It should be no more than its StreamMaxLength.
	ScanBytes int64 `toml:"scan_bytes"`
	// ScanTime is how long looking into one may take.
	ScanTime Duration `toml:"scan_time"`
	// ScansAtOnce is how many it is shown at once; more wait within their time. It should be less than its MaxThreads.
	ScansAtOnce int `toml:"scans_at_once"`
	// ScanAll refuses what nobody could look into: files larger than scan_bytes, which clients are told beforehand, and all files while the scanner does not answer.
	// With false these are taken, and counted.
	ScanAll bool `toml:"scan_all"`
}

// S3Secret is the environment variable with the secret of Files.Key.
const S3Secret = "STONECHAT_S3_SECRET"

func usualFiles() Files {
	return Files{Region: "us-east-1", ScanBytes: 25 << 20, ScanTime: Duration(time.Minute), ScansAtOnce: 4, ScanAll: true}
}

// bucketName is what all storages take for one.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// check reports what makes no sense.
func (f *Files) check() (errs []error) {
	if f.Scanner != "" {
		errs = f.checkScanner()
	}
	if f.Endpoint == "" {
		if f.Bucket != "" || f.Key != "" || f.SecretFile != "" {
			errs = append(errs, errors.New("files.endpoint is missing"))
		}
		return errs
	}
	// The text is not repeated: it may hold a secret.
	if u, err := url.Parse(f.Endpoint); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Path != "" && u.Path != "/" {
		errs = append(errs, errors.New("files.endpoint is not like https://s3.example.org"))
	}
	if !bucketName.MatchString(f.Bucket) {
		errs = append(errs, fmt.Errorf("files.bucket is %q, not the name of a bucket", f.Bucket))
	}
	if f.Prefix != "" && (!strings.HasSuffix(f.Prefix, "/") || strings.HasPrefix(f.Prefix, "/") || strings.Contains(f.Prefix, "//") || strings.Contains(f.Prefix, "..")) {
		errs = append(errs, fmt.Errorf("files.prefix is %q, not like chat/", f.Prefix))
	}
	for name, v := range map[string]string{"region": f.Region, "key": f.Key} {
		if v == "" {
			errs = append(errs, fmt.Errorf("files.%s is missing", name))
		}
	}
	return errs
}

func (f *Files) checkScanner() (errs []error) {
	if _, _, ok := f.ScannerAt(); !ok {
		errs = append(errs, fmt.Errorf("files.scanner is %q, not like unix:/run/clamav/clamd.ctl or tcp:127.0.0.1:3310", f.Scanner))
	}
	for name, v := range map[string]int64{"scan_bytes": f.ScanBytes, "scan_time": int64(f.ScanTime), "scans_at_once": int64(f.ScansAtOnce)} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("files.%s must be positive", name))
		}
	}
	return errs
}

// ScannerAt is where Scanner listens, as net.Dial has it; false: it is nowhere.
func (f *Files) ScannerAt() (network, address string, ok bool) {
	network, address, _ = strings.Cut(f.Scanner, ":")
	switch network {
	case "unix":
		return network, address, address != ""
	case "tcp":
		_, _, err := net.SplitHostPort(address)
		return network, address, err == nil
	}
	return "", "", false
}

// Secret is that of the access key, from wherever it is said.
func (f *Files) Secret() (string, error) {
	if s := os.Getenv(S3Secret); s != "" {
		return s, nil
	}
	if f.SecretFile == "" {
		return "", fmt.Errorf("neither files.secret_file nor %s says the secret of files.key", S3Secret)
	}
	return firstLine("files.secret_file", f.SecretFile)
}
