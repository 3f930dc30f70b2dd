//go:build unix

package cache

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestFillRunsOnceHoweverManyAsk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jars")
	var runs atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := Fill(dir, func(dir string) error {
				runs.Add(1)
				return os.WriteFile(filepath.Join(dir, "a.jar"), []byte("jar"), 0o644)
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "a.jar")); err != nil {
				t.Errorf("Fill returned before the folder was full: %v", err)
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n != 1 {
		t.Errorf("filled %d times, want once", n)
	}
}

// A download cut short must not be taken for complete by the next run, nor may
// its rubble stay.
func TestFillThatFailedIsDoneAgainFromEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jars")
	cut := errors.New("connection lost")
	err := Fill(dir, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half.jar"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return cut
	})
	if !errors.Is(err, cut) {
		t.Fatalf("Fill = %v, want %v", err, cut)
	}
	err = Fill(dir, func(dir string) error {
		entries, err := os.ReadDir(dir)
		if len(entries) != 0 {
			t.Errorf("rubble of the first try is still there: %v", entries)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDirPrefersTheEnvironment(t *testing.T) {
	want := t.TempDir()
	t.Setenv("POSTHASTE_TEST_DIR", want)
	got, err := Dir("POSTHASTE_TEST_DIR", "kafka-1")
	if err != nil || got != want {
		t.Errorf("Dir = %q, %v; want %q", got, err, want)
	}
}
