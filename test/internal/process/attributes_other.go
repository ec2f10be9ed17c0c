//go:build !linux

package process

import "syscall"

// attributes puts the program into a process group of its own, so that Ctrl-C in the terminal reaches it only through
// Stop.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
