package vfs

import (
	"errors"
	"io"
	"os"
	"syscall"
)

const errorSharingViolation = syscall.Errno(32)

// lockFile opens name without sharing: a second open fails while it is held.
func lockFile(name string) (io.Closer, error) {
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		if errors.Is(err, errorSharingViolation) {
			err = ErrLocked
		}
		return nil, err
	}
	return os.NewFile(uintptr(h), name), nil
}

// SyncDir does nothing: Windows journals names itself.
func (OS) SyncDir(string) error { return nil }
