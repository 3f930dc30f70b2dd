// Package vfs is what the broker's log knows of a file system: few operations,
// so that a test can put another one in its place.
//
//	OS      the operating system's files
//	Mem     memory; CrashClone is the disk as a crash would have left it
//	Faulty  any of them, failing where a test says so
//
// Three events end a write that a caller was told had succeeded, and Mem tells
// them apart: an end of the process keeps all that was written (the page cache
// outlives it); a power cut keeps what was synced, and of the rest any part in
// any order; a write under way at either may have reached the file in part.
//
// Names are slash-separated paths, as in package path/filepath of Unix; OS
// translates. Errors match fs.ErrNotExist, fs.ErrExist and fs.ErrClosed.
package vfs

import (
	"io"
	"time"
)

// File is an open file. Reads and writes name their position, so one File
// serves any number of readers beside one writer.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Truncate cuts the file, or grows it with zeros, to size bytes.
	Truncate(size int64) error
	// Sync returns once what was written survives a power cut. A new name
	// survives only after FS.SyncDir of its directory.
	Sync() error
	// Size is the file's length in bytes.
	Size() (int64, error)
}

// Info describes one name in a directory.
type Info struct {
	Name    string // last element of the path
	Size    int64  // bytes; 0 for a directory
	ModTime time.Time
	IsDir   bool
}

// Mode says what OpenFile may do beside reading.
type Mode uint8

const (
	// ReadOnly opens an existing file for reading.
	ReadOnly Mode = iota
	// ReadWrite opens an existing file.
	ReadWrite
	// Create opens a file for reading and writing, new if there is none.
	Create
	// Truncate is Create with whatever was in the file gone.
	Truncate
)

// FS is a file system. Its methods may be called concurrently.
type FS interface {
	OpenFile(name string, mode Mode) (File, error)
	// MkdirAll makes a directory and its parents; one that exists is no error.
	MkdirAll(dir string) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(dir string) ([]Info, error)
	Stat(name string) (Info, error)
	// Rename replaces to, atomically, if it is a file.
	Rename(from, to string) error
	Remove(name string) error
	// RemoveAll removes a tree; a missing one is no error.
	RemoveAll(name string) error
	// SyncDir makes what was created, renamed and removed in dir survive a
	// power cut.
	SyncDir(dir string) error
	// Lock takes the file name (made if missing) for this process until Close,
	// or fails with an error that matches ErrLocked.
	Lock(name string) (io.Closer, error)
}
