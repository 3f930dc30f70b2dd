package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"syscall"
	"testing"
	"time"
)

// fileSystems are all that must behave alike.
func fileSystems(t *testing.T) map[string]func(testing.TB) (FS, string) {
	t.Helper()
	return map[string]func(testing.TB) (FS, string){
		"OS":        func(t testing.TB) (FS, string) { return OS{}, t.TempDir() },
		"Mem":       func(testing.TB) (FS, string) { return NewMem(nil), "/" },
		"crash Mem": func(testing.TB) (FS, string) { return NewCrashMem(time.Now), "/" },
		"Faulty":    func(testing.TB) (FS, string) { return NewFaulty(NewMem(nil)), "/" },
	}
}

func onEach(t *testing.T, test func(t *testing.T, fsys FS, dir string)) {
	for name, make := range fileSystems(t) {
		t.Run(name, func(t *testing.T) {
			fsys, dir := make(t)
			test(t, fsys, dir)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, fsys FS, name, content string) File {
	t.Helper()
	f, err := fsys.OpenFile(name, Create)
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	return f
}

func read(t testing.TB, fsys FS, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(name, ReadOnly)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	must(t, f.Close())
	return string(b)
}

func TestFilesReadWriteAndTruncateAtPositions(t *testing.T) {
	onEach(t, func(t *testing.T, fsys FS, dir string) {
		name := path.Join(dir, "f")
		f := write(t, fsys, name, "abcdef")
		_, err := f.WriteAt([]byte("XY"), 8) // a hole of two zeros
		must(t, err)
		must(t, f.Truncate(9))
		b := make([]byte, 4)
		n, err := f.ReadAt(b, 7)
		if n != 2 || !errors.Is(err, io.EOF) || !bytes.Equal(b[:2], []byte{0, 'X'}) {
			t.Errorf("ReadAt near the end = %q, %v; want 2 bytes and EOF", b[:n], err)
		}
		must(t, f.Truncate(11))
		must(t, f.Sync())
		must(t, f.Close())
		if got, want := read(t, fsys, name), "abcdef\x00\x00X\x00\x00"; got != want {
			t.Errorf("content = %q, want %q", got, want)
		}
		if _, err := f.ReadAt(b, 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("ReadAt of a closed file: %v, want ErrClosed", err)
		}
	})
}

func TestOpenModes(t *testing.T) {
	onEach(t, func(t *testing.T, fsys FS, dir string) {
		name := path.Join(dir, "f")
		for _, mode := range []Mode{ReadOnly, ReadWrite} {
			if _, err := fsys.OpenFile(name, mode); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open a missing file in mode %d: %v, want ErrNotExist", mode, err)
			}
		}
		if _, err := fsys.OpenFile(path.Join(dir, "no/f"), Create); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("create in a missing directory: %v, want ErrNotExist", err)
		}
		must(t, write(t, fsys, name, "abc").Close())
		f, err := fsys.OpenFile(name, ReadOnly)
		must(t, err)
		if _, err := f.WriteAt([]byte("x"), 0); err == nil {
			t.Error("a read-only file was written")
		}
		must(t, f.Close())
		f, err = fsys.OpenFile(name, Truncate)
		must(t, err)
		must(t, f.Close())
		if got := read(t, fsys, name); got != "" {
			t.Errorf("after Truncate: %q", got)
		}
	})
}

func TestNamesCanBeListedRenamedAndRemoved(t *testing.T) {
	onEach(t, func(t *testing.T, fsys FS, dir string) {
		d := path.Join(dir, "a/b")
		must(t, fsys.MkdirAll(d))
		must(t, fsys.MkdirAll(d))
		must(t, write(t, fsys, path.Join(d, "2"), "two").Close())
		must(t, write(t, fsys, path.Join(d, "1"), "one").Close())
		must(t, fsys.Rename(path.Join(d, "2"), path.Join(d, "1"))) // replaces
		must(t, fsys.MkdirAll(path.Join(d, "sub")))
		infos, err := fsys.ReadDir(d)
		must(t, err)
		if len(infos) != 2 || infos[0].Name != "1" || infos[0].Size != 3 || infos[0].IsDir ||
			infos[1].Name != "sub" || !infos[1].IsDir {
			t.Errorf("ReadDir = %+v", infos)
		}
		if err := fsys.Remove(d); err == nil {
			t.Error("a directory with names in it was removed")
		}
		must(t, fsys.Rename(path.Join(dir, "a"), path.Join(dir, "c")))
		if got := read(t, fsys, path.Join(dir, "c/b/1")); got != "two" {
			t.Errorf("content after renames = %q", got)
		}
		must(t, fsys.SyncDir(dir))
		must(t, fsys.RemoveAll(path.Join(dir, "c")))
		must(t, fsys.RemoveAll(path.Join(dir, "c")))
		if _, err := fsys.Stat(path.Join(dir, "c/b/1")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat after RemoveAll: %v, want ErrNotExist", err)
		}
	})
}

func TestOneOwnerHoldsALock(t *testing.T) {
	onEach(t, func(t *testing.T, fsys FS, dir string) {
		name := path.Join(dir, ".lock")
		l, err := fsys.Lock(name)
		must(t, err)
		if _, err := fsys.Lock(name); !errors.Is(err, ErrLocked) {
			t.Errorf("second Lock: %v, want ErrLocked", err)
		}
		must(t, l.Close())
		l, err = fsys.Lock(name)
		must(t, err)
		must(t, l.Close())
	})
}

func TestKilledProcessLosesNothingItWrote(t *testing.T) {
	m := NewCrashMem(nil)
	must(t, m.MkdirAll("/d"))
	write(t, m, "/d/f", "written, not synced")
	c := m.CrashClone(ProcessKilled, 1)
	if got := read(t, c, "/d/f"); got != "written, not synced" {
		t.Errorf("after the kill: %q", got)
	}
	write(t, m, "/d/f", "later")
	if got := read(t, c, "/d/f"); got != "written, not synced" {
		t.Errorf("the clone follows the original: %q", got)
	}
}

func TestPowerCutKeepsWhatWasSyncedAndSectorsOfTheRest(t *testing.T) {
	m := NewCrashMem(nil)
	must(t, m.MkdirAll("/d"))
	must(t, m.SyncDir("/"))
	f := write(t, m, "/d/f", "synced")
	must(t, f.Sync())
	must(t, m.SyncDir("/d"))
	rest := bytes.Repeat([]byte("x"), 3*sector)
	_, err := f.WriteAt(rest, 6)
	must(t, err)
	write(t, m, "/d/unsynced name", "")

	sizes, names := map[int]bool{}, map[int]bool{}
	for seed := range uint64(200) {
		c := m.CrashClone(PowerCut, seed)
		got := read(t, c, "/d/f")
		if len(got) < 6 || got[:6] != "synced" {
			t.Fatalf("seed %d lost what was synced: %q", seed, got)
		}
		again := read(t, m.CrashClone(PowerCut, seed), "/d/f")
		if got != again {
			t.Fatalf("seed %d gives two different disks", seed)
		}
		sizes[len(got)] = true
		infos, err := c.ReadDir("/d")
		must(t, err)
		names[len(infos)] = true
	}
	if !sizes[6] || !sizes[6+3*sector] || len(sizes) < 4 {
		t.Errorf("sizes seen: %v, want none, all and some of the rest", sizes)
	}
	if !names[1] || !names[2] {
		t.Errorf("numbers of names seen: %v, want 1 and 2", names)
	}
}

func TestPowerCutMayUndoTruncationAndOverwriting(t *testing.T) {
	m := NewCrashMem(nil)
	f := write(t, m, "/f", "0123456789")
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	must(t, f.Truncate(4))
	_, err := f.WriteAt([]byte("AB"), 0)
	must(t, err)
	seen := map[string]bool{}
	for seed := range uint64(100) {
		seen[read(t, m.CrashClone(PowerCut, seed), "/f")] = true
	}
	for _, want := range []string{"0123456789", "0123", "AB23", "AB23456789"} {
		if !seen[want] {
			t.Errorf("no seed gives %q; seen: %v", want, seen)
		}
	}
	must(t, f.Sync())
	if got := read(t, m.CrashClone(PowerCut, 1), "/f"); got != "AB23" {
		t.Errorf("after Sync: %q", got)
	}
}

func TestFaultyFailsTheNthOperationOfAKind(t *testing.T) {
	f := NewFaulty(NewMem(nil))
	f.Inject(Fault{Op: OpWrite, Name: "*.log", Nth: 2, Times: 2, Err: syscall.ENOSPC, Short: 3})
	other := write(t, f, "/a.index", "1")
	file := write(t, f, "/a.log", "1")
	for i, want := range []error{syscall.ENOSPC, syscall.ENOSPC, nil} {
		n, err := file.WriteAt([]byte("abcdef"), 1)
		if !errors.Is(err, want) {
			t.Errorf("write %d: %v, want %v", i+2, err, want)
		}
		if want != nil && n != 3 {
			t.Errorf("write %d wrote %d bytes, want 3", i+2, n)
		}
	}
	_, err := other.WriteAt([]byte("2"), 1)
	must(t, err)
	f.Inject(Fault{Op: OpSync, Nth: 1, Times: -1, Err: syscall.EIO})
	for range 3 {
		if err := file.Sync(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Sync: %v, want EIO for ever", err)
		}
	}
	f.Heal()
	must(t, file.Sync())
}

func TestObserveSeesOperationsBeforeTheyAreDone(t *testing.T) {
	f := NewFaulty(NewMem(nil))
	var calls []string
	f.Observe(func(c Call) { calls = append(calls, c.Op.String()+" "+c.Name) })
	file := write(t, f, "/x", "y")
	must(t, file.Close())
	must(t, f.Rename("/x", "/z"))
	f.Observe(nil)
	must(t, f.Remove("/z"))
	want := []string{"open /x", "write /x", "close /x", "rename /x"}
	if len(calls) != len(want) {
		t.Fatalf("calls = %q, want %q", calls, want)
	}
	for i := range want {
		if calls[i] != want[i] {
			t.Errorf("call %d = %q, want %q", i, calls[i], want[i])
		}
	}
}
