package producerids

import (
	"errors"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

func mustOpen(t *testing.T, files vfs.FS) *Blocks {
	t.Helper()
	b, err := Open(files, "data")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newFS(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewCrashMem(nil)
	if err := errors.Join(m.MkdirAll("data"), m.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	return m
}

// An id that was given out before a power cut, at whatever moment, must not be
// given out after it.
func TestIDsAreNeverGivenOutTwice(t *testing.T) {
	files := newFS(t)
	seen := make(map[int64]bool)
	for seed := range uint64(5) {
		b := mustOpen(t, files)
		for range 2*blockSize + 7 {
			id, err := b.Next()
			if err != nil {
				t.Fatal(err)
			}
			if seen[id] {
				t.Fatalf("id %d was given out before", id)
			}
			seen[id] = true
		}
		files = files.CrashClone(vfs.PowerCut, seed)
	}
}

func TestNextFailsIfTheBlockCannotBeStored(t *testing.T) {
	files := vfs.NewFaulty(newFS(t))
	b := mustOpen(t, files)
	full := errors.New("no space left on device")
	files.Inject(vfs.Fault{Op: vfs.OpWrite, Nth: 1, Err: full})
	if _, err := b.Next(); !errors.Is(err, full) {
		t.Errorf("Next = %v, want the disk's error", err)
	}
	if id, err := b.Next(); err != nil || id != 0 {
		t.Errorf("Next after that = %d, %v, want 0", id, err)
	}
}

func TestOpenSaysWhatIsWrongWithTheFile(t *testing.T) {
	for _, content := range []string{"", "0\n1\nx\n", "0\n1\n-5\n", "1\n1\n5\n", "0\n2\n5\n6\n"} {
		files := newFS(t)
		f, err := files.OpenFile("data/"+fileName, vfs.Create)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(content), 0); err != nil {
			t.Fatal(err)
		}
		if _, err = Open(files, "data"); err == nil || !strings.Contains(err.Error(), fileName) {
			t.Errorf("Open of %q: %v", content, err)
		}
	}
}
