package tidy

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/posthaste-go/posthaste"

// forbidden lists edges that would turn the layers upside down. A package may
// import anything that no line here denies. from is a prefix, to as well; "$"
// ends an exact name.
var forbidden = []struct{ from, to, why string }{
	{"internal/wire", module, "wire is the bottom layer"},
	{"internal/compression", module, "compression is the bottom layer"},
	{"internal/plot", module, "plot draws what it is given"},
	{"cmd/posthaste/internal/tune", module, "the search is pure; a Measurer does the work"},
	{"internal/", module + "/broker", "shared packages serve both sides"},
	{"internal/producer", module + "/broker", "a producer must not link a broker"},
	{"internal/producer/sender", "net", "the core decides; conn does I/O"},
	{"internal/producer/sender", "sync", "the core has one owner and no locks"},
	{"internal/producer/sender", "os", "the core decides"},
	{"internal/producer/sender", "math/rand", "the core is replayed from a seed"},
	{"internal/producer/sender", "log", "effects say what happened"},
	{"internal/producer/sender", "github.com/twmb", "the core has small types of its own"},
	{"$", module + "/broker", "a producer must not link a broker"},
	{"$", module + "/schemaregistry", "a producer must not link a registry"},
	{"exactlyonce", module + "/broker", "a producer must not link a broker"},
	{"exactlyonce", module + "/internal/producer", "the public producer is what it guards"},
	{"internal/producer", module + "$", "the root package is made of it"},
	{"broker", module + "$", "a broker must not know its clients"},
	{"broker", module + "/internal/producer", "a broker must not know its clients"},
	{"partitioner", module, "partitioner stands alone"},
	{"serializer$", module, "serializer stands alone"},
	{"serializer", module + "$", "a serializer must not know the producer"},
	{"serializer", module + "/broker", "a serializer must not link a broker"},
	{"serializer", module + "/schemaregistry/embedded", "a serializer asks a registry; it is none"},
	{"serializer", module + "/internal/producer", "a serializer must not know the producer"},
	{"serializer/avro", module + "/serializer/protobuf", "who uses one format links one"},
	{"serializer/avro", module + "/serializer/jsonschema", "who uses one format links one"},
	{"serializer/protobuf", module + "/serializer/avro", "who uses one format links one"},
	{"serializer/protobuf", module + "/serializer/jsonschema", "who uses one format links one"},
	{"serializer/jsonschema", module + "/serializer/avro", "who uses one format links one"},
	{"serializer/jsonschema", module + "/serializer/protobuf", "who uses one format links one"},
	{"schemaregistry$", "github.com/twmb", "the client knows no format"},
	{"schemaregistry$", "google.golang.org", "the client knows no format"},
	{"schemaregistry$", "github.com/santhosh-tekuri", "the client knows no format"},
	{"schemaregistry$", module + "/serializer", "the client knows no format"},
	{"schemaregistry$", module + "$", "a registry's client must not know the producer"},
}

// allowedByRoot is every package outside the standard library that a program
// links by importing the root package. A line more here is a decision.
var allowedByRoot = []string{
	"github.com/twmb/franz-go/pkg/kmsg",
	"github.com/klauspost/compress",
	"github.com/pierrec/lz4/v4",
	"software.sslmate.com/src/go-pkcs12", // key stores as Java writes them
	"golang.org/x/crypto/pbkdf2",         // ... and their key derivation
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestLayersImportDownwardsOnly(t *testing.T) {
	for _, p := range list(t, "./...") {
		from := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, to := range p.Imports {
			for _, rule := range forbidden {
				if matches(from, rule.from) && matches(to, rule.to) && !inside(to, from) {
					t.Errorf("%s imports %s: %s", p.ImportPath, to, rule.why)
				}
			}
		}
	}
}

func matches(path, rule string) bool {
	if exact, ok := strings.CutSuffix(rule, "$"); ok {
		return path == exact
	}
	return path == strings.TrimSuffix(rule, "/") ||
		strings.HasPrefix(path, strings.TrimSuffix(rule, "/")+"/")
}

// inside reports whether to is a package of from's own.
func inside(to, from string) bool {
	return from != "" && strings.HasPrefix(to, module+"/"+from+"/")
}

func TestRootPackageIsLight(t *testing.T) {
	root := list(t, ".")[0]
	for _, dep := range root.Deps {
		first, _, _ := strings.Cut(dep, "/")
		if !strings.Contains(first, ".") || strings.HasPrefix(dep, module) ||
			strings.HasPrefix(dep, "vendor/") {
			continue
		}
		allowed := slices.ContainsFunc(allowedByRoot, func(a string) bool {
			return dep == a || strings.HasPrefix(dep, a+"/")
		})
		if !allowed {
			t.Errorf("the root package links %s: put it behind a package of its own,"+
				" or decide that every user shall have it and add it here", dep)
		}
	}
}
