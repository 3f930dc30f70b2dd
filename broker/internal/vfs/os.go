package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLocked is matched when another process, or another owner in this one,
// holds a lock.
var ErrLocked = errors.New("locked by another owner")

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

type osFile struct{ *os.File }

// Size is the file's length in bytes.
func (f osFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// OpenFile opens name.
func (OS) OpenFile(name string, mode Mode) (File, error) {
	flags := [...]int{
		ReadOnly:  os.O_RDONLY,
		ReadWrite: os.O_RDWR,
		Create:    os.O_RDWR | os.O_CREATE,
		Truncate:  os.O_RDWR | os.O_CREATE | os.O_TRUNC,
	}
	f, err := os.OpenFile(filepath.FromSlash(name), flags[mode], 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// MkdirAll makes dir and its parents.
func (OS) MkdirAll(dir string) error { return os.MkdirAll(filepath.FromSlash(dir), 0o755) }

// ReadDir lists dir, sorted by name. What vanishes meanwhile is left out.
func (OS) ReadDir(dir string) ([]Info, error) {
	entries, err := os.ReadDir(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(entries))
	for _, e := range entries {
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, infoOf(fi))
	}
	return infos, nil
}

// Stat describes name.
func (OS) Stat(name string) (Info, error) {
	fi, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

func infoOf(fi fs.FileInfo) Info {
	i := Info{Name: fi.Name(), Size: fi.Size(), ModTime: fi.ModTime(), IsDir: fi.IsDir()}
	if i.IsDir {
		i.Size = 0
	}
	return i
}

// Rename moves a file or a directory.
func (OS) Rename(from, to string) error {
	return os.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

// Remove removes a file or an empty directory.
func (OS) Remove(name string) error { return os.Remove(filepath.FromSlash(name)) }

// RemoveAll removes a tree.
func (OS) RemoveAll(name string) error { return os.RemoveAll(filepath.FromSlash(name)) }

// Lock locks name with the operating system's means; the lock ends with the
// process at the latest, however it ends.
func (OS) Lock(name string) (io.Closer, error) {
	c, err := lockFile(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return c, nil
}
