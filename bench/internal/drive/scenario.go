// Package drive runs bench clients side by side: for each scenario, rounds in
// which every client has one turn, each in a process of its own, against a fresh
// null broker or a broker that already runs.
//
//	scenario ─▶ round ─▶ client: start broker, run, stop, read the JSON line
//	         medians, ratios, a Markdown table, all raw lines
package drive

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Scenario is one row of the table.
type Scenario struct {
	Name  string
	About string // what the row shows, one sentence

	// Flags that differ from baseFlags, and what differs further for one client.
	Flags    map[string]string
	ByClient map[string]map[string]string

	// Latency rows show percentiles, the others records per second and CPU.
	Latency bool
	// SinkOnly rows ask too much of one node of Apache Kafka on a small machine.
	SinkOnly bool
	// Without names clients that have nothing to compare.
	Without []string
}

// baseFlags are the settings of throughput-100B. Each client gets every flag, so
// that none falls back to a default of its own.
var baseFlags = map[string]string{
	"partitions":   "6",
	"key":          "none",
	"partitioner":  "default",
	"compression":  "none",
	"acks":         "all",
	"idempotent":   "true",
	"sync":         "false",
	"threads":      "1",
	"rate":         "0",
	"inflight":     "5",
	"buffer-bytes": "33554432",
	"max-seconds":  "2.5",
	"value-size":   "100",
	"linger-ms":    "5",
	"batch-bytes":  "16384",
	"records":      "8000000",
	"warmup":       "1600000",
}

// DataFile stands for the path of the shipped data in a scenario's flags.
const DataFile = "DATA"

type flags = map[string]string

// Scenarios are all rows in the order of the table.
func Scenarios() []Scenario {
	rows := []Scenario{
		{Name: "throughput-100B", About: "the plain case: 100-byte values without keys"},
		{
			Name: "throughput-100B-bigbatch", About: "batches of 1 MiB",
			Flags: flags{"batch-bytes": "1048576"},
		},
		{
			Name: "throughput-1KB", About: "1,000-byte values",
			Flags: flags{"value-size": "1000", "records": "3000000", "warmup": "600000"},
		},
		{
			Name: "throughput-keyed-100B", About: "100,000 keys, partitioned by murmur2",
			Flags: flags{"key": "distinct:100000"},
		},
		{
			Name: "throughput-100B-plain", About: "throughput-100B without idempotence",
			Flags: flags{"idempotent": "false"},
		},
	}
	for _, codec := range []string{"lz4", "zstd", "snappy", "gzip"} {
		rows = append(rows, Scenario{
			Name:  codec + "-1KB",
			About: "JSON documents of about 1 KB, compressed",
			Flags: flags{
				"compression": codec, "data": DataFile,
				"records": "3000000", "warmup": "600000",
			},
		})
	}
	rows = append(rows,
		Scenario{
			Name: "concurrent", About: "64 threads share the producer",
			Flags: flags{"threads": "64"},
		},
		Scenario{
			Name: "concurrent-sync", About: "64 threads, each waits for its record",
			Flags: flags{
				"threads": "64", "sync": "true", "linger-ms": "0",
				"records": "1000000", "warmup": "100000",
			},
			Without: []string{"limit"}, // it has one caller
		},
		Scenario{
			Name: "sync", About: "one thread waits for each record",
			Flags: flags{
				"sync": "true", "linger-ms": "0", "records": "100000", "warmup": "10000",
			},
		},
	)
	rows = append(rows, latencyRows()...)
	rows = append(rows, partitionRows()...)
	rows = append(rows, defaultsRow())
	return append(rows, stickyRows()...)
}

func latencyRows() (rows []Scenario) {
	for _, rate := range []string{"1000", "10000", "50000"} {
		rows = append(rows, Scenario{
			Name:  "latency-" + strings.TrimSuffix(rate, "000") + "k",
			About: "1,000-byte values at a fixed rate, sent without linger",
			Flags: flags{
				"rate": rate, "linger-ms": "0", "value-size": "1000",
				"records": "10000000", "warmup": "1000000", // the time caps both
			},
			Latency: true,
		})
	}
	return rows
}

func partitionRows() (rows []Scenario) {
	for _, n := range []string{"1", "10", "100", "1000", "10000"} {
		rows = append(rows, Scenario{
			SinkOnly: len(n) > 3,
			Name:     "partitions-" + n, About: "100-byte values round robin over all partitions",
			Flags: flags{"partitions": n, "partitioner": "roundrobin"},
		})
	}
	return rows
}

// defaultsRow gives each client the linger and batch size it ships with, and all
// the same guarantees.
func defaultsRow() Scenario {
	return Scenario{
		Name:  "defaults",
		About: "each client's own linger and batch size, with equal guarantees",
		Flags: flags{"linger-ms": "0"},
		ByClient: map[string]flags{
			"franz":     {"linger-ms": "10", "batch-bytes": "1000012"},
			"java":      {"linger-ms": "5"},
			"segmentio": {"linger-ms": "1000", "batch-bytes": "1048576"},
			"confluent": {"linger-ms": "5", "batch-bytes": "1000000"},
		},
	}
}

func stickyRows() (rows []Scenario) {
	for _, linger := range []string{"0", "5"} {
		for _, partitioner := range []string{"sticky", "roundrobin"} {
			s := Scenario{
				Name:  partitioner + "-linger-" + linger,
				About: "1,000-byte values at 10,000 a second over 16 partitions",
				Flags: flags{
					"partitions": "16", "partitioner": partitioner, "linger-ms": linger,
					"rate": "10000", "value-size": "1000",
					"records": "10000000", "warmup": "1000000",
				},
				Latency: true,
			}
			if linger != "0" {
				s.Without = []string{"limit"} // it does not linger
			}
			rows = append(rows, s)
		}
	}
	return rows
}

// Select returns the scenarios whose names match one of the comma-separated
// patterns (as path.Match has them), in the order of the table.
func Select(patterns string) ([]Scenario, error) {
	all := Scenarios()
	picked := map[string]bool{}
	for _, pattern := range strings.Split(patterns, ",") {
		found := false
		for _, s := range all {
			ok, err := path.Match(pattern, s.Name)
			if err != nil {
				return nil, fmt.Errorf("scenario %q: %w", pattern, err)
			}
			if ok {
				picked[s.Name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no scenario is called %q: --list shows them", pattern)
		}
	}
	return slices.DeleteFunc(all, func(s Scenario) bool { return !picked[s.Name] }), nil
}

// settings are all flags that client gets in s, with those of override last.
func (s *Scenario) settings(client string, override flags) flags {
	all := maps.Clone(baseFlags)
	maps.Copy(all, s.Flags)
	maps.Copy(all, s.ByClient[client])
	maps.Copy(all, override)
	return all
}

// Args are the scenario's command-line flags in a fixed order. Those that name a
// data file get dataFile.
func (s *Scenario) Args(client, dataFile string, override map[string]string) []string {
	args := []string{"--scenario", s.Name, "--json"}
	all := s.settings(client, override)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := all[name]
		if value == DataFile {
			value = dataFile
		}
		args = append(args, "--"+name+"="+value)
	}
	return args
}
