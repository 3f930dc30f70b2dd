package broker

import (
	"errors"
	"fmt"
)

// Errors of Start, to be compared with errors.Is.
var (
	// ErrClosed is returned by methods of a Broker after Close.
	ErrClosed = errors.New("broker is closed")
	// ErrDirInUse is matched by *DirInUseError.
	ErrDirInUse = errors.New("data directory is in use by another broker")
	// ErrDirFormat is matched when a data directory is of another version, another
	// cluster or another program. The error says which and what to do.
	ErrDirFormat = errors.New("data directory does not fit this broker")
	// ErrAddrInUse is matched by *AddrInUseError.
	ErrAddrInUse = errors.New("address is in use")
)

// DirInUseError says who has a data directory.
type DirInUseError struct {
	Path string
	PID  int    // of the process that has it; 0 if unknown
	Addr string // where that broker listens; empty if unknown
	Err  error
}

func (e *DirInUseError) Error() string {
	who := "another broker"
	if e.PID > 0 {
		who = fmt.Sprintf("the broker of process %d", e.PID)
	}
	if e.Addr != "" {
		return fmt.Sprintf("data directory %s is in use by %s, which serves %s: "+
			"use --bootstrap-server %s, or another directory", e.Path, who, e.Addr, e.Addr)
	}
	return fmt.Sprintf("data directory %s is in use by %s: stop it, or use another directory",
		e.Path, who)
}

// Is makes errors.Is(err, ErrDirInUse) true.
func (e *DirInUseError) Is(target error) bool { return target == ErrDirInUse }

// Unwrap is the error of the lock.
func (e *DirInUseError) Unwrap() error { return e.Err }

// AddrInUseError says which address another program listens on.
type AddrInUseError struct {
	Addr string
	Err  error
}

func (e *AddrInUseError) Error() string {
	return fmt.Sprintf("address %s is in use by another program: "+
		"choose another port, or 0 for a free one", e.Addr)
}

// Is makes errors.Is(err, ErrAddrInUse) true.
func (e *AddrInUseError) Is(target error) bool { return target == ErrAddrInUse }

// Unwrap is the operating system's error.
func (e *AddrInUseError) Unwrap() error { return e.Err }
