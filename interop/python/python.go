//go:build unix

// Package python drives two clients of Python programs: librdkafka, which most
// languages' clients wrap, through confluent-kafka; and kafka-python, which
// shares no code with any other client. Both live in a virtual environment in
// the cache, with the versions of requirements.txt.
package python

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
var programs embed.FS

//go:embed requirements.txt
var requirements embed.FS

// Librdkafka is the client of confluent-kafka, one for the whole test binary.
// Its settings are librdkafka's. Without Python it ends t as need.Missing does.
func Librdkafka(t testing.TB) *driver.Driver {
	t.Helper()
	needPython(t)
	return librdkafka
}

// KafkaPython is the client of kafka-python, one for the whole test binary. Its
// settings are written as Java's and translated.
func KafkaPython(t testing.TB) *driver.Driver {
	t.Helper()
	needPython(t)
	return kafkaPython
}

var (
	librdkafka  = newDriver("librdkafka", "librdkafka.py")
	kafkaPython = newDriver("kafka-python", "kafkapython.py")
)

func needPython(t testing.TB) {
	t.Helper()
	need.Programs(t, "python3")
	if _, err := install(); err != nil {
		need.Missing(t, "Python packages", err)
	}
}

func newDriver(name, script string) *driver.Driver {
	return driver.New(name, func() *exec.Cmd {
		in, err := install()
		if err != nil {
			return &exec.Cmd{Err: err}
		}
		return exec.Command(filepath.Join(in.venv, "bin", "python"), filepath.Join(in.src, script))
	})
}

// LoadCommand prepares librdkafka as a client of chaos runs; see package load.
func LoadCommand(t testing.TB) *exec.Cmd {
	t.Helper()
	needPython(t)
	in, err := install()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(filepath.Join(in.venv, "bin", "python"), filepath.Join(in.src, "load.py"))
}

type installation struct {
	venv string // the virtual environment
	src  string // folder of our programs
}

var install = sync.OnceValues(func() (in installation, err error) {
	dir, err := cache.Dir("POSTHASTE_PYTHON_DIR", "python")
	if err != nil {
		return in, err
	}
	packages, err := cache.Fingerprint(requirements)
	if err != nil {
		return in, err
	}
	in.venv = filepath.Join(dir, "venv-"+packages)
	if err := cache.Fill(in.venv, makeEnvironment); err != nil {
		return in, err
	}
	src, err := fs.Sub(programs, "src")
	if err != nil {
		return in, err
	}
	id, err := cache.Fingerprint(src)
	if err != nil {
		return in, err
	}
	in.src = filepath.Join(dir, "src-"+id)
	return in, cache.Fill(in.src, func(dir string) error { return os.CopyFS(dir, src) })
})

func makeEnvironment(dir string) error {
	if err := os.CopyFS(dir, requirements); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check",
			"-r", filepath.Join(dir, "requirements.txt")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%q: %w\n%s", args, err, out)
		}
	}
	return nil
}
