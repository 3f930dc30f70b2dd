package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/broker"
	registry "github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// testRegistry runs a broker and a registry and returns the flags to reach both,
// and the registry's alone.
func testRegistry(t *testing.T) (both, alone []string) {
	t.Helper()
	b, flags := testBroker(t, broker.Config{})
	r := registry.Run(t, registry.Config{BootstrapServers: []string{b.Addr()}, ReplicationFactor: 1})
	alone = []string{"--schema-registry", r.URL()}
	return append(flags, alone...), alone
}

// decoded is what consume --json prints of a value with a schema.
type decoded struct {
	Key, Value json.RawMessage
}

func consumeDecoded(t *testing.T, flags []string, topic string, n int) []decoded {
	t.Helper()
	r := must(t, "", append([]string{"consume", "--topic", topic, "--from-beginning", "--json",
		"--timeout-ms", "10000", "--max-messages", itoa(n)}, flags...)...)
	all := decode[decoded](t, r.out)
	if len(all) != n {
		t.Fatalf("%d records in topic %s, want %d", len(all), topic, n)
	}
	return all
}

func TestRowsGoThroughEverySchemaType(t *testing.T) {
	flags, _ := testRegistry(t)
	csv := file(t, "w.csv", "date,temp max,weather,n\n2012-01-01,12.8,drizzle,1\n2012-01-02,10,rain,\n")
	tests := []struct{ format, first, second string }{
		{"avro", `{"date":"2012-01-01","temp_max":12.8,"weather":"drizzle","n":1}`,
			`{"date":"2012-01-02","temp_max":10,"weather":"rain","n":null}`},
		{"protobuf", `{"date":"2012-01-01","temp max":12.8,"weather":"drizzle","n":"1"}`,
			`{"date":"2012-01-02","temp max":10,"weather":"rain"}`},
		{"json-schema", `{"date":"2012-01-01","temp max":12.8,"weather":"drizzle","n":1}`,
			`{"date":"2012-01-02","temp max":10,"weather":"rain","n":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.format, func(t *testing.T) {
			topic := "t-" + tt.format
			must(t, "", with(flags, "produce", "--topic", topic, "--partitions", "1", "--value-format",
				tt.format, "--value-schema", "infer", "--key-schema", "string", "--key-field", "date",
				csv)...)
			got := consumeDecoded(t, flags, topic, 2)
			if string(got[0].Value) != tt.first || string(got[1].Value) != tt.second {
				t.Errorf("values are\n%s\n%s, want\n%s\n%s", got[0].Value, got[1].Value, tt.first, tt.second)
			}
			if string(got[0].Key) != `"2012-01-01"` {
				t.Errorf("key is %s", got[0].Key)
			}
		})
	}
}

func TestSchemasByFileIDAndLatest(t *testing.T) {
	flags, alone := testRegistry(t)
	avsc := file(t, "o.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"},
		{"name":"note","type":["null","string"],"default":null}]}`)
	r := must(t, "", with(alone, "schema", "register", "--subject", "o-value", "--json", avsc)...)
	if want := `{"subject":"o-value","version":1,"id":1,`; !strings.HasPrefix(r.out, want) {
		t.Fatalf("registered as %s, want %s", r.out, want)
	}
	for i, args := range [][]string{
		{"--value-schema", avsc}, {"--value-schema-id", "1"}, {"--value-format", "avro"}} {
		id := itoa(i)
		must(t, `{"id":`+id+"}\n", with(flags, append([]string{"produce", "--topic", "o", "--format",
			"ndjson"}, args...)...)...)
	}
	for i, m := range consumeDecoded(t, flags, "o", 3) {
		if want := `{"id":` + itoa(i) + `,"note":null}`; string(m.Value) != want {
			t.Errorf("value %d is %s, want %s", i, m.Value, want)
		}
	}
	plain := must(t, "", with(flags, "consume", "--topic", "o", "--from-beginning", "--max-messages",
		"1", "--value-format", "string")...)
	if plain.out != "\x00\x00\x00\x00\x01\x00\x00\n" {
		t.Errorf("as it is the value is %q", plain.out)
	}
}

func TestARecordThatDoesNotFitIsNamedWithItsLine(t *testing.T) {
	flags, _ := testRegistry(t)
	avsc := file(t, "o.avsc", `{"type":"record","name":"O","fields":[{"name":"items","type":
		{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"n","type":"int"}]}}}]}`)
	in := file(t, "in.ndjson", `{"items":[{"n":1}]}`+"\n"+`{"items":[{"n":1},{"n":"two"}]}`+"\n"+
		`{"items":[]}`+"\n")
	problem := in + `:2: the value does not fit its schema: field items[1].n: "two" is text, but the ` +
		`schema wants int; correct the record, or its schema`
	r := runCommand(t, "", with(flags, "produce", "--topic", "o", "--value-schema", avsc, in)...)
	if r.code != exitFailed || !strings.Contains(r.err, "posthaste: "+problem) {
		t.Errorf("exit code %d, standard error\n%s\nwant %s in it", r.code, r.err, problem)
	}
	r = must(t, "", with(flags, "produce", "--topic", "p", "--value-schema", avsc, "--on-error",
		"skip", in)...)
	if !strings.Contains(r.err, "posthaste: skipped: "+problem) {
		t.Errorf("standard error\n%s\nwant %s in it", r.err, problem)
	}
	if got := consumeDecoded(t, flags, "p", 2); string(got[1].Value) != `{"items":[]}` {
		t.Errorf("the second value is %s", got[1].Value)
	}
}

func TestSchemaCommandsTellWhatTheRegistryHas(t *testing.T) {
	_, flags := testRegistry(t)
	v1 := file(t, "v1.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"}]}`)
	bad := file(t, "bad.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"string"}]}`)
	lock := filepath.Join(t.TempDir(), "schemas.lock.json")
	must(t, "", with(flags, "schema", "register", "--subject", "o-value", v1)...)

	if r := must(t, "", with(flags, "schema", "list")...); r.out !=
		"SUBJECT  VERSION  ID  TYPE\no-value  1        1   AVRO\n" {
		t.Errorf("list prints\n%s", r.out)
	}
	if r := must(t, "", with(flags, "schema", "show", "--subject", "o-value")...); !strings.Contains(
		r.out, "\n      \"name\": \"id\",\n") {
		t.Errorf("show prints\n%s", r.out)
	}
	r := runCommand(t, "", with(flags, "schema", "check", "--subject", "o-value", bad)...)
	if r.code != exitFailed ||
		!strings.HasPrefix(r.out, "incompatible with o-value at level BACKWARD\n  ") {
		t.Errorf("check ends with %d and prints\n%s", r.code, r.out)
	}
	if r := must(t, "", with(flags, "schema", "check", "--subject", "o-value", "--json",
		v1)...); r.out !=
		`{"subject":"o-value","compatible":true,"level":"BACKWARD","reasons":[]}`+"\n" {
		t.Errorf("check --json prints %s", r.out)
	}
	must(t, "", with(flags, "schema", "lock", "--out", lock, "o-value")...)
	if r := must(t, "", "schema", "show", "--subject", "o-value", "--json", "--schema-lock",
		lock); !strings.Contains(r.out, `"version":1,"id":1`) {
		t.Errorf("show from the lock file prints %s", r.out)
	}
	if r := must(t, "", with(flags, "schema", "delete", "--subject", "o-value", "--json")...); r.out !=
		`{"subject":"o-value","versions":[1],"permanent":false}`+"\n" {
		t.Errorf("delete prints %s", r.out)
	}
}

