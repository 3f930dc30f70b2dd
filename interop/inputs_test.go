package interop

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
)

// An airport is a row of testdata/data/airports.csv.
type airport struct {
	IATA      string  `parquet:"iata" json:"iata"`
	Name      string  `parquet:"name" json:"name"`
	City      string  `parquet:"city" json:"city"`
	State     string  `parquet:"state" json:"state"`
	Country   string  `parquet:"country" json:"country"`
	Latitude  float64 `parquet:"latitude" json:"latitude"`
	Longitude float64 `parquet:"longitude" json:"longitude"`
}

const airportsCSV = "../testdata/data/airports.csv"

func airports(t *testing.T) []airport {
	t.Helper()
	f, err := os.Open(airportsCSV)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []airport
	for _, r := range rows[1:] {
		a := airport{IATA: r[0], Name: r[1], City: r[2], State: r[3], Country: r[4]}
		if _, err := fmt.Sscan(r[5]+" "+r[6], &a.Latitude, &a.Longitude); err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		all = append(all, a)
	}
	return all
}

// testInputs produces the airports of the United States from a file of each
// format, with their code as the key, and lets Java and librdkafka read them.
func testInputs(t *testing.T, tg target) {
	want := airports(t)
	formats := []struct {
		name  string
		write func(file string, rows []airport) error
	}{
		{"csv", func(file string, _ []airport) error {
			b, err := os.ReadFile(airportsCSV)
			if err != nil {
				return err
			}
			return os.WriteFile(file, b, 0o644)
		}},
		{"tsv", writeTSV},
		{"ndjson", writeNDJSON},
		{"parquet", func(file string, rows []airport) error { return parquet.WriteFile(file, rows) }},
	}
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "airports."+f.name)
			if err := f.write(file, want); err != nil {
				t.Fatal(err)
			}
			topic := "input-" + f.name
			tg.createTopic(t, topic, airportPartitions)
			ran := posthasteCLI(t, "", "produce", "--bootstrap-server", tg.bootstrap,
				"--topic", topic, "--key-field", "iata", "--json", file)
			checkSummary(t, ran.stdout, len(want))
			for _, r := range readers[:2] {
				t.Run("read by "+r.name, func(t *testing.T) {
					checkAirports(t, tg, r, topic, want)
				})
			}
		})
	}
}

const airportPartitions = 6

func writeTSV(file string, rows []airport) error {
	var b strings.Builder
	b.WriteString("iata\tname\tcity\tstate\tcountry\tlatitude\tlongitude\n")
	for _, a := range rows {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\t%v\t%v\n", a.IATA,
			strings.ReplaceAll(a.Name, "\t", " "), a.City, a.State, a.Country,
			a.Latitude, a.Longitude)
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func writeNDJSON(file string, rows []airport) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	for _, a := range rows {
		if err := e.Encode(a); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func checkSummary(t *testing.T, stdout string, records int) {
	t.Helper()
	var summary struct{ Records, Acked, Failed int }
	if err := json.Unmarshal([]byte(stdout), &summary); err != nil {
		t.Fatalf("summary %q: %v", stdout, err)
	}
	if summary.Records != records || summary.Acked != records || summary.Failed != 0 {
		t.Errorf("summary %s, want %d records, all acknowledged", stdout, records)
	}
}

func checkAirports(t *testing.T, tg target, r reader, topic string, want []airport) {
	got, err := r.open(t).Consume(t.Context(), driver.Consume{Bootstrap: tg.bootstrap, Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	var keys [][]byte
	for _, a := range want {
		keys = append(keys, []byte(a.IATA))
	}
	javas, err := java.Driver(t).Partitions(t.Context(), keys, airportPartitions)
	if err != nil {
		t.Fatal(err)
	}
	// Equal orders within each partition.
	next := map[int32][]airport{}
	for i, a := range want {
		next[javas[i]] = append(next[javas[i]], a)
	}
	for _, r := range got {
		var a airport
		if err := json.Unmarshal(r.Value, &a); err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		if len(next[r.Partition]) == 0 {
			t.Fatalf("%v is one too many", r)
		}
		if diff := cmp.Diff(next[r.Partition][0], a); diff != "" || string(r.Key) != a.IATA {
			t.Fatalf("%v (-want +got):\n%s", r, diff)
		}
		next[r.Partition] = next[r.Partition][1:]
	}
	for p, rest := range next {
		if len(rest) > 0 {
			t.Errorf("partition %d: %d airports are missing, first %v", p, len(rest), rest[0])
		}
	}
}
