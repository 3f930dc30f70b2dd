//go:build unix

// Package node drives kafkajs, Kafka's client for Node.js. It reads only as a
// member of a consumer group, and knows the codecs none, gzip and snappy: those
// for lz4 and zstd are native code that has to be built.
package node

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/interop/cache"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/need"
)

//go:embed src
var sources embed.FS

// KafkaJS is kafkajs, one for the whole test binary. Without node or npm it
// ends t as need.Missing does.
func KafkaJS(t testing.TB) *driver.Driver {
	t.Helper()
	need.Programs(t, "node", "npm")
	if _, err := install(); err != nil {
		need.Missing(t, "kafkajs", err)
	}
	return kafkaJS
}

var kafkaJS = driver.New("kafkajs", func() *exec.Cmd {
	dir, err := install()
	if err != nil {
		return &exec.Cmd{Err: err}
	}
	return exec.Command("node", filepath.Join(dir, "driver.js"))
})

var install = sync.OnceValues(func() (string, error) {
	src, err := fs.Sub(sources, "src")
	if err != nil {
		return "", err
	}
	id, err := cache.Fingerprint(src)
	if err != nil {
		return "", err
	}
	base, err := cache.Dir("POSTHASTE_NODE_DIR", "node")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, id)
	return dir, cache.Fill(dir, func(dir string) error {
		if err := os.CopyFS(dir, src); err != nil {
			return err
		}
		npm := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
			"--no-package-lock", "--prefix", dir)
		if out, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("npm install: %w\n%s", err, out)
		}
		return nil
	})
})
