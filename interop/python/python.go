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
	"testing/fstest"

	"github.com/posthaste-go/posthaste/interop/cache"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/need"
)

//go:embed src
var programs embed.FS

//go:embed requirements.txt requirements-schemas.txt
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

// Schemas is confluent-kafka with its own serializers and deserializers, one for
// the whole test binary. It lives in an environment of its own, since few tests
// want what they need.
func Schemas(t testing.TB) *driver.Driver {
	t.Helper()
	need.Programs(t, "python3")
	if _, err := installSchemas(); err != nil {
		need.Missing(t, "Python packages", err)
	}
	return schemas
}

var schemas = driver.New("confluent-kafka's serializers", func() *exec.Cmd {
	in, err := installSchemas()
	if err != nil {
		return &exec.Cmd{Err: err}
	}
	return exec.Command(filepath.Join(in.venv, "bin", "python"), filepath.Join(in.src, "schemas.py"))
})

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

// RegistryCommand is a program that does all that confluent-kafka's registry
// client can with the schema registry at an address. It prints a JSON array of a
// name and a result for each step.
func RegistryCommand(t testing.TB, url string) *exec.Cmd {
	t.Helper()
	Schemas(t)
	in, err := installSchemas()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(filepath.Join(in.venv, "bin", "python"), "-W", "ignore",
		filepath.Join(in.src, "registry.py"), url)
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

var (
	install        = sync.OnceValues(installer("requirements.txt"))
	installSchemas = sync.OnceValues(installer("requirements-schemas.txt"))
)

func installer(list string) func() (installation, error) {
	return func() (installation, error) { return environment(list) }
}

// environment makes a virtual environment of the packages that a file lists.
func environment(list string) (in installation, err error) {
	dir, err := cache.Dir("POSTHASTE_PYTHON_DIR", "python")
	if err != nil {
		return in, err
	}
	text, err := requirements.ReadFile(list)
	if err != nil {
		return in, err
	}
	packages, err := cache.Fingerprint(fstest.MapFS{"requirements.txt": {Data: text}})
	if err != nil {
		return in, err
	}
	in.venv = filepath.Join(dir, "venv-"+packages)
	err = cache.Fill(in.venv, func(dir string) error { return makeEnvironment(dir, text) })
	if err != nil {
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
}

func makeEnvironment(dir string, packages []byte) error {
	if err := os.WriteFile(filepath.Join(dir, "requirements.txt"), packages, 0o644); err != nil {
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
