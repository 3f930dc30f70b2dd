//go:build unix

// Package cache keeps what the interop tests fetch or build once: Apache
// Kafka's jars, compiled Java programs, Python and Node packages.
//
// Test binaries of several packages run at the same time, so a folder is filled
// under a lock file beside it and counts only once its marker exists:
//
//	<user cache>/posthaste/<name>/            the folder
//	<user cache>/posthaste/<name>/.complete   written last
//	<user cache>/posthaste/<name>.lock        held while it is filled
package cache

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const marker = ".complete"

// Dir is where the folder called name belongs: the value of the environment
// variable env if it is set, else a folder of the user's cache. It need not
// exist yet.
func Dir(env, name string) (string, error) {
	if dir := os.Getenv(env); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder, set %s: %w", env, err)
	}
	return filepath.Join(base, "posthaste", name), nil
}

// Fill calls fill with the empty folder dir unless an earlier call, of any
// process, has filled it already. A fill that fails leaves nothing that a later
// call would take for complete.
func Fill(dir string, fill func(dir string) error) error {
	if complete(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // also lets go of the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if complete(dir) { // another process was faster
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return fmt.Errorf("fill %s: %w", dir, err)
	}
	return os.WriteFile(filepath.Join(dir, marker), nil, 0o644)
}

func complete(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, marker))
	return err == nil
}

// Fingerprint is 12 hexadecimal digits that change with any file of fsys; in a
// folder's name they keep what was made of other files apart.
func Fingerprint(fsys fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(b), b)
		return err
	})
	return fmt.Sprintf("%.6x", sum.Sum(nil)), err
}
