//go:build unix

// Package flights is a data set of real rows: 200,000 flights with the delay,
// distance and time of day of each, as package vega-datasets of npm carries it.
package flights

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/interop/cache"
	"github.com/posthaste-go/posthaste/interop/need"
)

// data is the package and the version that holds the file.
const data = "vega-datasets@3.2.1"

// Rows is the first n flights, each as its JSON text. The file is that which
// POSTHASTE_FLIGHTS names, or comes from npm once; without either it ends t as
// need.Missing does.
func Rows(t testing.TB, n int) []json.RawMessage {
	t.Helper()
	path := os.Getenv("POSTHASTE_FLIGHTS")
	if path == "" {
		need.Programs(t, "npm", "tar")
		var err error
		if path, err = fetch(); err != nil {
			need.Missing(t, data, err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(rows) < n {
		t.Fatalf("%s has %d rows, want %d", path, len(rows), n)
	}
	return rows[:n]
}

var fetch = sync.OnceValues(func() (string, error) {
	base, err := cache.Dir("POSTHASTE_FLIGHTS_DIR", "flights")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, data)
	return filepath.Join(dir, "package", "data", "flights-200k.json"),
		cache.Fill(dir, func(dir string) error {
			pack := exec.Command("npm", "pack", "--silent", data)
			pack.Dir = dir
			if out, err := pack.CombinedOutput(); err != nil {
				return fmt.Errorf("npm pack: %w\n%s", err, out)
			}
			archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
			if err != nil || len(archives) != 1 {
				return fmt.Errorf("npm pack left %q, %v", archives, err)
			}
			unpack := exec.Command("tar", "-xzf", archives[0], "package/data/flights-200k.json")
			unpack.Dir = dir
			if out, err := unpack.CombinedOutput(); err != nil {
				return fmt.Errorf("tar: %w\n%s", err, out)
			}
			return os.Remove(archives[0])
		})
})