func TestALockFileIsEnoughToProduce(t *testing.T) {
	both, flags := testRegistry(t)
	avsc := file(t, "o.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"}]}`)
	lock := filepath.Join(t.TempDir(), "lock.json")
	must(t, "", with(flags, "schema", "register", "--subject", "o-value", avsc)...)
	must(t, "", with(flags, "schema", "lock", "--out", lock)...)
	brokers := append(both[:2:2], "--schema-lock", lock)
	must(t, `{"id":7}`+"\n", with(brokers, "produce", "--topic", "o", "--format", "ndjson",
		"--value-schema", avsc)...)
	if got := consumeDecoded(t, brokers, "o", 1); string(got[0].Value) != `{"id":7}` {
		t.Errorf("value is %s", got[0].Value)
	}
}

func TestTheEmbeddedRegistryNeedsNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	flags := []string{"--data", dir}
	csv := file(t, "a.csv", "iata,lat\nABE,1.5\n")
	must(t, "", with(flags, "produce", "--topic", "a", "--value-schema", "infer", csv)...)
	if got := consumeDecoded(t, flags, "a", 1); string(got[0].Value) != `{"iata":"ABE","lat":1.5}` {
		t.Errorf("value is %s", got[0].Value)
	}
	if r := must(t, "", with(flags, "schema", "list", "--json")...); !strings.HasPrefix(r.out,
		`{"subject":"a-value","version":1,"id":1,`) {
		t.Errorf("list prints %s", r.out)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestRegistryFailuresAreOneLine(t *testing.T) {
	both, flags := testRegistry(t)
	v1 := file(t, "v1.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"}]}`)
	v2 := file(t, "v2.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"string"}]}`)
	in := file(t, "in.ndjson", "{}\n")
	must(t, "", with(flags, "schema", "register", "--subject", "o-value", v1)...)
	down := []string{"--schema-registry", "http://127.0.0.1:1"}
	tests := []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"an incompatible schema", with(flags, "schema", "register", "--subject", "o-value", v2),
			exitFailed, []string{"incompatible with subject o-value at level BACKWARD (HTTP status 409): "}},
		{"an incompatible schema of a producer", with(both, "produce", "--topic", "o", "--value-schema",
			v2, in), exitFailed, []string{"incompatible with subject o-value at level BACKWARD"}},
		{"a subject that does not exist", with(flags, "schema", "show", "--subject", "none"), exitFailed,
			[]string{"subject none does not exist; posthaste schema list"}},
		{"an id that does not exist", with(flags, "schema", "show", "--id", "99"), exitFailed,
			[]string{"no schema has id 99 in http://"}},
		{"a producer's id that does not exist", with(both, "produce", "--topic", "o",
			"--value-schema-id", "99", in), exitFailed, []string{"no schema has id 99 in http://"}},
		{"a registry that is down", with(down, "schema", "list"), exitFailed,
			[]string{"http://127.0.0.1:1", "connection refused", "check schema.registry.url"}},
		{"another type", with(both, "produce", "--topic", "o", "--value-format", "protobuf",
			"--value-schema-id", "1", in), exitUsage,
			[]string{"--value-format protobuf: schema id 1 is avro"}},
		{"a subject without a schema", with(both, "produce", "--topic", "new", "--value-format", "avro",
			in), exitFailed, []string{"subject new-value has no schema yet; give --value-schema FILE"}},
		{"a cluster without a registry", with(both[:2:2], "produce", "--topic", "o", "--value-format",
			"avro", in), exitUsage, []string{"which schema registry? Give --schema-registry URL"}},
		{"infer from standard input", with(both, "produce", "--topic", "o", "--value-schema", "infer"),
			exitUsage, []string{"--value-schema infer reads the input twice"}},
		{"a registry for nothing", with(both, "produce", "--topic", "o", in), exitUsage,
			[]string{"what is to be encoded? Give --value-format"}},
		{"a format that is none", with(both, "produce", "--topic", "o", "--value-format", "xml", in),
			exitUsage, []string{"--value-format xml: there are avro, protobuf and json-schema"}},
		{"a format to consume that is none", with(both, "consume", "--topic", "o", "--key-format",
			"xml"), exitUsage, []string{"--key-format xml: there are auto, avro, protobuf, json-schema"}},
		{"a reference that is none", with(flags, "schema", "register", "--subject", "o", "--reference",
			"Item", v1), exitUsage, []string{"--reference Item: write NAME=SUBJECT:VERSION"}},
		{"no schema to show", with(flags, "schema", "show"), exitUsage,
			[]string{"which schema? Give one of --subject, --id and --guid"}},
		{"a strategy that is none", with(both, "produce", "--topic", "o", "--value-schema", v1,
			"--subject-strategy", "mine", in), exitUsage, []string{"there are topic, record and topic-record"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, "", tt.args...)
			if r.code != tt.code || r.out != "" || strings.Count(r.err, "\n") != 1 {
				t.Errorf("exit code %d, standard output %q; want %d and nothing", r.code, r.out, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.err, want) {
					t.Errorf("standard error = %swant %s in one line", r.err, want)
				}
			}
		})
	}
}
