package vfs

import (
	"errors"
	"io/fs"
	"testing"
)

// What was written before a kill stays, nothing happens after it, and the next
// process finds the lock free.
func TestKillEndsAProcessAndNotItsDisk(t *testing.T) {
	disk := NewMem(nil)
	m := NewMortal(disk)
	if err := m.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Lock("data/.lock"); err != nil {
		t.Fatal(err)
	}
	f, err := m.OpenFile("data/log", Create)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("tea"), 0); err != nil {
		t.Fatal(err)
	}
	m.Kill()
	_, writeErr := f.WriteAt([]byte("milk"), 0)
	_, openErr := m.OpenFile("data/log", ReadOnly)
	_, listErr := m.ReadDir("data")
	for what, err := range map[string]error{"write": writeErr, "open": openErr, "list": listErr,
		"sync": f.Sync(), "close": f.Close(), "rename": m.Rename("data/log", "data/x"),
		"remove": m.Remove("data/log")} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after the kill: %v, want fs.ErrClosed", what, err)
		}
	}
	next := NewMortal(disk)
	if _, err := next.Lock("data/.lock"); err != nil {
		t.Errorf("the lock is not free: %v", err)
	}
	f, err = next.OpenFile("data/log", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "tea" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}
