//go:build unix

// Package java runs Apache Kafka's own Java code: its servers' and tools'
// classes, and two small programs of ours, Node and Driver.
//
// Kafka's jars come from Maven Central through mvn, once, into the cache folder
// posthaste/kafka-<Version>, or where POSTHASTE_KAFKA_DIR says; our programs are
// compiled against them with javac.
package java

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/interop/cache"
	"github.com/posthaste-go/posthaste/interop/need"
)

// Version is that of Apache Kafka. pom.xml names it too.
const Version = "4.3.1"

//go:embed pom.xml src
var sources embed.FS

// An Installation is Kafka's jars and our compiled programs.
type Installation struct {
	Jars    string // folder of Apache Kafka and all it needs
	Classes string // folder of our programs and log4j2.properties
}

// Install returns what is installed; the first call on a machine takes as long
// as mvn needs for 54 MB. Without java, javac or mvn it ends t as
// need.Missing does.
func Install(t testing.TB) Installation {
	t.Helper()
	need.Programs(t, "java", "javac")
	in, err := install()
	if err != nil {
		need.Missing(t, "Apache Kafka's jars", err)
	}
	return in
}

var install = sync.OnceValues(func() (Installation, error) {
	dir, err := cache.Dir("POSTHASTE_KAFKA_DIR", "kafka-"+Version)
	if err != nil {
		return Installation{}, err
	}
	in := Installation{Jars: filepath.Join(dir, "jars")}
	fetch := func(to string) error { return fetchJars(sources, to) }
	if err := cache.Fill(in.Jars, fetch); err != nil {
		return in, err
	}
	id, err := cache.Fingerprint(sources)
	if err != nil {
		return in, err
	}
	in.Classes = filepath.Join(dir, "classes-"+id)
	return in, cache.Fill(in.Classes, func(to string) error {
		src, err := fs.Sub(sources, "src")
		if err != nil {
			return err
		}
		return in.compile(src, to)
	})
})

// fetchJars copies what pom.xml in a folder names, and all that needs, to dir.
func fetchJars(from fs.FS, dir string) error {
	pom, err := fs.ReadFile(from, "pom.xml")
	if err != nil {
		return err
	}
	project, err := os.MkdirTemp("", "posthaste-pom-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(project)
	file := filepath.Join(project, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	return run(exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", file,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir))
}

func (in Installation) compile(src fs.FS, dir string) error {
	if err := os.CopyFS(dir, src); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.java"))
	if err != nil {
		return err
	}
	args := append([]string{"-cp", filepath.Join(in.Jars, "*"), "-d", dir}, files...)
	return run(exec.Command("javac", args...))
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}
