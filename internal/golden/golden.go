// Package golden compares what a test got with a file under testdata. The whole
// module has one flag that rewrites such files; the diff is then the review:
//
//	go test ./internal/producer/sender -update
//
// A test that imports this package has the flag. Only tests import it.
package golden

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files with what the tests got")

// Updating reports whether -update was given, for tests that write their files
// in a way of their own.
func Updating() bool { return *update }

// Compare fails t if got differs from the file at path (relative to the test's
// package), naming the first line that differs. With -update it writes the file
// instead, and its directory if that is missing.
func Compare(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		if err := write(path, got); err != nil {
			t.Fatalf("update golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v; run the test with -update to write it", err)
	}
	if d := firstDifference(want, got); d != "" {
		t.Errorf("%s: %s\nif the change is meant, run the test with -update", path, d)
	}
}

func write(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil // keeps the file's time, and with it the build cache
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// firstDifference describes the first line in which got is not want; it is
// empty if there is none.
func firstDifference(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(w):
			return fmt.Sprintf("line %d is not in the golden file:\n got %q", i+1, g[i])
		case i >= len(g):
			return fmt.Sprintf("line %d is missing:\nwant %q", i+1, w[i])
		case w[i] != g[i]:
			return fmt.Sprintf("line %d differs:\nwant %q\n got %q", i+1, w[i], g[i])
		}
	}
	return "" // unreachable: equal lines are equal bytes
}
