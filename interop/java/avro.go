//go:build unix

package java

import (
	"embed"
	"io/fs"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/interop/cache"
	"github.com/posthaste-go/posthaste/interop/need"
)

//go:embed avro
var avroSources embed.FS

// AvroCompatibility is Apache Avro's own SchemaCompatibility as a program: it
// reads two lines for each pair, the reader's schema and the writer's, and prints
// one: incompatibilities as "TYPE location message" with semicolons between, a
// tab, an exception's class, a tab, the reader as Schema.toString writes it.
func AvroCompatibility(t testing.TB) *exec.Cmd {
	t.Helper()
	need.Programs(t, "java", "javac")
	in, err := installAvro()
	if err != nil {
		need.Missing(t, "Apache Avro's jars", err)
	}
	return exec.Command("java", "-cp", filepath.Join(in.Jars, "*")+":"+in.Classes, "Compat")
}

var installAvro = sync.OnceValues(func() (in Installation, err error) {
	dir, err := cache.Dir("POSTHASTE_AVRO_DIR", "avro-1.12.2")
	if err != nil {
		return in, err
	}
	src, err := fs.Sub(avroSources, "avro")
	if err != nil {
		return in, err
	}
	in.Jars = filepath.Join(dir, "jars")
	if err := cache.Fill(in.Jars, func(to string) error { return fetchJars(src, to) }); err != nil {
		return in, err
	}
	id, err := cache.Fingerprint(src)
	if err != nil {
		return in, err
	}
	in.Classes = filepath.Join(dir, "classes-"+id)
	return in, cache.Fill(in.Classes, func(to string) error { return in.compile(src, to) })
})
