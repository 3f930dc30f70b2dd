// Package runtest checks that a bench client sends what its flags say, against a
// null broker.
package runtest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/bench/internal/run"
	"github.com/posthaste-go/posthaste/bench/internal/sink"
)

// modes are the ways of sending that the scenarios use, by what they are called
// in a test's name.
var modes = []struct{ name, flags string }{
	{"as fast as possible", ""},
	{"keyed", "--key=distinct:1000"},
	{"round robin over many partitions", "--partitioner=roundrobin --partitions=500"},
	{"sticky in one partition", "--partitioner=sticky --partitions=1"},
	{"one record at a time", "--sync --linger-ms=0 --records=200 --warmup=20"},
	{"threads one record at a time", "--sync --linger-ms=0 --threads=8 --records=400 --warmup=40"},
	{"paced", "--rate=20000 --records=400 --warmup=40 --linger-ms=0"},
	{"acknowledged by the leader", "--idempotent=false --acks=1"},
	{"acknowledged by nobody", "--idempotent=false --acks=0"},
	{"threads", "--threads=8"},
	{"compressed with gzip", "--compression=gzip"},
	{"compressed with snappy", "--compression=snappy"},
	{"compressed with lz4", "--compression=lz4"},
	{"compressed with zstd", "--compression=zstd"},
	{"big batches", "--batch-bytes=1048576"},
}

// EveryMode runs a client in every mode and checks that each record is
// acknowledged once and arrives once.
func EveryMode(t *testing.T, id run.Identity, factory run.Factory) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			args := []string{"--records=20000", "--warmup=1000"}
			args = append(args, strings.Fields(mode.flags)...)
			o, err := run.ParseOptions(args, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			checkMode(t, o, id, factory)
		})
	}
}

func checkMode(t *testing.T, o run.Options, id run.Identity, factory run.Factory) {
	s, err := sink.Start(sink.Config{
		Addr: "127.0.0.1:0", Partitions: o.Partitions, Topics: []string{o.Topic},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Bootstrap = s.Addr()
	var out bytes.Buffer
	if err := run.Run(&o, id, factory, &out); err != nil {
		t.Fatal(err)
	}
	var r run.Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Records != o.Records || r.Errors != 0 || r.WarmupRecords != o.Warmup {
		t.Errorf("%d records, %d errors, %d in warmup; want %d, 0, %d",
			r.Records, r.Errors, r.WarmupRecords, o.Records, o.Warmup)
	}
	if r.LatencySamples == 0 || r.P50Micros == 0 {
		t.Errorf("%d latency samples with a median of %v µs", r.LatencySamples, r.P50Micros)
	}
	ends, sum := arrived(t, s.Addr(), o.Topic, o.Records+o.Warmup)
	if sum != o.Records+o.Warmup {
		t.Errorf("%d records arrived, want %d", sum, o.Records+o.Warmup)
	}
	if o.Partitioner == "roundrobin" && slices.Max(ends)-slices.Min(ends) > 2 {
		t.Errorf("round robin gave partitions %d to %d records",
			slices.Min(ends), slices.Max(ends))
	}
}

// arrived returns the end offsets of a topic's partitions and their sum, once it
// is want or two seconds have passed: without acknowledgements the client is done
// before the broker.
func arrived(t *testing.T, addr, topic string, want int64) (ends []int64, sum int64) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Second); ; {
		sum = 0
		ends = endOffsets(t, addr, topic)
		for _, end := range ends {
			sum += end
		}
		if sum >= want || time.Now().After(deadline) {
			return ends, sum
		}
	}
}

// endOffsets are the end offsets of a topic's partitions.
func endOffsets(t *testing.T, addr, topic string) (ends []int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offsets, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := offsets.Error(); err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.ListedOffset) { ends = append(ends, o.Offset) })
	return ends
}
