//go:build unix

package java

import (
	"embed"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/interop/cache"
	"github.com/posthaste-go/posthaste/interop/need"
)

//go:embed confluent
var confluentSources embed.FS

// ConfluentDir names the environment variable of a folder with Confluent's jars
// (kafka-schema-registry-client, kafka-protobuf-provider, the serializers) and
// all that they need. Maven Central does not have them.
const ConfluentDir = "POSTHASTE_CONFLUENT_DIR"

// ConfluentProtobuf is a program that says what Confluent's registry thinks of
// Protobuf subjects, a line each; see Protobuf.java. Without ConfluentDir it
// skips t: what it said is recorded.
func ConfluentProtobuf(t testing.TB) *exec.Cmd { return confluent(t, "Protobuf") }

// ConfluentClient is a program that does with the registry at url what
// Confluent's client and serializers for Java can, a line each; see Client.java.
func ConfluentClient(t testing.TB, url string) *exec.Cmd { return confluent(t, "Client", url) }

func confluent(t testing.TB, class string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getenv(ConfluentDir) == "" {
		t.Skip("set " + ConfluentDir + " to a folder of Confluent's jars")
	}
	need.Programs(t, "java", "javac")
	in, err := installConfluent()
	if err != nil {
		t.Fatal(err)
	}
	classpath := filepath.Join(in.Jars, "*") + ":" + in.Classes
	return exec.Command("java", append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-cp", classpath, class}, args...)...)
}

var installConfluent = sync.OnceValues(func() (in Installation, err error) {
	dir, err := cache.Dir("", "confluent")
	if err != nil {
		return in, err
	}
	src, err := fs.Sub(confluentSources, "confluent")
	if err != nil {
		return in, err
	}
	id, err := cache.Fingerprint(src)
	if err != nil {
		return in, err
	}
	in.Jars = os.Getenv(ConfluentDir)
	in.Classes = filepath.Join(dir, "classes-"+id)
	return in, cache.Fill(in.Classes, func(to string) error { return in.compile(src, to) })
})
