package interop

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

var recordAnswers = flag.Bool("confluent.record", false,
	"rewrite the recorded answers of Confluent's registry")

// What Confluent's registry thinks of generated subjects is recorded beside the
// tests that compare ours with it, because its jars are in no public repository
// of Maven's own. Where they are, the record is made again.
func TestConfluentsAnswersAreTheRecordedOnes(t *testing.T) {
	const path = "../schemaregistry/compatibility/testdata/confluent-protobuf.ndjson.gz"
	var input bytes.Buffer
	chains := make([]json.RawMessage, 800)
	for i := range chains {
		g := &protoGenerator{rand.New(rand.NewPCG(uint64(i), 7))}
		b, err := json.Marshal(g.chain(3))
		if err != nil {
			t.Fatal(err)
		}
		chains[i] = b
		fmt.Fprintf(&input, "%s\n", b)
	}
	cmd := java.ConfluentProtobuf(t)
	cmd.Stdin, cmd.Stderr = &input, t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var now bytes.Buffer
	answers := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(answers) != len(chains) {
		t.Fatalf("%d answers for %d subjects", len(answers), len(chains))
	}
	for i, answer := range answers {
		fmt.Fprintf(&now, `{"versions":%s,"confluent":%s}`+"\n", chains[i], answer)
	}
	if *recordAnswers {
		writeZipped(t, path, now.Bytes())
		return
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	before, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, now.Bytes()) {
		t.Error("the record differs; -confluent.record makes it anew")
	}
}

// Confluent's client and serializers for Java work with the registry as they do
// with their own.
func TestConfluentsJavaClientUsesTheRegistry(t *testing.T) {
	r := embedded.Run(t, embedded.Config{})
	cmd := java.ConfluentClient(t, r.URL())
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := `subjects: []
register: 1
id: 1
version: 1
by id: {"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}
compatible: false
why not: true
incompatible: 409 409
no subject: 404 40401
set level: FULL
level: FULL
mode: READWRITE
avro: {"x": 7}
protobuf: x: 7
versions: [1]
delete: [1]
subjects left: [p-value, t-value]
`
	if d := cmp.Diff(want, string(out)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func writeZipped(t *testing.T, path string, b []byte) {
	t.Helper()
	var zipped bytes.Buffer
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, zipped.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
