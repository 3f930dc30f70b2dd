package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// day is a row of the weather file; Python's Avro deserializer makes a date of
// its own of date, so that the file's is read as text.
type day struct {
	Date          string  `json:"date"`
	Precipitation float64 `json:"precipitation"`
	TempMax       float64 `json:"temp_max"`
	TempMin       float64 `json:"temp_min"`
	Wind          float64 `json:"wind"`
	Weather       string  `json:"weather"`
}

// What the tool makes of a CSV file, Confluent's own deserializers read, and
// what their serializers write, the tool prints.
func TestToolsSchemasWithConfluentPython(t *testing.T) {
	program := python.Schemas(t)
	weather, err := filepath.Abs("../testdata/data/seattle-weather.csv")
	if err != nil {
		t.Fatal(err)
	}
	const rows = 1461
	schema := `{"type":"record","name":"Day","fields":[{"name":"date","type":"string"},` +
		`{"name":"precipitation","type":"double"},{"name":"temp_max","type":"double"},` +
		`{"name":"temp_min","type":"double"},{"name":"wind","type":"double"},` +
		`{"name":"weather","type":"string"}]}`
	formats := []struct{ flag, word, schema string }{
		{"avro", "avro", schema}, {"json-schema", "jsonschema", "infer"}}
	for _, format := range formats {
		t.Run(format.flag, func(t *testing.T) {
			registry := embedded.Run(t, embedded.Config{})
			brokers := strings.Join(registry.BootstrapServers(), ",")
			flags := []string{"--bootstrap-server", brokers, "--schema-registry", registry.URL()}
			tool := func(args ...string) string {
				return posthasteCLI(t, "", append(args, flags...)...).stdout
			}
			if format.flag == "avro" {
				path := filepath.Join(t.TempDir(), "day.avsc")
				if err := os.WriteFile(path, []byte(schema), 0o600); err != nil {
					t.Fatal(err)
				}
				format.schema = path
			}
			tool("produce", "--topic", "weather", "--partitions", "1", "--value-format", format.flag,
				"--value-schema", format.schema, weather)
			command := map[string]any{"op": "read", "registry": registry.URL(), "topic": "weather",
				"bootstrap": brokers, "header": false, "format": format.word}
			read, err := driver.Rows[day](t.Context(), program, command)
			first := day{"2012-01-01", 0, 12.8, 5, 4.7, "drizzle"}
			if err != nil || len(read) != rows || read[0] != first {
				t.Fatalf("read by Python: %v, %d rows, the first %+v", err, len(read), read[:min(1, len(read))])
			}
			registered := posthasteCLI(t, "", "schema", "show", "--subject", "weather-value",
				"--schema-registry", registry.URL()).stdout
			command["op"], command["schema"], command["values"] = "write", registered, read
			if _, err := driver.Rows[int](t.Context(), program, command); err != nil {
				t.Fatal(err)
			}
			printed := tool("consume", "--topic", "weather", "--from-beginning", "--max-messages", "2922")
			lines := strings.Split(strings.TrimSpace(printed), "\n")
			if len(lines) != 2*rows {
				t.Fatalf("the tool prints %d records, want %d", len(lines), 2*rows)
			}
			for i, want := range read {
				var got day
				if err := json.Unmarshal([]byte(lines[rows+i]), &got); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("row %d written by Python, printed by the tool: %s", i, d)
				}
			}
		})
	}
}
