package interop

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

// flightsFile names the environment variable of vega-datasets' flights-3m.parquet,
// of whose 3,000,000 rows testdata has the first 50,000.
const flightsFile = "POSTHASTE_FLIGHTS_PARQUET"

// A flight is a row; JSON of Protobuf has 64-bit numbers as text.
type flight struct {
	Date        string `json:"date"` // local time
	Delay       whole  `json:"delay"`
	Distance    whole  `json:"distance"`
	Origin      string `json:"origin"`
	Destination string `json:"destination"`
}

type whole int64

func (w *whole) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*w = whole(n)
	return err
}

const localTime = "2006-01-02T15:04:05"

func parquetFlights(t *testing.T, path string) (all []flight) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := parquet.NewReader(f)
	defer r.Close()
	rows := make([]parquet.Row, 1000)
	for {
		n, err := r.ReadRows(rows)
		for _, row := range rows[:n] {
			all = append(all, flight{time.UnixMicro(row[0].Int64()).UTC().Format(localTime),
				whole(row[1].Int64()), whole(row[2].Int64()), row[3].String(), row[4].String()})
		}
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Real rows of a Parquet file, with schemas that the tool infers of it: what the
// tool makes of them Confluent's own deserializers read, all of it, and what
// their serializers write, the tool prints.
func TestFlightsWithConfluentPython(t *testing.T) {
	program := python.Schemas(t)
	path, back := os.Getenv(flightsFile), 10_000
	if path == "" {
		path = "testdata/flights-50k.parquet"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	want := parquetFlights(t, path)
	for _, format := range []struct{ flag, word string }{
		{"avro", "avro"}, {"protobuf", "protobuf"}, {"json-schema", "jsonschema"}} {
		t.Run(format.flag, func(t *testing.T) {
			registry := embedded.Run(t, embedded.Config{})
			brokers := strings.Join(registry.BootstrapServers(), ",")
			flags := []string{"--bootstrap-server", brokers, "--schema-registry", registry.URL()}
			tool := func(args ...string) string {
				return posthasteCLI(t, "", append(args, flags...)...).stdout
			}
			tool("produce", "--topic", "flights", "--partitions", "1", "--value-format", format.flag,
				"--value-schema", "infer", path)
			command := map[string]any{"op": "read", "registry": registry.URL(), "topic": "flights",
				"bootstrap": brokers, "header": false, "format": format.word}
			command["schema"] = posthasteCLI(t, "", "schema", "show", "--subject", "flights-value",
				"--schema-registry", registry.URL()).stdout
			if format.flag == "protobuf" {
				describe(t, command)
			}
			read, err := driver.Rows[flight](t.Context(), program, command)
			if err != nil {
				t.Fatal(err)
			}
			compareFlights(t, "written by the tool, read by Python", want, read)
			some := want[:min(back, len(want))]
			command["op"], command["values"], command["topic"] = "write", some, "back"
			if format.flag == "avro" {
				command["values"] = inMicros(t, some)
			}
			if _, err := driver.Rows[int](t.Context(), program, command); err != nil {
				t.Fatal(err)
			}
			printed := tool("consume", "--topic", "back", "--from-beginning", "--max-messages",
				strconv.Itoa(len(some)))
			var got []flight
			for d := json.NewDecoder(strings.NewReader(printed)); d.More(); {
				var f flight
				if err := d.Decode(&f); err != nil {
					t.Fatal(err)
				}
				got = append(got, f)
			}
			compareFlights(t, "written by Python, printed by the tool", some, got)
		})
	}
}

func compareFlights(t *testing.T, what string, want, got []flight) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: row %d: %s", what, i, cmp.Diff(want[i], got[i]))
		}
	}
}

// describe adds what Python needs to know of a schema that is Protobuf.
func describe(t *testing.T, command map[string]any) {
	t.Helper()
	file, err := protobuf.Compile(t.Context(), fmt.Sprint(command["schema"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	descriptor := protodesc.ToFileDescriptorProto(file)
	descriptor.Name = proto.String("flights.proto")
	b, err := proto.Marshal(descriptor)
	if err != nil {
		t.Fatal(err)
	}
	command["message"] = string(file.Messages().Get(0).FullName())
	command["descriptor"] = base64.StdEncoding.EncodeToString(b)
}

// inMicros has dates as local-timestamp-micros has them.
func inMicros(t *testing.T, all []flight) (out []map[string]any) {
	t.Helper()
	for _, f := range all {
		at, err := time.Parse(localTime, f.Date)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, map[string]any{"date": at.UnixMicro(), "delay": f.Delay,
			"distance": f.Distance, "origin": f.Origin, "destination": f.Destination})
	}
	return out
}
