package drive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is the import path of the nested module all programs are in.
const module = "github.com/posthaste-go/posthaste/bench"

// Programs are the built bench clients.
type Programs struct {
	dir    string // of the module's sources
	bin    string // where binaries go
	sink   string
	kafka  string              // built when it is asked for
	byName map[string][]string // client → command
}

// packages is where each client is. Java's is a directory of its own.
var packages = map[string]string{
	"posthaste": "./cmd/bench-client",
	"limit":     "./cmd/bench-limit",
	"franz":     "./cmd/bench-peer",
	"sarama":    "./cmd/bench-peer",
	"segmentio": "./cmd/bench-peer",
	"confluent": "./cmd/bench-confluent",
	"java":      "",
}

// ClientNames are all clients in the order of the table's columns.
func ClientNames() []string {
	return []string{"limit", "posthaste", "franz", "java", "segmentio", "confluent", "sarama"}
}

// Build builds the null broker and the named clients into bin. A client that
// cannot be built is left out and its reason is among the warnings; an error
// means that nothing can be measured.
func Build(ctx context.Context, bin string, clients []string) (*Programs, []error, error) {
	dir, err := moduleDir(ctx)
	if err != nil {
		return nil, nil, err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, nil, err
	}
	p := &Programs{dir: dir, bin: bin, byName: map[string][]string{}}
	if p.sink, err = p.build(ctx, "./cmd/sink", false); err != nil {
		return nil, nil, err
	}
	var warnings []error
	for _, name := range clients {
		command, err := p.client(ctx, name)
		if err != nil {
			warnings = append(warnings, fmt.Errorf("left out %s: %w", name, err))
			continue
		}
		p.byName[name] = command
	}
	if len(p.byName) == 0 {
		return nil, nil, errors.Join(warnings...)
	}
	return p, warnings, nil
}

// Data is the shipped file of JSON documents.
func (p *Programs) Data() string {
	return filepath.Join(p.dir, "testdata", "earthquakes.ndjson")
}

// Root is the directory of Posthaste's own module.
func (p *Programs) Root() string { return filepath.Dir(p.dir) }

func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("run this in the bench directory of the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (p *Programs) client(ctx context.Context, name string) ([]string, error) {
	pkg, ok := packages[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("no client is called %q", name)
	case name == "java":
		return p.java(ctx)
	}
	binary, err := p.build(ctx, pkg, name == "confluent")
	if err != nil {
		return nil, err
	}
	return []string{binary, "--client", name}, nil
}

func (p *Programs) build(ctx context.Context, pkg string, cgo bool) (string, error) {
	binary := filepath.Join(p.bin, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, pkg)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if cgo {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	return binary, runQuietly(cmd)
}

// java compiles the Java client against kafka-clients, which Maven copies into
// the user's cache directory once.
func (p *Programs) java(ctx context.Context) ([]string, error) {
	for _, program := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	pom := filepath.Join(p.dir, "java", "pom.xml")
	version, err := kafkaVersion(pom)
	if err != nil {
		return nil, err
	}
	jars := filepath.Join(cache, "posthaste", "bench-kafka-clients-"+version)
	if _, err := os.Stat(jars); err != nil {
		// Copied beside and renamed, so that a copy that was cut off is not used.
		part := jars + ".part"
		copyJars := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", pom,
			"dependency:copy-dependencies", "-DoutputDirectory="+part)
		if err := runQuietly(copyJars); err != nil {
			return nil, err
		}
		if err := os.Rename(part, jars); err != nil {
			return nil, err
		}
	}
	classes := filepath.Join(p.bin, "java")
	compile := exec.CommandContext(ctx, "javac", "-cp", jars+"/*", "-d", classes,
		filepath.Join(p.dir, "java", "BenchClient.java"))
	if err := runQuietly(compile); err != nil {
		return nil, err
	}
	return []string{"java", "-cp", classes + ":" + jars + "/*", "BenchClient"}, nil
}

// kafkaVersion finds the version behind kafka-clients in a pom.
func kafkaVersion(pom string) (string, error) {
	data, err := os.ReadFile(pom)
	if err != nil {
		return "", err
	}
	_, after, ok := strings.Cut(string(data), "<artifactId>kafka-clients</artifactId>")
	_, after, ok2 := strings.Cut(after, "<version>")
	version, _, ok3 := strings.Cut(after, "</version>")
	if !ok || !ok2 || !ok3 {
		return "", fmt.Errorf("%s names no version of kafka-clients", pom)
	}
	return version, nil
}

// runQuietly runs cmd and shows its output only if it fails.
func runQuietly(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// Has reports whether a client was built.
func (p *Programs) Has(client string) bool { return p.byName[client] != nil }
