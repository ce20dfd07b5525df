//go:build unix && !linux

package pgtest

import "syscall"

// attributes: nothing but who it runs as.
func attributes(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Setpgid: true}
}
